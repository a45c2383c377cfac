/* Trials through the real core, scored; see score.h. */
#include "sim/score.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_US      (5 * NOREN_US_PER_S) /* before anybody comes */
#define GROUP_US      (2 * NOREN_US_PER_S)
#define BEFORE_US     (NOREN_US_PER_S / 2)
#define PATIENCE_S    14.0
#define AGREED_US     (30 * NOREN_US_PER_S)
#define SLOW_US       (2 * NOREN_US_PER_S)
#define PROVISIONAL_S 0.8 /* at 80 SPS, 95 of 100 */

static bool is_change(const struct event *e)
{
    return e->kind == EVENT_SHELF_PICK || e->kind == EVENT_SHELF_PUT_BACK ||
           e->kind == EVENT_SHELF_RESTOCK || e->kind == EVENT_SHELF_AMBIGUOUS ||
           e->kind == EVENT_SHELF_UNKNOWN || e->kind == EVENT_SHELF_MISPLACED;
}

/* Somebody hears that the count of a product, or of all on the plate, may be wrong. */
static void flag(struct scorer *r, const struct event *e)
{
    const struct plan *plan = &r->trial.plan;
    const char *plate = NULL, *gtin = NULL;
    uint16_t p;

    if (e->kind == EVENT_STOCK_RECOUNT_SUGGESTED) {
        plate = e->u.stock_recount_suggested.plate;
        gtin = e->u.stock_recount_suggested.gtin;
    } else if ((e->kind == EVENT_SHELF_AMBIGUOUS || e->kind == EVENT_SHELF_UNKNOWN) &&
               e->u.shelf_pick.change.stage == STAGE_SETTLED) {
        plate = e->u.shelf_pick.change.plate;
    }
    if (plate == NULL)
        return;
    r->told++;
    p = (uint16_t)strtol(plate + 1, NULL, 10); /* "p7" */
    for (uint8_t i = 0; i < plan->plates[p].facings_n; i++)
        if (gtin == NULL ||
            strcmp(plan->products[plan->plates[p].facings[i].product].gtin, gtin) == 0)
            r->books[p][i].flag_us = e->t_us;
}

static void watch_book(struct score_book *b, bool right, int64_t t_us)
{
    if (!right) {
        b->right_us = 0;
        b->wrong_us = b->wrong_us == 0 ? t_us - NOREN_US_PER_S : b->wrong_us;
        return;
    }
    if (b->right_us == 0)
        b->right_us = t_us;
    if (t_us - b->right_us >= AGREED_US)
        b->wrong_us = 0;
}

/* Once a second: since when are books wrong? */
static void watch_books(struct scorer *r, int64_t t_us)
{
    if (t_us - r->books_us < NOREN_US_PER_S)
        return;
    r->books_us = t_us;
    for (uint16_t p = 0; p < r->trial.plan.plates_n; p++)
        for (uint8_t i = 0; i < r->trial.plan.plates[p].facings_n; i++)
            watch_book(&r->books[p][i],
                       shelf_facing(&r->shop.shelf, p, i)->on_shelf == r->trial.count[p][i], t_us);
}

static int64_t step(struct scorer *r, const struct obs *o)
{
    int64_t due = shop_step(&r->shop, o, &r->batch);

    for (size_t i = 0; i < r->batch.events_n; i++) {
        flag(r, &r->batch.events[i]);
        if (!is_change(&r->batch.events[i]))
            continue;
        if (r->events_n == r->events_max) {
            r->events_max = r->events_max * 2 + 1024;
            r->events = realloc(r->events, (size_t)r->events_max * sizeof(*r->events));
            if (r->events == NULL)
                abort();
        }
        r->events[r->events_n++] = r->batch.events[i];
    }
    return due;
}

/* Of several products on one plate the scale alone cannot tell how many there are: somebody counts at first. */
static void count_shelves(struct scorer *r, int64_t t_us)
{
    for (uint16_t i = 0; i < r->trial.plan.plates_n; i++)
        for (uint8_t k = 0; k < r->trial.plan.plates[i].facings_n; k++) {
            struct obs o = {.kind = OBS_COMMAND, .t_us = t_us};

            if (r->trial.plan.plates[i].facings_n == 1)
                break;
            o.u.command.kind = COMMAND_RECOUNT;
            o.u.command.quantity = r->trial.count[i][k];
            snprintf(o.u.command.id, sizeof(o.u.command.id), "count-%d-%d", i, k);
            snprintf(o.u.command.target, sizeof(o.u.command.target), "%s",
                     r->trial.plan.products[r->trial.plan.plates[i].facings[k].product].gtin);
            (void)step(r, &o);
        }
}

