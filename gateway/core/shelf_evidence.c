/* Cells' shares and neighbours' bending; see shelf_evidence.h. */
#include "core/shelf_evidence.h"

#include <math.h>

#include "core/shelf_odd.h"
#include "core/shelf_piece.h"

#define EVEN_SD 3.4641016 /* width of an even distribution over its standard deviation */
/* The neighbour's own quick path sees it as late as ours, and its plate rings after the hand is gone. */
#define BEND_WAIT_US  (NOREN_US_PER_S / 8)
#define BEND_AFTER_US (NOREN_US_PER_S * 7 / 10)
#define BEND_ONE_MG   (18 * NOREN_MG_PER_G) /* by one neighbour */
#define BEND_SHARE    16                    /* of its force at most */
#define BEND_LEAST_MG (NOREN_MG_PER_G / 2)  /* nobody presses */
#define BEND_SAME     0.25 /* a hand that presses otherwise bends otherwise; it sways by less */
#define BEND_SIGMAS   3    /* of a resting level at most */
#define BENT_MAX_US   (60 * NOREN_US_PER_S) /* longer than this nobody leans on a neighbour */
#define BENT_NEWS_US  (10 * NOREN_US_PER_S) /* a plate has come to rest after what was beside it */
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

struct bend_range {
    int64_t low_mg, high_mg;
    int64_t force_mg; /* of all hands that press */
};

static bool is_felt(const struct shelf_at *at, const struct shelf_plate *p)
{
    return p->weigh.settled && p->weigh.has_ref && p->alert == 0 &&
           at->now_us - p->seen_us <= NOREN_US_PER_S;
}

