/* Shelves: cell readings become masses, masses become changes, changes become stock. */
#ifndef NOREN_CORE_SHELF_H
#define NOREN_CORE_SHELF_H

#include "core/batch.h"
#include "core/obs.h"

struct shelf {
    int unused;
};

/** What can be promised of a product (design section 8). */
struct shelf_atp {
    int64_t units;
    bool lower_bound; /**< a facing's sensor is down: there may be more; offers treat it as none */
};

void shelf_init(struct shelf *s);
/** A new plan is in force: state of plates, facings and products that are still there (by id) is kept. */
void shelf_plan(struct shelf *s, const struct plan *old_plan, const struct plan *plan);
/** Takes back one RECORD_SHOP/PLATE/FACING/PRODUCT row. 0, or -1 when not understood. */
int shelf_restore(struct shelf *s, const struct plan *plan, const struct record *r);
/** One observation (cell, mass, node, command, tick). Returns the next deadline. */
int64_t shelf_step(struct shelf *s, const struct plan *plan, const struct obs *o,
                   struct batch *out);
struct shelf_atp shelf_atp(const struct shelf *s, const struct plan *plan, uint16_t product);

#endif
