/* Faults, first values, tares and counts; see shelf_sensor.h. */
#include "core/shelf_sensor.h"

#include <math.h>
#include <stdio.h>

#include "core/shelf_change.h"
#include "core/shelf_evidence.h"
#include "core/shelf_say.h"

#define ALERT "sensor_fault"

static void raise_alert(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;

    p->alert = shelf_take_number(at->s, at->out);
    batch_raise_alert(at->out, at->now_us, p->alert, ALERT, "warning", at->plan_plate->id);
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++)
        shelf_say_stock(at, i, "sensor", 0, 0);
    shelf_save_plate(at);
    shelf_dirty(at);
}

void shelf_begin_fault(const struct shelf_at *at, uint16_t cell, enum cell_trouble trouble)
{
    struct cell *c = cell != NO_INDEX ? shelf_meter(at->s, cell) : NULL;
    struct event_sensor_fault *fault;

    weigh_restart(&at->plate->weigh);
    at->plate->fresh = 0;
    if (c != NULL ? c->told != TROUBLE_NONE : at->plate->alert != 0)
        return;
    fault = &batch_event(at->out, EVENT_SENSOR_FAULT, at->now_us)->u.sensor_fault;
    snprintf(fault->plate, sizeof(fault->plate), "%s", at->plan_plate->id);
    if (c != NULL) {
        c->told = trouble;
        snprintf(fault->cell, sizeof(fault->cell), "%s", at->plan->cells[cell].id);
        shelf_save_cell(at, cell);
    }
    snprintf(fault->reason, sizeof(fault->reason), "%s", cell_trouble_name(trouble));
    if (at->plate->alert == 0)
        raise_alert(at);
}

/* `cell` NO_INDEX: the plate as a whole had fallen silent. */
static void say_recovered(const struct shelf_at *at, uint16_t cell, enum cell_trouble trouble)
{
    struct event_sensor_recovered *e =
        &batch_event(at->out, EVENT_SENSOR_RECOVERED, at->now_us)->u.sensor_recovered;

    snprintf(e->plate, sizeof(e->plate), "%s", at->plan_plate->id);
    if (cell != NO_INDEX)
        snprintf(e->cell, sizeof(e->cell), "%s", at->plan->cells[cell].id);
    snprintf(e->reason, sizeof(e->reason), "%s", cell_trouble_name(trouble));
}

static void end_fault(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    int n = 0;

    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++) {
        struct cell *c = shelf_meter(at->s, at->plan_plate->cells[i]);

        if (c->told == TROUBLE_NONE)
            continue;
        say_recovered(at, at->plan_plate->cells[i], c->told);
        c->told = TROUBLE_NONE;
        shelf_save_cell(at, at->plan_plate->cells[i]);
        n++;
    }
    if (n == 0)
        say_recovered(at, NO_INDEX, TROUBLE_SILENT);
    batch_clear_alert(at->out, at->now_us, p->alert, ALERT, at->plan_plate->id);
    p->alert = 0;
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++)
        shelf_say_stock(at, i, "sensor", 0, 0);
}

/* No reference was ever stored: what lies there now is the opening balance. On a plate with several products
 * only emptiness can be told; they stay unknown until somebody counts. */
static void open_balance(const struct shelf_at *at)
{
    struct weigh *w = &at->plate->weigh;
    uint8_t n = at->plan_plate->facings_n;
    int64_t units, delta;

    weigh_set_reference(w, 0, 0);
    if (n > 1 && !weigh_same(w, at->unit_mg, w->level_mg))
        n = 0;
    for (uint8_t i = 0; i < n; i++) {
        struct shelf_facing *f = &at->plate->facings[i];

        if (f->counted)
            continue;
        units = llround((double)w->level_mg / (double)at->plan_plate->facings[i].unit_mass_mg);
        f->counted = true;
        f->confidence_pm = 1000;
        delta = stock_count(shelf_stock(at->s, at->plan_plate->facings[i].product), &f->on_shelf,
                            units > 0 && at->plan_plate->facings_n == 1 ? units : 0);
        if (delta != 0)
            shelf_say_stock(at, i, "opening", 0, delta);
        shelf_save_facing(at, i);
    }
    weigh_set_reference(w, w->level_mg, 0);
    shelf_mark_cells(at);
    shelf_save_plate(at);
}

/* First quiet value since the start, or since the sensor came back. */
void shelf_first_value(const struct shelf_at *at)
{
    struct weigh *w = &at->plate->weigh;
    bool recovered = at->plate->alert != 0;
    int64_t tracked_mg;

    if (recovered)
        end_fault(at);
    shelf_dirty(at);
    if (!w->has_ref) {
        open_balance(at);
        shelf_retract(at);
        return;
    }
    if (w->away) { /* taken or added while we could not see: shelf_settle() is next */
        if (recovered)
            shelf_save_plate(at);
        return;
    }
    shelf_retract(at);
    /* Drift while we were off is taken over at once, within the same limit as any other. */
    tracked_mg = w->tracked_ug / 1000 + w->level_mg - weigh_reference_mg(w);
    if (5 * (tracked_mg < 0 ? -tracked_mg : tracked_mg) <= 2 * at->unit_mg)
        weigh_set_reference(w, w->level_mg, tracked_mg);
    shelf_save_plate(at);
}

void shelf_tare(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    int64_t delta;

    shelf_retract(at);
    p->tare_mg += p->weigh.level_mg;
    p->tare_wanted = false;
    p->drift_told = false;
    p->still_known = false;
    weigh_tare(&p->weigh);
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        struct shelf_facing *f = &p->facings[i];

        delta =
            stock_count(shelf_stock(at->s, at->plan_plate->facings[i].product), &f->on_shelf, 0);
        f->counted = true;
        f->confidence_pm = 1000;
        shelf_say_stock(at, i, "tare", 0, delta);
        shelf_save_facing(at, i);
    }
    shelf_dirty(at);
    shelf_save_plate(at);
}

void shelf_recount(const struct shelf_at *at, uint8_t facing, int64_t quantity)
{
    struct shelf_facing *f = &at->plate->facings[facing];
    int64_t delta = stock_count(shelf_stock(at->s, at->plan_plate->facings[facing].product),
                                &f->on_shelf, quantity);

    f->counted = true;
    f->confidence_pm = 1000;
    weigh_agree(&at->plate->weigh);
    at->plate->drift_told = false;
    shelf_say_stock(at, facing, "recount", 0, delta);
    shelf_save_facing(at, facing);
    shelf_save_plate(at);
}
