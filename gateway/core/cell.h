/* One load cell: raw counts become milligrams, or a reason why there are none.
 *
 * Knows nothing of plates, products or events. A cell that cannot be trusted is in *trouble*: its readings
 * are then no masses, because a wrong number is worse than none. What is in force as its calibration is kept
 * here too, so that there is one place where counts turn into mass.
 */
#ifndef NOREN_CORE_CELL_H
#define NOREN_CORE_CELL_H

#include "core/obs.h"

/** Why a cell is not trusted. Numbers are stored in rows: never renumber. */
enum cell_trouble {
    TROUBLE_NONE = 0,
    TROUBLE_ABSENT = 1,    /**< the converter does not answer */
    TROUBLE_SILENT = 2,    /**< no reading came for too long */
    TROUBLE_SATURATED = 3, /**< beyond the converter's range */
    TROUBLE_NODE = 4,      /**< its shelf node says so */
};

/** One load cell. */
struct cell {
    int64_t zero_counts; /**< counts at no load */
    double mg_per_count; /**< 0: not calibrated */
    enum cell_trouble trouble;
    bool rescaled;   /**< the last cell_plan() brought another calibration */
    uint8_t clipped; /**< saturated readings in a row */
};

/** "absent", "silent", ...: the reason in events. Static. */
const char *cell_trouble_name(enum cell_trouble t);

/** A cell as the planogram describes it. */
void cell_init(struct cell *c, const struct plan_cell *plan);

/** Another planogram describes it: its state stays. Sets `rescaled`. */
void cell_plan(struct cell *c, const struct plan_cell *plan);

bool cell_is_calibrated(const struct cell *c);

/** One raw reading. True with a mass; false when there is none, and then `trouble` says whether that is a
 * fault. The cell must be calibrated. */
bool cell_take(struct cell *c, const struct obs *o, int64_t *ret_mass_mg);

#endif
