/* Counting pieces by weight; see count.h.
 *
 * A hypothesis is k pieces of one facing's product, or some of two products at once. Its spread is sqrt(k) times
 * the product's own variation, plus the noise of two weighings, plus a share for span error and creep, so one
 * piece is judged strictly and a crate of forty mildly. Hypotheses are compared by posterior: what people do
 * often, what the ledger allows, what the mass says, and where the cells felt it.
 */
#include "core/count.h"

#include <math.h>
#include <string.h>

#include "core/piece.h"

#define SPAN_PM 2 /* span error and creep */
#define GATE_SIGMAS \
    3.6               /* residual that a hypothesis survives: 3 would lose 0.3 % of good ones ... */
#define GATE_MIN 0.10 /* ... or this share of a piece, when its variation was stated too small */
#define GATE_MAX 0.40 /* halfway between two counts nothing fits */
/* Noise widens the gate only so far: what trembles more than a twentieth of a piece is a hand. */
#define NOISE_MAX    0.05
#define LEVEL_NOISE  0.6 /* a resting level is the mean of five samples at least */
#define SURE_PM      900 /* the best must have this much of the posterior */
#define QUANTITY_MAX 10000

/* Prior: one piece is usual, each further one less so, but whole rows happen. */
#define PRIOR_FURTHER  0.3
#define PRIOR_MANY     0.002
#define PRIOR_RESTOCK  0.01
#define PRIOR_PAIR     0.02 /* two products in one movement */
#define PRIOR_SWAP     0.01 /* one taken while another is put */
#define PRIOR_ABSENT   0.02 /* more than the ledger has there */
#define PRIOR_NOTHING  1    /* of a hand that came and went */
#define PRIOR_IN_HAND  4    /* a gain of what somebody has in the hand is a put-back */
#define PRIOR_ANYTHING 0.05
#define ANYTHING_MG    1e6
#define PAIR_PIECES    3    /* of each product of a pair at most */
#define PLACE_WRONG    0.02 /* goods stand anywhere, whatever the planogram says */
#define PLACE_MIN_MM   40.0
#define TAU            6.283185307179586 /* C11 has no M_PI */
#define BENDING_PM     20                /* of the load's place, by plates that are not stiff */

struct part {
    uint8_t facing;
    int32_t quantity;
};

struct hypothesis {
    struct part parts[COUNT_PARTS_MAX];
    uint8_t n;
    double log_posterior; /* not normalised */
};

/* Every hypothesis worth a thought: the few that are listed, and the sum of all. */
struct judgement {
    const struct plan_plate *plate;
    const struct count_evidence *seen;
    struct hypothesis best[PLATE_FACINGS_MAX + 1]; /* best of each facing alone; of all pairs */
    double total;                                  /* of exp(log_posterior - scale) */
    double scale;
    double pieces[PLATE_FACINGS_MAX][3]; /* log_posterior of the numbers tried; -1e9: not */
    /* Second pass: what is booked, and how much of `total` says the same of each facing. */
    bool compares;
    int32_t booked[PLATE_FACINGS_MAX];
    double same[PLATE_FACINGS_MAX];
    double instead[PLATE_FACINGS_MAX]; /* log_posterior of the best that says otherwise */
    struct count_doubt *doubts;
};

static double square(double x)
{
    return x * x;
}

/* Of one piece: what was learnt, else what the plan says. */
static double unit_of(const struct judgement *j, uint8_t facing)
{
    int64_t learnt_mg = j->seen->unit_mg[facing];

    return (double)(learnt_mg > 0 ? learnt_mg : j->plate->facings[facing].unit_mass_mg);
}

static double unit_sd(const struct judgement *j, uint8_t facing)
{
    double unit = unit_of(j, facing);

    return j->seen->unit_mg[facing] > 0 ? fmax(j->seen->unit_sd_mg[facing], PIECE_CV_MIN * unit)
                                        : piece_planned_sd_mg(&j->plate->facings[facing], unit);
}

static double mass_of(const struct judgement *j, const struct hypothesis *h)
{
    double mass = 0;

    for (uint8_t i = 0; i < h->n; i++)
        mass += h->parts[i].quantity * unit_of(j, h->parts[i].facing);
    return mass;
}

