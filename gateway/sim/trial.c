/* Shoppers at a rack of plates, by kind of trouble; see trial.h. */
#include "sim/trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "noren/units.h"

#define WARM_UP_S    6.0
#define ZERO_COUNTS  84000
#define MG_PER_COUNT 2.5
#define PLATE_MM     600
#define BEND_PUSH    0.045 /* of a hand's push reaches the neighbours: 10..16 g beside a pick */
#define CREEP_S      120.0

const struct trial_kind TRIAL_KINDS[] = {
    {.name = "pick",
     .what = "picks and put-backs",
     .plates = 12,
     .facings = 1,
     .visit_s = 2,
     .named = true},
    {.name = "lean",
     .what = "people lean on the plate, then pick or not",
     .plates = 12,
     .facings = 1,
     .visit_s = 2,
     .lean = 0.5,
     .named = true},
    {.name = "hold",
     .what = "a hand rests long on the plate, then picks",
     .plates = 12,
     .facings = 1,
     .visit_s = 2,
     .hold = 0.4,
     .named = true},
    {.name = "bump",
     .what = "trolleys hit the rack",
     .plates = 12,
     .facings = 1,
     .visit_s = 2,
     .bump = 0.5,
     .named = true},
    {.name = "swing",
     .what = "loads that are hung on swing",
     .plates = 12,
     .facings = 1,
     .visit_s = 3,
     .swing = 1,
     .named = true},
    {.name = "rapid",
     .what = "several picks by one shopper, a second or two apart",
     .plates = 12,
     .facings = 1,
     .visit_s = 4,
     .rapid_s = 1.2},
    {.name = "crowd",
     .what = "three people at the same instant",
     .plates = 12,
     .facings = 1,
     .visit_s = 4,
     .people = 3,
     .named = true},
    {.name = "corrupt",
     .what = "one frame in a hundred is wild",
     .plates = 12,
     .facings = 1,
     .visit_s = 2,
     .wild = 0.01,
     .named = true},
    {.name = "multi",
     .what = "several products on a plate",
     .plates = 12,
     .facings = 4,
     .cells = 2,
     .visit_s = 2},
    {.name = "multi-1",
     .what = "several products over one cell",
     .plates = 12,
     .facings = 4,
     .cells = 1,
     .visit_s = 2},
    {.name = "twins",
     .what = "products of the same weight, side by side",
     .plates = 12,
     .facings = 3,
     .cells = 4,
     .visit_s = 2,
     .same_weight = 1},
    {.name = "both",
     .what = "one takes while another puts",
     .plates = 12,
     .facings = 3,
     .cells = 2,
     .visit_s = 2,
     .both = 0.5},
    {.name = "misplaced",
     .what = "put back on the wrong plate",
     .plates = 12,
     .facings = 1,
     .visit_s = 2,
     .misplace = 0.3},
    {.name = "straddle",
     .what = "goods that stand on two plates",
     .plates = 12,
     .facings = 1,
     .visit_s = 2,
     .straddle = 0.4},
    {.name = "mixed",
     .what = "all of it at once; in the end every wrong count must be flagged",
     .plates = 12,
     .facings = 2,
     .visit_s = 3,
     .lean = 0.15,
     .hold = 0.05,
     .bump = 0.1,
     .swing = 0.1,
     .both = 0.15,
     .misplace = 0.05,
     .books = true},
    {.name = "nobody", .what = "warmth, creep and drift, nobody there", .plates = 8, .facings = 1},
};
const int TRIAL_KINDS_N = sizeof(TRIAL_KINDS) / sizeof(TRIAL_KINDS[0]);

const struct trial_kind *trial_find(const char *name)
{
    for (int i = 0; i < TRIAL_KINDS_N; i++)
        if (strcmp(TRIAL_KINDS[i].name, name) == 0)
            return &TRIAL_KINDS[i];
    return NULL;
}

/* ---- the rack ----------------------------------------------------------------------------------------- */

static void make_gtin(char *ret, int number)
{
    char text[NOREN_GTIN_SIZE];
    int sum = 0;

    snprintf(text, sizeof(text), "0950600%06d", number % 1000000);
    for (int i = 0; i < 13; i++)
        sum += (text[i] - '0') * (i % 2 == 0 ? 3 : 1);
    snprintf(ret, NOREN_GTIN_SIZE, "%.13s%c", text, (char)('0' + (10 - sum % 10) % 10));
}

/* 24 g .. 1.5 kg, most of them light, as in a convenience store. */
static int64_t unit_mass(struct chance *c)
{
    return (int64_t)(24000 * exp(chance_uniform(c, 0, log(60))));
}

