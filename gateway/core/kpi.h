/* The hourly roll-up: what moved of each product, and how long it could be bought.
 *
 * On-shelf availability is measured in facing-seconds of opening time: known (a sensor says, or people and
 * tills), of these available (one piece or more), and unknown, which is reported beside it as missing
 * coverage and never guessed. A difference that nobody explains is what left the shelf less what was sold less
 * what a recount put right; what is still in hands when the hour ends shows there and goes away in the next.
 */
#ifndef NOREN_CORE_KPI_H
#define NOREN_CORE_KPI_H

#include "core/batch.h"
#include "core/shelf.h"

/** What the clock says, as far as it is known. */
struct kpi_clock {
    bool known;
    int64_t utc_us;   /**< now */
    int64_t local_us; /**< what is added to it for the store's own time */
};

/** One product in this hour. */
struct kpi_product {
    int32_t picked, put_back, restocked, sold, adjusted;
    int64_t known_us, available_us, unknown_us; /**< facing-time, opening hours only */
};

enum kpi_presence { KPI_NOT_MEASURED, KPI_UNKNOWN, KPI_NONE, KPI_AVAILABLE };

/** State by the shelf's slots. About 100 kB. */
struct kpi {
    struct kpi_product products[PRODUCTS_MAX];
    uint8_t facings[PLATES_MAX][PLATE_FACINGS_MAX]; /**< enum kpi_presence since measured_us */
    int64_t measured_us;                            /**< up to here the times are added up */
    int64_t from_us;                                /**< begin of this hour, or the start */
    int64_t hour;                                   /**< number of this hour, of UTC if known */
    bool open;                                      /**< since measured_us */
    bool ending;                                    /**< the hour's events are being written ... */
    int64_t ended_us;                               /**< ... it ended here ... */
    uint16_t next;                                  /**< ... and this product is next */
    int64_t due_us;
};

void kpi_init(struct kpi *k);
/** After shelf_plan(): products and plates that are new begin at nothing. */
void kpi_plan(struct kpi *k, const struct plan *old_plan, const struct plan *plan,
              const struct shelf *shelf, int64_t now_us);
/** After shelf_step() of the same observation, whose events it reads. Returns the next deadline, `now_us` when
 * the batch was full. */
int64_t kpi_step(struct kpi *k, const struct plan *plan, const struct shelf *shelf,
                 const struct kpi_clock *clock, int64_t now_us, struct batch *out);

#endif
