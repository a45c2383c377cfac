/* Settle, step and drift of one plate; see weigh.h.
 *
 * Two paths over one window. The quick one is the median of 0.4 s against the reference: it sees the edge
 * of a pick in time while the load still swings. The slow one waits until half a second is quiet; only it
 * may say what rests on the plate. A detector with the slow path alone is far too late while the load
 * swings, one with the quick path alone counts every hand (both were measured in the research behind the
 * design).
 */
#include "core/weigh.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "noren/units.h"

#define BIN_US     24000 /* thinning: 40 a second at most; a little under 25 ms for fast ADC clocks */
#define QUICK_MS   400   /* window of the quick path: p95 of 0.8 s at 80 SPS */
#define QUICK_MIN  3     /* samples it needs at least */
#define QUIET_MS   500   /* window of the slow path */
#define QUIET_MIN  4     /* 8 SPS give five in that time */
#define QUIET_SPAN 400   /* ms between its oldest and newest sample at least */
/* A hand cannot be as still as goods: its tremor is some per cent of its force, and it sways. Where the scale's
 * own noise would hide the tremor, more time shows the sway. */
#define CALM_MS          500
#define CALM_LONG_MS     950
#define CALM_FEW_MS      1300 /* a tremor that is sampled ten times a second is any frequency, or none */
#define CALM_MANY        12
#define CALM_SIGMAS      7   /* spread in that time, of goods at rest */
#define CALM_SD          1.6 /* the same as standard deviation */
#define CALM_RING        0.006 /* of the change: heavy goods ring for seconds, and no hand is so still */
#define CALM_RING_FEW    0.0025
#define CALM_RING_FEW_MG 3000.0
#define HAND_TREMOR      0.02 /* of its force, standard deviation at least */
/* Swinging: the push that began it is over, and the fit is repeated as long as it is asked for. */
#define SWING_AFTER_US (NOREN_US_PER_S * 3 / 10)
#define SWING_LEAST_US (NOREN_US_PER_S * 9 / 10)
#define SWING_FAST_MS  900
#define SWING_AGAIN_US (NOREN_US_PER_S * 18 / 100)
#define SIGMA_MIN_MG   300    /* below this a load cell's noise is not worth learning */
#define SIGMA_START_MG 5000   /* the noisiest real plates that we have a recording of have 2 g */
#define LEARN_US       500000 /* noise is learnt twice a second, slowly */
/* Noise alone breaks the quiet now and then; rest goes on after so little, at the same level. */
#define UNREST_SIGMAS 1.5
#define UNREST_SHARE  0.6
#define UNREST_US     (NOREN_US_PER_S / 2)
#define STUCK_US      (60 * NOREN_US_PER_S) /* away this long without rest: the noise itself grew */