/* Standard deviation of the mass of a hypothesis as two weighings tell it. */
static double spread_of(const struct judgement *j, const struct hypothesis *h, double sigma_mg)
{
    double sum = 2 * square(sigma_mg) + square(j->seen->unsure_mg) +
                 square((double)j->seen->delta_mg * SPAN_PM / 1000.0);

    for (uint8_t i = 0; i < h->n; i++)
        sum += fabs((double)h->parts[i].quantity) * square(unit_sd(j, h->parts[i].facing));
    return sqrt(sum);
}

static double prior_of(const struct judgement *j, const struct part *p)
{
    int32_t k = p->quantity < 0 ? -p->quantity : p->quantity;
    double prior = pow(PRIOR_FURTHER, k - 1);
    double least = p->quantity < 0 ? PRIOR_MANY : PRIOR_RESTOCK;
    int64_t have = j->seen->on_shelf[p->facing];

    prior = prior > least ? prior : least;
    if (p->quantity < 0 && have >= 0 && k > have)
        prior *= PRIOR_ABSENT;
    if (p->quantity > 0 && k <= j->seen->in_hand[p->facing])
        prior *= PRIOR_IN_HAND;
    return prior;
}

/* Half the way to the next facing is where a product's place ends, as far as anybody keeps to it. */
static double place_sd_mm(const struct plan_plate *plate, uint8_t facing)
{
    double nearest = 1e9;

    for (uint8_t i = 0; i < plate->facings_n; i++) {
        double d = fabs((double)plate->facings[i].x_mm - plate->facings[facing].x_mm);

        if (i != facing && d < nearest)
            nearest = d;
    }
    return nearest < 1e9 && nearest / 3 > PLACE_MIN_MM ? nearest / 3 : PLACE_MIN_MM;
}

/* Log likelihood of the place, relative to "anywhere". */
static double place_likelihood(const struct judgement *j, const struct hypothesis *h)
{
    const struct count_evidence *seen = j->seen;
    double moment = 0, variance, size = 0, density;

    if (!seen->placed)
        return 0;
    variance = square(seen->span_mm * (double)seen->sigma_mg) +
               square(seen->span_mm * (double)seen->delta_mg * BENDING_PM / 1000.0);
    for (uint8_t i = 0; i < h->n; i++) {
        const struct plan_facing *f = &j->plate->facings[h->parts[i].facing];
        double mass = h->parts[i].quantity * unit_of(j, h->parts[i].facing);

        moment += mass * f->x_mm;
        size += fabs(mass);
        variance += square(mass * place_sd_mm(j->plate, h->parts[i].facing));
    }
    for (uint8_t i = 0; h->n == 0 && i < j->plate->facings_n; i++)
        size = fmax(size, unit_of(j, i));
    /* Density of the moment, in units of what the span allows. */
    density = exp(-square(seen->moment_mgmm - moment) / variance / 2) / sqrt(TAU * variance);
    return log((1 - PLACE_WRONG) * density * size * seen->span_mm + PLACE_WRONG);
}

static double judge(const struct judgement *j, const struct hypothesis *h, double prior)
{
    double spread = spread_of(j, h, (double)j->seen->sigma_mg * LEVEL_NOISE);
    double residual = (double)j->seen->delta_mg - mass_of(j, h);

    return -square(residual / spread) / 2 - log(spread) + place_likelihood(j, h) + log(prior);
}

/* Adds a hypothesis's share to each facing that it sees as the books will. */
static void compare(struct judgement *j, const struct hypothesis *h)
{
    for (uint8_t f = 0; f < j->plate->facings_n; f++) {
        int32_t quantity = 0;

        for (uint8_t i = 0; i < h->n; i++)
            quantity += h->parts[i].facing == f ? h->parts[i].quantity : 0;
        if (quantity == j->booked[f]) {
            j->same[f] += exp(h->log_posterior - j->scale);
        } else if (h->log_posterior > j->instead[f]) {
            j->instead[f] = h->log_posterior;
            j->doubts[f].instead = quantity;
        }
    }
}

