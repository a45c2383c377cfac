/* When to try again: full jitter, so that a thousand gateways that lost the same broker come back spread out.
 *
 * A wait is anything between nothing and a bound, and the bound doubles with every attempt. Only a connection
 * that lasted resets it: libmosquitto's own counter restarts at every CONNACK, and a broker that accepts and
 * then drops is hammered. Values in, values out: the caller has the clock and the random numbers.
 */
#ifndef NOREN_IO_BACKOFF_H
#define NOREN_IO_BACKOFF_H

#include <stdint.h>

#define BACKOFF_BASE_MS   1000
#define BACKOFF_MAX_MS    300000
#define BACKOFF_STABLE_MS 60000 /* a connection that lasted this long resets the bound */
#define BACKOFF_SPREAD_MS 5000  /* the first wait after such a connection was lost */
#define BACKOFF_BOOT_MS \
    30000 /* the first wait after the machine came up: power came back for others too */
#define BACKOFF_UP_MS 120000 /* up to this uptime that is assumed */

struct backoff {
    unsigned attempts;
};

/** How long to wait before the very first attempt at uptime `up_ms`; `random` is uniform. */
int64_t backoff_first_ms(int64_t up_ms, uint32_t random);

/** How long to wait after an attempt that ended; `ready_ms` is how long it could send, 0 when never. */
int64_t backoff_next_ms(struct backoff *b, int64_t ready_ms, uint32_t random);

#endif
