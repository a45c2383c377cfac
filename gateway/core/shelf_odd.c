/* Strays, sweeps and the cross-check; see shelf_odd.h. */
#include "core/shelf_odd.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/shelf_piece.h"
#include "core/shelf_say.h"

#define STRAY_PIECES  3
#define STRAY_SURE_PM 900
#define STRAY_SIGMAS  3.0
#define STRAY_AGAIN   0.3 /* each further piece is less likely */
#define STRAY_FAR     0.1 /* from another piece of furniture, against from this one */
/* Against one piece of the plate's own product, that somebody puts here ... */
#define STRAY_FRESH    0.003 /* ... what was taken a moment ago */
#define STRAY_OLD      0.0001
#define STRAY_FRESH_US (120 * NOREN_US_PER_S)
#define STRAY_LEAVES   0.5 /* what lies on the wrong plate is often tidied away */

#define SWEEP_ALERT    "sweep"
#define SWEEP_US       (10 * NOREN_US_PER_S)
#define SWEEP_PIECES   5
#define SWEEP_PM       400 /* of the facing's capacity */
#define SWEEP_EMPTY_US (15 * NOREN_US_PER_S)
#define SWEEP_EMPTY    3 /* pieces at least, when they were the last */
#define SWEEP_AGAIN_US \
    (60 * NOREN_US_PER_S) /* the alert stands as long, and nothing is said again */
#define SWEEP_LASTS_US (NOREN_US_PER_S / 4)

#define CROSS_EVERY_US NOREN_US_PER_S
#define CROSS_US       (600 * NOREN_US_PER_S)
#define CROSS_ZERO_MG  (10 * NOREN_MG_PER_G) /* zeros drift by as much in a day */
#define CROSS_SPAN_PM  5

/* ---- strays ------------------------------------------------------------------------------------------- */

struct stray_search {
    struct candidate best[EVENT_CANDIDATES_MAX];
    double likelihood[EVENT_CANDIDATES_MAX]; /* best first */
    double total;
    uint8_t n;
};

static void add_stray(struct stray_search *s, const char *gtin, int32_t quantity, double likelihood)
{
    int i = s->n < EVENT_CANDIDATES_MAX ? s->n++ : EVENT_CANDIDATES_MAX - 1;

    s->total += likelihood;
    if (i == EVENT_CANDIDATES_MAX - 1 && s->likelihood[i] >= likelihood)
        return;
    for (; i > 0 && s->likelihood[i - 1] < likelihood; i--) {
        s->best[i] = s->best[i - 1];
        s->likelihood[i] = s->likelihood[i - 1];
    }
    s->best[i] = (struct candidate){.quantity = quantity};
    snprintf(s->best[i].gtin, sizeof(s->best[i].gtin), "%s", gtin);
    s->likelihood[i] = likelihood;
}

static bool stands_here(const struct shelf_at *at, uint16_t product)
{
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++)
        if (at->plan_plate->facings[i].product == product)
            return true;
    return false;
}

/* When a piece of it was taken last, as far as anybody remembers. */
static int64_t taken_us(const struct shelf_at *at, uint16_t product)
{
    int64_t newest_us = INT64_MIN / 2;

    for (uint16_t code = at->s->first_facing[product]; code != NO_INDEX;) {
        const struct shelf_plate *p = &at->s->plates[at->s->plate_slots[code / PLATE_FACINGS_MAX]];

        for (int i = 0; i < SHELF_LEFT_MAX; i++)
            if (p->left[i].n > 0 && p->left[i].facing == code % PLATE_FACINGS_MAX &&
                p->left[i].t_us > newest_us)
                newest_us = p->left[i].t_us;
        code = p->facings[code % PLATE_FACINGS_MAX].next;
    }
    return newest_us;
}

static void try_product(const struct shelf_at *at, uint16_t product, double delta_mg,
                        struct stray_search *s)
{
    uint16_t code = at->s->first_facing[product];
    int64_t held = shelf_stock(at->s, product)->in_hand;
    const struct plan_facing *f;
    double unit, sd, sigma = (double)at->plate->weigh.sigma_mg, prior = 0;

