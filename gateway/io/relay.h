/* The relay thread: one connection to one broker, away from everything that must not wait.
 *
 * Name resolution and connect block inside libmosquitto, also on its asynchronous path, so they get a
 * thread; its own loop (loop_start, loop_forever) burns a core when a TLS broker is down and ends silently
 * on several errors, so the thread is ours, with a full-jitter back-off (backoff.h). The main loop hands over
 * encoded messages and gets events back; the two meet at two bounded lists with an eventfd, and share nothing
 * else. The database stays in the main thread.
 *
 * A gateway may have two: one to headquarters' broker, one to a broker of the store. What one connection is
 * made of is in mqtt.h, the only place that knows libmosquitto.
 */
#ifndef NOREN_IO_RELAY_H
#define NOREN_IO_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/flight.h"
#include "io/mailbox.h"

#define RELAY_TEXT_SIZE        400
#define RELAY_TOPIC_SIZE       192 /* below the prefix; the longest of ours without one */
#define RELAY_PATH_SIZE        320 /* whole */
#define RELAY_CORRELATION_SIZE 64
#define RELAY_WINDOW           FLIGHT_MAX /* messages between PUBLISH and PUBACK */
#define RELAY_PACKET_MAX       (16 << 20) /* a members bundle of 30 k members is about 5 MB */

struct relay;

/** Where and as whom to connect; everything is borrowed and must outlive the relay. */
struct relay_options {
    const char *host;
    uint32_t port;
    const char *ca;               /**< PEM file, read anew for each connection; NULL: no TLS */
    const char *cert, *key;       /**< client certificate, NULL: none */
    const char *user;             /**< NULL: none */
    const char *password;         /**< NULL: none */
    const char *client_id;        /**< stable: the broker knows a session by it */
    const char *prefix;           /**< topics are below this one; NULL: they are whole */
    const char *const *subscribe; /**< filters below the prefix, NULL-terminated; NULL: none */
    const char *
        will_topic; /**< below the prefix, retained: {"online":false,"session":..}; NULL: no will */
    bool clean;     /**< the broker keeps nothing for us while we are away */
    const char *where; /**< its settings are, for remedies: "[mqtt] of noren.conf" */
    size_t queue_max;  /**< messages that may wait in relay_send(), 0: a window and some state */
    bool spread;       /**< one of many that come up together: the first attempt after boot waits */
};

/** A message either way. Zeroed, an optional field is not sent. */
struct relay_message {
    const char *topic;        /**< below the prefix */
    const char *content_type; /**< a static string */
    const void *payload;
    size_t n;
    uint8_t qos; /**< 0 or 1; with 0 RELAY_PUBLISHED means: handed to the socket */
    bool retain;
    const uint8_t *correlation; /**< MQTT 5, 3.3.2.3.6: of the request that this answers */
    size_t correlation_n;       /**< at most RELAY_CORRELATION_SIZE */
    uint32_t expiry_s;          /**< the broker drops it after this, 0: never */
};

enum relay_event_kind {
    RELAY_CONNECTED,    /**< subscribed and ready; text = session id of this connection */
    RELAY_DISCONNECTED, /**< or an attempt failed; text = reason and remedy */
    RELAY_PUBLISHED,    /**< PUBACK for `token` with `reason` (MQTT 5, 3.4.2.1) */
    RELAY_MESSAGE,      /**< topic (below the prefix) and payload */
};

struct relay_event {
    struct mail link;
    enum relay_event_kind kind;
    uint32_t generation; /**< number of the connection */
    uint64_t token;
    int reason;
    int version;       /**< of RELAY_CONNECTED: 5, or 4 for a broker that knows only MQTT 3.1.1 */
    size_t packet_max; /**< of RELAY_CONNECTED: largest packet that the broker takes */
    bool session_kept; /**< of RELAY_CONNECTED: the broker knew our session */
    bool retained;
    char topic[RELAY_TOPIC_SIZE];
    char response_topic[RELAY_PATH_SIZE];        /**< whole, as the requester gave it; "" = none */
    uint8_t correlation[RELAY_CORRELATION_SIZE]; /**< of a request; longer ones are not taken */
    size_t correlation_n;
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

/** Hands a message over, copied. It is sent on the connection `generation` or not at all, and RELAY_PUBLISHED
 * with `token` tells its end. 0, or -ENOBUFS: wait for RELAY_PUBLISHED first. */
int relay_send(struct relay *r, uint32_t generation, uint64_t token, const struct relay_message *m);

/** Ends the connection in good order, keeping the broker's session, and makes a new one at once: files of
 * certificate and key were renewed. */
void relay_renew(struct relay *r);

/** The same, to another broker (`host` is copied), which all later connections go to. */
void relay_move(struct relay *r, const char *host, uint32_t port);

/** Says goodbye (the broker publishes the will), stops the thread and frees; waits at most `timeout_ms`:
 * a thread that sits in a name resolution is left behind and ends with the process. NULL is allowed. */
void relay_close(struct relay *r, int timeout_ms);

#endif
