/* Delivery: from the outbox to headquarters, in order, until headquarters says that it has it.
 *
 * Committed rows are rendered as CloudEvents and handed to the relay in the order of their numbers, a
 * window at a time. A PUBACK only frees the window: brokers acknowledge before they store, and some what
 * their ACL drops. What deletes a row is HQ's own signed, cumulative ack. After a reconnect, or when that
 * ack does not move for too long, sending starts again behind it; HQ knows duplicates by (epoch, seq).
 *
 * Retained state is not in the stream: one slot a topic, the latest value wins.
 */
#ifndef NOREN_IO_DELIVER_H
#define NOREN_IO_DELIVER_H

#include "io/db.h"
#include "io/jws.h"
#include "io/relay.h"

struct deliver;

/** All borrowed; must outlive the delivery. */
struct deliver_options {
    const char *tenant, *store, *gateway;
    const char *bootid;
    struct db *db;
    struct relay *relay;
    const struct jws_key *hq_key;
};

struct deliver_counters {
    int64_t published; /**< messages handed to the broker (a batch is one) */
    int64_t batches;
    int64_t resends;      /**< times that sending started again behind HQ's ack */
    int64_t refused;      /**< PUBACKs with an error */
    int64_t acks;         /**< of HQ, good ones */
    int64_t acks_refused; /**< forged, malformed, or for events that never were */
    int last_reason;      /**< of the last refused PUBACK (MQTT 5, 2.4) */
};

/** 0 or -ENOMEM. */
int deliver_open(struct deliver **ret_deliver, const struct deliver_options *options);
void deliver_close(struct deliver *d);

/** Looks at one event of the relay. True when it was for the delivery (connection, PUBACK, ack), false for
 * messages that somebody else has to read. */
bool deliver_event(struct deliver *d, const struct relay_event *e, int64_t now_us);

/** Sends what may be sent. Call after a commit, after relay events, and at deliver_deadline(). */
void deliver_pump(struct deliver *d, int64_t now_us);

/** When deliver_pump() wants to be called without anything else happening. */
int64_t deliver_deadline(const struct deliver *d);

/** New value of the retained topic `topic` (below the root): JSON, copied. It must reflect committed state
 * only. 0, -ENOMEM, or -ENOSPC: more topics than a store can have. */
int deliver_state(struct deliver *d, const char *topic, const char *json, size_t n);

bool deliver_connected(const struct deliver *d);
struct deliver_counters deliver_counters(const struct deliver *d);

#endif