static void feed(struct scorer *r, const struct trial_kind *kind, uint64_t seed, int sps,
                 int64_t length_us)
{
    struct obs o = {.kind = OBS_PLAN, .u.plan = &r->trial.plan};
    /* Where the books are judged, the slow cross-check gets its ten minutes. */
    int64_t tail_us = (kind->books ? 660 : 60) * NOREN_US_PER_S, due, t_us = 0;

    if (kind->books)
        length_us += 1200 * NOREN_US_PER_S;
    trial_init(&r->trial, kind, seed, sps);
    shop_init(&r->shop);
    r->events_n = 0;
    memset(r->books, 0, sizeof(r->books));
    r->books_us = 0;
    r->told = 0;
    due = step(r, &o);
    while (t_us < length_us) {
        t_us = trial_next(&r->trial, length_us - tail_us);
        if (t_us >= COUNT_US && t_us < COUNT_US + NOREN_US_PER_S / sps)
            count_shelves(r, t_us);
        while (due <= t_us) {
            o = (struct obs){.kind = OBS_TICK, .t_us = due};
            due = step(r, &o);
        }
        for (uint16_t i = 0; i < r->trial.plan.plates_n; i++) {
            int32_t counts[PHYSICS_CELLS_MAX];

            trial_counts(&r->trial, i, counts);
            for (uint8_t k = 0; k < r->trial.plan.plates[i].cells_n; k++) {
                o = (struct obs){.kind = OBS_CELL, .t_us = t_us};
                o.u.cell.cell = r->trial.plan.plates[i].cells[k];
                o.u.cell.counts = counts[k];
                due = step(r, &o);
            }
        }
        watch_books(r, t_us);
    }
}

/* ---- scoring ------------------------------------------------------------------------------------------ */

static const char *truth_gtin(const struct trial *t, const struct trial_truth *truth)
{
    return t->plan.products[t->plan.plates[truth->owner].facings[truth->facing].product].gtin;
}

static struct sum *sum_of(struct score_group *g, const char *gtin)
{
    for (int i = 0; i < g->sums_n; i++)
        if (strcmp(g->sums[i].gtin, gtin) == 0)
            return &g->sums[i];
    if (g->sums_n == SCORE_TRUTHS_MAX)
        return &g->sums[SCORE_TRUTHS_MAX - 1];
    g->sums[g->sums_n] = (struct sum){.truth = 0};
    snprintf(g->sums[g->sums_n].gtin, NOREN_GTIN_SIZE, "%s", gtin);
    return &g->sums[g->sums_n++];
}

static void make_groups(struct scorer *r)
{
    struct trial *t = &r->trial;

    r->groups = calloc((size_t)t->truth_n + 1, sizeof(*r->groups));
    r->groups_n = 0;
    if (r->groups == NULL)
        abort();
    for (int i = 0; i < t->truth_n; i++) {
        const struct trial_truth *truth = &t->truth[i];
        struct score_group *g = NULL;

        for (int k = r->groups_n - 1; k >= 0 && g == NULL && k >= r->groups_n - 20; k--)
            if (r->groups[k].plate == truth->plate && truth->t_us - r->groups[k].last_us < GROUP_US)
                g = &r->groups[k];
        if (g == NULL) {
            g = &r->groups[r->groups_n++];
            *g = (struct score_group){
                .first_us = truth->t_us, .plate = truth->plate, .also = truth->also};
        }
        g->last_us = truth->t_us;
        g->swing_s = truth->swing_s > g->swing_s ? truth->swing_s : g->swing_s;
        sum_of(g, truth_gtin(t, truth))->truth += truth->quantity;
    }
}

static struct score_group *group_of(struct scorer *r, uint16_t plate, int64_t t_us)
{
    for (int k = r->groups_n - 1; k >= 0; k--) {
        struct score_group *g = &r->groups[k];
        int64_t end_us = g->last_us + (int64_t)((PATIENCE_S + 3 * g->swing_s) * NOREN_US_PER_S);

        if ((g->plate == plate || g->also == plate) && g->first_us - BEFORE_US <= t_us)
            return t_us <= end_us ? g : NULL;
    }
    return NULL;
}

static uint16_t plate_of(const struct shelf_change *c)
{
    return (uint16_t)strtol(c->plate + 1, NULL, 10); /* "p7" */
}

static void say(const struct scorer *r, const char *what, const struct event *e)
{
    const struct shelf_change *c = &e->u.shelf_pick.change;

    if (r->verbose)
        printf("    %-7s %9.3f %s %s kind %d quantity %d mass %.1f g unit %.1f g\n", what,
               (double)e->t_us / 1e6, c->plate, c->gtin, e->kind, c->quantity,
               (double)c->mass_mg / 1000,
               (double)r->trial.plan.plates[plate_of(c)].facings[0].unit_mass_mg / 1000);
}

