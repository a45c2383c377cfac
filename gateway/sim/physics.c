/* Forces on plates as formulas of time; see physics.h. */
#include "sim/physics.h"

#include <math.h>

#define TAU   (2 * M_PI)
#define DAY_S 86400.0

double chance_uniform(struct chance *c, double low, double high)
{
    uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return low + (high - low) * (double)(z >> 11) / 9007199254740992.0; /* 2^53 */
}

double chance_normal(struct chance *c)
{
    double radius = sqrt(-2 * log(1 - chance_uniform(c, 0, 1)));

    return radius * cos(TAU * chance_uniform(c, 0, 1));
}

void physics_add(struct physics_plate *p, struct effect e)
{
    if (p->effects_n == PHYSICS_EFFECTS_MAX) {
        for (int i = 1; i < p->effects_n; i++)
            p->effects[i - 1] = p->effects[i];
        p->effects_n--;
    }
    p->effects[p->effects_n++] = e;
}

void physics_step(struct physics_plate *p, struct chance *c, double at_s, double mg, double x)
{
    p->load_mg += mg;
    p->moment_mg += mg * x;
    physics_add(p, (struct effect){.kind = EFFECT_RING,
                                   .at_s = at_s,
                                   .span_s = 3,
                                   .size_mg = mg,
                                   .hz = chance_uniform(c, 5, 12),
                                   .decay_s = chance_uniform(c, 0.05, 0.25),
                                   .x = x});
}

/* Force of one effect `t` seconds after it began. A ring is minus the step at first, so that the mass comes
 * on smoothly and overshoots, as on a spring. */
static double effect_mg(const struct effect *e, double t)
{
    double edge;

    if (t < 0 || t > e->span_s)
        return 0;
    switch (e->kind) {
    case EFFECT_RING:
        return -e->size_mg * exp(-t / e->decay_s) * cos(TAU * e->hz * t);
    case EFFECT_PUSH:
        return e->size_mg * sin(M_PI * t / e->span_s) * (1 + 0.05 * sin(TAU * 9 * t + e->phase));
    case EFFECT_LEAN:
        edge = t < 0.25 ? t / 0.25 : e->span_s - t < 0.25 ? (e->span_s - t) / 0.25 : 1;
        return e->size_mg * (1 - cos(M_PI * edge)) / 2 *
               (1 + 0.03 * sin(TAU * 9 * t + e->phase) + 0.08 * sin(TAU * e->hz * t + e->phase));
    case EFFECT_BUMP:
    case EFFECT_PENDULUM:
        return e->size_mg * exp(-t / e->decay_s) * sin(TAU * e->hz * t + e->phase);
    }
    return 0;
}

void physics_tidy(struct physics_plate *p, double now_s)
{
    int kept = 0;

    for (int i = 0; i < p->effects_n; i++)
        if (now_s - p->effects[i].at_s <= p->effects[i].span_s)
            p->effects[kept++] = p->effects[i];
    p->effects_n = kept;
}

double physics_force_mg(const struct physics_plate *p, double now_s, double *ret_moment)
{
    double force = 0, moment = 0;

    for (int i = 0; i < p->effects_n; i++) {
        double mg = effect_mg(&p->effects[i], now_s - p->effects[i].at_s);

        force += mg;
        moment += mg * p->effects[i].x;
    }
    *ret_moment = moment;
    return force;
}

/* Share of the load that each cell carries: one, two at the ends, three as two in front and one behind in the
 * middle, four as two at each end. */
static double share(int cells, int i, double x)
{
    switch (cells) {
    case 1:
        return 1;
    case 2:
        return i == 0 ? 1 - x : x;
    case 3:
        return i == 1 ? 1.0 / 3 : 2.0 / 3 * (i == 0 ? 1 - x : x);
    default:
        return (i % 2 == 0 ? 1 - x : x) / 2;
    }
}

void physics_sample(struct physics_plate *p, struct chance *c, double now_s, double bend_mg,
                    int cells, double ret_mg[PHYSICS_CELLS_MAX])
{
    double dt = now_s - p->at_s, moment, force = physics_force_mg(p, now_s, &moment), x, sum;

    p->at_s = now_s;
    p->creep_mg += (p->load_mg * p->creep_pm / 1000 - p->creep_mg) * (1 - exp(-dt / p->creep_s));
    p->walk_mg += 1000 * sqrt(dt / 3600) * chance_normal(c);
    force += p->load_mg;
    moment += p->moment_mg;
    x = fabs(force) > 1 ? moment / force : 0.5;
    sum = force + bend_mg + p->creep_mg + p->walk_mg +
          p->warm_mg * sin(TAU * now_s / DAY_S + p->warm_phase);
    for (int i = 0; i < cells; i++)
        ret_mg[i] = sum * share(cells, i, x) + p->noise_mg / sqrt(cells) * chance_normal(c);
}