static void add(struct judgement *j, struct hypothesis *h, double prior, struct hypothesis *best)
{
    h->log_posterior = judge(j, h, prior);
    if (j->compares) {
        compare(j, h);
        return;
    }
    if (j->total == 0 || h->log_posterior > j->scale) {
        j->total = j->total == 0 ? 0 : j->total * exp(j->scale - h->log_posterior);
        j->scale = h->log_posterior;
    }
    j->total += exp(h->log_posterior - j->scale);
    if (best->n == 0 || h->log_posterior > best->log_posterior)
        *best = *h;
}

/* The nearest number of pieces and those beside it. */
static void add_single(struct judgement *j, uint8_t facing)
{
    double unit = unit_of(j, facing);
    double pieces = round((double)j->seen->delta_mg / unit);
    int32_t sign = j->seen->delta_mg < 0 ? -1 : 1, k;

    if (fabs(pieces) > QUANTITY_MAX)
        pieces = sign * QUANTITY_MAX;
    k = pieces == 0 ? sign : (int32_t)pieces;
    for (int32_t q = k - 1; q <= k + 1; q++) {
        struct hypothesis h = {.parts = {{facing, q}}, .n = 1, .log_posterior = -1e9};

        if (q * sign > 0)
            add(j, &h, prior_of(j, &h.parts[0]), &j->best[facing]);
        j->pieces[facing][q - k + 1] = h.log_posterior;
    }
}

static void add_pair(struct judgement *j, uint8_t a, uint8_t b)
{
    double unit_a = unit_of(j, a);
    double unit_b = unit_of(j, b);
    double reach = 0.1 * (unit_a + unit_b) * PAIR_PIECES + 6.0 * (double)j->seen->sigma_mg;

    for (int32_t i = -PAIR_PIECES; i <= PAIR_PIECES; i++)
        for (int32_t k = -PAIR_PIECES; k <= PAIR_PIECES; k++) {
            struct hypothesis h = {.parts = {{a, i}, {b, k}}, .n = 2};
            double residual = (double)j->seen->delta_mg - i * unit_a - k * unit_b;

            if (i == 0 || k == 0 || fabs(residual) > reach)
                continue;
            add(j, &h,
                (i * k > 0 ? PRIOR_PAIR : PRIOR_SWAP) * prior_of(j, &h.parts[0]) *
                    prior_of(j, &h.parts[1]),
                &j->best[PLATE_FACINGS_MAX]);
        }
}

static bool fits(const struct judgement *j, const struct hypothesis *h, bool *ret_poor)
{
    double unit = 1e18, residual = fabs((double)j->seen->delta_mg - mass_of(j, h)), sigma;

    for (uint8_t i = 0; i < h->n; i++) {
        double mass = unit_of(j, h->parts[i].facing);

        unit = mass < unit ? mass : unit;
    }
    sigma =
        (double)j->seen->sigma_mg < unit * NOISE_MAX ? (double)j->seen->sigma_mg : unit * NOISE_MAX;
    *ret_poor = residual > GATE_SIGMAS * spread_of(j, h, sigma);
    return residual <= unit * GATE_MAX &&
           (!*ret_poor || (h->n == 1 && residual <= unit * GATE_MIN));
}

/* Two products in one movement explain nearly any mass; then something that is none of the plate's products is
 * as likely, at any mass alike. */
static double anything(const struct judgement *j)
{
    double range_mg = fmax(ANYTHING_MG, 4 * fabs((double)j->seen->delta_mg));

    return exp(log(PRIOR_ANYTHING * sqrt(TAU) / range_mg) - j->scale);
}

static int32_t posterior_pm(const struct judgement *j, const struct hypothesis *h)
{
    double total = j->total + (h->n > 1 ? anything(j) : 0);

    return (int32_t)lround(1000 * exp(h->log_posterior - j->scale) / total);
}

/* Of a lone product whatever its number: which one it was is doubt enough for "ambiguous", whether it was 40 or
 * 41 of a crate is not. */
static int32_t product_pm(const struct judgement *j, const struct hypothesis *h)
{
    double sum = 0;

    if (h->n != 1)
        return posterior_pm(j, h);
    for (int i = 0; i < 3; i++)
        sum += exp(j->pieces[h->parts[0].facing][i] - j->scale);
    return (int32_t)lround(1000 * sum / j->total);
}

