/* Teaching what a piece weighs; see shelf_piece.h. */
#include "core/shelf_piece.h"

#include <math.h>
#include <string.h>

#define SURE_PM    990
#define LESSON_US  (10 * NOREN_US_PER_S)
#define SETTLE_MG  300.0 /* what a plate is off by after each step: friction of its feet, creep */
#define FAR_MOST   0.10  /* of a piece: then something has happened since */
#define NOISE_MOST 0.05  /* of a piece: half of what counting puts up with */

static struct piece *piece_of(const struct shelf_at *at, uint8_t facing)
{
    return &at->s->pieces[at->s->product_slots[at->plan_plate->facings[facing].product]];
}

struct piece_mass shelf_piece(const struct shelf_at *at, uint8_t facing)
{
    return piece_mass(piece_of(at, facing), at->plan_plate, facing);
}

void shelf_begin_lesson(const struct shelf_at *at, const struct count *count)
{
    const struct count_guess *g = &count->parts[0];
    struct shelf_plate *p = at->plate;

    p->lesson = (struct shelf_lesson){.until_us = 0};
    if (count->verdict != COUNT_SURE || count->poor || count->parts_n != 1 || g->quantity != -1 ||
        g->posterior_pm < SURE_PM || !p->facings[g->facing].counted ||
        p->facings[g->facing].on_shelf < 1 || !p->still_known || p->weigh.bend_mg != 0 ||
        p->stray.quantity != 0)
        return;
    p->lesson = (struct shelf_lesson){
        .until_us = at->now_us + LESSON_US, .before_mg = p->still_mg, .facing = g->facing};
}

void shelf_end_lesson(const struct shelf_at *at)
{
    struct shelf_lesson l = at->plate->lesson;
    const struct plan_plate *plate = at->plan_plate;
    double unit_mg, mass_mg = (double)(l.before_mg - at->plate->weigh.level_mg);
    double noise_mg = hypot((double)at->plate->weigh.sigma_mg, SETTLE_MG);

    at->plate->lesson.until_us = 0;
    if (at->now_us > l.until_us || l.facing >= plate->facings_n)
        return;
    unit_mg = (double)plate->facings[l.facing].unit_mass_mg;
    if (noise_mg > NOISE_MOST * unit_mg || fabs(mass_mg - unit_mg) > FAR_MOST * unit_mg ||
        !piece_learn(piece_of(at, l.facing), plate, l.facing, mass_mg, noise_mg))
        return;
    shelf_save_piece(at->s, at->plan, plate->facings[l.facing].product, at->out);
}

bool shelf_plans_mass(const struct shelf *s, const struct plan *plan, uint16_t product,
                      int64_t mass_mg)
{
    for (uint16_t code = s->first_facing[product]; code != NO_INDEX;) {
        uint16_t plate = code / PLATE_FACINGS_MAX;
        uint8_t facing = code % PLATE_FACINGS_MAX;

        if (plan->plates[plate].facings[facing].unit_mass_mg == mass_mg)
            return true;
        code = s->plates[s->plate_slots[plate]].facings[facing].next;
    }
    return false;
}

void shelf_plan_pieces(struct shelf *s, const struct plan *plan)
{
    for (uint16_t i = 0; i < plan->products_n; i++) {
        struct piece *p = &s->pieces[s->product_slots[i]];

        if (p->n > 0 && !shelf_plans_mass(s, plan, i, p->planned_mg))
            *p = (struct piece){.n = 0};
    }
}
