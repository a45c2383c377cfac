/* Cells' shares and neighbours' bending; see shelf_evidence.h. */
#include "core/shelf_evidence.h"

#include <math.h>

#include "core/shelf_odd.h"
#include "core/shelf_piece.h"

#define BEND_TIMES 8 /* what bends us is felt by the neighbour so many times stronger at least */
#define EVEN_SD    3.4641016 /* width of an even distribution over its standard deviation */
/* The neighbour's own quick path sees it as late as ours, and its plate rings after the hand is gone. */
#define BEND_WAIT_US  (NOREN_US_PER_S / 8)
#define BEND_AFTER_US (NOREN_US_PER_S * 7 / 10)
#define BEND_ONE_MG   (18 * NOREN_MG_PER_G) /* by one neighbour */
#define BEND_SHARE    16                    /* of its force at most */
#define PLACE_SPAN_MM 100.0                 /* cells nearer to each other tell no places */

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

struct count_evidence shelf_evidence(const struct shelf_at *at, int64_t delta_mg, bool rests)
{
    struct count_evidence seen = {.delta_mg = delta_mg, .sigma_mg = at->plate->weigh.sigma_mg};

    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        const struct shelf_facing *f = &at->plate->facings[i];
        struct piece_mass piece = shelf_piece(at, i);

        seen.unit_mg[i] = piece.mass_mg;
        seen.unit_sd_mg[i] = piece.sd_mg;
        seen.on_shelf[i] = f->counted ? f->on_shelf : -1;
        seen.in_hand[i] = shelf_stock(at->s, at->plan_plate->facings[i].product)->in_hand;
    }
    if (rests)
        seen.unsure_mg = (double)at->plate->weigh.level_sd_mg;
    /* What came before, and was too little to be a change, is no part of this one. */
    if (rests && at->plate->still_known && at->plate->weigh.away) {
        double before_mg = (double)(at->plate->still_mg - weigh_reference_mg(&at->plate->weigh));

        seen.delta_mg -= llround(before_mg);
        seen.unsure_mg = hypot(seen.unsure_mg, before_mg / 2);
    }
    if (rests && at->plate->bend_mg == 0) {
        int64_t room_mg = shelf_bend_room_mg(at); /* anything from nothing to this is as likely */

        seen.delta_mg -= room_mg / 2;
        seen.unsure_mg = hypot(seen.unsure_mg, (double)room_mg / EVEN_SD);
    }
    if (rests && at->plan_plate->facings_n > 1 && !at->plate->weigh.swings)
        find_place(at, &seen);
    if (rests)
        seen.others = shelf_strays(at, seen.delta_mg);
    return seen;
}

struct count shelf_judge(const struct shelf_at *at, int64_t delta_mg, bool rests)
{
    struct count_evidence seen = shelf_evidence(at, delta_mg, rests);

    return count_judge(at->plan_plate, &seen);
}

static bool bends_us(const struct shelf_at *at, uint16_t index, int64_t delta_mg)
{
    const struct shelf_plate *p = &at->s->plates[at->s->plate_slots[index]];
    const struct weigh *w = &p->weigh;
    int64_t force_mg = w->moved_mg < 0 ? -w->moved_mg : w->moved_mg;

    if (!w->settled || !w->has_ref || p->alert != 0 || at->now_us - p->seen_us > NOREN_US_PER_S)
        return false;
    /* Also where it is no change: a hand of 300 g is little beside goods of a kilogram. */
    if (delta_mg > 0 && force_mg >= BEND_TIMES * delta_mg)
        return true;
    if (w->away)
        return !w->calm;
    return !w->resting || at->now_us - w->rest_since_us < BEND_AFTER_US;
}

/* The plates beside this one. A plan that names no neighbours lists plates side by side. */
static uint8_t beside(const struct shelf_at *at, uint16_t ret[PLATE_NEIGHBOURS_MAX])
{
    const struct plan_plate *p = at->plan_plate, *all = at->plan->plates;
    uint16_t i = at->index;
    uint8_t n = 0;

    for (; n < p->neighbours_n; n++)
        ret[n] = p->neighbours[n];
    if (p->neighbours_n > 0)
        return n;
    if (i > 0 && all[i - 1].fixture == p->fixture)
        ret[n++] = (uint16_t)(i - 1);
    if (i + 1 < at->plan->plates_n && all[i + 1].fixture == p->fixture)
        ret[n++] = (uint16_t)(i + 1);
    return n;
}

bool shelf_neighbour_bends(const struct shelf_at *at, int64_t size_mg)
{
    uint16_t near[PLATE_NEIGHBOURS_MAX];

    for (uint8_t n = beside(at, near); n > 0; n--)
        if (bends_us(at, near[n - 1], size_mg))
            return true;
    return false;
}

int64_t shelf_bend_room_mg(const struct shelf_at *at)
{
    uint16_t near[PLATE_NEIGHBOURS_MAX];
    int64_t room_mg = 0;

    for (uint8_t n = beside(at, near); n > 0; n--) {
        const struct weigh *w = &at->s->plates[at->s->plate_slots[near[n - 1]]].weigh;

        if (!bends_us(at, near[n - 1], 0) || !w->away || w->moved_mg <= 0)
            continue;
        room_mg += w->moved_mg / BEND_SHARE < BEND_ONE_MG ? w->moved_mg / BEND_SHARE : BEND_ONE_MG;
    }
    return room_mg;
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
    if (shelf_neighbour_bends(at, 0)) {
        if (p->weigh.calm && p->change == 0 && size_mg <= SHELF_BEND_MG)
            p->bend_mg = off_mg;
        return;
    }
    /* The reference may have been taken under a bend that could only be guessed. */
    if (p->bend_guessed && p->weigh.calm && !p->weigh.away && p->change == 0) {
        p->bend_guessed = false;
        weigh_set_reference(&p->weigh, p->weigh.level_mg, p->weigh.tracked_ug / 1000);
        shelf_mark_cells(at);
        shelf_save_plate(at);
    }
    p->bend_mg = 0;
}
