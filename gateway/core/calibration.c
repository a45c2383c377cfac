/* Calibration of load cells; see calibration.h. */
#include "core/calibration.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/row.h"

#define ROW_VERSION 1
#define CLIP_COUNTS (0.98 * 8388608) /* within two hundredths of the end */
#define SLOPE_LEAST 0.02             /* mg per count, where nothing is expected */
#define SLOPE_MOST  1000.0
#define SLOPE_OFF   0.5  /* of the expected one */
#define ALIKE       0.1  /* a check with the same mass checks nothing */
#define PIVOT_LEAST 0.1  /* of the largest change: below it positions are too alike */
#define CHECK_MG    1e3  /* one division, or three sigma ... */
#define CHECK_PART  5e-4 /* ... plus this of the mass */

const char *calibration_refusal_name(enum calibration_refusal r)
{
    static const char *const names[CALIBRATION_REFUSALS] = {
        [CALIBRATION_FINE] = "fine",           [CALIBRATION_CLIP] = "clip",
        [CALIBRATION_SMALL] = "small",         [CALIBRATION_DIRECTION] = "direction",
        [CALIBRATION_POSITIONS] = "positions", [CALIBRATION_SLOPE] = "slope",
        [CALIBRATION_ALIKE] = "alike",         [CALIBRATION_CHECK] = "check",
    };

    return names[r];
}

const char *calibration_remedy(enum calibration_refusal r)
{
    static const char *const remedies[CALIBRATION_REFUSALS] = {
        [CALIBRATION_FINE] = "",
        [CALIBRATION_CLIP] = "the converter is at the end of its range: look for a torn wire, or "
                             "take a smaller mass",
        [CALIBRATION_SMALL] =
            "the mass moved the reading by less than a hundredth of the converter's range: take a "
            "larger one, a fifth of what the cell is made for or more",
        [CALIBRATION_DIRECTION] =
            "the reading went the wrong way: the mass was taken off instead of put on, or the "
            "cell's "
            "signal wires are swapped (swap them, or give the cell a negative mg_per_count in the "
            "planogram)",
        [CALIBRATION_POSITIONS] =
            "the positions were too alike: put the mass right over each cell in turn, in the order "
            "asked for",
        [CALIBRATION_SLOPE] =
            "the sensitivity is absurd, more than half away from what the planogram "
            "expects: check that the mass was the one you named",
        [CALIBRATION_ALIKE] = "the check mass is within a tenth of the first one and would check "
                              "nothing: take another",
        [CALIBRATION_CHECK] = "the check mass reads wrong by more than 1 g (or 3 sigma) and 0.05 "
                              "%: check both masses, "
                              "and that the plate touches nothing",
    };

    return remedies[r];
}

/* ---- solving ---------------------------------------------------------------------------------------- */

static double sign_of(const struct calibration_points *p, uint8_t cell)
{
    return p->nominal[cell] < 0 ? -1 : 1;
}

static bool is_clipped(const struct calibration_points *p, const double counts[PLATE_CELLS_MAX],
                       uint8_t *ret_cell)
{
    for (uint8_t i = 0; i < p->cells_n; i++)
        if (fabs(counts[i]) > CLIP_COUNTS) {
            *ret_cell = i;
            return true;
        }
    return false;
}

enum calibration_refusal calibration_judge_load(const struct calibration_points *p, uint8_t j,
                                                uint8_t *ret_cell)
{
    double moved = 0, right = 0, most = 0;

    *ret_cell = 0;
    if (is_clipped(p, p->zero, ret_cell) || is_clipped(p, p->load[j], ret_cell))
        return CALIBRATION_CLIP;
    for (uint8_t i = 0; i < p->cells_n; i++) {
        double d = (p->load[j][i] - p->zero[i]) * sign_of(p, i);

        moved += fabs(d);
        right += d;
        if (fabs(d) > most) {
            most = fabs(d);
            *ret_cell = i;
        }
    }
    if (moved < CALIBRATION_COUNTS_MIN)
        return CALIBRATION_SMALL;
    return right <= 0 ? CALIBRATION_DIRECTION : CALIBRATION_FINE;
}

/* Gauss with row exchange; `a` is the changes, one more column for the mass. */
static bool solve(double a[PLATE_CELLS_MAX][PLATE_CELLS_MAX + 1], uint8_t n,
                  double ret[PLATE_CELLS_MAX])
{
    double scale = 0;

    for (uint8_t j = 0; j < n; j++)
        for (uint8_t i = 0; i < n; i++)
            scale = fmax(scale, fabs(a[j][i]));
    for (uint8_t k = 0; k < n; k++) {
        uint8_t best = k;

        for (uint8_t j = k; j < n; j++)
            if (fabs(a[j][k]) > fabs(a[best][k]))
                best = j;
        if (fabs(a[best][k]) < PIVOT_LEAST * scale)
            return false;
        for (uint8_t i = 0; i <= n; i++) {
            double swap = a[k][i];

            a[k][i] = a[best][i];
            a[best][i] = swap;
        }
        for (uint8_t j = k + 1; j < n; j++) {
            double f = a[j][k] / a[k][k];

            for (uint8_t i = k; i <= n; i++)
                a[j][i] -= f * a[k][i];
        }
    }
    for (uint8_t k = n; k-- > 0;) {
        double sum = a[k][n];

        for (uint8_t i = k + 1; i < n; i++)
            sum -= a[k][i] * ret[i];
        ret[k] = sum / a[k][k];
    }
    return true;
}