static void make_facings(struct trial *t, struct plan_plate *p, uint16_t index)
{
    bool same = chance_uniform(&t->chance, 0, 1) < t->kind->same_weight;

    p->facings_n = (uint8_t)t->kind->facings;
    for (uint8_t i = 0; i < p->facings_n; i++) {
        uint16_t product = t->plan.products_n++;
        int64_t unit = unit_mass(&t->chance);

        make_gtin(t->plan.products[product].gtin, product + 1000);
        if (same && i > 0)
            unit = p->facings[0].unit_mass_mg;
        t->count[index][i] = 12;
        p->facings[i] = (struct plan_facing){
            .product = product,
            .unit_mass_mg = unit,
            .unit_cv_pm = (int32_t)chance_uniform(&t->chance, 5, 25),
            .capacity = 20,
            .x_mm = PLATE_MM * (2 * i + 1) / (2 * p->facings_n),
        };
    }
}

static void make_plate(struct trial *t, uint16_t index)
{
    struct plan_plate *p = &t->plan.plates[index];
    struct physics_plate *scale = &t->plates[index];
    double lightest = 1e12;

    snprintf(p->id, sizeof(p->id), "p%d", index);
    p->zone = NO_INDEX;
    if (index > 0)
        p->neighbours[p->neighbours_n++] = (uint16_t)(index - 1);
    if (index + 1 < t->kind->plates)
        p->neighbours[p->neighbours_n++] = (uint16_t)(index + 1);
    p->cells_n = (uint8_t)(t->kind->cells > 0 ? t->kind->cells : 1 + index % PLATE_CELLS_MAX);
    for (uint8_t i = 0; i < p->cells_n; i++) {
        struct plan_cell *c = &t->plan.cells[t->plan.cells_n];

        *c = (struct plan_cell){
            .plate = index, .node = -1, .zero_counts = ZERO_COUNTS, .mg_per_count = MG_PER_COUNT};
        snprintf(c->id, sizeof(c->id), "p%d-%d", index, i);
        c->x_mm = p->cells_n == 1                          ? PLATE_MM / 2
                  : p->cells_n == 3 && i == 1              ? PLATE_MM / 2
                  : (p->cells_n == 3 ? i / 2 : i % 2) == 0 ? 0
                                                           : PLATE_MM;
        p->cells[i] = t->plan.cells_n++;
    }
    make_facings(t, p, index);
    scale->creep_pm = chance_uniform(&t->chance, 0.5, 2);
    scale->creep_s = chance_uniform(&t->chance, 60, 300);
    scale->warm_mg = chance_uniform(&t->chance, 2000, 10000);
    scale->warm_phase = chance_uniform(&t->chance, 0, 2 * M_PI);
    for (uint8_t i = 0; i < p->facings_n; i++) {
        double mg = (double)p->facings[i].unit_mass_mg;

        lightest = mg < lightest ? mg : lightest;
        scale->load_mg += mg * t->count[index][i];
        scale->moment_mg += mg * t->count[index][i] * p->facings[i].x_mm / PLATE_MM;
    }
    scale->creep_mg = scale->load_mg * scale->creep_pm / 1000;
    scale->noise_mg = fmin(chance_uniform(&t->chance, 300, 2500), 0.08 * lightest);
}

void trial_init(struct trial *t, const struct trial_kind *kind, uint64_t seed, int sps)
{
    memset(t, 0, sizeof(*t));
    t->kind = kind;
    t->sps = sps;
    t->chance.state = seed * 7919 + (uint64_t)sps;
    t->visit_s = WARM_UP_S;
    snprintf(t->plan.store, sizeof(t->plan.store), "trial");
    snprintf(t->plan.fixtures[0], sizeof(t->plan.fixtures[0]), "rack");
    t->plan.fixtures_n = 1;
    t->plan.plates_n = (uint16_t)kind->plates;
    for (uint16_t i = 0; i < t->plan.plates_n; i++)
        make_plate(t, i);
}

/* ---- visits ------------------------------------------------------------------------------------------- */

static double between(struct trial *t, double low, double high)
{
    return chance_uniform(&t->chance, low, high);
}

static bool happens(struct trial *t, double share)
{
    return between(t, 0, 1) < share;
}

