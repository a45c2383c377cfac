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

/** What a plate's scale is doing; JSON in state/fixture: ok, settling, uncalibrated, fault. */
enum shelf_sensor { SENSOR_OK, SENSOR_SETTLING, SENSOR_UNCALIBRATED, SENSOR_FAULT };

/** One product's place on one plate, as it is shown. */
struct shelf_facing {
    bool known; /**< false: the sensor is down or has not settled yet; on_shelf means nothing */
    int64_t on_shelf;
    int32_t confidence_pm;
};

void shelf_init(struct shelf *s);
/** A new plan is in force: state of plates, facings and products that are still there (by id) is kept. */
void shelf_plan(struct shelf *s, const struct plan *old_plan, const struct plan *plan);
/** Takes back one RECORD_SHOP/PLATE/FACING/PRODUCT row. 0, or -1 when not understood. */
int shelf_restore(struct shelf *s, const struct plan *plan, const struct record *r);
/** One observation (cell, mass, node, command, tick), already checked against the plan. Returns the next
 * deadline; the observation's own time when the batch was full. */
int64_t shelf_step(struct shelf *s, const struct plan *plan, const struct obs *o,
                   struct batch *out);

struct shelf_atp shelf_atp(const struct shelf *s, const struct plan *plan, uint16_t product);
enum shelf_sensor shelf_sensor(const struct shelf *s, const struct plan *plan, uint16_t plate);
struct shelf_facing shelf_facing(const struct shelf *s, const struct plan *plan, uint16_t plate,
                                 uint8_t facing);
/** How many alerts of shelves are open. */
int32_t shelf_alerts(const struct shelf *s, const struct plan *plan);

#endif
