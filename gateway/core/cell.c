/* Counts to milligrams, and what is wrong with a cell; see cell.h. */
#include "core/cell.h"

#include <math.h>
#include <string.h>

#define CLIPPED_MAX     3 /* full-scale codes in a row that are a fault, not a bump */
#define OVERLOAD        1.1
#define OVERLOAD_US     NOREN_US_PER_S
#define BLOCK_MAX       64
#define BLOCK_MIN       16
#define BLOCK_US        (2 * NOREN_US_PER_S)
#define LIVELY          4.0 /* counts of noise that make 16 readings enough to call a cell stuck */
#define STUCK_ALWAYS_US (60 * NOREN_US_PER_S)
#define SIGMA_PER_BEND  (1 / 1.954) /* mean |second difference| of white noise is 1.954 sigma */
#define NOISY_TIMES     5.0
#define NOISY_US        (30 * NOREN_US_PER_S)
#define NOISY_LEAST_MG  500.0 /* less harms no count */
#define NOISY_WANDER    4.0   /* sigmas; half seconds' means of white noise stay within 2.3 */
#define CALM_TIMES      2.5   /* hysteresis: below this it is not noisy any more */
#define REST_LEAST      16    /* readings */
#define GAP_US          (2 * NOREN_US_PER_S)
#define NODE_GAP_US     (30 * NOREN_US_PER_S)
#define BIN_US          (NOREN_US_PER_S / 2)
#define MINUTE_US       (60 * NOREN_US_PER_S)
#define FRAMES_MIN      200 /* fewer say nothing about a share */
#define REFUSED_PM      100
#define REFUSED_OK_PM   50
#define HOLD_US         (2 * NOREN_US_PER_S)
#define HOLD_NOISY_US   (10 * NOREN_US_PER_S)
#define HOLD_CORRUPT_US (60 * NOREN_US_PER_S)
#define AGAIN_US        (10 * MINUTE_US)
#define AGAIN_MAX       5
#define FEEL_MIN_MG     20e3 /* smaller changes say nothing about shares */
#define SHARE_MIN       0.08f
#define DEAF_CHANGES    10
#define DEAF_MOVED_MG   20e3
#define SENSOR_GONE_US  (10 * MINUTE_US)

const char *cell_trouble_name(enum cell_trouble t)
{
    static const char *const names[TROUBLES] = {
        [TROUBLE_NONE] = "none",
        [TROUBLE_ABSENT] = "absent",
        [TROUBLE_SILENT] = "silent",
        [TROUBLE_SATURATED] = "saturated",
        [TROUBLE_NODE] = "node",
        [TROUBLE_STUCK] = "stuck",
        [TROUBLE_NOISY] = "noisy",
        [TROUBLE_RATE] = "rate",
        [TROUBLE_CORRUPT] = "corrupt",
        [TROUBLE_DEAF] = "deaf",
        [TROUBLE_CALIBRATION] = "calibration",
        [TROUBLE_OVERLOAD] = "overload",
    };

    return names[t];
}

void cell_init(struct cell *c, const struct plan_cell *plan)
{
    memset(c, 0, sizeof(*c));
    c->zero_counts = plan->zero_counts;
    c->mg_per_count = plan->mg_per_count;
    c->capacity_mg = (double)plan->capacity_mg;
    thermal_init(&c->thermal);
}

void cell_plan(struct cell *c, const struct plan_cell *plan)
{
    c->rescaled = false;
    c->capacity_mg = (double)plan->capacity_mg;
    if (c->calibration != 0)
        return;
    c->rescaled = c->zero_counts != plan->zero_counts || c->mg_per_count != plan->mg_per_count;
    c->zero_counts = plan->zero_counts;
    c->mg_per_count = plan->mg_per_count;
}

void cell_calibrate(struct cell *c, const struct calibration *calibration)
{
    c->zero_counts = calibration->zero_counts;
    c->mg_per_count = (double)calibration->pg_per_count / 1e9;
    c->calibration = calibration->number;
    if (c->trouble == TROUBLE_CALIBRATION)
        c->trouble = TROUBLE_NONE;
}

void cell_lose_calibration(struct cell *c, int64_t number)
{
    c->mg_per_count = 0;
    c->calibration = number;
    c->trouble = TROUBLE_CALIBRATION;
}

bool cell_is_calibrated(const struct cell *c)
{
    return c->mg_per_count != 0;
}

/* ---- trouble ---------------------------------------------------------------------------------------- */

/* Something speaks for `t` now. The first trouble names the fault until it ends; but a cell that speaks is silent no
 * more, and says itself what is wrong. */
