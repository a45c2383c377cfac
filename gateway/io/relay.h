/* The relay thread: libmosquitto, and nothing else, away from everything that must not wait.
 *
 * Name resolution and connect block inside libmosquitto, also on its asynchronous path, so they get a
 * thread; its own loop (loop_start, loop_forever) burns a core when a TLS broker is down and ends silently
 * on several errors, so the thread is ours: poll, loop_read, loop_write, loop_misc, and a full-jitter
 * back-off. The main loop hands over encoded messages and gets events back; the two meet at two bounded
 * lists with an eventfd, and share nothing else. The database stays in the main thread.
 *
 * Each connection is a new library object: libmosquitto resends what it thinks is in flight after a
 * reconnect, and what has to be sent again is for the outbox to say, not for a list in memory.
 */
#ifndef NOREN_IO_RELAY_H
#define NOREN_IO_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/mailbox.h"

#define RELAY_TEXT_SIZE  400
#define RELAY_TOPIC_SIZE 128
#define RELAY_WINDOW     100        /* messages between PUBLISH and PUBACK */
#define RELAY_PACKET_MAX (16 << 20) /* a members bundle of 30 k members is about 5 MB */

struct relay;

/** Where and as whom to connect; strings are borrowed and must outlive the relay. */
struct relay_options {
    const char *host;
    uint32_t port;
    const char *ca, *cert, *key; /**< PEM files */
    const char *client_id;       /**< = gateway id */
    const char *root;            /**< noren/1/{tenant}/{store}/{gateway} */
};

enum relay_event_kind {
    RELAY_CONNECTED,    /**< subscribed and ready; text = session id of this connection */
    RELAY_DISCONNECTED, /**< or an attempt failed; text = reason and remedy */
    RELAY_PUBLISHED,    /**< PUBACK for `token` with `reason` (MQTT 5, 3.4.2.1) */
    RELAY_MESSAGE,      /**< topic (below the root) and payload */
};

struct relay_event {
    struct mail link;
    enum relay_event_kind kind;
    uint32_t generation; /**< number of the connection */
    uint64_t token;
    int reason;
    bool retained;
    char topic[RELAY_TOPIC_SIZE];
    char text[RELAY_TEXT_SIZE];
    size_t n;
    char payload[]; /**< NUL-terminated beyond n */
};

/** Starts the thread, which connects and keeps connected. 0 or -errno. */
int relay_open(struct relay **ret_relay, const struct relay_options *options);

/** Readable when events wait. */
int relay_fd(const struct relay *r);

/** The next event, or NULL. The caller frees it with free(). */
struct relay_event *relay_next(struct relay *r);

/** Hands a message over: `topic` below the root, `payload` is copied. It is sent on the connection
 * `generation` or not at all. 0, or -ENOBUFS: wait for RELAY_PUBLISHED first. */
int relay_send(struct relay *r, uint32_t generation, uint64_t token, const char *topic,
               const char *content_type, const void *payload, size_t n, bool retain);

/** Says goodbye (the broker publishes the will), stops the thread and frees; waits at most `timeout_ms`:
 * a thread that sits in a name resolution is left behind and ends with the process. NULL is allowed. */
void relay_close(struct relay *r, int timeout_ms);

#endif
