/* Goods on plates, and what the scale feels while they move; see world.h.
 *
 * A pick is not a step: a hand comes down on the goods first (150..400 g for a third of a second), then they
 * leave and the plate rings at some hertz for half a second. Each pack has its own mass.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "sim/output.h"
#include "sim/world.h"

#define HAND_US       300000
#define RING_US       700000
#define RING_HZ       7
#define RING_DECAY_US 150000.0
#define RING_PM       150 /* of the mass that moved */

/* The mass of `n` packs, each a little different. */
static int64_t packs_mg(struct world *w, const struct plan_facing *f, int64_t n)
{
    double sd = (double)f->unit_mass_mg * f->unit_cv_pm / 1000;

    return f->unit_mass_mg * n + (int64_t)(sd * sqrt((double)n) * world_normal(w));
}

/* The mass of `n` packs out of those that stand there: the last one takes exactly what is left. */
static int64_t taken_mg(struct world *w, const struct plan_facing *f, int64_t mass_mg,
                        int64_t count, int64_t n)
{
    double sd = (double)f->unit_mass_mg * f->unit_cv_pm / 1000;
    double left = (double)(count - n) / (double)count;

    return mass_mg * n / count + (int64_t)(sd * sqrt((double)n * left) * world_normal(w));
}

void plates_init(struct world *w)
{
    for (int i = 0; i < w->plan.plates_n; i++) {
        const struct plan_plate *p = &w->plan.plates[i];

        w->plates[i] = (struct plate){.mass_mg = 0};
        for (int k = 0; k < p->facings_n; k++) {
            int64_t n = p->facings[k].capacity * w->scenario.fill_pm / 1000;

            w->plates[i].count[k] = n;
            w->plates[i].facing_mg[k] = packs_mg(w, &p->facings[k], n);
            w->plates[i].mass_mg += w->plates[i].facing_mg[k];
        }
    }
}

const char *plate_move(struct world *w, uint16_t plate, int facing, int64_t quantity,
                       const char *kind)
{
    struct plate *p;

    if (plate >= w->plan.plates_n)
        return "no such plate";
    p = &w->plates[plate];
    if (facing >= w->plan.plates[plate].facings_n)
        return "no such facing on that plate";
    if (p->move.start_us != 0)
        return "somebody's hand is on that plate; try again in a second";
    if (quantity == 0 || p->count[facing] + quantity < 0)
        return "not that many on the plate";
    p->move = (struct move){
        .start_us = w->now_us,
        .facing = facing,
        .quantity = quantity,
        .force_mg = (int64_t)(150000 + 250000 * world_uniform(w)),
        .kind = kind,
    };
    return NULL;
}

/* The goods leave the plate, or arrive. */
static void move_goods(struct world *w, uint16_t plate, struct output *out)
{
    struct plate *p = &w->plates[plate];
    struct move *m = &p->move;
    int64_t n = m->quantity < 0 ? -m->quantity : m->quantity;
    const struct plan_facing *f = &w->plan.plates[plate].facings[m->facing];

    m->moved_us = w->now_us;
    m->mass_mg = m->quantity < 0 ? -taken_mg(w, f, p->facing_mg[m->facing], p->count[m->facing], n)
                                 : packs_mg(w, f, n);
    p->count[m->facing] += m->quantity;
    p->facing_mg[m->facing] += m->mass_mg;
    p->mass_mg += m->mass_mg;
    output_truth_goods(out, plate, m->facing, m->kind, n);
}

static void call_staff(struct world *w, uint16_t plate)
{
    const struct plan_plate *plan = &w->plan.plates[plate];
    struct plate *p = &w->plates[plate];

    for (int k = 0; k < plan->facings_n; k++)
        if (p->count[k] * 1000 < plan->facings[k].capacity * w->scenario.restock_below_pm &&
            p->restock_us == 0)
            p->restock_us = w->now_us + (int64_t)(w->scenario.restock_after_s * 1e6);
}

static void restock(struct world *w, uint16_t plate)
{
    const struct plan_plate *plan = &w->plan.plates[plate];
    struct plate *p = &w->plates[plate];

    for (int k = 0; k < plan->facings_n; k++) {
        int64_t missing = plan->facings[k].capacity - p->count[k];

        if (missing * 2 > plan->facings[k].capacity) {
            (void)plate_move(w, plate, k, missing, "restock");
            return; /* the next facing gets its turn when this move is over */
        }
    }
    p->restock_us = 0;
}

void plates_step(struct world *w, struct output *out)
{
    for (uint16_t i = 0; i < w->plan.plates_n; i++) {
        struct plate *p = &w->plates[i];
        struct move *m = &p->move;

        if (m->start_us != 0 && m->moved_us == 0 && w->now_us >= m->start_us + HAND_US)
            move_goods(w, i, out);
        if (m->moved_us != 0 && w->now_us >= m->moved_us + RING_US)
            *m = (struct move){.start_us = 0};
        if (!w->scenario.automatic || m->start_us != 0)
            continue;
        if (p->restock_us != 0 && w->now_us >= p->restock_us)
            restock(w, i);
        else
            call_staff(w, i);
    }
}

int64_t plate_force_mg(const struct world *w, uint16_t plate)
{
    const struct plate *p = &w->plates[plate];
    const struct move *m = &p->move;
    double t;

    if (m->start_us == 0)
        return p->mass_mg;
    if (m->moved_us == 0) {
        t = (double)(w->now_us - m->start_us) / HAND_US;
        return p->mass_mg + (int64_t)((double)m->force_mg * sin(M_PI * (t > 1 ? 1 : t)));
    }
    t = (double)(w->now_us - m->moved_us);
    return p->mass_mg - (int64_t)((double)m->mass_mg * RING_PM / 1000 * exp(-t / RING_DECAY_US) *
                                  cos(2 * M_PI * RING_HZ * t / 1e6));
}

int32_t cell_counts(const struct world *w, uint16_t cell)
{
    const struct plan_cell *c = &w->plan.cells[cell];
    double share = (double)plate_force_mg(w, c->plate) / w->plan.plates[c->plate].cells_n;

    return (int32_t)c->zero_counts + (int32_t)lround(share / c->mg_per_count);
}

int32_t cell_noise(const struct world *w, uint16_t cell)
{
    return (int32_t)lround((double)w->scenario.noise_mg / fabs(w->plan.cells[cell].mg_per_count));
}
