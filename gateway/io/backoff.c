/* Back-off with full jitter; see backoff.h. */
#include "io/backoff.h"

/* Uniform in 0 .. bound - 1. */
static int64_t below(int64_t bound, uint32_t random)
{
    return (int64_t)(((uint64_t)random * (uint64_t)bound) >> 32);
}

int64_t backoff_first_ms(int64_t up_ms, uint32_t random)
{
    return up_ms < BACKOFF_UP_MS ? below(BACKOFF_BOOT_MS, random) : 0;
}

int64_t backoff_next_ms(struct backoff *b, int64_t ready_ms, uint32_t random)
{
    int64_t bound = BACKOFF_BASE_MS;

    if (ready_ms >= BACKOFF_STABLE_MS) {
        b->attempts = 0;
        return below(BACKOFF_SPREAD_MS, random);
    }
    for (unsigned i = 0; i < b->attempts && bound < BACKOFF_MAX_MS; i++)
        bound *= 2;
    if (bound > BACKOFF_MAX_MS)
        bound = BACKOFF_MAX_MS;
    b->attempts++;
    return below(bound, random);
}
