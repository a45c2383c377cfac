/* Counting pieces by weight; see count.h.
 *
 * A hypothesis is k pieces of one facing's product. Its spread is sqrt(k) times the product's own variation,
 * plus the noise of two weighings, plus a share for span error and creep, so one piece is judged strictly and a
 * crate of forty mildly. Products are compared by posterior over the plate's facings; several products in one
 * movement are not tried here.
 */
#include "core/count.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define SPREAD_MIN_PM 10   /* unit_cv below 1 % is a promise no packer keeps */
#define SPAN_PM       2    /* span error and creep */
#define GATE_SIGMAS   3    /* residual that a hypothesis survives ... */
#define GATE_MIN      0.10 /* ... or this share of a piece, when its variation was stated too small */
#define GATE_MAX      0.40 /* halfway between two counts nothing fits */
/* Noise widens the gate only so far: what trembles more than a twentieth of a piece is a hand. */
#define NOISE_MAX    0.05
#define SURE_PM      900 /* one product must have this much of the posterior */
#define QUANTITY_MAX 10000

/* The best k for one facing, and its log likelihood with those of its neighbours k-1, k+1. */
struct hypothesis {
    double log_likelihood;
    double weight;       /* of the facing, with its neighbours */
    double share_of_own; /* of the best k within the facing */
    struct count_guess guess;
    bool fits;
};

static double square(double x)
{
    return x * x;
}

/* Standard deviation of the mass of `k` pieces as two weighings tell it. */
static double spread_of(const struct plan_facing *f, double delta_mg, double sigma_mg, int32_t k)
{
    double cv = (f->unit_cv_pm > SPREAD_MIN_PM ? f->unit_cv_pm : SPREAD_MIN_PM) / 1000.0;

    return sqrt((k < 0 ? -k : k) * square(cv * (double)f->unit_mass_mg) + 2 * square(sigma_mg) +
                square(delta_mg * SPAN_PM / 1000.0));
}

static double residual_of(const struct plan_facing *f, double delta_mg, int32_t k)
{
    return fabs(delta_mg - k * (double)f->unit_mass_mg);
}

static double log_likelihood(const struct plan_facing *f, double delta_mg, double sigma_mg,
                             int32_t k)
{
    double spread = spread_of(f, delta_mg, sigma_mg, k);

    return -square(residual_of(f, delta_mg, k) / spread) / 2 - log(spread);
}

static bool fits(const struct plan_facing *f, double delta_mg, double sigma_mg, int32_t k)
{
    double unit = (double)f->unit_mass_mg, residual = residual_of(f, delta_mg, k);
    double sigma = sigma_mg < unit * NOISE_MAX ? sigma_mg : unit * NOISE_MAX;

    return residual <= unit * GATE_MAX &&
           (residual <= GATE_SIGMAS * spread_of(f, delta_mg, sigma, k) ||
            residual <= unit * GATE_MIN);
}

static struct hypothesis judge(const struct plan_facing *f, uint8_t index, int64_t delta_mg,
                               int64_t sigma_mg)
{
    double delta = (double)delta_mg, sigma = (double)sigma_mg;
    double pieces = round(delta / (double)f->unit_mass_mg), others = 0;
    int32_t sign = delta_mg < 0 ? -1 : 1, k;
    struct hypothesis h;

    if (fabs(pieces) > QUANTITY_MAX)
        pieces = sign * QUANTITY_MAX;
    k = (int32_t)pieces;
    h.fits = k != 0 && fits(f, delta, sigma, k);
    if (k == 0)
        k = sign;
    h.guess = (struct count_guess){.facing = index, .quantity = k};
    h.log_likelihood = log_likelihood(f, delta, sigma, k);
    for (int32_t other = k - 1; other <= k + 1; other += 2)
        if (other != 0)
            others += exp(log_likelihood(f, delta, sigma, other) - h.log_likelihood);
    h.share_of_own = 1 / (1 + others);
    return h;
}

/* Log likelihoods to weights that sum to 1 over the facings; far ones underflow to 0, which is right. */
static void weigh_against_each_other(struct hypothesis *h, uint8_t n)
{
    double best = h[0].log_likelihood, sum = 0;

    for (uint8_t i = 1; i < n; i++)
        best = h[i].log_likelihood > best ? h[i].log_likelihood : best;
    for (uint8_t i = 0; i < n; i++) {
        h[i].weight = exp(h[i].log_likelihood - best) / h[i].share_of_own;
        sum += h[i].weight;
    }
    for (uint8_t i = 0; i < n; i++) {
        h[i].weight /= sum;
        h[i].guess.posterior_pm = (int32_t)lround(1000 * h[i].weight * h[i].share_of_own);
    }
}

struct count count_change(const struct plan_plate *plate, int64_t delta_mg, int64_t sigma_mg)
{
    struct hypothesis h[PLATE_FACINGS_MAX], x;
    struct count ret;
    uint8_t n = plate->facings_n;

    memset(&ret, 0, sizeof(ret));
    ret.verdict = COUNT_UNKNOWN;
    if (n == 0)
        return ret;
    for (uint8_t i = 0; i < n; i++)
        h[i] = judge(&plate->facings[i], i, delta_mg, sigma_mg);
    weigh_against_each_other(h, n);
    for (uint8_t i = 1; i < n; i++) /* best first; equal ones keep the planogram's order */
        for (uint8_t j = i; j > 0 && h[j].weight > h[j - 1].weight; j--) {
            x = h[j];
            h[j] = h[j - 1];
            h[j - 1] = x;
        }
    for (uint8_t i = 0; i < n && i < EVENT_CANDIDATES_MAX; i++)
        ret.guesses[ret.guesses_n++] = h[i].guess;
    if (h[0].fits)
        ret.verdict = h[0].weight * 1000 >= SURE_PM ? COUNT_SURE : COUNT_AMBIGUOUS;
    return ret;
}
