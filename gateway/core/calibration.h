/* Calibration of load cells: from what a person put on a plate to counts per milligram, and how it is kept.
 *
 * Two points and a third to check them (reference 3.7): the plate empty, a known mass, another known mass. A
 * plate on several cells shares every mass among them, so the known mass stands over each cell in turn, and
 * the sensitivities follow from as many equations: the sum has to read the mass wherever it stands. Calibrating
 * each cell as if it carried all of it was rejected: it is wrong by the neighbours' share.
 *
 * A bad point is refused with its reason here, so that norenctl, a test and headquarters hear the same.
 */
#ifndef NOREN_CORE_CALIBRATION_H
#define NOREN_CORE_CALIBRATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "noren/units.h"

#define CALIBRATION_NO_TEMPERATURE INT32_MIN
/** Less of a change than this says too little: one hundredth of a converter's range. */
#define CALIBRATION_COUNTS_MIN 83886
/** A weight that stands still moves by less than this between two looks. */
#define CALIBRATION_MOVED_COUNTS 20000
#define CALIBRATION_MASS_MAX_MG  1000000000

/** One calibration of one cell. */
struct calibration {
    int64_t number;      /**< 1, 2, ... of this cell; 0: none, the planogram's values hold */
    int64_t zero_counts; /**< at no load */
    int64_t pg_per_count;
    int64_t mass_mg;  /**< the known mass */
    int64_t error_mg; /**< of the check */
    int32_t temperature_mc;
    int64_t utc_s;
    char operator[NOREN_ID_SIZE];
};

/** What was read, in counts, by cell. */
struct calibration_points {
    uint8_t cells_n; /**< 1..PLATE_CELLS_MAX */
    double zero[PLATE_CELLS_MAX];
    double load[PLATE_CELLS_MAX][PLATE_CELLS_MAX]; /**< [position][cell]: the mass over each cell */
    double check[PLATE_CELLS_MAX];
    int64_t mass_mg, check_mg;
    double nominal[PLATE_CELLS_MAX]; /**< expected mg per count with its sign; 0: not known */
    double noise[PLATE_CELLS_MAX];   /**< standard deviation in counts */
};

/** Why points are refused. */
enum calibration_refusal {
    CALIBRATION_FINE,
    CALIBRATION_CLIP,
    CALIBRATION_SMALL,
    CALIBRATION_DIRECTION,
    CALIBRATION_POSITIONS,
    CALIBRATION_SLOPE,
    CALIBRATION_ALIKE,
    CALIBRATION_CHECK,
    CALIBRATION_REFUSALS
};

/** "clip", "small", ... Static. */
const char *calibration_refusal_name(enum calibration_refusal r);
/** What is wrong and what to do about it. Static. */
const char *calibration_remedy(enum calibration_refusal r);

/** Judges the position `j` alone, as far as that goes. `ret_cell` is the cell that is at fault. */
enum calibration_refusal calibration_judge_load(const struct calibration_points *p, uint8_t j,
                                                uint8_t *ret_cell);

/** The sensitivities in mg per count, and by how much the check was off. `ret_cell` is the cell that is at fault,
 * 0 when it is none in particular. */
enum calibration_refusal calibration_solve(const struct calibration_points *p,
                                           double ret_mg_per_count[PLATE_CELLS_MAX],
                                           double *ret_error_mg, uint8_t *ret_cell);

/** The row of a calibration of `cell` (its id): tab-separated, with a CRC-32 over id and fields at the end. */
void calibration_print(const struct calibration *c, const char *cell, char *buf, size_t size);
/** False when it is damaged, or belongs to another cell or number; `ret` is then untouched. */
bool calibration_read(const char *text, const char *cell, int64_t number, struct calibration *ret);

/** The key of a row: "cell/number". False when it is none. */
bool calibration_key(const char *key, char ret_cell[NOREN_ID_SIZE], int64_t *ret_number);

#endif
