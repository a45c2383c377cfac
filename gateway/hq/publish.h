/* What headquarters says to gateways: acks, members, bundles, keys, commands.
 *
 * All of it is signed, or a chain that each key signed for the next, and all but commands is retained: a
 * gateway that comes later finds it. What cannot be made is logged and tried again at the next occasion.
 */
#ifndef NOREN_HQ_PUBLISH_H
#define NOREN_HQ_PUBLISH_H

#include "hq/hq.h"

/** Calls `call` with every number in the column "id" of a query. */
void publish_each(struct hq *hq, const char *sql, void (*call)(struct hq *, int64_t));

/** How far the epoch (its row in the store) is committed here. */
void publish_ack(struct hq *hq, int64_t epoch_id);

/** The members that a gateway (its row in the store) may know on the days around now. */
void publish_members(struct hq *hq, int64_t gateway_id);

/** The same for every gateway; remembers the date. */
void publish_all_members(struct hq *hq);

/** What the folder `[hq] desired` has for a gateway: everything, or what is new since. */
void publish_desired(struct hq *hq, int64_t gateway_id);
void publish_new_desired(struct hq *hq, int64_t gateway_id);

/** The chain of signing keys. */
void publish_keys(struct hq *hq, int64_t gateway_id);

/** Commands that wait for an answer and were not sent for a while. */
void publish_commands(struct hq *hq);

/** Answers gateways that ask for their next certificate, when headquarters is the CA. */
void publish_certificates(struct hq *hq);

#endif
