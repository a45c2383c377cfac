/* Least squares of a damped sine over a grid of frequencies; see swing.h. */
#include "core/swing.h"

#include <math.h>

#include "noren/units.h"

#define BIN_US        95000 /* a little less than a tenth: 10 SPS gives one sample a bin */
#define BINS_MIN      9
#define BINS_FAST     18 /* below 20 SPS what is fast looks like anything */
#define HZ_LOW        0.3
#define HZ_HIGH       3
#define HZ_FAST       16
#define PERIOD_MIN    0.9 /* of a period must have been seen */
#define BINS_A_PERIOD 3.2
#define TAU           6.283185307179586 /* C11 has no M_PI */
/* What the sine leaves unexplained may be this share of its amplitude, or so many times the noise. */
#define MISFIT       0.12
#define MISFIT_NOISE 1.6
#define CLEAN        0.05 /* of the amplitude: hung goods are one pendulum */
/* A hand sways at the same frequencies but does not tire within seconds. */
#define DECAY_SEEN    0.55 /* of the amplitude at the window's start is left at most */
#define DECAY_SPAN_S  2.2  /* of hung goods; what is hit is over by then */
#define DECAY_PERIODS 1.25
#define DECAY_BETTER  1.5 /* so many times better than without decay, in squares */

static const double DECAYS_HZ[] = {0, 0.12, 0.3, 0.5, 0.8, 1.2, 2.5, 6}; /* 1 / time constant */
#define DECAYS_SLOW 6                                                    /* of hung goods */
#define DECAYS_N    ((int)(sizeof(DECAYS_HZ) / sizeof(DECAYS_HZ[0])))

#define WILD          8
#define WILD_LEAST_MG 5000

static const int WINDOWS_PM[] = {1000, 650, 400};
#define WINDOWS_N ((int)(sizeof(WINDOWS_PM) / sizeof(WINDOWS_PM[0])))

/* The window: times in seconds from its start, masses relative to the newest. */
struct points {
    double t[SWING_RING], m[SWING_RING];
    int n;
    double span_s;
};

struct solution {
    double level, a, b, squares, level_var; /* level_var in units of the residual's variance */
};

struct search {
    struct solution best, steady; /* of all; without decay */
    double hz, decay_hz;
};

bool swing_take(struct swing_ring *r, int64_t t_us, int32_t mass_mg)
{
    r->bin_sum_mg += mass_mg;
    r->bin_n++;
    if (r->n > 0 && t_us - r->closed_us < BIN_US && r->bin_n < UINT16_MAX)
        return false;
    r->head = (uint8_t)((r->head + 1) % SWING_RING);
    r->t_ms[r->head] = (uint32_t)(t_us / NOREN_US_PER_MS);
    r->mass_mg[r->head] = (int32_t)(r->bin_sum_mg / r->bin_n);
    if (r->n < SWING_RING)
        r->n++;
    r->bin_sum_mg = 0;
    r->bin_n = 0;
    r->closed_us = t_us;
    return true;
}

void swing_shift(struct swing_ring *r, int32_t by_mg)
{
    for (int i = 0; i < SWING_RING; i++)
        r->mass_mg[i] += by_mg;
    r->bin_sum_mg += (int64_t)by_mg * r->bin_n;
}

int32_t swing_mean(const struct swing_ring *r, uint32_t span_ms)
{
    int64_t sum = 0;
    int n = 0;

    for (; n < r->n; n++) {
        int at = (r->head + SWING_RING - n) % SWING_RING;

        if (n > 0 && r->t_ms[r->head] - r->t_ms[at] >= span_ms)
            break;
        sum += r->mass_mg[at];
    }
    return n > 0 ? (int32_t)(sum / n) : 0;
}

static double middle(const double *values, int n)
{
    double v[SWING_RING];

    for (int i = 0; i < n; i++) {
        int j = i;

        for (; j > 0 && v[j - 1] > values[i]; j--)
            v[j] = v[j - 1];
        v[j] = values[i];
    }
    return v[n / 2];
}

/* Leaves out what is no swing but a corrupted reading: a sine never leaves its middle by more than 1.5 times its
 * median distance. A median of three samples, which the rest of the scale looks through, would clip a swing that
 * is sampled only ten times a second. */
