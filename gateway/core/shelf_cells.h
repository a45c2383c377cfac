/* The load cells of the shelves: which is which, what each says, and what a plate weighs by them.
 * Private to shelf*.c.
 *
 * A plate has a mass when all its cells have one. A cell that is in trouble or silent makes its plate
 * unknown at once; core/cell.h decides which cell is, this file what follows.
 */
#ifndef NOREN_CORE_SHELF_CELLS_H
#define NOREN_CORE_SHELF_CELLS_H

#include "core/shelf_rows.h"

/** A new plan: cells that are still there (by id) keep their state. Call before the plates are planned. */
void shelf_plan_cells(struct shelf *s, const struct plan *old_plan, const struct plan *plan);
/** Are the plate's masses still on the same scale? Asked while a plan is taken over. */
bool shelf_same_scale(const struct shelf *s, const struct plan *old_plan, const struct plan *plan,
                      const struct plan_plate *was, const struct plan_plate *now);
bool shelf_is_calibrated(const struct shelf *s, const struct plan *plan,
                         const struct plan_plate *plate);

/** A raw reading. True with the plate's mass when it is complete. */
bool shelf_read_cell(const struct shelf_at *at, const struct obs *o, int64_t *ret_mass_mg);
/** A shelf node's reading of `cell`. The same. */
bool shelf_read_node(const struct shelf_at *at, uint16_t cell, const struct obs *o,
                     int64_t *ret_mass_mg);

/** What each cell of a plate felt of the change that is going on. */
struct shelf_felt {
    double own_mg[PLATE_CELLS_MAX];
    double total_mg; /**< sum of magnitudes; 0: not known */
};
struct shelf_felt shelf_feel(const struct shelf_at *at);
/** The change was settled: a cell that no longer feels its part fails. */
void shelf_compare_cells(const struct shelf_at *at, const struct shelf_felt *felt);

/** OBS_TEMPERATURE. A sensor is for the plate, the fixture or the zone that has its name, the nearest first;
 * one that is named "store" is for all others. */
void shelf_warm(struct shelf *s, const struct plan *plan, const struct obs *o, struct batch *out);

/** Looks for cells that fell silent. False: the batch is full, come back. */
bool shelf_watch_cells(struct shelf *s, const struct plan *plan, int64_t now_us, struct batch *out);

#endif
