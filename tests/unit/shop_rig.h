/* A small store in a test: a world of loads and hands, a brain, and a database that can lose what was not
 * committed. Everything is a function of time and a seed, so a run can be cut anywhere and continued.
 */
#ifndef NOREN_TESTS_SHOP_RIG_H
#define NOREN_TESTS_SHOP_RIG_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/shop.h"

#define RIG_SEED       20261121u
#define RIG_EVENTS_MAX 4096
#define RIG_ROWS_MAX   2048
#define RIG_STEPS_MAX  512
#define S              NOREN_US_PER_S
#define MS             NOREN_US_PER_MS
#define GTIN_TEA       "09506000134352"
#define GTIN_CAN       "00614141000036"
#define ZERO_COUNTS    84000
#define MG_PER_COUNT   2.5

struct rng {
    uint64_t state;
};

static inline double rng_uniform(struct rng *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (double)((r->state * 0x2545F4914F6CDD1Du) >> 11) / 9007199254740992.0;
}

/* Sum of twelve uniforms: near enough to Gauss, and the same on every libm. */
static inline double rng_gauss(struct rng *r)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += rng_uniform(r);
    return sum;
}

/* What lies on one plate and who leans on it. */
struct world {
    struct {
        int64_t t_us;
        double mg;
    } steps[RIG_STEPS_MAX]; /* something is put on (+) or taken off (-), and the plate rings */
    int steps_n;
    struct {
        int64_t from_us, to_us;
        double mg;
    } hands[RIG_STEPS_MAX]; /* a hand rests, with tremor */
    int hands_n;
    double swing_mg; /* amplitude of something that hangs and swings at 1 Hz */
    int64_t swing_from_us, swing_to_us;
    double noise_mg;
    double drift_mg;          /* amplitude of a daily wave of temperature */
    double creep_pm, creep_s; /* of each step, with this constant */
    struct rng rng;
};

static inline void world_step(struct world *w, int64_t t_us, double mg)
{
    w->steps[w->steps_n].t_us = t_us;
    w->steps[w->steps_n++].mg = mg;
}

static inline void world_hand(struct world *w, int64_t from_us, int64_t to_us, double mg)
{
    w->hands[w->hands_n].from_us = from_us;
    w->hands[w->hands_n].to_us = to_us;
    w->hands[w->hands_n++].mg = mg;
}

static inline double world_mass_mg(struct world *w, int64_t t_us)
{
    double mass = w->drift_mg * sin(2 * 3.14159265 * (double)t_us / (86400.0 * S));

    for (int i = 0; i < w->steps_n; i++) {
        double age_s = (double)(t_us - w->steps[i].t_us) / S;

        if (age_s < 0)
            continue;
        mass += w->steps[i].mg;
        if (w->creep_s > 0)
            mass += w->steps[i].mg * w->creep_pm / 1000 * (1 - exp(-age_s / w->creep_s));
        if (age_s < 3) /* the plate rings at 7 Hz */
            mass -= w->steps[i].mg * 0.5 * exp(-age_s / 0.15) * cos(2 * 3.14159265 * 7 * age_s);
    }
    for (int i = 0; i < w->hands_n; i++) {
        double t_s = (double)(t_us - w->hands[i].from_us) / S;

        if (t_us >= w->hands[i].from_us && t_us < w->hands[i].to_us)
            mass += w->hands[i].mg * (1 + 0.06 * sin(2 * 3.14159265 * 9 * t_s) +
                                      0.2 * sin(2 * 3.14159265 * 0.7 * t_s));
    }
    if (t_us >= w->swing_from_us && t_us < w->swing_to_us)
        mass += w->swing_mg * sin(2 * 3.14159265 * (double)(t_us - w->swing_from_us) / S);
    return mass + w->noise_mg * rng_gauss(&w->rng);
}

