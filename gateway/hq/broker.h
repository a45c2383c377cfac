/* HQ's MQTT 5 connection: libmosquitto's external-loop functions inside our sd-event loop.
 *
 * mosquitto_loop_start() and loop_forever() are not used: on Debian's 2.0.11 they burn a core, or end
 * silently, when TLS fails (reference relay.md, 4.1), and they know no jitter. The price: name resolution
 * and connect block inside the library. A gateway may not afford that and has a relay thread; HQ may, a
 * browser waits for a moment and no data is at risk. The session persists for an hour, so a short restart of
 * HQ gets from the broker what was sent meanwhile; what the broker drops, the gateways send again because
 * the ack does not come.
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

/** Says goodbye and frees; NULL is allowed. */
void broker_close(struct broker *b);

#endif
