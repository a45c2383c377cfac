/* HQ's connection to the broker: a relay thread (io/relay.h) like a gateway's, watched by our sd-event loop.
 *
 * Name resolution and connect block inside libmosquitto, so they have a thread here too: pages are served
 * while a name server hangs. Alone, HQ's session persists for a day, so a short restart gets from the broker
 * what was sent meanwhile; what the broker drops, the gateways send again because the ack does not come.
 * With several replicas (config.h) events come by a shared subscription, and the session of one that goes
 * ends with it: a broker would go on giving its share to it.
 */
#ifndef NOREN_HQ_BROKER_H
#define NOREN_HQ_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "hq/config.h"

struct broker;

/** What the owner is called for; both are mandatory. */
struct broker_calls {
    /** The session is up and subscribed: publish what must be retained. */
    void (*connected)(void *user);
    void (*message)(void *user, const char *topic, const void *payload, size_t n, bool retained);
};

/** Begins connecting, for ever, with jittered back-off. `config` and `calls` are borrowed. 0 or -errno:
 * only what no retry can mend (-ENOENT, -EINVAL: TLS files). */
int broker_open(struct broker **ret_broker, sd_event *loop, const struct hq_config *config,
                const struct broker_calls *calls, void *user);

bool broker_connected(const struct broker *b);

/** Publishes with QoS 1, retained. 0, -ENOTCONN (say it again when connected() is called), or -errno. */
int broker_publish(struct broker *b, const char *topic, const void *payload, size_t n,
                   const char *content_type);

/** Publishes a command: QoS 1, not retained; the broker drops it after `expiry_s`. The same returns. */
int broker_command(struct broker *b, const char *topic, const void *payload, size_t n,
                   uint32_t expiry_s);

/** Says goodbye and frees; NULL is allowed. */
void broker_close(struct broker *b);

#endif