/* Newest first. */
struct window {
    int32_t mass_mg[WEIGH_RING];
    uint32_t age_ms[WEIGH_RING];
    int n;       /* all that are in the quiet window */
    int quick_n; /* of these in the quick window */
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t magnitude(int64_t a)
{
    return a < 0 ? -a : a;
}

void weigh_init(struct weigh *w)
{
    memset(w, 0, sizeof(*w));
}

void weigh_restart(struct weigh *w)
{
    struct weigh kept = *w;

    weigh_init(w);
    w->has_ref = kept.has_ref;
    w->ref_ug = kept.ref_ug;
    w->tracked_ug = kept.tracked_ug;
    w->creep = kept.creep;
    w->sigma_known = kept.sigma_known;
    w->sigma_mg = kept.sigma_known ? kept.sigma_mg : 0;
}

void weigh_set_reference(struct weigh *w, int64_t mass_mg, int64_t tracked_mg)
{
    w->has_ref = true;
    w->ref_ug = mass_mg * 1000;
    w->tracked_ug = tracked_mg * 1000;
    w->away = false;
    w->drifted = false;
    w->swinging = w->swings;
}

static int64_t off_expected(const struct weigh *w, int64_t mass_mg)
{
    return mass_mg - weigh_reference_mg(w) - w->bend_mg;
}

/* A distance from what is expected, without what creep explains of it. */
static int64_t without_creep(const struct weigh *w, int64_t off_mg)
{
    return off_mg - creep_of(creep_since_ug(&w->creep, w->bin_closed_us) / 1000, off_mg);
}

void weigh_change_reference(struct weigh *w, int64_t mass_mg)
{
    creep_begin(&w->creep, w->bin_closed_us, mass_mg - weigh_reference_mg(w));
    weigh_set_reference(w, mass_mg, 0);
}

int64_t weigh_reference_mg(const struct weigh *w)
{
    return w->ref_ug / 1000;
}

void weigh_agree(struct weigh *w)
{
    w->tracked_ug = 0;
    w->drifted = false;
}

void weigh_tare(struct weigh *w)
{
    int32_t by = (int32_t)w->level_mg;

    assert(w->resting);
    for (int i = 0; i < WEIGH_RING; i++)
        w->ring[i].mass_mg -= by;
    w->spike[0] -= by;
    w->spike[1] -= by;
    swing_shift(&w->slow, -by);
    w->bin_sum_mg -= (int64_t)by * w->bin_n;
    w->rest_anchor_mg -= by;
    w->level_mg = w->bend_mg = 0;
    weigh_set_reference(w, 0, 0);
}

/* Division of the scale: what it can tell apart. */
static int64_t division(const struct weigh *w)
{
    return larger(NOREN_MG_PER_G, 3 * w->sigma_mg);
}

/* How far the quick median may be from the reference before something has happened. Without a product there
 * is nothing to count, so only what is plainly more than noise and footfall is worth an event. */
static int64_t away_limit(const struct weigh *w, int64_t unit_mg)
{
    if (unit_mg == 0)
        return larger(8 * w->sigma_mg, 20 * NOREN_MG_PER_G);
    return larger(larger(unit_mg * 2 / 5, 4 * w->sigma_mg), NOREN_MG_PER_G);
}

/* How near the reference a quiet load counts as the same: less than away_limit, so the two cannot flap. */
static int64_t same_limit(const struct weigh *w, int64_t unit_mg)
{
    return unit_mg == 0 ? away_limit(w, 0) * 7 / 8 : larger(unit_mg * 7 / 20, 3 * w->sigma_mg);
}

bool weigh_same(const struct weigh *w, int64_t unit_mg, int64_t mass_mg)
{
    return magnitude(without_creep(w, off_expected(w, mass_mg))) <= same_limit(w, unit_mg);
}

/* Largest spread of a quiet window. The share of the unit mass lets heavy goods settle while they still ring
 * by a few per mille of their weight: a 5 kg bottle rings for seconds, and no count depends on it. */
static int64_t quiet_limit(const struct weigh *w, int64_t unit_mg)
{
    int64_t share = unit_mg / 25;

    if (share > 50 * NOREN_MG_PER_G)
        share = 50 * NOREN_MG_PER_G;
    return larger(larger(2 * division(w), 6 * w->sigma_mg), share);
}

/* Middle of n values (sorts them); n is small and mostly in order. */
static int32_t median(int32_t *v, int n)
{
    for (int i = 1; i < n; i++) {
        int32_t x = v[i];
        int j = i;

        for (; j > 0 && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
    return n % 2 ? v[n / 2] : (int32_t)(((int64_t)v[n / 2 - 1] + v[n / 2]) / 2);
}

/* Median of this sample and the two before it: one wild sample, whatever its size, does nothing. */
static int32_t without_spikes(struct weigh *w, int32_t x)
{
    int32_t v[3] = {w->spike[0], w->spike[1], x};

    w->spike[0] = w->spike[1];
    w->spike[1] = x;
    if (w->spike_n < 2) {
        w->spike_n++;
        return x;
    }
    return median(v, 3);
}

/* Puts a sample into the ring when enough time has passed; false: nothing new in the ring. */
static bool thin(struct weigh *w, int64_t t_us, int32_t mass_mg)
{
    w->bin_sum_mg += mass_mg;
    w->bin_n++;
    if (w->ring_n > 0 && t_us - w->bin_closed_us < BIN_US && w->bin_n < UINT16_MAX)
        return false;
    w->ring_head = (uint8_t)((w->ring_head + 1) % WEIGH_RING);
    w->ring[w->ring_head].t_ms = (uint32_t)(t_us / NOREN_US_PER_MS);
    w->ring[w->ring_head].mass_mg = (int32_t)(w->bin_sum_mg / w->bin_n);
    if (w->ring_n < WEIGH_RING)
        w->ring_n++;
    w->bin_sum_mg = 0;
    w->bin_n = 0;
    w->bin_closed_us = t_us;
    return true;
}

static void look_back(const struct weigh *w, struct window *win)
{
    uint32_t now_ms = w->ring[w->ring_head].t_ms;

    win->n = win->quick_n = 0;
    for (int i = 0; i < w->ring_n; i++) {
        int at = (w->ring_head + WEIGH_RING - i) % WEIGH_RING;
        uint32_t age_ms = now_ms - w->ring[at].t_ms;

        if (age_ms > QUIET_MS && win->n >= QUIET_MIN)
            break;
        win->mass_mg[win->n] = w->ring[at].mass_mg;
        win->age_ms[win->n] = age_ms;
        win->n++;
        if (age_ms <= QUICK_MS || win->quick_n < QUICK_MIN)
            win->quick_n++;
    }
}

_Static_assert(WEIGH_RING == SWING_RING, "the thinned ring is fitted as it is");

/* Standard deviation by the median of differences, 1.483 / sqrt(2) of it: robust against steps and blind to
 * drift. Every second sample is compared, because the median of three makes neighbours alike. */
static int64_t noise(const struct window *win)
{
    int32_t d[WEIGH_RING];

    for (int i = 0; i + 2 < win->n; i++)
        d[i] = (int32_t)magnitude((int64_t)win->mass_mg[i] - win->mass_mg[i + 2]);
    return (int64_t)median(d, win->n - 2) * 1049 / 1000;
}

/* Before the first quiet value the noise is what was learnt earlier, or what is measured now up to what a
 * load cell can be blamed for: a hand that rests on the shelf at start must not pass for noise, or everything
 * is quiet. Only a plate that finds no rest for long is believed to be that noisy. */
static void learn_noise(struct weigh *w, const struct window *win, int64_t unit_mg, int64_t t_us)
{
    int64_t most = larger(unit_mg / 50, SIGMA_START_MG), sigma;

    if (win->n < QUIET_MIN)
        return;
    if (w->began_us == 0)
        w->began_us = t_us;
    sigma = larger(noise(win), SIGMA_MIN_MG);
    if (!w->settled && !w->sigma_known) {
        w->sigma_mg = sigma < most ? sigma : most;
    } else if ((w->settled && !w->away) ||
               t_us - (w->settled ? w->away_us : w->began_us) > STUCK_US) {
        if (t_us - w->learnt_us < LEARN_US)
            return;
        w->learnt_us = t_us;
        /* A bump that does not leave the reference is no noise: growth is slow, whatever its size. */
        if (w->settled && sigma > 2 * w->sigma_mg)
            sigma = 2 * w->sigma_mg;
        w->sigma_mg = larger(w->sigma_mg + (sigma - w->sigma_mg) / 16, SIGMA_MIN_MG);
    }
    if (!w->settled && t_us - w->began_us > STUCK_US)
        w->sigma_known = true;
}

struct spread {
    int64_t range_mg;
    double mean_mg, sd_mg;
    int n;
};

/* Spread and standard deviation over the newest `span_ms`. Returns how long that really is. */
static uint32_t spread_over(const struct weigh *w, uint32_t span_ms, struct spread *ret)
{
    int32_t low = INT32_MAX, high = INT32_MIN, base = w->ring[w->ring_head].mass_mg;
    uint32_t now_ms = w->ring[w->ring_head].t_ms, age_ms = 0;
    double sum = 0, squares = 0;
    int n = 0;

    for (; n < w->ring_n && (age_ms < span_ms || n < QUIET_MIN); n++) {
        int at = (w->ring_head + WEIGH_RING - n) % WEIGH_RING;
        int32_t mass_mg = w->ring[at].mass_mg;
        double off = (double)mass_mg - base;

        age_ms = now_ms - w->ring[at].t_ms;
        low = mass_mg < low ? mass_mg : low;
        high = mass_mg > high ? mass_mg : high;
        sum += off;
        squares += off * off;
    }
    ret->range_mg = (int64_t)high - low;
    ret->mean_mg = base + sum / n;
    ret->sd_mg = n > 1 ? sqrt(fmax(0, (squares - sum * sum / n) / (n - 1))) : 0;
    ret->n = n;
    return n < QUIET_MIN ? 0 : age_ms;
}

/* Is the load as still as goods alone? Hands rest well enough to pass for quiet, and hold on a scale what looks
 * like goods; but they tremble and sway by several per cent of their force. */
static void look_for_calm(struct weigh *w, int64_t t_us)
{
    double sigma = (double)w->sigma_mg, size;
    uint32_t need_ms = CALM_MS, age_ms;
    struct spread x;
    bool few, still;

    age_ms = spread_over(w, CALM_MS, &x);
    size = fabs(x.mean_mg - (double)weigh_reference_mg(w));
    few = x.n < CALM_MANY;
    if (few || size * HAND_TREMOR < CALM_SD * sigma) {
        need_ms = few ? CALM_FEW_MS : CALM_LONG_MS;
        age_ms = spread_over(w, need_ms, &x);
    }
    still = ((double)x.range_mg <= fmax(2.0 * NOREN_MG_PER_G, CALM_SIGMAS * sigma) &&
             x.sd_mg <= fmax(0.7 * NOREN_MG_PER_G, CALM_SD * sigma)) ||
            (w->away &&
             x.sd_mg <= (few ? fmin(CALM_RING_FEW * size, CALM_RING_FEW_MG) : CALM_RING * size));
    if (age_ms < need_ms * 9 / 10 || !still) {
        w->calm = false;
        return;
    }
    if (!w->calm)
        w->calm_since_us = t_us - (int64_t)age_ms * NOREN_US_PER_MS;
    w->calm = true;
}

/* What still rings or sinks in a quiet window makes its mean unsure: the scatter beyond the noise, standard
 * deviation. */
static int64_t unrest(const struct weigh *w, const struct window *win)
{
    double squares = 0, sigma = UNREST_SIGMAS * (double)w->sigma_mg;

    for (int i = 0; i < win->n; i++) {
        double off = (double)win->mass_mg[i] - (double)w->level_mg;

        squares += off * off;
    }
    squares = squares / (win->n - 1) - sigma * sigma;
    return squares > 0 ? (int64_t)(UNREST_SHARE * sqrt(squares)) : 0;
}

/* Is the window quiet: small spread, and no slope between its halves? Updates level and rest. */
static void look_for_rest(struct weigh *w, const struct window *win, int64_t unit_mg, int64_t t_us)
{
    int32_t low = INT32_MAX, high = INT32_MIN;
    int64_t sum = 0, newer = 0;
    int half = win->n / 2;
    bool quiet;

    for (int i = 0; i < win->n; i++) {
        low = win->mass_mg[i] < low ? win->mass_mg[i] : low;
        high = win->mass_mg[i] > high ? win->mass_mg[i] : high;
        sum += win->mass_mg[i];
        newer += i < half ? win->mass_mg[i] : 0;
    }
    quiet =
        win->n >= QUIET_MIN && win->age_ms[win->n - 1] >= QUIET_SPAN &&
        (int64_t)high - low <= quiet_limit(w, unit_mg) &&
        magnitude(newer / half - (sum - newer) / (win->n - half)) <= quiet_limit(w, unit_mg) / 2;
    if (!quiet) {
        w->resting = false;
        return;
    }
    w->level_mg = sum / win->n;
    w->level_sd_mg = unrest(w, win);
    if (t_us - w->quiet_us > UNREST_US ||
        magnitude(w->level_mg - w->rest_anchor_mg) > quiet_limit(w, unit_mg)) {
        w->rest_anchor_mg = w->level_mg;
        w->rest_since_us = t_us - win->age_ms[win->n - 1] * NOREN_US_PER_MS;
    }
    w->quiet_us = t_us;
    w->resting = true;
}

/* Temperature and creep move the zero by grams an hour; the reference follows far slower than the slowest
 * real removal, and never further than 0.4 of a unit without an agreed count: nobody can carry goods away
 * under it (OIML's limit for zero tracking, half a division a second, is the upper bound).
 *
 * After a change creep is expected on top, in its direction alone. It is what the reference went that way in all, and
 * not each step that it goes: half of the noise would be taken for creep on a plate that does not creep at all. */
static void track(struct weigh *w, int64_t unit_mg, int64_t t_us)
{
    int64_t rate_ug_s = division(w) * 500, limit_ug = unit_mg * 400, step, most;
    int64_t dt_us = t_us - w->tracked_us, crept = creep_since_ug(&w->creep, t_us), creep;

    w->tracked_us = t_us;
    if (unit_mg > 0 && rate_ug_s > unit_mg * 5 / 6) /* 0.05 units a minute */
        rate_ug_s = unit_mg * 5 / 6;
    most = rate_ug_s * (dt_us > NOREN_US_PER_S ? NOREN_US_PER_S : dt_us) / NOREN_US_PER_S;
    step = (w->level_mg - w->bend_mg) * 1000 - w->ref_ug;
    if (step > most + larger(crept, 0))
        step = most + larger(crept, 0);
    if (step < -most - larger(-crept, 0))
        step = -most - larger(-crept, 0);
    creep = w->tracked_ug + step;
    creep = (creep > 0) == (w->creep.most_ug > 0) ? creep_of(crept, creep)
                                                  : creep_of(-w->creep.taken_ug, creep);
    creep_see(&w->creep, t_us);
    if (unit_mg > 0 && magnitude(w->tracked_ug + step - creep) > limit_ug) {
        w->drifted = true;
        return;
    }
    w->ref_ug += step;
    w->tracked_ug += step - creep;
    creep_take(&w->creep, creep);
}

/* A rack that was hit rings too fast for the slow bins. */
static bool fit_fast(const struct weigh *w, int64_t span_us, struct swing *ret)
{
    struct swing_ring r = {.head = w->ring_head, .n = w->ring_n};
    uint32_t span_ms = (uint32_t)(span_us / NOREN_US_PER_MS);

    for (int i = 0; i < WEIGH_RING; i++) {
        r.t_ms[i] = w->ring[i].t_ms;
        r.mass_mg[i] = w->ring[i].mass_mg;
    }
    return swing_fit(&r, span_ms < SWING_FAST_MS ? span_ms : SWING_FAST_MS, true, w->sigma_mg, ret);
}

/* Where would it come to rest, if it swings? Two looks that agree are believed. */
static void look_for_swing(struct weigh *w, int64_t unit_mg, int64_t t_us)
{
    int64_t span_us =
        w->swinging ? w->swing.period_ms * 2500ll : t_us - w->away_us - SWING_AFTER_US;
    int64_t was_mg = w->swing.level_mg, room_mg = larger(unit_mg / 16, 2 * w->sigma_mg);
    bool fits, had = w->swing_us != 0;

    if (w->resting || !(w->away || w->swinging)) {
        w->swings = w->swinging = false;
        w->swing_us = 0;
        return;
    }
    if (!w->slow_new || t_us - w->swing_us < SWING_AGAIN_US || span_us < SWING_LEAST_US / 2)
        return;
    w->slow_new = false;
    fits = (span_us >= SWING_LEAST_US && swing_fit(&w->slow, (uint32_t)(span_us / NOREN_US_PER_MS),
                                                   false, w->sigma_mg / 2, &w->swing)) ||
           fit_fast(w, span_us, &w->swing);
    w->swing_us = fits ? t_us : 0;
    w->swings = fits && had && magnitude(w->swing.level_mg - was_mg) <= room_mg &&
                3ll * w->swing.level_sd_mg <= larger(unit_mg / 8, 2 * w->sigma_mg);
    if (w->swinging && w->swings && w->swing.amplitude_mg < away_limit(w, unit_mg) / 3)
        w->swinging = false;
}

static enum weigh_signal first_value(struct weigh *w, int64_t unit_mg, int64_t t_us)
{
    w->settled = w->sigma_known = true;
    w->learnt_us = w->tracked_us = t_us;
    if (w->has_ref && !weigh_same(w, unit_mg, w->level_mg)) {
        w->away = true;
        w->away_us = t_us;
    }
    return WEIGH_FIRST;
}

/* The load is at its reference, or swings about it: has it left? */
static enum weigh_signal watch_reference(struct weigh *w, int64_t unit_mg, int64_t t_us)
{
    int64_t limit_mg = away_limit(w, unit_mg);

    if (w->swinging) {
        int64_t middle_mg =
            w->swings ? w->swing.level_mg : swing_mean(&w->slow, (uint32_t)w->swing.period_ms);

        w->moved_mg = off_expected(w, middle_mg);
        limit_mg += w->swings ? 0 : w->swing.amplitude_mg / 4;
    }
    if (magnitude(without_creep(w, w->moved_mg)) > limit_mg) {
        w->away = true;
        w->away_us = t_us;
        w->swinging = w->swings = false;
        w->swing_us = 0;
        return WEIGH_MOVED;
    }
    if (w->resting)
        track(w, unit_mg, t_us);
    return WEIGH_NOTHING;
}

enum weigh_signal weigh_sample(struct weigh *w, int64_t unit_mg, int64_t t_us, int64_t mass_mg)
{
    int32_t clipped = mass_mg > INT32_MAX   ? INT32_MAX
                      : mass_mg < INT32_MIN ? INT32_MIN
                                            : (int32_t)mass_mg;
    struct window win;

    w->slow_new |= swing_take(&w->slow, t_us, clipped);
    if (!thin(w, t_us, without_spikes(w, clipped)))
        return WEIGH_NOTHING;
    look_back(w, &win);
    if (win.n < QUICK_MIN)
        return WEIGH_NOTHING;
    learn_noise(w, &win, unit_mg, t_us);
    look_for_rest(w, &win, unit_mg, t_us);
    look_for_calm(w, t_us);
    if (!w->settled)
        return w->resting ? first_value(w, unit_mg, t_us) : WEIGH_NOTHING;
    if (!w->has_ref)
        return WEIGH_NOTHING;

    look_for_swing(w, unit_mg, t_us);
    w->moved_mg = off_expected(w, median(win.mass_mg, win.quick_n));
    if (!w->away)
        return watch_reference(w, unit_mg, t_us);
    if (!w->resting && !w->swings)
        return WEIGH_MOVED;
    if (!w->resting) {
        w->level_mg = w->swing.level_mg;
        w->level_sd_mg = w->swing.level_sd_mg;
    }
    if (!weigh_same(w, unit_mg, w->level_mg))
        return WEIGH_REST;
    w->away = false;
    w->swinging = w->swings;
    w->tracked_us = t_us;
    return WEIGH_BACK;
}
