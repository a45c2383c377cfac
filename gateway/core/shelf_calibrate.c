/* Calibrating plates of a running shop; see shelf_calibrate.h. */
#include "core/shelf_calibrate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "core/shelf_cells.h"
#include "core/shelf_say.h"

#define SAME_CELL  0.02 /* its sensitivity is what it was: nobody changed the cell */
#define SERVICE_US (30 * 60 * NOREN_US_PER_S)

/* What was begun before ends at the next first value, like a change that a fault interrupted. */
static void begin_service(const struct shelf_at *at)
{
    at->plate->service_us = at->now_us + SERVICE_US;
    at->plate->fresh = 0;
    weigh_restart(&at->plate->weigh);
    shelf_dirty(at);
}

static void end_service(const struct shelf_at *at)
{
    if (at->plate->service_us == 0)
        return;
    at->plate->service_us = 0;
    at->plate->fresh = 0;
    at->plate->seen_us = at->now_us; /* patience begins anew */
    weigh_restart(&at->plate->weigh);
    shelf_dirty(at);
}

static void set_calibration(const struct shelf_at *at, uint16_t cell, const struct calibration *c)
{
    const char *id = at->plan->cells[cell].id;
    struct cell *meter = shelf_meter(at->s, cell);
    struct calibration numbered = *c;
    char key[RECORD_KEY_SIZE];
    double was = meter->mg_per_count;

    numbered.number = meter->calibration + 1;
    cell_calibrate(meter, &numbered);
    thermal_calibrated(&meter->thermal, fabs(meter->mg_per_count - was) <= SAME_CELL * fabs(was));
    shelf_save_cell(at, cell);
    snprintf(key, sizeof(key), "%s/%" PRId64, id, numbered.number);
    calibration_print(&numbered, id, batch_record(at->out, RECORD_CALIBRATION, key)->value,
                      RECORD_VALUE_SIZE);
    at->plate->calibrated = shelf_is_calibrated(at->s, at->plan, at->plan_plate);
    at->plate->watched |= at->plate->calibrated;
    at->plate->seen_us = at->now_us;
    weigh_init(&at->plate->weigh); /* another scale: the old reference means nothing on it */
    at->plate->tare_mg = 0;
    shelf_save_plate(at);
    shelf_dirty(at);
}

void shelf_calibrate(struct shelf *s, const struct plan *plan, const struct obs *o,
                     struct batch *out)
{
    uint16_t cell = o->u.calibration.cell;
    struct shelf_at at = shelf_at(s, plan, plan->cells[cell].plate, o->t_us, out);

    switch (o->u.calibration.stage) {
    case CALIBRATION_BEGIN:
        begin_service(&at);
        break;
    case CALIBRATION_SET:
        set_calibration(&at, cell, &o->u.calibration.values);
        break;
    case CALIBRATION_END:
        end_service(&at);
        break;
    }
}

void shelf_end_services(struct shelf *s, const struct plan *plan, int64_t now_us, struct batch *out)
{
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        struct shelf_at at = shelf_at(s, plan, i, now_us, out);

        if (at.plate->service_us != 0 && now_us >= at.plate->service_us)
            end_service(&at);
    }
}

int shelf_restore_calibration(struct shelf *s, const struct plan *plan, const struct record *r)
{
    char id[NOREN_ID_SIZE];
    int64_t number;
    uint16_t index;
    struct cell *cell;
    struct calibration c;
    struct shelf_plate *p;

    if (!calibration_key(r->key, id, &number))
        return -1;
    index = plan_find_cell(plan, id);
    if (index == NO_INDEX)
        return -1;
    cell = shelf_meter(s, index);
    if (number <= cell->calibration)
        return 0; /* history */
    if (calibration_read(r->value, id, number, &c))
        cell_calibrate(cell, &c);
    else
        cell_lose_calibration(cell, number);
    p = &s->plates[s->plate_slots[plan->cells[index].plate]];
    p->calibrated = shelf_is_calibrated(s, plan, &plan->plates[plan->cells[index].plate]);
    return 0;
}
