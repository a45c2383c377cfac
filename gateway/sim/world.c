/* Time and chance of the simulated shop; see world.h. */
#include "sim/world.h"

#include <math.h>

/* splitmix64 */
static uint64_t draw(struct world *w)
{
    uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

double world_uniform(struct world *w)
{
    return (double)(draw(w) >> 11) / 9007199254740992.0; /* 2^53 */
}

double world_normal(struct world *w)
{
    double radius = sqrt(-2 * log(1 - world_uniform(w)));

    return radius * cos(2 * M_PI * world_uniform(w));
}

double world_wait(struct world *w, double mean)
{
    return -mean * log(1 - world_uniform(w));
}

void world_init(struct world *w, int64_t now_us)
{
    w->now_us = now_us;
    plates_init(w);
    shoppers_init(w);
    air_init(w);
}

void world_step(struct world *w, int64_t now_us, struct output *out)
{
    w->now_us = now_us;
    shoppers_step(w, out);
    plates_step(w, out);
    air_step(w, out);
}
