/* shelf-quality: trials (sim/trial.h) through the real core, scored against the truth, as a table.
 *
 * Changes of one plate that follow each other within two seconds are one group: what counts is that the
 * settled events of a group add up to what really happened, product by product. A named event that is wrong
 * costs precision, a group that is missed or only doubted costs recall; any settled event without a group is
 * a false one. With --check the floors of FLOORS hold or the program fails.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/shop.h"
#include "sim/trial.h"

#define GROUP_US   (2 * NOREN_US_PER_S)
#define BEFORE_US  (NOREN_US_PER_S / 2)
#define PATIENCE_S 14.0
#define SLOW_US    (2 * NOREN_US_PER_S)
#define TRUTHS_MAX 4
#define DELAYS_MAX 65536

/* One settled or provisional event. */
struct group {
    int64_t first_us, last_us;
    uint16_t plate, also;
    double swing_s;
    struct sum {
        char gtin[NOREN_GTIN_SIZE];
        int64_t truth, said;
    } sums[TRUTHS_MAX];
    int sums_n;
    int64_t provisional_us, settled_us; /* first one in the right direction, last one; 0: none */
    int named, doubted;
};

struct score {
    long groups, hits, exact, wrong, doubted, missed, stray, stray_doubt;
    double plate_days;
    double provisional[DELAYS_MAX], settled[DELAYS_MAX];
    int provisional_n, settled_n;
};

struct run {
    struct trial trial;
    struct shop shop;
    struct batch batch;
    struct event *events;
    int events_n, events_max;
    struct group *groups;
    int groups_n;
    bool verbose;
};

static bool is_change(const struct event *e)
{
    return e->kind == EVENT_SHELF_PICK || e->kind == EVENT_SHELF_PUT_BACK ||
           e->kind == EVENT_SHELF_RESTOCK || e->kind == EVENT_SHELF_AMBIGUOUS ||
           e->kind == EVENT_SHELF_UNKNOWN;
}