static void drop_wild(struct points *p)
{
    double off[SWING_RING], centre = middle(p->m, p->n), limit;
    int kept = 0, wild = 0;

    for (int i = 0; i < p->n; i++)
        off[i] = fabs(p->m[i] - centre);
    limit = WILD * middle(off, p->n) + WILD_LEAST_MG;
    for (int i = 0; i < p->n; i++)
        wild += off[i] > limit;
    for (int i = 0; i < p->n && wild <= p->n / 8; i++) /* more than some are a step */
        if (off[i] <= limit) {
            p->t[kept] = p->t[i];
            p->m[kept++] = p->m[i];
        }
    p->n = wild <= p->n / 8 ? kept : p->n;
}

static void gather(const struct swing_ring *r, uint32_t span_ms, struct points *p)
{
    int n = 1, start;

    while (n < r->n &&
           r->t_ms[r->head] - r->t_ms[(r->head + SWING_RING - n) % SWING_RING] <= span_ms)
        n++;
    start = (r->head + SWING_RING - (n - 1)) % SWING_RING;
    for (int i = 0; i < n; i++) {
        int at = (start + i) % SWING_RING;

        p->t[i] = (r->t_ms[at] - r->t_ms[start]) / 1000.0;
        p->m[i] = (double)r->mass_mg[at] - r->mass_mg[r->head];
    }
    p->n = n;
    p->span_s = p->t[n - 1];
    drop_wild(p);
}

/* A damped cosine and sine at the window's times. Frequencies are tried in even steps, so each is the one before
 * turned by a constant angle: a fit that calls sin, cos and exp for every point of every frequency takes six times
 * as long, and a hand that leans makes fits that all fail. */
struct waves {
    double x[SWING_RING], y[SWING_RING];           /* size x cos, size x sin */
    double turn_x[SWING_RING], turn_y[SWING_RING]; /* of one step of frequency */
};

static void waves_begin(const struct points *p, double hz, double step_hz, double decay_hz,
                        struct waves *w)
{
    for (int i = 0; i < p->n; i++) {
        double size = exp(-decay_hz * p->t[i]), angle = TAU * hz * p->t[i];
        double turn = TAU * step_hz * p->t[i];

        w->x[i] = size * cos(angle);
        w->y[i] = size * sin(angle);
        w->turn_x[i] = cos(turn);
        w->turn_y[i] = sin(turn);
    }
}

static void waves_turn(const struct points *p, struct waves *w)
{
    for (int i = 0; i < p->n; i++) {
        double x = w->x[i];

        w->x[i] = x * w->turn_x[i] - w->y[i] * w->turn_y[i];
        w->y[i] = x * w->turn_y[i] + w->y[i] * w->turn_x[i];
    }
}

/* Three unknowns, by Cramer's rule on the normal equations. False: they cannot be told apart. */
static bool solve(const struct points *p, const struct waves *w, struct solution *ret)
{
    double c = 0, s = 0, cc = 0, ss = 0, cs = 0, m = 0, mc = 0, ms = 0, mm = 0, n = p->n, det;
    double minor_a, minor_b, minor_c;

    for (int i = 0; i < p->n; i++) {
        double x = w->x[i], y = w->y[i], v = p->m[i];

        c += x, s += y, cc += x * x, ss += y * y, cs += x * y;
        m += v, mc += v * x, ms += v * y, mm += v * v;
    }
    minor_a = cc * ss - cs * cs;
    minor_b = c * ss - cs * s;
    minor_c = c * cs - cc * s;
    det = n * minor_a - c * minor_b + s * minor_c;
    if (det <= 1e-6 * n * cc * ss)
        return false;
    ret->level = (m * minor_a - mc * minor_b + ms * minor_c) / det;
    ret->a = (n * (mc * ss - ms * cs) - m * minor_b + s * (c * ms - s * mc)) / det;
    ret->b = (n * (cc * ms - cs * mc) - c * (c * ms - s * mc) + m * minor_c) / det;
    ret->squares = mm - ret->level * m - ret->a * mc - ret->b * ms;
    ret->level_var = minor_a / det;
    return true;
}

/* Tries one sine; keeps it when it is the best so far. */
static void attempt(const struct points *p, double hz, double decay_hz, const struct waves *w,
                    struct search *s)
{
    struct solution x;

