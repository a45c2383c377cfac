/* The bound of what may yet creep; see creep.h. */
#include "core/creep.h"

#include <math.h>

#include "noren/units.h"

#define CREEP_PM      2 /* A and tau at the worst of what was measured */
#define CREEP_FAST_S  60.0
#define CREEP_SLOW_S  300.0
#define CREEP_SEEN_UG 100000.0 /* less cannot be seen */
#define CREEP_OVER_UG 100000   /* a tenth of a gram: nobody asks for the rest */

static int64_t magnitude(int64_t a)
{
    return a < 0 ? -a : a;
}

int64_t creep_age_us(const struct creep *c)
{
    return c->seen_us > c->began_us ? c->seen_us - c->began_us : 0;
}

static double age_s(const struct creep *c)
{
    return (double)creep_age_us(c) / NOREN_US_PER_S;
}

/* As of when it was last looked at: no more than is left of the worst plate's; and later on no more than the slowest
 * plate has to come after what was seen. So warmth is told from it: it does not slow down. */
int64_t creep_left_ug(const struct creep *c)
{
    double left = exp(-age_s(c) / CREEP_SLOW_S), most = fabs((double)c->most_ug);
    double seen = fabs((double)c->taken_ug);

    most = fmin(most * left, most - seen);
    if (age_s(c) > CREEP_FAST_S)
        most = fmin(most, (seen + CREEP_SEEN_UG) * left / (1 - left));
    return (int64_t)(c->most_ug < 0 ? -most : most);
}

/* At rest next to nothing, so a piece that leaves is seen as ever; after a minute of hands on the shelf nearly all. */
int64_t creep_since_ug(const struct creep *c, int64_t t_us)
{
    double dt_s = (double)(t_us - c->seen_us) / NOREN_US_PER_S;
    double constant_s = age_s(c) > CREEP_FAST_S ? CREEP_SLOW_S : CREEP_FAST_S;

    if (c->most_ug != 0 && c->dark)
        return creep_left_ug(c);
    if (c->most_ug == 0 || dt_s <= 0)
        return 0;
    return (int64_t)((double)creep_left_ug(c) * (1 - exp(-dt_s / constant_s)));
}

int64_t creep_of(int64_t creep, int64_t off)
{
    if (creep == 0 || off == 0 || (creep > 0) != (off > 0))
        return 0;
    return magnitude(off) < magnitude(creep) ? off : creep;
}

void creep_begin(struct creep *c, int64_t t_us, int64_t change_mg)
{
    *c = (struct creep){
        .most_ug = creep_left_ug(c) + change_mg * CREEP_PM, .began_us = t_us, .seen_us = t_us};
}

void creep_restore(struct creep *c, int64_t most_mg, int64_t taken_mg, int64_t age_us)
{
    *c = (struct creep){
        .most_ug = most_mg * 1000, .taken_ug = taken_mg * 1000, .seen_us = age_us, .dark = true};
}

void creep_see(struct creep *c, int64_t t_us)
{
    if (c->dark) { /* as if no time had passed: too much is expected rather than too little */
        c->began_us += t_us - c->seen_us;
        c->dark = false;
    }
    c->seen_us = t_us;
}

void creep_take(struct creep *c, int64_t step_ug)
{
    c->taken_ug += step_ug;
    if (magnitude(creep_left_ug(c)) < CREEP_OVER_UG)
        c->most_ug = c->taken_ug = 0;
}