static void suspect(struct cell *c, int64_t t_us, enum cell_trouble t)
{
    if (c->trouble == TROUBLE_NONE) {
        c->trouble = t;
        if (c->ended_us == 0 || t_us - c->ended_us > AGAIN_US)
            c->again = 0;
        else if (c->again < AGAIN_MAX)
            c->again++;
        memset(c->minutes, 0, sizeof(c->minutes));
    } else if (c->trouble == TROUBLE_SILENT) {
        c->trouble = t;
    }
    c->bad_us = t_us;
}

static int64_t hold_us(const struct cell *c)
{
    int64_t hold = c->trouble == TROUBLE_NOISY     ? HOLD_NOISY_US
                   : c->trouble == TROUBLE_CORRUPT ? HOLD_CORRUPT_US
                                                   : HOLD_US;

    return hold << c->again;
}

/* A good reading came: has it been long enough? A loose contact is not trusted in between. */
static void forgive(struct cell *c, int64_t t_us)
{
    if (c->trouble == TROUBLE_NONE || c->trouble == TROUBLE_CALIBRATION ||
        t_us - c->bad_us < hold_us(c))
        return;
    c->trouble = TROUBLE_NONE;
    c->ended_us = t_us;
    c->noisy_us = 0;
    c->deaf_n = 0;
}

/* After silence a cell has to show itself for a while first. */
static void note_seen(struct cell *c, int64_t t_us, int64_t gap_us)
{
    if (c->trouble != TROUBLE_NONE && (c->seen_us == 0 || t_us - c->seen_us > gap_us))
        c->bad_us = t_us;
    c->seen_us = t_us;
}

/* ---- frames ----------------------------------------------------------------------------------------- */

static void count_frame(struct cell *c, int64_t t_us, bool good)
{
    if (t_us - c->minute_us >= MINUTE_US) {
        c->minute = (uint8_t)((c->minute + 1) % CELL_MINUTES);
        memset(&c->minutes[c->minute], 0, sizeof(c->minutes[0]));
        c->minute_us = t_us;
    }
    if (good && c->minutes[c->minute].good < UINT16_MAX)
        c->minutes[c->minute].good++;
    if (!good && c->minutes[c->minute].bad < UINT16_MAX)
        c->minutes[c->minute].bad++;
}

/* Permille over the newest `n` minutes; 0 while there are too few frames to tell. */
static int32_t refused_pm(const struct cell *c, int n)
{
    int32_t good = 0, bad = 0;

    for (int i = 0; i < n; i++) {
        int m = (c->minute + CELL_MINUTES - i) % CELL_MINUTES;

        good += c->minutes[m].good;
        bad += c->minutes[m].bad;
    }
    return good + bad < FRAMES_MIN ? 0 : bad * 1000 / (good + bad);
}

int32_t cell_refused_pm(const struct cell *c)
{
    return refused_pm(c, CELL_MINUTES);
}

/* In trouble only the newest minutes count, or five bad ones would take five good ones to forget. */
static void judge_frames(struct cell *c, int64_t t_us)
{
    if (c->trouble == TROUBLE_CORRUPT) {
        if (refused_pm(c, 2) > REFUSED_OK_PM)
            c->bad_us = t_us;
    } else if (cell_refused_pm(c) > REFUSED_PM) {
        suspect(c, t_us, TROUBLE_CORRUPT);
    }
}

/* ---- noise ------------------------------------------------------------------------------------------ */

static void begin_block(struct cell *c, int64_t t_us)
{
    c->block_n = c->values_n = 0;
    c->block_us = t_us;
    c->block_sum = c->bend_sum = 0;
}

/* Noise is learnt faster downwards than upwards: what shakes a shelf is not its own. */
static void learn_noise(struct cell *c)
{
    if (c->noise == 0)
        c->noise = c->noise_now;
    else if (c->noise_now < c->noise)
        c->noise += (c->noise_now - c->noise) / 32;
    else if (c->noise_now <= NOISY_TIMES * c->noise)
        c->noise += (c->noise_now - c->noise) / 128;
}

static void judge_noise(struct cell *c, int64_t t_us)
{
    double mean = c->block_sum / c->block_n;
    bool loud = c->noise > 0 && c->noise_now > NOISY_TIMES * c->noise &&
                c->noise_now * fabs(c->mg_per_count) > NOISY_LEAST_MG;

    if (c->trouble == TROUBLE_NOISY && c->noise_now > CALM_TIMES * c->noise)
        c->bad_us = t_us;
    if (!loud) {
        c->noisy_us = 0;
        return;
    }
    if (c->noisy_us == 0 || c->noisy_high - c->noisy_low > NOISY_WANDER * c->noise_now) {
        c->noisy_us = c->block_us;
        c->noisy_low = c->noisy_high = mean;
    }
    if (t_us - c->noisy_us >= NOISY_US)
        suspect(c, t_us, TROUBLE_NOISY);
}

