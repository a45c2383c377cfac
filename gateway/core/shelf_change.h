/* A change of load is claimed at once, then settled or retracted. Private to shelf*.c.
 *
 * Each function says what happened and stores what follows from it in the same batch; none does one without
 * the other.
 */
#ifndef NOREN_CORE_SHELF_CHANGE_H
#define NOREN_CORE_SHELF_CHANGE_H

#include "core/shelf_rows.h"

/* The most that one plate says in one observation (recovery with a retraction and a tare: two movements a
 * facing), and the rows of it. */
#define SHELF_PLATE_EVENTS  (11 + 2 * PLATE_FACINGS_MAX + PLATE_CELLS_MAX)
#define SHELF_PLATE_RECORDS (4 + 2 * PLATE_FACINGS_MAX + PLATE_CELLS_MAX)

/** The load left its reference and moves: says so at once, as well as it can be told. */
void shelf_claim(const struct shelf_at *at);
/** The load rests away from its reference: settles the change as soon as it is plausible. */
void shelf_settle(const struct shelf_at *at);
/** Follows what lies on the plate undisturbed; after a disturbance that nothing was booked for: was one product
 * exchanged for another meanwhile? */
void shelf_watch_still(const struct shelf_at *at);
/** It was nothing: ends an open change, if there is one. */
void shelf_retract(const struct shelf_at *at);

#endif