static bool bends_us(const struct shelf_at *at, uint16_t index)
{
    const struct shelf_plate *p = &at->s->plates[at->s->plate_slots[index]];
    const struct weigh *w = &p->weigh;

    if (!is_felt(at, p))
        return false;
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

bool shelf_neighbour_bends(const struct shelf_at *at)
{
    uint16_t near[PLATE_NEIGHBOURS_MAX];

    for (uint8_t n = beside(at, near); n > 0; n--)
        if (bends_us(at, near[n - 1]))
            return true;
    return false;
}

/* By so much may neighbours bend this plate now, each as far as what it feels beyond its own goods can. */
static struct bend_range bend_range(const struct shelf_at *at)
{
    uint16_t near[PLATE_NEIGHBOURS_MAX];
    struct bend_range range = {0, 0, 0};

    /* Also where it is no change: a hand of 300 g is little beside goods of a kilogram. */
    for (uint8_t n = beside(at, near); n > 0; n--) {
        const struct shelf_plate *p = &at->s->plates[at->s->plate_slots[near[n - 1]]];
        const struct weigh *w = &p->weigh;
        int64_t bend_mg = w->moved_mg / BEND_SHARE;

        if (!is_felt(at, p) || (w->away && w->calm))
            continue;
        if (bend_mg > 0) {
            range.high_mg += bend_mg < BEND_ONE_MG ? bend_mg : BEND_ONE_MG;
            range.force_mg += w->moved_mg;
        } else
            range.low_mg += bend_mg > -BEND_ONE_MG ? bend_mg : -BEND_ONE_MG;
    }
    return range;
}

/* What came or went beside us lately, every plate by itself. */
static int64_t goods_beside_mg(const struct shelf_at *at)
{
    uint16_t near[PLATE_NEIGHBOURS_MAX];
    int64_t sum_mg = 0;

    for (uint8_t n = beside(at, near); n > 0; n--) {
        const struct shelf_plate *p = &at->s->plates[at->s->plate_slots[near[n - 1]]];

        if (p->agreed_us != 0 && at->now_us - p->agreed_us < BENT_NEWS_US)
            sum_mg += p->agreed_mg < 0 ? -p->agreed_mg : p->agreed_mg;
    }
    return sum_mg;
}

/* So much of that this plate has felt before. */
static int64_t known_share_mg(const struct shelf_at *at)
{
    return goods_beside_mg(at) / 1000 * at->plate->bent_pm;
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
    if (rests && at->plate->weigh.bend_mg != 0) {
        seen.unsure_mg =
            hypot(seen.unsure_mg, (double)at->plate->weigh.bend_mg * BEND_SAME / EVEN_SD);
    } else if (rests) {
        int64_t room_mg = bend_range(at).high_mg; /* anything from nothing to this is as likely */

        seen.delta_mg -= room_mg / 2;
        seen.unsure_mg = hypot(seen.unsure_mg, (double)room_mg / EVEN_SD);
    }
    if (rests) /* to either side */
        seen.unsure_mg = hypot(seen.unsure_mg, (double)known_share_mg(at));
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

static bool explains(const struct shelf_at *at, struct bend_range range, int64_t off_mg)
{
    int64_t unsure_mg = BEND_SIGMAS * at->plate->weigh.sigma_mg;

    return range.high_mg > range.low_mg && off_mg >= range.low_mg - unsure_mg &&
           off_mg <= range.high_mg + unsure_mg;
}

bool shelf_may_be_bent(const struct shelf_at *at, int64_t moved_mg)
{
    int64_t size_mg = moved_mg < 0 ? -moved_mg : moved_mg;

    return size_mg <= SHELF_BEND_MG &&
           (at->now_us - at->plate->weigh.away_us < BEND_WAIT_US || shelf_neighbour_bends(at) ||
            explains(at, bend_range(at), moved_mg + at->plate->weigh.bend_mg));
}

bool shelf_rests_bent(const struct shelf_at *at, int64_t delta_mg)
{
    return at->plate->weigh.bend_mg == 0 && at->now_us - at->plate->weigh.away_us < BENT_MAX_US &&
           explains(at, bend_range(at), delta_mg);
}

bool shelf_bent_by_goods(const struct shelf_at *at, int64_t step_mg)
{
    int64_t size_mg = step_mg < 0 ? -step_mg : step_mg, goods_mg = goods_beside_mg(at);

    if (goods_mg == 0)
        return false;
    if (at->plate->weigh.away) /* as much as goods: only what this plate has shown before */
        return size_mg <= known_share_mg(at);
    return size_mg <= goods_mg / BEND_SHARE;
}

/* A larger share than known is believed by half each time. It does not fade, as frames do not stiffen: two neighbours
 * that pull to different sides look like no bend at all. */
bool shelf_learn_share(const struct shelf_at *at, int64_t step_mg)
{
    int64_t size_mg = step_mg < 0 ? -step_mg : step_mg, goods_mg = goods_beside_mg(at);
    bool plain = goods_mg > 0 && size_mg > 3 * at->plate->weigh.sigma_mg;
    int32_t more_pm = (plain ? (int32_t)(size_mg * 1000 / goods_mg) : 0) - at->plate->bent_pm;

    at->plate->bent_pm += more_pm > 0 ? (more_pm + 1) / 2 : 0;
    return plain;
}

/* The reference was taken under a bend that could only be guessed; the hands are gone. */
static void correct_guess(const struct shelf_at *at, int64_t off_mg)
{
    struct shelf_plate *p = at->plate;

    if (!p->weigh.calm || p->weigh.away || p->change != 0 || off_mg > SHELF_BEND_MG ||
        off_mg < -SHELF_BEND_MG)
        return;
    p->bend_guessed = false;
    p->still_mg = p->weigh.level_mg; /* what the guess was wrong by is no step of the load */
    weigh_set_reference(&p->weigh, p->weigh.level_mg, p->weigh.tracked_ug / 1000);
    shelf_mark_cells(at);
    shelf_save_plate(at);
}

void shelf_guess_bend(const struct shelf_at *at, int64_t left_mg)
{
    struct shelf_plate *p = at->plate;
    struct bend_range range = bend_range(at);

    if (p->weigh.bend_mg != 0 || range.high_mg == 0)
        return;
    p->weigh.bend_mg = left_mg < 0 ? 0 : left_mg < range.high_mg ? left_mg : range.high_mg;
    p->bend_force_mg = range.force_mg;
    p->bend_guessed = true;
}

void shelf_learn_bend(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    struct bend_range range = bend_range(at);
    int64_t off_mg = p->weigh.level_mg - weigh_reference_mg(&p->weigh);

    if (!p->weigh.has_ref)
        return;
    if (range.high_mg < BEND_LEAST_MG) {
        if (p->weigh.bend_mg != 0 && at->plan_plate->facings_n == 1)
            p->still_known = false; /* what a hand did is no share of goods */
        p->weigh.bend_mg = 0;
        if (p->bend_guessed)
            correct_guess(at, off_mg);
    } else if (p->weigh.calm && p->change == 0 && explains(at, range, off_mg)) {
        p->weigh.bend_mg = off_mg;
        p->bend_force_mg = range.force_mg;
    } else if (fabs((double)(range.force_mg - p->bend_force_mg)) >
               BEND_SAME * (double)p->bend_force_mg) {
        p->weigh.bend_mg = 0;
    }
}