static int64_t step(struct run *r, const struct obs *o)
{
    int64_t due = shop_step(&r->shop, o, &r->batch);

    for (size_t i = 0; i < r->batch.events_n; i++) {
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

static void feed(struct run *r, const struct trial_kind *kind, uint64_t seed, int sps,
                 int64_t length_us)
{
    struct obs o = {.kind = OBS_PLAN, .u.plan = &r->trial.plan};
    int64_t due, t_us = 0;

    trial_init(&r->trial, kind, seed, sps);
    shop_init(&r->shop);
    r->events_n = 0;
    due = step(r, &o);
    while (t_us < length_us) {
        t_us = trial_next(&r->trial, length_us - 60 * NOREN_US_PER_S);
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
    }
}

/* ---- scoring ------------------------------------------------------------------------------------------ */

static const char *truth_gtin(const struct trial *t, const struct trial_truth *truth)
{
    return t->plan.products[t->plan.plates[truth->owner].facings[truth->facing].product].gtin;
}

static struct sum *sum_of(struct group *g, const char *gtin)
{
    for (int i = 0; i < g->sums_n; i++)
        if (strcmp(g->sums[i].gtin, gtin) == 0)
            return &g->sums[i];
    if (g->sums_n == TRUTHS_MAX)
        return &g->sums[TRUTHS_MAX - 1];
    g->sums[g->sums_n] = (struct sum){.truth = 0};
    snprintf(g->sums[g->sums_n].gtin, NOREN_GTIN_SIZE, "%s", gtin);
    return &g->sums[g->sums_n++];
}

static void make_groups(struct run *r)
{
    struct trial *t = &r->trial;

    r->groups = calloc((size_t)t->truth_n + 1, sizeof(*r->groups));
    r->groups_n = 0;
    if (r->groups == NULL)
        abort();
    for (int i = 0; i < t->truth_n; i++) {
        const struct trial_truth *truth = &t->truth[i];
        struct group *g = NULL;

        for (int k = r->groups_n - 1; k >= 0 && g == NULL && k >= r->groups_n - 20; k--)
            if (r->groups[k].plate == truth->plate && truth->t_us - r->groups[k].last_us < GROUP_US)
                g = &r->groups[k];
        if (g == NULL) {
            g = &r->groups[r->groups_n++];
            *g =
                (struct group){.first_us = truth->t_us, .plate = truth->plate, .also = truth->also};
        }
        g->last_us = truth->t_us;
        g->swing_s = truth->swing_s > g->swing_s ? truth->swing_s : g->swing_s;
        sum_of(g, truth_gtin(t, truth))->truth += truth->quantity;
    }
}

static struct group *group_of(struct run *r, uint16_t plate, int64_t t_us)
{
    for (int k = r->groups_n - 1; k >= 0; k--) {
        struct group *g = &r->groups[k];
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

static void say(const struct run *r, const char *what, const struct event *e)
{
    const struct shelf_change *c = &e->u.shelf_pick.change;

    if (r->verbose)
        printf("    %-7s %9.3f %s %s kind %d quantity %d mass %.1f g unit %.1f g\n", what,
               (double)e->t_us / 1e6, c->plate, c->gtin, e->kind, c->quantity,
               (double)c->mass_mg / 1000,
               (double)r->trial.plan.plates[plate_of(c)].facings[0].unit_mass_mg / 1000);
}

static void take_event(struct run *r, struct score *s, const struct event *e)
{
    const struct shelf_change *c = &e->u.shelf_pick.change;
    struct group *g = group_of(r, plate_of(c), e->t_us);
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

static void score_group(const struct run *r, struct score *s, const struct group *g)
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
    if (g->provisional_us > 0 && s->provisional_n < DELAYS_MAX)
        s->provisional[s->provisional_n++] = (double)(g->provisional_us - g->first_us) / 1e6;
    if (s->settled_n < DELAYS_MAX)
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

static void run_kind(struct run *r, struct score *s, const struct trial_kind *kind, uint64_t from,
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
        s->plate_days += kind->plates * minutes / 1440;
    }
}

/* ---- program ------------------------------------------------------------------------------------------ */

static const char HELP[] =
    "usage: shelf-quality [--kind NAME] [--seeds A-B] [--sps N] [--minutes M] [--check] [--list]\n"
    "                     [--verbose]\n"
    "Without --sps: 80 and 10. Without --kind: all but 'nobody', which is worth a day (1440 "
    "minutes).\n";

struct args {
    const char *kind;
    unsigned long from, to;
    int sps;
    double minutes;
    bool check, verbose;
};

static int list(void)
{
    for (int i = 0; i < TRIAL_KINDS_N; i++)
        printf("%-10s %s\n", TRIAL_KINDS[i].name, TRIAL_KINDS[i].what);
    return 0;
}

static int parse(int argc, char **argv, struct args *a)
{
    *a = (struct args){.from = 1, .to = 4, .minutes = 10};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        char *end;

        if (strcmp(argv[i], "--check") == 0)
            a->check = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            a->verbose = true;
        else if (strcmp(argv[i], "--list") == 0)
            exit(list());
        else if (strcmp(argv[i], "--kind") == 0 && ++i > 0)
            a->kind = value;
        else if (strcmp(argv[i], "--seeds") == 0 && ++i > 0) {
            a->from = strtoul(value, &end, 10);
            a->to = *end == '-' ? strtoul(end + 1, NULL, 10) : a->from;
        } else if (strcmp(argv[i], "--sps") == 0 && ++i > 0)
            a->sps = (int)strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--minutes") == 0 && ++i > 0)
            a->minutes = strtod(value, NULL);
        else
            return fputs(HELP, stderr), 2;
    }
    if (a->sps < 0 || a->minutes <= 0)
        return fputs(HELP, stderr), 2;
    if (a->kind != NULL && trial_find(a->kind) == NULL) {
        fprintf(stderr, "shelf-quality: no trial '%s'; --list names them\n", a->kind);
        return 2;
    }
    return 0;
}

/* The targets hold where every product can be told by weight; the rest is reported. */
static bool good(const struct trial_kind *kind, const struct score *s, long hits)
{
    if (s->stray + s->stray_doubt > 0 && kind->visit_s == 0)
        return false;
    return !kind->named || (percent(hits, hits + s->wrong + s->stray) >= 99.5 &&
                            percent(hits, s->groups) >= 99.5 && percent(s->exact, hits) >= 99.9);
}

int main(int argc, char **argv)
{
    static struct run r;
    static struct score s;
    static const int RATES[] = {80, 10};
    struct args a;
    int status = parse(argc, argv, &a);

    if (status != 0)
        return status;
    r.verbose = a.verbose;
    printf("%-10s %3s %6s %7s %7s %7s %6s %6s %6s %6s %9s  %-13s %-13s\n", "trial", "sps", "groups",
           "prec%", "recall%", "exact%", "doubt", "missed", "wrong", "stray", "/plate-day",
           "first p50/95", "settled p50/95");
    for (int i = 0; i < TRIAL_KINDS_N; i++)
        for (int k = 0; k < (a.sps != 0 ? 1 : 2); k++) {
            const struct trial_kind *kind = &TRIAL_KINDS[i];
            int sps = a.sps != 0 ? a.sps : RATES[k];

            if (a.kind != NULL ? strcmp(a.kind, kind->name) != 0 : kind->visit_s == 0)
                continue;
            run_kind(&r, &s, kind, a.from, a.to, sps, a.minutes);
            printf(
                "%-10s %3d %6ld %7.2f %7.2f %7.2f %6ld %6ld %6ld %3ld+%-2ld %9.2f  %4.2f / %-5.2f "
                " %4.2f / %-5.2f%s\n",
                kind->name, sps, s.groups, percent(s.hits, s.hits + s.wrong + s.stray),
                percent(s.hits, s.groups), percent(s.exact, s.hits), s.doubted, s.missed, s.wrong,
                s.stray, s.stray_doubt, (double)(s.stray + s.stray_doubt) / s.plate_days,
                part(s.provisional, s.provisional_n, 0.5),
                part(s.provisional, s.provisional_n, 0.95), part(s.settled, s.settled_n, 0.5),
                part(s.settled, s.settled_n, 0.95), good(kind, &s, s.hits) ? "" : "  below target");
            fflush(stdout);
            if (a.check && !good(kind, &s, s.hits))
                status = 1;
        }
    free(r.events);
    return status;
}