static void end_block(struct cell *c, int64_t t_us)
{
    bool lively = c->noise >= 1;

    if (c->values_n <= 2 && lively) {
        suspect(c, t_us, TROUBLE_STUCK);
    } else if (c->values_n > 2) {
        c->noise_now = c->bend_sum / (c->block_n - 2) * SIGMA_PER_BEND;
        judge_noise(c, t_us);
        learn_noise(c);
    }
    begin_block(c, t_us);
}

/* A reading that differs from all before it in the block. */
static void note_value(struct cell *c, int32_t counts)
{
    for (int i = 0; i < c->values_n && i < 2; i++)
        if (c->values[i] == counts)
            return;
    if (c->values_n < 2)
        c->values[c->values_n] = counts;
    if (c->values_n < UINT8_MAX)
        c->values_n++;
}

static void watch_noise(struct cell *c, int64_t t_us, int32_t counts)
{
    if (c->seen_us == 0 || t_us - c->seen_us > GAP_US)
        begin_block(c, t_us);
    if (c->seen_us != 0 && !c->moved) {
        c->moved = counts != c->last[0];
        if (!c->moved && t_us - c->still_us >= STUCK_ALWAYS_US && c->noise == 0)
            suspect(c, t_us, TROUBLE_STUCK);
    } else if (c->seen_us == 0) {
        c->still_us = t_us;
    }
    note_value(c, counts);
    c->block_n++;
    c->block_sum += counts;
    if (c->block_n > 2)
        c->bend_sum += fabs((double)counts - 2.0 * c->last[0] + c->last[1]);
    c->last[1] = c->last[0];
    c->last[0] = counts;
    if (c->block_n == BLOCK_MAX ||
        (c->block_n >= BLOCK_MIN && t_us - c->block_us >= BLOCK_US && c->noise >= LIVELY))
        end_block(c, t_us);
}

/* ---- rest ------------------------------------------------------------------------------------------- */

static void watch_rest(struct cell *c, int64_t t_us, int32_t counts)
{
    if (c->seen_us == 0 || t_us - c->seen_us > GAP_US) {
        c->bins_filled = 0;
        c->bin_n = 0;
    }
    if (c->bin_n > 0 && t_us - c->bin_us >= BIN_US) {
        c->bins[c->bin_head] = c->bin_sum / c->bin_n;
        c->noisy_low = fmin(c->noisy_low, c->bins[c->bin_head]);
        c->noisy_high = fmax(c->noisy_high, c->bins[c->bin_head]);
        c->bins_n[c->bin_head] = c->bin_n;
        c->bin_head = (uint8_t)((c->bin_head + 1) % CELL_BINS);
        if (c->bins_filled < CELL_BINS)
            c->bins_filled++;
        c->bin_n = 0;
    }
    if (c->bin_n == 0) {
        c->bin_us = t_us;
        c->bin_sum = 0;
    }
    c->bin_sum += counts;
    c->bin_n++;
}

/* Eight means of n readings of white noise span six sigmas / sqrt(n) once in a thousand times. Two sigmas are for
 * what else moves a little, a compressor say. */
static double rest_limit(const struct cell *c, double counts, int readings)
{
    double creep = fabs(counts) * 1e-4;

    return fmax(fmax(4, creep), fmax(2, 6 / sqrt(readings)) * c->noise);
}

struct cell_rest cell_rest(const struct cell *c, int64_t now_us)
{
    struct cell_rest ret = {.samples = 0};
    double low = 0, high = 0;
    int fewest = UINT16_MAX;

    if (c->bins_filled == 0 || now_us - c->seen_us > GAP_US)
        return ret;
    for (int i = 0; i < c->bins_filled; i++) {
        double mean = c->bins[i];

        low = i == 0 || mean < low ? mean : low;
        high = i == 0 || mean > high ? mean : high;
        ret.counts += mean / c->bins_filled;
        ret.samples += c->bins_n[i];
        fewest = c->bins_n[i] < fewest ? c->bins_n[i] : fewest;
    }
    ret.spread = high - low;
    ret.enough = c->bins_filled == CELL_BINS && ret.samples >= REST_LEAST;
    ret.steady = ret.enough && ret.spread <= rest_limit(c, ret.counts, fewest);
    return ret;
}

/* As if it were always as warm. */
static double raw_mg(const struct cell *c, double counts)
{
    return (counts - (double)c->zero_counts) * c->mg_per_count;
}

/* Pulled is as bad as pressed. Ends at the capacity itself, so that a load at the limit does not flicker. Nothing
 * for `gap_us` begins the second anew. */