    if (held <= 0 || code == NO_INDEX || stands_here(at, product))
        return;
    f = &at->plan->plates[code / PLATE_FACINGS_MAX].facings[code % PLATE_FACINGS_MAX];
    unit = (double)f->unit_mass_mg;
    sd = piece_planned_sd_mg(f, unit);
    for (int32_t k = 1; k <= STRAY_PIECES && k <= held; k++) {
        double spread = sqrt(k * sd * sd + 2 * sigma * sigma);
        double off = (delta_mg - k * unit) / spread;

        if (fabs(off) > STRAY_SIGMAS)
            continue;
        if (prior == 0)
            prior =
                (at->now_us - taken_us(at, product) < STRAY_FRESH_US ? STRAY_FRESH : STRAY_OLD) *
                (at->plan->plates[code / PLATE_FACINGS_MAX].fixture == at->plan_plate->fixture
                     ? 1
                     : STRAY_FAR);
        add_stray(s, at->plan->products[product].gtin, k,
                  exp(-off * off / 2) / spread * prior * pow(STRAY_AGAIN, k - 1));
    }
}

static struct stray_search search_strays(const struct shelf_at *at, int64_t delta_mg)
{
    struct stray_search s = {.n = 0};

    for (uint16_t i = 0; i < at->plan->products_n; i++)
        try_product(at, i, (double)delta_mg, &s);
    return s;
}

double shelf_strays(const struct shelf_at *at, int64_t delta_mg)
{
    const struct shelf_stray *stray = &at->plate->stray;
    double spread, off;

    if (delta_mg >= 0)
        return search_strays(at, delta_mg).total;
    if (stray->quantity == 0)
        return 0;
    spread = 2 * (double)at->plate->weigh.sigma_mg + (double)stray->mass_mg / 300;
    off = (double)(delta_mg + stray->mass_mg) / spread;
    return STRAY_LEAVES * exp(-off * off / 2) / spread;
}

static void say_stray(const struct shelf_at *at, enum event_kind kind, int64_t delta_mg,
                      const struct stray_search *s)
{
    struct shelf_change *c = shelf_say_change(at, kind, STAGE_SETTLED, delta_mg);

    memcpy(c->gtin, s->best[0].gtin, sizeof(c->gtin));
    c->quantity = s->best[0].quantity < 0 ? -s->best[0].quantity : s->best[0].quantity;
    c->confidence_pm = s->best[0].posterior_pm;
    c->candidates_n = s->n;
    memcpy(c->candidates, s->best, sizeof(c->candidates));
}

/* What was found here earlier and lies here no longer. */
static bool take_stray_back(const struct shelf_at *at, int64_t delta_mg)
{
    struct shelf_stray *stray = &at->plate->stray;
    int64_t room_mg = 4 * at->plate->weigh.sigma_mg + stray->mass_mg / 100;
    int64_t off_mg = delta_mg + stray->mass_mg;
    struct stray_search s = {.n = 1};

    if (stray->quantity == 0 || off_mg > room_mg || off_mg < -room_mg)
        return false;
    s.best[0] = (struct candidate){.quantity = -stray->quantity, .posterior_pm = STRAY_SURE_PM};
    memcpy(s.best[0].gtin, stray->gtin, sizeof(stray->gtin));
    say_stray(at, EVENT_SHELF_PICK, delta_mg, &s);
    *stray = (struct shelf_stray){.quantity = 0};
    return true;
}

bool shelf_settle_stray(const struct shelf_at *at, int64_t delta_mg)
{
    struct stray_search s;

    if (delta_mg < 0)
        return take_stray_back(at, delta_mg);
    s = search_strays(at, delta_mg);
    for (uint8_t i = 0; i < s.n; i++)
        s.best[i].posterior_pm = (int32_t)lround(1000 * s.likelihood[i] / s.total);
    if (s.n == 0 || s.best[0].posterior_pm < STRAY_SURE_PM)
        return false;
    at->plate->stray = (struct shelf_stray){.mass_mg = delta_mg, .quantity = s.best[0].quantity};
    memcpy(at->plate->stray.gtin, s.best[0].gtin, sizeof(s.best[0].gtin));
    say_stray(at, EVENT_SHELF_MISPLACED, delta_mg, &s);
    return true;
}