static void take_event(struct scorer *r, struct score *s, const struct event *e)
{
    const struct shelf_change *c = &e->u.shelf_pick.change;
    struct score_group *g = group_of(r, plate_of(c), e->t_us);
    int sign = e->kind == EVENT_SHELF_PICK ? -1 : 1;
    bool doubt = e->kind == EVENT_SHELF_AMBIGUOUS || e->kind == EVENT_SHELF_UNKNOWN;

    if (c->stage == STAGE_RETRACTED)
        return;
    if (g == NULL) {
        if (c->stage == STAGE_SETTLED) {
            s->stray += !doubt;
            s->stray_doubt += doubt;
            say(r, "stray", e);
        }
        return;
    }
    if (!doubt && g->provisional_us == 0 && g->sums[0].truth * sign > 0)
        g->provisional_us = e->t_us > g->first_us ? e->t_us : g->first_us;
    if (c->stage != STAGE_SETTLED)
        return;
    g->settled_us = e->t_us;
    g->named += !doubt;
    g->doubted += doubt;
    if (!doubt)
        sum_of(g, c->gtin)->said += sign * c->quantity;
    else
        say(r, "doubt", e);
}

static void score_group(const struct scorer *r, struct score *s, const struct score_group *g)
{
    bool right = true, exact = true, nothing = true;

    for (int i = 0; i < g->sums_n; i++) {
        const struct sum *x = &g->sums[i];

        nothing = nothing && x->truth == 0;
        exact = exact && x->truth == x->said;
        right = right && (x->truth > 0) == (x->said > 0) && (x->truth < 0) == (x->said < 0);
    }
    if (nothing && g->named + g->doubted == 0)
        return; /* taken and put back at once */
    s->groups++;
    if (g->named == 0) {
        s->doubted += g->doubted > 0;
        s->missed += g->doubted == 0;
        if (r->verbose)
            printf("    %s %9.3f p%d truth %" PRId64 " unit %.1f g\n",
                   g->doubted > 0 ? "doubted" : "MISSED ", (double)g->first_us / 1e6, g->plate,
                   g->sums[0].truth,
                   (double)r->trial.plan.plates[g->plate].facings[0].unit_mass_mg / 1000);
        return;
    }
    if (!right) {
        s->wrong++;
    } else {
        s->hits++;
        s->exact += exact;
    }
    if (r->verbose && !exact)
        for (int i = 0; i < g->sums_n; i++)
            printf("    WRONG   %9.3f p%d %s truth %" PRId64 " said %" PRId64 "\n",
                   (double)g->first_us / 1e6, g->plate, g->sums[i].gtin, g->sums[i].truth,
                   g->sums[i].said);
    if (g->provisional_us > 0 && s->provisional_n < SCORE_DELAYS_MAX)
        s->provisional[s->provisional_n++] = (double)(g->provisional_us - g->first_us) / 1e6;
    if (s->settled_n < SCORE_DELAYS_MAX)
        s->settled[s->settled_n++] = (double)(g->settled_us - g->last_us) / 1e6;
    if (r->verbose && g->settled_us - g->last_us > SLOW_US)
        printf("    slow    %9.3f p%d %.2f s truth %" PRId64 " unit %.1f g\n",
               (double)g->last_us / 1e6, g->plate, (double)(g->settled_us - g->last_us) / 1e6,
               g->sums[0].truth,
               (double)r->trial.plan.plates[g->plate].facings[0].unit_mass_mg / 1000);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double part(double *v, int n, double share)
{
    if (n == 0)
        return 0;
    qsort(v, (size_t)n, sizeof(*v), by_size);
    return v[(int)(share * (n - 1))];
}

static double percent(long n, long of)
{
    return of == 0 ? 100 : 100.0 * (double)n / (double)of;
}

/* Goods that the books do not have where they are, and nobody was told of. */
static void compare_books(struct scorer *r, struct score *s)
{
    const struct trial *t = &r->trial;

    s->told += r->told;
    for (uint16_t p = 0; p < t->plan.plates_n; p++)
        for (uint8_t i = 0; i < t->plan.plates[p].facings_n; i++) {
            int64_t off = shelf_facing(&r->shop.shelf, p, i)->on_shelf - t->count[p][i];
            bool told = r->books[p][i].flag_us > r->books[p][i].wrong_us;

            s->facings++;
            s->off += off != 0;
            s->silent += off != 0 && !told;
            s->flags += r->books[p][i].flag_us != 0;
            if (off != 0 && r->verbose)
                printf("    %-7s p%d facing %d books %+" PRId64 " since %.1f\n",
                       told ? "flagged" : "SILENT", p, i, off,
                       (double)r->books[p][i].wrong_us / 1e6);
        }
}

void score_run(struct scorer *r, struct score *s, const struct trial_kind *kind, uint64_t from,
               uint64_t to, int sps, double minutes)
{
    memset(s, 0, sizeof(*s));
    for (uint64_t seed = from; seed <= to; seed++) {
        feed(r, kind, seed, sps, (int64_t)(minutes * 60e6));
        make_groups(r);
        for (int i = 0; i < r->events_n; i++)
            take_event(r, s, &r->events[i]);
        for (int i = 0; i < r->groups_n; i++)
            score_group(r, s, &r->groups[i]);
        free(r->groups);
        compare_books(r, s);
        s->plate_days += kind->plates * minutes / 1440;
    }
}

/* The targets hold where every product can be told by weight; the rest is reported. */
bool score_good(const struct trial_kind *kind, int sps, struct score *s)
{
    if (s->stray + s->stray_doubt > 0 && kind->visit_s == 0)
        return false;
    if (s->silent > 0 && kind->books)
        return false;
    if (sps >= 80 && part(s->provisional, s->provisional_n, 0.95) > PROVISIONAL_S && kind->named)
        return false;
    return !kind->named ||
           (percent(s->hits, s->hits + s->wrong + s->stray) >= 99.5 &&
            percent(s->hits, s->groups) >= 99.5 && percent(s->exact, s->hits) >= 99.9);
}

void score_head(void)
{
    printf("%-10s %3s %6s %7s %7s %7s %6s %6s %6s %6s %9s  %-13s %-13s %s\n", "trial", "sps",
           "groups", "prec%", "recall%", "exact%", "doubt", "missed", "wrong", "stray",
           "/plate-day", "first p50/95", "settled p50/95", "books off/silent/flagged, told");
}

void score_row(const struct trial_kind *kind, int sps, struct score *s)
{
    printf(
        "%-10s %3d %6ld %7.2f %7.2f %7.2f %6ld %6ld %6ld %3ld+%-2ld %9.2f  %4.2f / %-5.2f  %4.2f / "
        "%-5.2f %ld/%ld/%ld of %ld, %ld%s\n",
        kind->name, sps, s->groups, percent(s->hits, s->hits + s->wrong + s->stray),
        percent(s->hits, s->groups), percent(s->exact, s->hits), s->doubted, s->missed, s->wrong,
        s->stray, s->stray_doubt, (double)(s->stray + s->stray_doubt) / s->plate_days,
        part(s->provisional, s->provisional_n, 0.5), part(s->provisional, s->provisional_n, 0.95),
        part(s->settled, s->settled_n, 0.5), part(s->settled, s->settled_n, 0.95), s->off,
        s->silent, s->flags, s->facings, s->told, score_good(kind, sps, s) ? "" : "  below target");
    (void)fflush(stdout);
}

void score_json(const struct trial_kind *kind, int sps, struct score *s)
{
    printf(
        "{\"trial\":\"%s\",\"sps\":%d,\"groups\":%ld,\"precision\":%.5f,\"recall\":%.5f,"
        "\"exact\":%.5f,\"doubted\":%ld,\"missed\":%ld,\"wrong\":%ld,\"stray\":%ld,"
        "\"false_per_plate_day\":%.3f,\"provisional_p50_s\":%.3f,\"provisional_p95_s\":%.3f,"
        "\"settled_p50_s\":%.3f,\"settled_p95_s\":%.3f,\"books_off\":%ld,\"books_silent\":%ld,"
        "\"books_flagged\":%ld,\"facings\":%ld,\"told\":%ld,\"within_target\":%s}\n",
        kind->name, sps, s->groups, percent(s->hits, s->hits + s->wrong + s->stray) / 100,
        percent(s->hits, s->groups) / 100, percent(s->exact, s->hits) / 100, s->doubted, s->missed,
        s->wrong, s->stray + s->stray_doubt, (double)(s->stray + s->stray_doubt) / s->plate_days,
        part(s->provisional, s->provisional_n, 0.5), part(s->provisional, s->provisional_n, 0.95),
        part(s->settled, s->settled_n, 0.5), part(s->settled, s->settled_n, 0.95), s->off,
        s->silent, s->flags, s->facings, s->told, score_good(kind, sps, s) ? "true" : "false");
    (void)fflush(stdout);
}
