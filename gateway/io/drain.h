/* The drain cap: a store that comes back after a week must not push the others aside.
 *
 * So many events of a backlog a second; what an idle cap saves up is bounded, so that there is no burst at the
 * beginning. What happens now is no backlog and is not held back. Values in, values out: the caller has the clock.
 */
#ifndef NOREN_IO_DRAIN_H
#define NOREN_IO_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#define DRAIN_BURST_US 100000 /* what an idle cap saves up */

struct drain {
    uint32_t per_s;  /**< 0: no cap */
    int64_t from_us; /**< the next event may go at this time */
};

/** The next event of a backlog may go. */
bool drain_allows(const struct drain *d, int64_t now_us);

/** So many went. */
void drain_took(struct drain *d, uint64_t events, int64_t now_us);

#endif