/* ---- sweeps ------------------------------------------------------------------------------------------- */

static int64_t left_since(const struct shelf_plate *p, uint8_t facing, int64_t since_us)
{
    int64_t n = 0;

    for (int i = 0; i < SHELF_LEFT_MAX; i++)
        if (p->left[i].facing == facing && p->left[i].n > 0 && p->left[i].t_us > since_us)
            n += p->left[i].n;
    return n;
}

static void say_sweep(const struct shelf_at *at, enum shelf_stage stage)
{
    struct shelf_sweep *w = &at->plate->sweep;
    const struct plan_facing *f = &at->plan_plate->facings[w->facing];
    struct shelf_change *c =
        &batch_event(at->out, EVENT_SHELF_SWEEP, at->now_us)->u.shelf_sweep.change;

    snprintf(c->change_id, sizeof(c->change_id), "c%" PRId64, w->number);
    snprintf(c->plate, sizeof(c->plate), "%s", at->plan_plate->id);
    snprintf(c->gtin, sizeof(c->gtin), "%s", shelf_gtin(at, w->facing));
    c->stage = stage;
    c->rev = w->rev++;
    c->quantity = w->quantity;
    c->mass_mg = -w->quantity * f->unit_mass_mg;
    c->confidence_pm = at->plate->facings[w->facing].confidence_pm;
    w->open = stage == STAGE_PROVISIONAL;
    shelf_save_plate(at);
}

static void raise_sweep(const struct shelf_at *at, uint8_t facing, int64_t n,
                        enum shelf_stage stage)
{
    struct event_alert_raised *e;

    at->plate->sweep = (struct shelf_sweep){.number = shelf_take_number(at->s, at->out),
                                            .t_us = at->now_us,
                                            .facing = facing,
                                            .quantity = (int32_t)n};
    e = batch_raise_alert(at->out, at->now_us, at->plate->sweep.number, SWEEP_ALERT, "warning",
                          at->plan_plate->id);
    snprintf(e->gtin, sizeof(e->gtin), "%s", shelf_gtin(at, facing));
    say_sweep(at, stage);
}

static void clear_sweep(const struct shelf_at *at)
{
    struct shelf_sweep *w = &at->plate->sweep;

    batch_clear_alert(at->out, at->now_us, w->number, SWEEP_ALERT, at->plan_plate->id);
    w->number = 0;
    shelf_save_plate(at);
}

/* How many left, when that are many: of `now` more, of which `left` stay. 0: they are not. */
static int64_t many(const struct shelf_at *at, uint8_t facing, int64_t now, int64_t left)
{
    const struct plan_facing *f = &at->plan_plate->facings[facing];
    int64_t least = (int64_t)f->capacity * SWEEP_PM / 1000;
    int64_t taken = left_since(at->plate, facing, at->now_us - SWEEP_US) + now;

    if (taken >= (least > SWEEP_PIECES ? least : SWEEP_PIECES))
        return taken;
    taken = left_since(at->plate, facing, at->now_us - SWEEP_EMPTY_US) + now;
    return left <= 0 && taken >= SWEEP_EMPTY ? taken : 0;
}

void shelf_watch_sweep(const struct shelf_at *at, uint8_t facing, int64_t n)
{
    struct shelf_plate *p = at->plate;
    int64_t taken;

    p->left_at = (uint8_t)((p->left_at + 1) % SHELF_LEFT_MAX);
    p->left[p->left_at].t_us = at->now_us;
    p->left[p->left_at].facing = facing;
    p->left[p->left_at].n = n > INT32_MAX ? INT32_MAX : (int32_t)n;
    taken = many(at, facing, 0, p->facings[facing].on_shelf);
    if (taken == 0 || (p->sweep.number != 0 && (!p->sweep.open || p->sweep.facing != facing)))
        return;
    if (p->sweep.number == 0) {
        raise_sweep(at, facing, taken, STAGE_SETTLED);
        return;
    }
    p->sweep.quantity = (int32_t)taken;
    say_sweep(at, STAGE_SETTLED);
}

