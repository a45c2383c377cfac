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

/** `n` pieces of a facing were taken: were that many within seconds (reference 3.9)? Says so and raises an alert, or
 * settles what was said when it was seen coming. */
void shelf_watch_sweep(const struct shelf_at *at, uint8_t facing, int64_t n);
/** The plate's open claim, with what left before it, would be a sweep: raises the alert now. */
void shelf_foresee_sweep(const struct shelf_at *at);
/** The plate's change is over. A sweep that was foreseen and did not come is taken back with its alert; one whose goods
 * left (`lost_mg` > 0), whatever they were, stands. */
void shelf_close_sweep(const struct shelf_at *at, int64_t lost_mg);
/** Clears the alerts of sweeps that are a minute old. False: the batch is full, call again. */
bool shelf_end_sweeps(struct shelf *s, const struct plan *plan, int64_t now_us, struct batch *out);

/** Does the absolute weight agree with the books? When it has not for ten minutes at rest, a count is asked for.
 * For plates whose zero is known. */
void shelf_cross_check(const struct shelf_at *at);

#endif
