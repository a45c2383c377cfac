/* What is between PUBLISH and PUBACK: how many more may go, and whether the broker has fallen behind.
 *
 * Three bounds. Messages: our window or the broker's receive maximum (MQTT 5, 3.2.2.3.3), whichever is less.
 * Bytes: as many as the link takes in a few seconds, learnt from how long PUBACKs take, because a ping that
 * waits behind megabytes in a socket buffer looks like a dead broker. Time: PUBACKs come in the order of the
 * PUBLISHes (4.6), so the oldest one waits for nothing but the broker; one that does not come within a limit
 * never will.
 *
 * Values in, values out: the caller has the clock.
 */
#ifndef NOREN_IO_FLIGHT_H
#define NOREN_IO_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLIGHT_MAX         200 /* messages between PUBLISH and PUBACK: 4,000/s at 50 ms */
#define FLIGHT_BYTES_FIRST (128 << 10)
#define FLIGHT_BYTES_MIN   (64 << 10)
#define FLIGHT_BYTES_MAX   (1 << 20)
#define FLIGHT_FAST_MS     500   /* a PUBACK within this: the link takes more */
#define FLIGHT_SLOW_MS     4000  /* after this: less */
#define FLIGHT_LIMIT_MS    30000 /* for a PUBACK, ... */
#define FLIGHT_BYTES_PER_S 1000  /* ... and what the slowest link takes of the message itself */

struct flight_message {
    int mid;
    uint64_t token;
    size_t bytes;
    int64_t sent_ms;
    bool open; /**< no PUBACK yet */
};

struct flight {
    struct flight_message ring[FLIGHT_MAX]; /**< in the order of sending */
    size_t first, n;                        /**< from the oldest open one to the newest */
    size_t window;                          /**< messages, at most FLIGHT_MAX */
    size_t bytes, bytes_max;
    int64_t head_since_ms; /**< since when the oldest one waits for nothing but its PUBACK */
};

/** Empties it: a new connection, whose broker takes `receive_max` messages at once. */
void flight_begin(struct flight *f, size_t receive_max);

/** One more may be sent. */
bool flight_room(const struct flight *f);

/** A message went out; there must have been room. */
void flight_sent(struct flight *f, int mid, uint64_t token, size_t bytes, int64_t now_ms);

/** Its PUBACK came. False: nothing with this packet identifier is in flight. */
bool flight_acked(struct flight *f, int mid, int64_t now_ms, uint64_t *ret_token);

/** The PUBACK of the oldest message does not come. */
bool flight_overdue(const struct flight *f, int64_t now_ms);

#endif