struct rig {
    struct plan plan;
    struct shop shop;
    struct batch batch;
    struct world world;
    int64_t now_us, due_us;
    int64_t period_us;
    /* the database */
    struct record rows[RIG_ROWS_MAX];
    int rows_n;
    struct event log[RIG_EVENTS_MAX];
    int log_n;
    int commits;
    int commits_max; /* later batches are lost */
};

static inline void rig_plan(struct plan *p)
{
    memset(p, 0, sizeof(*p));
    strcpy(p->store, "s1");
    p->fixtures_n = 1;
    strcpy(p->fixtures[0], "gondola-1");
    p->zones_n = 1;
    strcpy(p->zones[0].id, "tea");
    p->products_n = 2;
    strcpy(p->products[0].gtin, GTIN_TEA);
    strcpy(p->products[0].name, "Green \"tea\" 500 g");
    p->products[0].safety = 1;
    p->products[0].backroom = 24;
    strcpy(p->products[1].gtin, GTIN_CAN);
    strcpy(p->products[1].name, "Can");
    p->plates_n = 1;
    strcpy(p->plates[0].id, "p1");
    p->plates[0].zone = 0;
    p->plates[0].cells_n = 1;
    p->plates[0].facings_n = 1;
    p->plates[0].facings[0] = (struct plan_facing){
        .product = 0, .unit_mass_mg = 500000, .unit_cv_pm = 10, .min = 2, .capacity = 20};
    p->cells_n = 1;
    strcpy(p->cells[0].id, "c1");
    p->cells[0].zero_counts = ZERO_COUNTS;
    p->cells[0].mg_per_count = MG_PER_COUNT;
    p->cells[0].node = -1;
}

static inline void rig_store(struct rig *r, const struct record *row)
{
    int i = 0;

    while (i < r->rows_n && (r->rows[i].kind != row->kind || strcmp(r->rows[i].key, row->key) != 0))
        i++;
    if (i == r->rows_n)
        r->rows_n++;
    if (i >= RIG_ROWS_MAX)
        abort();
    r->rows[i] = *row;
}

static inline void rig_commit(struct rig *r)
{
    if (r->batch.events_n + r->batch.records_n == 0)
        return;
    r->commits++;
    if (r->commits > r->commits_max)
        return;
    for (size_t i = 0; i < r->batch.records_n; i++)
        rig_store(r, &r->batch.records[i]);
    for (size_t i = 0; i < r->batch.events_n; i++) {
        if (r->log_n == RIG_EVENTS_MAX)
            abort();
        r->log[r->log_n++] = r->batch.events[i];
    }
}

/* One observation, and the ticks that are due until it. */
static inline void rig_feed(struct rig *r, const struct obs *o)
{
    struct obs tick = {.kind = OBS_TICK};

    while (r->due_us < o->t_us) {
        tick.t_us = r->due_us < r->shop.now_us ? r->shop.now_us : r->due_us;
        r->due_us = shop_step(&r->shop, &tick, &r->batch);
        rig_commit(r);
    }
    r->now_us = o->t_us;
    r->due_us = shop_step(&r->shop, o, &r->batch);
    rig_commit(r);
}

/* Starts the brain over what the database holds. */
static inline void rig_boot(struct rig *r)
{
    struct obs plan = {.t_us = r->now_us, .kind = OBS_PLAN, .u.plan = &r->plan};

    shop_init(&r->shop);
    r->due_us = NOREN_NEVER_US;
    rig_feed(r, &plan);
    for (int i = 0; i < r->rows_n; i++)
        if (shop_restore(&r->shop, &r->rows[i]) != 0)
            abort();
}

static inline struct rig *rig_new(int sps)
{
    struct rig *r = calloc(1, sizeof(*r));

    if (r == NULL)
        abort();
    rig_plan(&r->plan);
    r->commits_max = INT32_MAX;
    r->period_us = S / sps;
    r->world.noise_mg = 1000;
    r->world.rng.state = RIG_SEED;
    rig_boot(r);
    return r;
}

