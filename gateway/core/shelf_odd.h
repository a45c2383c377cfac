/* What is no ordinary pick: goods on the wrong plate, many that leave at once, books that the weight does not
 * believe. Private to shelf*.c.
 */
#ifndef NOREN_CORE_SHELF_ODD_H
#define NOREN_CORE_SHELF_ODD_H

#include "core/count.h"
#include "core/shelf_rows.h"

/** Prior times density (count_evidence.others) of what is no product of the plate: goods from elsewhere that
 * somebody has in hand, or that were put here by mistake and leave again. */
double shelf_strays(const struct shelf_at *at, int64_t delta_mg);

/** The gain at rest is something that somebody carried and that belongs elsewhere; or it was taken away from here
 * again: fills the change and remembers. False: neither. The caller closes the change. The books do not move:
 * misplaced goods stay in hand, as nobody finds them where they belong. */
bool shelf_settle_stray(const struct shelf_at *at, int64_t delta_mg);

/** `n` pieces of a facing were taken: says so when that were many within seconds (reference 3.9). */
void shelf_watch_sweep(const struct shelf_at *at, uint8_t facing, int64_t n);

/** Does the absolute weight agree with the books? When it has not for ten minutes at rest, a count is asked for.
 * For plates whose zero is known. */
void shelf_cross_check(const struct shelf_at *at);

#endif
