/* One connection to a broker: libmosquitto, and nothing else. Private to the relay thread.
 *
 * Each connection is a new library object: libmosquitto resends what it thinks is in flight after a
 * reconnect, and what has to be sent again is for the outbox to say, not for a list in memory. A new object
 * also reads certificate and key anew, so renewed files need no restart.
 *
 * MQTT 5 is asked for first. A broker that only knows 3.1.1 says so in its CONNACK; there is then no reason
 * in a PUBACK, no message expiry, no request/response, and the broker alone decides how long a session lasts.
 */
#ifndef NOREN_IO_MQTT_H
#define NOREN_IO_MQTT_H

#include "io/relay.h"

#define MQTT_HOST_SIZE 256

/** What the broker granted. */
struct mqtt_limits {
    int version;       /**< 5, or 4 for MQTT 3.1.1 */
    size_t packet_max; /**< bytes */
    bool session_kept; /**< it knew our session: subscriptions, and what came for us meanwhile */
};

/** What the owner is called for, in its own thread; all are mandatory. */
struct mqtt_calls {
    void (*ready)(void *user, const struct mqtt_limits *limits);
    void (*published)(void *user, uint64_t token, int reason);
    /** `m` is borrowed; its topic is below the prefix. */
    void (*message)(void *user, const struct relay_message *m, const char *response_topic);
};

/** One attempt to connect. */
struct mqtt_attempt {
    char host[MQTT_HOST_SIZE]; /**< of the options, or where the broker sent us */
    uint32_t port;
    int version;         /**< 5 or 4 */
    const char *session; /**< for the will; borrowed */
};

/** Why a connection ended. */
struct mqtt_end {
    char why[RELAY_TEXT_SIZE];
    bool old_version;          /**< the broker wants 3.1.1 */
    bool moved;                /**< the broker sends us elsewhere: ... */
    char host[MQTT_HOST_SIZE]; /**< ... there */
    uint32_t port;
};

struct mqtt;

/** Before the first connection and after the last one of the process; counted. From one thread only. */
void mqtt_start(void);
void mqtt_stop(void);

/** Connects; blocks while the name is resolved and TCP connects. NULL with the reason in `ret_end`. */
struct mqtt *mqtt_open(const struct relay_options *options, const struct mqtt_attempt *attempt,
                       const struct mqtt_calls *calls, void *user, struct mqtt_end *ret_end);

/** May something be sent now? Only after ready(): the library would queue it in memory, and queue it again
 * after a failure. */
bool mqtt_room(const struct mqtt *m);

/** Publishes; needs room. A message that cannot be sent at all is reported as published with a reason. */
void mqtt_publish(struct mqtt *m, uint64_t token, const struct relay_message *message);

/** One turn: waits for the socket or for `wake_fd` (read only while there is room), reads (only if
 * `may_read`), writes, keeps alive. False when the connection is over. */
bool mqtt_turn(struct mqtt *m, int wake_fd, bool may_read);

/** Says goodbye: with the will (this gateway is offline, and not by accident), or without (a new connection
 * follows). Only on a connection that is not over. */
void mqtt_goodbye(struct mqtt *m, bool with_will);

/** Frees; says why it ended. */
void mqtt_close(struct mqtt *m, struct mqtt_end *ret_end);

#endif