/* A hand comes down on the goods, then they move at `at_s`. */
static void plan_goods(struct trial *t, double at_s, struct trial_truth truth, double portion)
{
    const struct plan_facing *f = &t->plan.plates[truth.owner].facings[truth.facing];
    double unit = (double)f->unit_mass_mg, n = abs(truth.quantity), push;
    double x = truth.owner == truth.plate
                   ? f->x_mm / (double)PLATE_MM +
                         between(t, -0.3, 0.3) / t->plan.plates[truth.owner].facings_n
                   : 0.5;

    if (t->pending_n == TRIAL_PENDING_MAX)
        return;
    push = between(t, 0.3, 1) * fmin(400000, 100000 + unit * 2);
    physics_add(&t->plates[truth.plate], (struct effect){.kind = EFFECT_PUSH,
                                                         .at_s = at_s - 0.3,
                                                         .span_s = between(t, 0.2, 0.35),
                                                         .size_mg = push,
                                                         .phase = between(t, 0, 6),
                                                         .x = x});
    truth.t_us = (int64_t)(at_s * NOREN_US_PER_S);
    t->pending[t->pending_n++] = (struct trial_pending){
        .at_s = at_s,
        .truth = truth,
        .x = x,
        .mg = portion * (truth.quantity < 0 ? -1 : 1) *
              (unit * n + unit * f->unit_cv_pm / 1000 * sqrt(n) * chance_normal(&t->chance)),
    };
}

static struct trial_truth choose(struct trial *t, uint16_t plate)
{
    uint8_t facing = (uint8_t)between(t, 0, t->plan.plates[plate].facings_n);
    double which = between(t, 0, 1);
    int32_t n = which < 0.7 ? 1 : which < 0.9 ? 2 : 3, have = t->count[plate][facing];
    bool put = have + n <= 20 && (have <= n || happens(t, 0.45));

    return (struct trial_truth){.plate = plate,
                                .owner = plate,
                                .facing = facing,
                                .also = NO_INDEX,
                                .quantity = put ? n : -n};
}

/* One change on one plate, with what goes before and after. Returns when it is over. */
static double change(struct trial *t, double at_s, uint16_t plate)
{
    struct trial_truth truth = choose(t, plate);
    const struct plan_plate *p = &t->plan.plates[plate];

    if (happens(t, t->kind->swing)) {
        double size = (double)p->facings[truth.facing].unit_mass_mg * between(t, 0.05, 0.6);

        truth.swing_s = between(t, 2, 8);
        physics_add(&t->plates[plate], (struct effect){.kind = EFFECT_PENDULUM,
                                                       .at_s = at_s,
                                                       .span_s = 3 * truth.swing_s,
                                                       .size_mg = size,
                                                       .hz = between(t, 0.5, 2),
                                                       .decay_s = truth.swing_s / 2,
                                                       .x = 0.5});
    }
    if (happens(t, t->kind->misplace) && p->neighbours_n > 0) {
        uint16_t from = p->neighbours[0];

        if (t->count[from][0] > 2 && at_s > t->busy_s[from]) {
            plan_goods(t, at_s,
                       (struct trial_truth){
                           .plate = from, .owner = from, .also = NO_INDEX, .quantity = -1},
                       1);
            plan_goods(t, at_s + 3,
                       (struct trial_truth){
                           .plate = plate, .owner = from, .also = NO_INDEX, .quantity = 1},
                       1);
            t->busy_s[from] = at_s + 9;
            return at_s + 3;
        }
    }
    if (happens(t, t->kind->both) && p->facings_n > 1) {
        struct trial_truth other = {.plate = plate,
                                    .owner = plate,
                                    .also = NO_INDEX,
                                    .facing = (uint8_t)((truth.facing + 1) % p->facings_n),
                                    .quantity = truth.quantity < 0 ? 1 : -1};

        if (t->count[plate][other.facing] > 2 && t->count[plate][other.facing] < 20)
            plan_goods(t, at_s + between(t, 0, 0.3), other, 1);
    }
    plan_goods(t, at_s, truth, 1);
    return at_s + 3 * truth.swing_s;
}

static void lean(struct trial *t, double at_s, double span_s, uint16_t plate)
{
    physics_add(&t->plates[plate], (struct effect){.kind = EFFECT_LEAN,
                                                   .at_s = at_s,
                                                   .span_s = span_s,
                                                   .size_mg = between(t, 300000, 5000000),
                                                   .hz = between(t, 0.3, 1),
                                                   .phase = between(t, 0, 6),
                                                   .x = between(t, 0, 1)});
}

static void hit(struct trial *t, double at_s)
{
    double hz = between(t, 3, 15), size = between(t, 50000, 1000000);

    for (uint16_t i = 0; i < t->plan.plates_n; i++)
        physics_add(&t->plates[i], (struct effect){.kind = EFFECT_BUMP,
                                                   .at_s = at_s,
                                                   .span_s = 3,
                                                   .size_mg = size * between(t, 0.2, 1),
                                                   .hz = hz,
                                                   .decay_s = between(t, 0.1, 0.4),
                                                   .x = 0.5});
}

