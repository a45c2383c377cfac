/* What the daemon does about its way to headquarters besides sending: events that the broker never takes, a
 * certificate that is renewed or runs out, and what status says about the connection.
 *
 * A refused event is taken out of the stream: it goes to dead-letters.jsonl in the data folder, a gap takes its
 * number, an alert says so at HQ and the log says so here. What it said about a member is not written down:
 * nobody could forget it there.
 */
#ifndef NOREN_IO_UPLINK_H
#define NOREN_IO_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/json.h"
#include "io/cert.h"
#include "io/renew.h"

struct norend;

struct uplink {
    struct cert_files cert;
    struct renew renew;
    bool pair_said;         /**< that the new files do not fit */
    int64_t next_look_us;   /**< at the certificate: once a minute, 0: at the next tick */
    int64_t dead_letters;   /**< since start */
    int64_t alert_until_us; /**< one alert for an hour of refusals, 0: none is raised */
    char alert_id[40];
};

/** Before the first connection. */
void uplink_begin(struct norend *d);

/** Call once a second and after relay events. */
void uplink_tick(struct norend *d, int64_t now_us);

/** A member "uplink" of an open object. */
void uplink_print(const struct norend *d, struct json *j);

#endif
