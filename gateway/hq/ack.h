/* How far a gateway may forget: the cumulative acknowledgement of an epoch, and the order of epochs.
 *
 * The ack of an epoch is the largest n such that every number 1..n is committed, or covered (by a gap event,
 * or put aside because it was unusable). It is kept in the epoch's row and advanced in the transaction that
 * stored the events, so it can never be ahead of the data, and advancing looks only at what is new.
 */
#ifndef NOREN_HQ_ACK_H
#define NOREN_HQ_ACK_H

#include <stdint.h>

#include "hq/store.h"

#define ACK_TOPIC_SIZE   160
#define ACK_PAYLOAD_SIZE 160

/** The row of an epoch; a new one gets the gateway's next ordinal. Negative on a database error. */
int64_t ack_find_epoch(struct store *s, int64_t gateway_id, const char *epoch);

/** A birth said that `epoch` follows `prev_epoch`: makes both known, in that order. 0 or -errno. */
int ack_order_epochs(struct store *s, int64_t gateway_id, const char *prev_epoch,
                     const char *epoch);

/** Moves the ack over everything contiguous. Returns it, or -errno. */
int64_t ack_advance(struct store *s, int64_t epoch_id);

/** Topic and payload of the ack message of an epoch. Returns 0, or -ESTALE: the gateway has a later epoch,
 * whose ack is what the retained topic must say; or -EIO. */
int ack_print(struct store *s, int64_t epoch_id, char ret_topic[ACK_TOPIC_SIZE],
              char ret_payload[ACK_PAYLOAD_SIZE]);

#endif
