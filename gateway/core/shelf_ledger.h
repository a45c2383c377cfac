/* Movements of the ledger that no scale sees: the backroom, sales at the till. Private to shelf*.c.
 *
 * A sale takes first what is in hands. What is not there was sold from a shelf that nothing weighs, as far as
 * the books have units on one; what is left over was taken unseen: it is booked against `adjust` and said
 * aloud, and no account becomes negative.
 */
#ifndef NOREN_CORE_SHELF_LEDGER_H
#define NOREN_CORE_SHELF_LEDGER_H

#include "core/shelf_rows.h"

/** Begins a stock.changed event with the balances as they are now, and marks the product's fixtures. The
 * caller says plate, cause and delta; the pointer is valid until the next event of the batch. */
struct event_stock_changed *shelf_say_movement(struct shelf *s, const struct plan *plan,
                                               uint16_t product, int64_t now_us, struct batch *out);

/** A command of the backroom. False when it cannot be: no such product, a negative quantity, more sent away
 * than there is. */
bool shelf_adjust(struct shelf *s, const struct plan *plan, const struct obs *o, struct batch *out);

/** One line of a sale. */
void shelf_sale(struct shelf *s, const struct plan *plan, const struct obs *o, struct batch *out);

#endif
