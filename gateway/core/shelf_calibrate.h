/* A plate is calibrated while the shop runs. Private to shelf*.c.
 *
 * While a person works on it the plate is out of service: not calibrated, its facings unknown, and weights that
 * come and go are nobody's picks. Afterwards what lies there is taken as what lay there before: the counts stay,
 * the reference is new. Whoever forgets to end it is helped after half an hour.
 */
#ifndef NOREN_CORE_SHELF_CALIBRATE_H
#define NOREN_CORE_SHELF_CALIBRATE_H

#include "core/shelf_rows.h"

/** OBS_CALIBRATION. */
void shelf_calibrate(struct shelf *s, const struct plan *plan, const struct obs *o,
                     struct batch *out);
/** Puts plates back into service whose time is over. */
void shelf_end_services(struct shelf *s, const struct plan *plan, int64_t now_us,
                        struct batch *out);
/** One RECORD_CALIBRATION row. The newest holds; when it is damaged, the cell is not calibrated. */
int shelf_restore_calibration(struct shelf *s, const struct plan *plan, const struct record *r);

#endif
