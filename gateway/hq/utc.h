/* Wall-clock time for headquarters, whose machine keeps time by itself. */
#ifndef NOREN_HQ_UTC_H
#define NOREN_HQ_UTC_H

#include <stdint.h>
#include <time.h>

#include "noren/units.h"

/** Unix time, us. */
static inline int64_t utc_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * NOREN_US_PER_S + ts.tv_nsec / 1000;
}

#endif
