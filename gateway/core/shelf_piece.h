/* Which picks teach what a piece weighs, and what counting believes of it. Private to shelf*.c. */
#ifndef NOREN_CORE_SHELF_PIECE_H
#define NOREN_CORE_SHELF_PIECE_H

#include "core/count.h"
#include "core/shelf_rows.h"

/** What one piece on a facing of the plate weighs, as far as is known. */
struct piece_mass shelf_piece(const struct shelf_at *at, uint8_t facing);

/** The change is about to be settled as `count`. One piece that left alone and beyond doubt teaches what it weighed,
 * once the plate has come to an undisturbed rest: a pick is settled while it still rings. */
void shelf_begin_lesson(const struct shelf_at *at, const struct count *count);
/** The load lies undisturbed: ends the lesson of the newest pick. To be called only while one is open. */
void shelf_end_lesson(const struct shelf_at *at);

/** A new plan: forgets what was learnt under masses that it does not name any more. */
void shelf_plan_pieces(struct shelf *s, const struct plan *plan);
/** Does a facing of the product have this mass in the plan? */
bool shelf_plans_mass(const struct shelf *s, const struct plan *plan, uint16_t product,
                      int64_t mass_mg);

#endif