static void try_all(struct judgement *j)
{
    for (uint8_t a = 0; a < j->plate->facings_n; a++) {
        add_single(j, a);
        for (uint8_t b = 0; b < a; b++)
            add_pair(j, b, a);
    }
}

/* Other things than the plate's products compete for the same change. */
static double add_others(struct judgement *j)
{
    double log_others;

    if (j->seen->others <= 0)
        return 0;
    log_others = log(j->seen->others);
    if (log_others > j->scale) {
        j->total *= exp(j->scale - log_others);
        j->scale = log_others;
    }
    j->total += exp(log_others - j->scale);
    return exp(log_others - j->scale) / j->total;
}

void count_compare(const struct plan_plate *plate, const struct count_evidence *seen,
                   const struct count_guess *booked, uint8_t n,
                   struct count_doubt ret[PLATE_FACINGS_MAX])
{
    struct judgement j = {.plate = plate, .seen = seen, .doubts = ret};
    double others, nothing = 0;

    try_all(&j);
    others = add_others(&j) * j.total;
    if (n == 0) {
        /* That nothing moved at all is then a hypothesis, and by far the most usual one. */
        struct hypothesis none = {.n = 0};
        double log_nothing = judge(&j, &none, PRIOR_NOTHING);

        nothing = exp(fmin(log_nothing - j.scale, 700));
        j.total += nothing;
    }
    for (uint8_t f = 0; f < plate->facings_n; f++) {
        j.instead[f] = -1e300;
        ret[f].instead = 0;
    }
    for (uint8_t i = 0; i < n; i++)
        j.booked[booked[i].facing] = booked[i].quantity;
    j.compares = true;
    try_all(&j);
    for (uint8_t f = 0; f < plate->facings_n; f++) {
        if (j.booked[f] == 0)
            j.same[f] += others + nothing;
        ret[f].right_pm = (int32_t)lround(1000 * fmin(j.same[f] / j.total, 1));
    }
}

struct count count_judge(const struct plan_plate *plate, const struct count_evidence *seen)
{
    struct judgement j = {.plate = plate, .seen = seen};
    bool used[PLATE_FACINGS_MAX] = {false};
    struct hypothesis *top = &j.best[PLATE_FACINGS_MAX];
    struct count ret;

    memset(&ret, 0, sizeof(ret));
    ret.verdict = COUNT_UNKNOWN;
    if (plate->facings_n == 0)
        return ret;
    try_all(&j);
    ret.other_pm = (int32_t)lround(1000 * add_others(&j));
    while (ret.guesses_n < EVENT_CANDIDATES_MAX && ret.guesses_n < plate->facings_n) {
        uint8_t best = PLATE_FACINGS_MAX;

        for (uint8_t i = 0; i < plate->facings_n; i++)
            if (!used[i] &&
                (best == PLATE_FACINGS_MAX || j.best[i].log_posterior > j.best[best].log_posterior))
                best = i;
        used[best] = true;
        if (ret.guesses_n == 0 && (top->n == 0 || j.best[best].log_posterior >= top->log_posterior))
            top = &j.best[best];
        ret.guesses[ret.guesses_n++] = (struct count_guess){best, j.best[best].parts[0].quantity,
                                                            posterior_pm(&j, &j.best[best])};
    }
    for (uint8_t i = 0; i < top->n; i++)
        ret.parts[ret.parts_n++] = (struct count_guess){
            top->parts[i].facing, top->parts[i].quantity, posterior_pm(&j, top)};
    if (fits(&j, top, &ret.poor))
        ret.verdict = product_pm(&j, top) >= SURE_PM ? COUNT_SURE : COUNT_AMBIGUOUS;
    return ret;
}

struct count count_change(const struct plan_plate *plate, int64_t delta_mg, int64_t sigma_mg)
{
    struct count_evidence seen = {.delta_mg = delta_mg, .sigma_mg = sigma_mg};

    for (uint8_t i = 0; i < PLATE_FACINGS_MAX; i++)
        seen.on_shelf[i] = -1;
    return count_judge(plate, &seen);
}