static void visit_plate(struct trial *t, double at_s, uint16_t plate)
{
    double end = at_s;
    bool quiet_pick = true;

    if (happens(t, t->kind->lean)) {
        double span = between(t, 0.8, 8);

        lean(t, at_s, span, plate);
        end += span + 0.3;
        quiet_pick = happens(t, 0.5);
    }
    if (happens(t, t->kind->hold)) {
        double span = between(t, 5, 30);

        lean(t, at_s, span, plate);
        end += span + 0.1;
        t->plates[plate].effects[t->plates[plate].effects_n - 1].size_mg /= 5;
    }
    if (happens(t, t->kind->bump)) {
        hit(t, at_s);
        quiet_pick = happens(t, 0.5);
        end += 0.4;
    }
    if (quiet_pick)
        end = change(t, end + 0.4, plate);
    for (int i = 0; t->kind->rapid_s > 0 && i < 2; i++)
        end = change(t, end + t->kind->rapid_s * between(t, 0.7, 1.7), plate);
    t->busy_s[plate] = end + 6;
}

static void straddle(struct trial *t, double at_s, uint16_t plate)
{
    struct trial_truth truth = choose(t, plate);
    uint16_t other = t->plan.plates[plate].neighbours[0];
    double portion = between(t, 0.2, 0.8);
    struct trial_pending *p;

    if (t->busy_s[other] > at_s)
        return;
    truth.also = other;
    plan_goods(t, at_s + 0.4, truth, portion);
    p = &t->pending[t->pending_n - 1];
    t->pending[t->pending_n] = *p; /* the other part, on the neighbour, is no truth of its own */
    p = &t->pending[t->pending_n++];
    p->mg = p->mg / portion * (1 - portion);
    p->truth.plate = other;
    p->truth.quantity = 0;
    t->busy_s[plate] = t->busy_s[other] = at_s + 7;
}

static void visit(struct trial *t, double at_s)
{
    uint16_t first = (uint16_t)between(t, 0, t->plan.plates_n);
    int people = t->kind->people > 0 ? t->kind->people : 1;

    for (int i = 0; i < people; i++) {
        uint16_t plate = (uint16_t)((first + i) % t->plan.plates_n);

        if (t->busy_s[plate] > at_s || t->pending_n > TRIAL_PENDING_MAX - 8)
            continue;
        if (happens(t, t->kind->straddle))
            straddle(t, at_s, plate);
        else
            visit_plate(t, at_s + between(t, 0, 0.2), plate);
    }
}

/* ---- time --------------------------------------------------------------------------------------------- */

static void move_goods(struct trial *t, double now_s)
{
    int kept = 0;

    for (int i = 0; i < t->pending_n; i++) {
        struct trial_pending *p = &t->pending[i];

        if (p->at_s > now_s) {
            t->pending[kept++] = *p;
            continue;
        }
        physics_step(&t->plates[p->truth.plate], &t->chance, p->at_s, p->mg, p->x);
        if (p->truth.quantity == 0 || t->truth_n == TRIAL_TRUTH_MAX)
            continue;
        if (p->truth.owner == p->truth.plate)
            t->count[p->truth.plate][p->truth.facing] += p->truth.quantity;
        t->truth[t->truth_n++] = p->truth;
    }
    t->pending_n = kept;
}

int64_t trial_next(struct trial *t, int64_t last_visit_us)
{
    int64_t t_us = ++t->sample * NOREN_US_PER_S / t->sps;
    double now_s = (double)t_us / NOREN_US_PER_S, moment;

    while (t->kind->visit_s > 0 && now_s >= t->visit_s && t_us < last_visit_us) {
        visit(t, t->visit_s + 0.5);
        t->visit_s += between(t, 0.5, 1.5) * t->kind->visit_s;
    }
    move_goods(t, now_s);
    memset(t->bend, 0, sizeof(t->bend));
    for (uint16_t i = 0; i < t->plan.plates_n; i++) {
        const struct plan_plate *p = &t->plan.plates[i];
        double force;

        physics_tidy(&t->plates[i], now_s);
        force = BEND_PUSH * physics_force_mg(&t->plates[i], now_s, &moment);
        force = force > 16000 ? 16000 : force < -16000 ? -16000 : force;
        for (uint8_t k = 0; k < p->neighbours_n; k++)
            t->bend[p->neighbours[k]] += force;
    }
    return t_us;
}

void trial_counts(struct trial *t, uint16_t plate, int32_t ret_counts[PHYSICS_CELLS_MAX])
{
    double mg[PHYSICS_CELLS_MAX];
    uint8_t cells = t->plan.plates[plate].cells_n;

    physics_sample(&t->plates[plate], &t->chance, (double)t->sample / t->sps, t->bend[plate], cells,
                   mg);
    for (uint8_t i = 0; i < cells; i++) {
        ret_counts[i] = ZERO_COUNTS + (int32_t)lround(mg[i] / MG_PER_COUNT);
        if (happens(t, t->kind->wild))
            ret_counts[i] = (int32_t)between(t, -8e6, 8e6);
    }
}
