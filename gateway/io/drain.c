/* The drain cap; see drain.h. */
#include "io/drain.h"

#include "noren/units.h"

bool drain_allows(const struct drain *d, int64_t now_us)
{
    return d->per_s == 0 || d->from_us <= now_us;
}

void drain_took(struct drain *d, uint64_t events, int64_t now_us)
{
    if (d->per_s == 0)
        return;
    if (d->from_us < now_us - DRAIN_BURST_US)
        d->from_us = now_us - DRAIN_BURST_US;
    d->from_us += (int64_t)events * NOREN_US_PER_S / d->per_s;
}