static enum calibration_refusal judge_slope(const struct calibration_points *p, uint8_t cell,
                                            double mg_per_count)
{
    double expected = fabs(p->nominal[cell]), found = fabs(mg_per_count);

    if (mg_per_count * sign_of(p, cell) <= 0)
        return CALIBRATION_DIRECTION;
    if (expected > 0 ? fabs(found - expected) > SLOPE_OFF * expected
                     : found < SLOPE_LEAST || found > SLOPE_MOST)
        return CALIBRATION_SLOPE;
    return CALIBRATION_FINE;
}

static enum calibration_refusal judge_check(const struct calibration_points *p, const double *k,
                                            double *ret_error_mg, uint8_t *ret_cell)
{
    double reads = 0, sigma = 0, limit;

    if (is_clipped(p, p->check, ret_cell))
        return CALIBRATION_CLIP;
    for (uint8_t i = 0; i < p->cells_n; i++) {
        reads += k[i] * (p->check[i] - p->zero[i]);
        sigma += k[i] * p->noise[i] * k[i] * p->noise[i];
    }
    *ret_error_mg = reads - (double)p->check_mg;
    limit = fmax(CHECK_MG, 3 * sqrt(sigma)) + CHECK_PART * (double)p->check_mg;
    return fabs(*ret_error_mg) > limit ? CALIBRATION_CHECK : CALIBRATION_FINE;
}

enum calibration_refusal calibration_solve(const struct calibration_points *p,
                                           double ret_mg_per_count[PLATE_CELLS_MAX],
                                           double *ret_error_mg, uint8_t *ret_cell)
{
    double a[PLATE_CELLS_MAX][PLATE_CELLS_MAX + 1];
    enum calibration_refusal r;

    *ret_cell = 0;
    *ret_error_mg = 0;
    if (fabs((double)(p->check_mg - p->mass_mg)) < ALIKE * (double)p->mass_mg)
        return CALIBRATION_ALIKE;
    for (uint8_t j = 0; j < p->cells_n; j++) {
        r = calibration_judge_load(p, j, ret_cell);
        if (r != CALIBRATION_FINE)
            return r;
        for (uint8_t i = 0; i < p->cells_n; i++)
            a[j][i] = p->load[j][i] - p->zero[i];
        a[j][p->cells_n] = (double)p->mass_mg;
    }
    *ret_cell = 0;
    if (!solve(a, p->cells_n, ret_mg_per_count))
        return CALIBRATION_POSITIONS;
    for (uint8_t i = 0; i < p->cells_n; i++) {
        r = judge_slope(p, i, ret_mg_per_count[i]);
        if (r != CALIBRATION_FINE) {
            *ret_cell = i;
            return r;
        }
    }
    return judge_check(p, ret_mg_per_count, ret_error_mg, ret_cell);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

/* CRC-32 of IEEE 802.3, bit by bit: a row is written once in a cell's year. */
static uint32_t crc32(uint32_t crc, const char *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint8_t)p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (UINT32_C(0xedb88320) & (0 - (crc & 1)));
    }
    return ~crc;
}

static uint32_t checksum(const char *cell, const char *text, size_t n)
{
    return crc32(crc32(0, cell, strlen(cell)), text, n);
}

void calibration_print(const struct calibration *c, const char *cell, char *buf, size_t size)
{
    int n = snprintf(buf, size,
                     "%d\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId32
                     "\t%" PRId64 "\t%s\t",
                     ROW_VERSION, c->number, c->zero_counts, c->pg_per_count, c->mass_mg,
                     c->error_mg, c->temperature_mc, c->utc_s, c->operator);

    snprintf(buf + n, size - (size_t)n, "%" PRIu32, checksum(cell, buf, (size_t)n));
}

bool calibration_read(const char *text, const char *cell, int64_t number, struct calibration *ret)
{
    const char *tab = strrchr(text, '\t');
    struct row row = row_init(text);
    struct calibration c;
    int64_t crc;

    row_range(&row, ROW_VERSION, ROW_VERSION);
    c.number = row_range(&row, 1, INT64_MAX);
    c.zero_counts = row_range(&row, -8388608, 8388607);
    c.pg_per_count = row_range(&row, -INT64_C(1000000000000000), INT64_C(1000000000000000));
    c.mass_mg = row_range(&row, 1, CALIBRATION_MASS_MAX_MG);
    c.error_mg = row_i64(&row);
    c.temperature_mc = (int32_t)row_range(&row, INT32_MIN, INT32_MAX);
    c.utc_s = row_i64(&row);
    row_str(&row, c.operator, sizeof(c.operator));
    crc = row_range(&row, 0, UINT32_MAX);
    if (tab == NULL || !row_done(&row) || c.pg_per_count == 0 || c.number != number ||
        crc != checksum(cell, text, (size_t)(tab - text) + 1))
        return false;
    *ret = c;
    return true;
}

bool calibration_key(const char *key, char ret_cell[NOREN_ID_SIZE], int64_t *ret_number)
{
    const char *slash = strrchr(key, '/');
    size_t n = slash != NULL ? (size_t)(slash - key) : 0;
    struct row row;
    int64_t number;

    if (n == 0 || n >= NOREN_ID_SIZE)
        return false;
    row = row_init(slash + 1);
    number = row_range(&row, 1, INT64_MAX);
    if (!row_done(&row))
        return false;
    memcpy(ret_cell, key, n);
    ret_cell[n] = '\0';
    *ret_number = number;
    return true;
}