static inline void rig_tick_to(struct rig *r, int64_t t_us)
{
    struct obs tick = {.t_us = t_us, .kind = OBS_TICK};

    rig_feed(r, &tick);
}

/* Samples the world through cell 0 until `t_us`. */
static inline void rig_run(struct rig *r, int64_t t_us)
{
    while (r->now_us + r->period_us <= t_us) {
        struct obs o = {.t_us = r->now_us + r->period_us, .kind = OBS_CELL};

        o.u.cell.counts =
            (int32_t)lround(world_mass_mg(&r->world, o.t_us) / MG_PER_COUNT) + ZERO_COUNTS;
        rig_feed(r, &o);
    }
}

static inline void rig_command(struct rig *r, enum command_kind kind, const char *id,
                               const char *target, int64_t quantity)
{
    struct obs o = {.t_us = r->now_us, .kind = OBS_COMMAND};

    o.u.command.kind = kind;
    o.u.command.quantity = quantity;
    strcpy(o.u.command.id, id);
    strcpy(o.u.command.target, target);
    rig_feed(r, &o);
}

static inline bool rig_is_shelf(const struct event *e)
{
    return e->kind == EVENT_SHELF_PICK || e->kind == EVENT_SHELF_PUT_BACK ||
           e->kind == EVENT_SHELF_RESTOCK || e->kind == EVENT_SHELF_AMBIGUOUS ||
           e->kind == EVENT_SHELF_UNKNOWN;
}

/* Counts committed shelf events of a stage since log position `from`. */
static inline int rig_count(const struct rig *r, int from, enum shelf_stage stage)
{
    int n = 0;

    for (int i = from; i < r->log_n; i++)
        n += rig_is_shelf(&r->log[i]) && r->log[i].u.shelf_pick.change.stage == stage;
    return n;
}

static inline int rig_kind_count(const struct rig *r, int from, enum event_kind kind)
{
    int n = 0;

    for (int i = from; i < r->log_n; i++)
        n += r->log[i].kind == kind;
    return n;
}

/* The n-th shelf event of a stage since `from`, or NULL. */
static inline const struct event *rig_find(const struct rig *r, int from, enum shelf_stage stage)
{
    for (int i = from; i < r->log_n; i++)
        if (rig_is_shelf(&r->log[i]) && r->log[i].u.shelf_pick.change.stage == stage)
            return &r->log[i];
    return NULL;
}

static inline const struct event_stock_changed *rig_last_stock(const struct rig *r)
{
    for (int i = r->log_n - 1; i >= 0; i--)
        if (r->log[i].kind == EVENT_STOCK_CHANGED)
            return &r->log[i].u.stock_changed;
    return NULL;
}

static inline int64_t rig_on_shelf(const struct rig *r)
{
    return shelf_facing(&r->shop.shelf, 0, 0)->on_shelf;
}

/* For a failing test: what happened. */
static inline void rig_dump(const struct rig *r)
{
    for (int i = 0; i < r->log_n; i++) {
        const struct event *e = &r->log[i];

        fprintf(stderr, "%10.3f kind %d", (double)e->t_us / S, e->kind);
        if (rig_is_shelf(e))
            fprintf(stderr, " %s stage %d rev %d quantity %d mass %lld conf %d",
                    e->u.shelf_pick.change.change_id, e->u.shelf_pick.change.stage,
                    e->u.shelf_pick.change.rev, e->u.shelf_pick.change.quantity,
                    (long long)e->u.shelf_pick.change.mass_mg,
                    e->u.shelf_pick.change.confidence_pm);
        if (e->kind == EVENT_STOCK_CHANGED)
            fprintf(stderr, " %s %s delta %lld on_shelf %lld", e->u.stock_changed.cause,
                    e->u.stock_changed.change_id, (long long)e->u.stock_changed.delta,
                    (long long)e->u.stock_changed.on_shelf);
        fprintf(stderr, "\n");
    }
}

#endif
