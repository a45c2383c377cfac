/* Warmth and one load cell; see thermal.h. */
#include "core/thermal.h"

#include <math.h>
#include <string.h>

#include "noren/units.h"

#define LEAST_MC    (-40000)
#define MOST_MC     85000
#define JUMP_MC     5000 /* between two readings: a sensor that was moved, or is broken */
#define AGREE_MC    1000
#define PAIR_K      0.5                         /* five steps of a cheap sensor */
#define PAIR_US     (4 * 3600 * NOREN_US_PER_S) /* slower warmth is not told from creep */
#define FORGET_US   (7 * 86400.0 * (double)NOREN_US_PER_S)
#define ENOUGH_TT   2.5  /* K^2: ten pairs of half a degree, each way */
#define BELIEVED    0.5  /* share of the variance that the line explains */
#define DOUBTED     0.25 /* below this a line that was believed goes */
#define ALIKE       0.5  /* the smaller of the two lines to the larger one */
#define RESTLESS_MG 2000.0

void thermal_init(struct thermal *t)
{
    memset(t, 0, sizeof(*t));
    t->now_mc = t->odd_mc = THERMAL_NONE;
}

bool thermal_is_possible(int64_t mc)
{
    return mc >= LEAST_MC && mc <= MOST_MC;
}

static bool is_odd(const struct thermal *t, int32_t mc)
{
    if (!thermal_is_possible(mc))
        return true;
    return t->now_mc != THERMAL_NONE && fabs((double)mc - t->now_mc) > JUMP_MC &&
           (t->odd_mc == THERMAL_NONE || fabs((double)mc - t->odd_mc) > AGREE_MC);
}

bool thermal_take(struct thermal *t, int64_t t_us, int32_t mc)
{
    if (is_odd(t, mc)) {
        t->odd_mc = thermal_is_possible(mc) ? mc : THERMAL_NONE;
        return false;
    }
    if (t->now_mc != THERMAL_NONE)
        t->shift_mg += t->mg_per_k * (mc - t->now_mc) / 1000;
    t->shift_mg = fmax(-THERMAL_MAX_SHIFT_MG, fmin(THERMAL_MAX_SHIFT_MG, t->shift_mg));
    t->now_mc = mc;
    t->odd_mc = THERMAL_NONE;
    t->told_us = t_us;
    return true;
}

static void mark(struct thermal *t, int64_t t_us, double mass_mg)
{
    t->marked = true;
    t->mark_mc = t->now_mc;
    t->mark_us = t_us;
    t->mark_mg = mass_mg;
}

static void add(struct thermal_sums *s, double k, double mg)
{
    s->tt += k * k;
    s->tm += k * mg;
    s->mm += mg * mg;
}

static void forget(struct thermal_sums *s, double share)
{
    s->tt *= share;
    s->tm *= share;
    s->mm *= share;
}

static void fit(struct thermal *t)
{
    const struct thermal_sums *u = &t->up, *d = &t->down;
    double tt = u->tt + d->tt, tm = u->tm + d->tm, mm = u->mm + d->mm, up, down, explained;

    if (u->tt < ENOUGH_TT || d->tt < ENOUGH_TT || mm <= 0)
        return;
    explained = tm * tm / (tt * mm);
    up = u->tm / u->tt;
    down = d->tm / d->tt;
    if (explained > BELIEVED && up * down > 0 &&
        fmin(fabs(up), fabs(down)) >= ALIKE * fmax(fabs(up), fabs(down)))
        t->mg_per_k = fmax(-THERMAL_MAX_MG_PER_K, fmin(THERMAL_MAX_MG_PER_K, tm / tt));
    else if (explained < DOUBTED || up * down <= 0)
        t->mg_per_k = 0;
}

void thermal_learn(struct thermal *t, int64_t t_us, bool rests, double mass_mg)
{
    double k = (t->now_mc - t->mark_mc) / 1000.0, mg = mass_mg - t->mark_mg;

    if (!rests)
        return; /* what was moved meanwhile shows afterwards */
    if (!t->marked || t_us - t->mark_us > PAIR_US ||
        fabs(mg) > THERMAL_MAX_MG_PER_K * fabs(k) + RESTLESS_MG) { /* something was moved */
        mark(t, t_us, mass_mg);
        return;
    }
    if (fabs(k) < PAIR_K)
        return;
    forget(&t->up, exp(-(double)(t_us - t->mark_us) / FORGET_US));
    forget(&t->down, exp(-(double)(t_us - t->mark_us) / FORGET_US));
    add(k > 0 ? &t->up : &t->down, k, mg);
    mark(t, t_us, mass_mg);
    fit(t);
}

void thermal_calibrated(struct thermal *t, bool same)
{
    t->shift_mg = 0;
    t->marked = false;
    if (same)
        return;
    t->mg_per_k = 0;
    memset(&t->up, 0, sizeof(t->up));
    memset(&t->down, 0, sizeof(t->down));
}