/* A plate that was bumped swings back for a moment and looks lighter: the loss has to last a little. */
void shelf_foresee_sweep(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    uint8_t facing = 0;
    int64_t taken;

    if (p->change == 0 || p->sweep.number != 0 || p->claim.kind != CLAIM_PICK ||
        at->now_us - p->weigh.away_us < SWEEP_LASTS_US)
        return;
    while (facing < at->plan_plate->facings_n && strcmp(shelf_gtin(at, facing), p->claim.gtin) != 0)
        facing++;
    if (facing == at->plan_plate->facings_n || !p->facings[facing].counted ||
        p->weigh.moved_mg * 10 >
            -9 * p->claim.quantity * at->plan_plate->facings[facing].unit_mass_mg)
        return;
    taken = many(at, facing, p->claim.quantity, p->facings[facing].on_shelf - p->claim.quantity);
    if (taken > 0)
        raise_sweep(at, facing, taken, STAGE_PROVISIONAL);
}

void shelf_close_sweep(const struct shelf_at *at, int64_t lost_mg)
{
    const struct shelf_sweep *w = &at->plate->sweep;

    if (!w->open)
        return;
    /* Goods of this weight are gone, only not surely these. */
    if (2 * lost_mg >= SWEEP_EMPTY * at->plan_plate->facings[w->facing].unit_mass_mg) {
        say_sweep(at, STAGE_SETTLED);
        return;
    }
    say_sweep(at, STAGE_RETRACTED);
    clear_sweep(at);
}

bool shelf_end_sweeps(struct shelf *s, const struct plan *plan, int64_t now_us, struct batch *out)
{
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        const struct shelf_plate *p = &s->plates[s->plate_slots[i]];
        struct shelf_at at;

        if (p->sweep.number == 0 || p->sweep.open || now_us - p->sweep.t_us < SWEEP_AGAIN_US)
            continue;
        if (!batch_room(out, 1, 1))
            return false;
        at = shelf_at(s, plan, i, now_us, out);
        clear_sweep(&at);
    }
    return true;
}

/* ---- the absolute weight ------------------------------------------------------------------------------ */

/* By how much weight and books disagree, beyond what variation and zero drift explain; 0: not. */
static bool disagrees(const struct shelf_at *at)
{
    double books = (double)at->plate->stray.mass_mg, variance = 0, room, off;

    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        const struct plan_facing *f = &at->plan_plate->facings[i];
        double n = (double)at->plate->facings[i].on_shelf;
        double unit = (double)shelf_piece(at, i).mass_mg;
        double sd = piece_planned_sd_mg(f, unit);

        if (!at->plate->facings[i].counted)
            return false;
        books += n * unit;
        /* The stated unit mass may itself be off by a third of its variation, the same for all pieces. */
        variance += n * sd * sd + n * n * sd * sd / 9;
    }
    off = fabs((double)at->plate->weigh.level_mg - books);
    room = (double)at->unit_mg / 2 + 2 * sqrt(variance) + books * CROSS_SPAN_PM / 1000 +
           (double)CROSS_ZERO_MG + fabs((double)creep_left_ug(&at->plate->weigh.creep) / 1000);
    return off > room;
}

void shelf_cross_check(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;

    if (at->now_us < p->cross_next_us || at->unit_mg == 0)
        return;
    p->cross_next_us = at->now_us + CROSS_EVERY_US;
    if (p->weigh.away || !p->weigh.resting)
        return;
    if ((at->plan_plate->cells_n == 0 && p->tare_mg == 0) || !disagrees(at)) {
        p->cross_us = 0;
        p->cross_told = false;
        return;
    }
    if (p->cross_us == 0)
        p->cross_us = at->now_us;
    if (p->cross_told || at->now_us - p->cross_us < CROSS_US)
        return;
    p->cross_told = true;
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++)
        shelf_suggest_recount(at, i, p->facings[i].on_shelf, "weight_disagrees");
}
