/* Cells' shares and neighbours' bending; see shelf_evidence.h. */
#include "core/shelf_evidence.h"

#define BEND_TIMES 8 /* what bends us is felt by the neighbour so many times stronger at least */
/* The neighbour's own quick path sees it as late as ours, and its plate rings after the hand is gone. */
#define BEND_WAIT_US  (NOREN_US_PER_S / 8)
#define BEND_AFTER_US (NOREN_US_PER_S * 7 / 10)
#define PLACE_SPAN_MM 100.0 /* cells nearer to each other tell no places */

/* The plate's reference was taken from the load that rests now. */
void shelf_mark_cells(const struct shelf_at *at)
{
    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++) {
        struct shelf_cell *c = &at->s->cells[at->plan_plate->cells[i]];

        c->ref_mg = c->level_mg;
        c->placed = c->seen_us != 0;
    }
}

static void find_place(const struct shelf_at *at, struct count_evidence *seen)
{
    double low = 1e9, high = -1e9;

    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++) {
        uint16_t cell = at->plan_plate->cells[i];
        const struct shelf_cell *c = &at->s->cells[cell];
        double x_mm = at->plan->cells[cell].x_mm;

        if (!c->placed)
            return;
        seen->moment_mgmm += (c->level_mg - c->ref_mg) * x_mm;
        low = x_mm < low ? x_mm : low;
        high = x_mm > high ? x_mm : high;
    }
    seen->span_mm = high - low;
    seen->placed = seen->span_mm >= PLACE_SPAN_MM;
}

/* What counts for a change of `delta_mg`; its place only counts when it rests. */
struct count shelf_judge(const struct shelf_at *at, int64_t delta_mg, bool rests)
{
    struct count_evidence seen = {.delta_mg = delta_mg, .sigma_mg = at->plate->weigh.sigma_mg};

    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        const struct shelf_facing *f = &at->plate->facings[i];

        seen.on_shelf[i] = f->counted ? f->on_shelf : -1;
        seen.in_hand[i] = shelf_stock(at->s, at->plan_plate->facings[i].product)->in_hand;
    }
    if (rests && at->plan_plate->facings_n > 1)
        find_place(at, &seen);
    return count_judge(at->plan_plate, &seen);
}

static bool bends_us(const struct shelf_at *at, uint16_t index, int64_t delta_mg)
{
    const struct shelf_plate *p = &at->s->plates[at->s->plate_slots[index]];
    const struct weigh *w = &p->weigh;
    int64_t force_mg = w->moved_mg < 0 ? -w->moved_mg : w->moved_mg;

    if (!w->settled || !w->has_ref || p->alert != 0 || at->now_us - p->seen_us > NOREN_US_PER_S)
        return false;
    if (w->away)
        return !w->calm || (delta_mg > 0 && force_mg >= BEND_TIMES * delta_mg);
    return !w->resting || at->now_us - w->rest_since_us < BEND_AFTER_US;
}

/* A plan that names no neighbours lists plates side by side. */
bool shelf_neighbour_bends(const struct shelf_at *at, int64_t size_mg)
{
    const struct plan_plate *p = at->plan_plate, *all = at->plan->plates;
    uint16_t i = at->index;

    for (uint8_t k = 0; k < p->neighbours_n; k++)
        if (bends_us(at, p->neighbours[k], size_mg))
            return true;
    if (p->neighbours_n > 0)
        return false;
    return (i > 0 && all[i - 1].fixture == p->fixture &&
            bends_us(at, (uint16_t)(i - 1), size_mg)) ||
           (i + 1 < at->plan->plates_n && all[i + 1].fixture == p->fixture &&
            bends_us(at, (uint16_t)(i + 1), size_mg));
}

/* Is this small change perhaps only a neighbour that bends under somebody's hand? Then it is over when the
 * neighbour rests. */
bool shelf_may_be_bent(const struct shelf_at *at, int64_t delta_mg)
{
    int64_t size_mg = delta_mg < 0 ? -delta_mg : delta_mg;

    return size_mg <= SHELF_BEND_MG && (at->now_us - at->plate->weigh.away_us < BEND_WAIT_US ||
                                        shelf_neighbour_bends(at, size_mg));
}

/* The bend itself is as far from the reference as goods would be; without it nothing moved. */
bool shelf_is_bend_alone(const struct shelf_at *at, int64_t delta_mg)
{
    return weigh_same(&at->plate->weigh, at->unit_mg,
                      weigh_reference_mg(&at->plate->weigh) + delta_mg);
}

void shelf_learn_bend(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    int64_t off_mg = p->weigh.level_mg - weigh_reference_mg(&p->weigh);
    int64_t size_mg = off_mg < 0 ? -off_mg : off_mg;

    if (!p->weigh.has_ref || (p->bend_mg == 0 && size_mg < 2 * NOREN_MG_PER_G))
        return;
    if (!shelf_neighbour_bends(at, 0))
        p->bend_mg = 0;
    else if (p->weigh.calm && p->change == 0 && size_mg <= SHELF_BEND_MG)
        p->bend_mg = off_mg;
}