static void judge_load(struct cell *c, int64_t t_us, double mass_mg, int64_t gap_us)
{
    double load_mg = fabs(mass_mg);

    if (c->capacity_mg == 0)
        return;
    if (c->trouble == TROUBLE_OVERLOAD && load_mg > c->capacity_mg)
        c->bad_us = t_us;
    if (load_mg <= OVERLOAD * c->capacity_mg || t_us - c->seen_us > gap_us)
        c->over_us = 0;
    else if (c->over_us == 0)
        c->over_us = t_us;
    else if (t_us - c->over_us >= OVERLOAD_US)
        suspect(c, t_us, TROUBLE_OVERLOAD);
}

/* ---- readings --------------------------------------------------------------------------------------- */

static void take_value(struct cell *c, int64_t t_us, int32_t counts)
{
    c->clipped = 0;
    count_frame(c, t_us, true);
    watch_noise(c, t_us, counts);
    watch_rest(c, t_us, counts);
    judge_load(c, t_us, raw_mg(c, counts), GAP_US);
    note_seen(c, t_us, GAP_US);
    judge_frames(c, t_us);
    if (c->trouble == TROUBLE_DEAF &&
        fabs((double)counts - c->deaf_counts) * fabs(c->mg_per_count) < DEAF_MOVED_MG)
        c->bad_us = t_us;
    forgive(c, t_us);
}

void cell_warm(struct cell *c, int64_t t_us, uint8_t rank, int32_t mc)
{
    struct thermal *t = &c->thermal;
    struct cell_rest rest = cell_rest(c, t_us);

    if (rank < t->rank && t_us - t->told_us < SENSOR_GONE_US)
        return;            /* a nearer one told lately */
    if (rank != t->rank) { /* another sensor: not comparable */
        t->now_mc = THERMAL_NONE;
        t->marked = false;
        t->rank = rank;
    }
    if (thermal_take(t, t_us, mc))
        thermal_learn(t, t_us, rest.steady && c->trouble == TROUBLE_NONE, raw_mg(c, rest.counts));
}

int32_t cell_temperature_mc(const struct cell *c, int64_t now_us)
{
    return c->thermal.told_us != 0 && now_us - c->thermal.told_us < SENSOR_GONE_US
               ? c->thermal.now_mc
               : THERMAL_NONE;
}

bool cell_take(struct cell *c, int64_t t_us, const struct obs *o, int64_t *ret_mass_mg)
{
    switch (o->u.cell.fault) {
    case CELL_OK:
        take_value(c, t_us, o->u.cell.counts);
        if (c->trouble != TROUBLE_NONE)
            return false;
        *ret_mass_mg = llround(raw_mg(c, o->u.cell.counts) - c->thermal.shift_mg);
        return true;
    case CELL_ABSENT:
        suspect(c, t_us, TROUBLE_ABSENT);
        break;
    case CELL_SATURATED:
        if (c->clipped < CLIPPED_MAX)
            c->clipped++;
        if (c->clipped == CLIPPED_MAX)
            suspect(c, t_us, TROUBLE_SATURATED);
        break;
    case CELL_CORRUPT:
        count_frame(c, t_us, false);
        judge_frames(c, t_us);
        break;
    case CELL_RATE:
        suspect(c, t_us, TROUBLE_RATE);
        break;
    }
    return false;
}

/* Adverts of a node get lost, so a pause says nothing; it judges its converter itself. What its cell may carry only
 * the planogram knows; its masses are medians, so two of them a second apart are no impact. */
bool cell_take_node(struct cell *c, int64_t t_us, bool fault, int64_t mass_mg)
{
    if (fault)
        suspect(c, t_us, TROUBLE_NODE);
    else
        judge_load(c, t_us, (double)mass_mg, NODE_GAP_US);
    note_seen(c, t_us, INT64_MAX);
    if (!fault)
        forgive(c, t_us);
    return c->trouble == TROUBLE_NONE;
}

void cell_fall_silent(struct cell *c, int64_t t_us)
{
    suspect(c, t_us, TROUBLE_SILENT);
}

/* Shares move with the place of goods, so only a cell that feels next to nothing, again and again, after it
 * has felt its part of as many changes is deaf. Regressing each cell on the others (3.8) was rejected: it
 * needs one model for each facing, and a shop that rearranges a plate breaks them all. */
void cell_feel(struct cell *c, int64_t t_us, double own_mg, double total_mg)
{
    float share = total_mg > 0 ? (float)(fabs(own_mg) / total_mg) : 0;

    if (total_mg < FEEL_MIN_MG || c->trouble != TROUBLE_NONE)
        return;
    if (c->share_n >= DEAF_CHANGES && c->share >= SHARE_MIN && share < c->share / 4) {
        if (++c->deaf_n >= DEAF_CHANGES) {
            c->deaf_counts = c->last[0];
            suspect(c, t_us, TROUBLE_DEAF);
        }
        return;
    }
    c->deaf_n = 0;
    if (c->share_n < UINT8_MAX)
        c->share_n++;
    c->share += (share - c->share) / (c->share_n < 20 ? (float)c->share_n : 20.0f);
}