    if (hz * p->span_s < PERIOD_MIN || hz * BINS_A_PERIOD * p->span_s > p->n || !solve(p, w, &x))
        return;
    if (decay_hz == 0 && (s->steady.level_var == 0 || x.squares < s->steady.squares))
        s->steady = x;
    if (s->best.level_var == 0 || x.squares < s->best.squares) {
        s->best = x;
        s->hz = hz;
        s->decay_hz = decay_hz;
    }
}

/* `n` frequencies from `hz` on. */
static void attempt_row(const struct points *p, double hz, double step_hz, int n, double decay_hz,
                        struct search *s)
{
    struct waves w;

    waves_begin(p, hz, step_hz, decay_hz, &w);
    for (int i = 0; i < n; i++, waves_turn(p, &w))
        attempt(p, hz + i * step_hz, decay_hz, &w, s);
}

/* First which frequency, with a middling decay, in steps that the window can just tell apart; then both. */
static bool find(const struct points *p, bool fast, struct search *s)
{
    double step_hz = 0.2 / p->span_s, low = fast ? HZ_HIGH : HZ_LOW;
    double most = fmin(fast ? HZ_FAST : HZ_HIGH, p->n / (BINS_A_PERIOD * p->span_s));
    int steps = (int)((most - low) / step_hz), decays = fast ? DECAYS_N : DECAYS_SLOW;

    attempt_row(p, low, step_hz, steps + 1, DECAYS_HZ[fast ? DECAYS_N - 2 : 2], s);
    low = s->hz - step_hz;
    for (int k = 0; k < decays && s->best.level_var != 0; k++)
        attempt_row(p, low, step_hz / 4, 9, DECAYS_HZ[k], s);
    if (s->best.level_var != 0)
        attempt_row(p, s->hz - step_hz * 3 / 16, step_hz / 16, 7, s->decay_hz, s);
    return s->best.level_var != 0;
}

static bool fit(const struct points *p, bool fast, int64_t noise_mg, int32_t newest_mg,
                struct swing *ret)
{
    struct search s = {.hz = 0};
    double size, left, misfit; /* left: of the amplitude, at the window's end */
    bool exact;

    if (p->n < (fast ? BINS_FAST : BINS_MIN) || !find(p, fast, &s))
        return false;
    size = sqrt(s.best.a * s.best.a + s.best.b * s.best.b);
    left = exp(-s.decay_hz * p->span_s);
    misfit = sqrt(fmax(s.best.squares, 0) / (p->n - 3));
    if (misfit > fmax(MISFIT * size * sqrt(left), MISFIT_NOISE * (double)noise_mg))
        return false;
    /* Fast is also how a hand trembles while it comes down: nothing but the noise may be left unexplained. */
    exact = misfit <= MISFIT_NOISE * (double)noise_mg;
    ret->clean = exact || misfit <= CLEAN * size * sqrt(left);
    misfit = fmax(misfit, (double)noise_mg / 2);
    ret->level_mg = (int32_t)lround(s.best.level) + newest_mg;
    ret->level_sd_mg = (int32_t)lround(misfit * sqrt(s.best.level_var));
    ret->began_mg = (int32_t)lround(size);
    ret->amplitude_mg = (int32_t)lround(size * left);
    ret->period_ms = (int32_t)lround(1000 / s.hz);
    ret->decays = (fast ? exact : p->span_s > DECAY_SPAN_S) && p->span_s * s.hz > DECAY_PERIODS &&
                  exp(-s.decay_hz * p->span_s) < DECAY_SEEN && s.steady.level_var > 0 &&
                  s.steady.squares > DECAY_BETTER * s.best.squares;
    return true;
}

bool swing_fit(const struct swing_ring *r, uint32_t span_ms, bool fast, int64_t noise_mg,
               struct swing *ret)
{
    struct points p;

    /* The longest window tells most, but the hand may still be in it. */
    for (int i = 0; i < WINDOWS_N; i++) {
        gather(r, span_ms * (uint32_t)WINDOWS_PM[i] / 1000, &p);
        if (fit(&p, fast, noise_mg, r->mass_mg[r->head], ret))
            return true;
    }
    return false;
}
