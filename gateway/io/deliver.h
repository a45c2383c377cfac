/* Delivery: from the outbox to headquarters, in order, until headquarters says that it has it.
 *
 * Committed rows are rendered as CloudEvents and handed to the relay in the order of their numbers, a
 * window at a time. A PUBACK only frees the window: brokers acknowledge before they store, and some what
 * their ACL drops. What deletes a row is HQ's own signed, cumulative ack. After a reconnect, or when that
 * ack does not move for too long, sending starts again behind it; HQ knows duplicates by (epoch, seq).
 *
 * A PUBACK with an error says either "later" (0x97 quota exceeded, 0x83, anything else): sending pauses,
 * longer each time; or "never" (0x87 not authorised, 0x90 topic, 0x99 payload, 0x95 size): the row is sent once
 * more alone, and refused again it is taken out of the stream by the owner, who puts a gap in its place. A gap
 * is never taken out: a broker that refuses everything stops the stream instead of emptying it.
 *
 * A foreign HQ that sends no acks is served with `puback`: then a PUBACK is the ack. Only with MQTT 5: a 3.1.1
 * broker acknowledges what its ACL drops.
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
    bool puback;          /**< a PUBACK is the ack */
    bool single;          /**< no batches: the receiver does not know them */
    uint32_t drain_per_s; /**< events a second of a backlog, 0: as fast as it goes */
};

struct deliver_counters {
    int64_t published; /**< messages handed to the broker (a batch is one) */
    int64_t batches;
    int64_t connections;  /**< made since start */
    bool session_kept;    /**< the broker knew our session at the last one */
    int64_t resends;      /**< times that sending started again behind HQ's ack */
    int64_t unheard;      /**< PUBACKs that say that nobody subscribes (0x10) */
    int64_t refused;      /**< PUBACKs with an error */
    int64_t acks;         /**< of HQ, good ones */
    int64_t acks_refused; /**< forged, malformed, or for events that never were */
    int last_reason;      /**< of the last refused PUBACK (MQTT 5, 2.4) */
};

/** One event that the broker never takes. */
struct deliver_refusal {
    uint64_t seq;
    enum event_class class;
    int reason; /**< MQTT 5, 2.4 */
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

/** True: the broker refused this event for good, and sending waits. Put a gap in its place
 * (db_dead_letter()), then call deliver_resume(). */
bool deliver_refused(const struct deliver *d, struct deliver_refusal *ret);
void deliver_resume(struct deliver *d);

bool deliver_connected(const struct deliver *d);

/** Version of the protocol that the broker speaks: 5, 4 (MQTT 3.1.1), 0 before the first connection. */
int deliver_version(const struct deliver *d);

/** What keeps events from being sent although there is a connection, with the remedy; "" when nothing does. */
const char *deliver_problem(const struct deliver *d);

struct deliver_counters deliver_counters(const struct deliver *d);

#endif
