/* Observations of shelves: which plate, which mass; see shelf.h. What follows from it is shelf_change.c.
 *
 * One observation concerns one plate, and a batch has room for all that one plate can say, so only the tick
 * that looks for silent plates ever has to stop half way.
 */
#include "core/shelf.h"

#include <stdio.h>
#include <string.h>

#include "core/shelf_calibrate.h"
#include "core/shelf_cells.h"
#include "core/shelf_change.h"
#include "core/shelf_evidence.h"
#include "core/shelf_ledger.h"
#include "core/shelf_odd.h"
#include "core/shelf_piece.h"
#include "core/shelf_rows.h"
#include "core/shelf_say.h"
#include "core/shelf_sensor.h"

#define START_GRACE_US (3 * NOREN_US_PER_S) /* banks start after the plan */
#define WATCH_US       (NOREN_US_PER_S / 2)

_Static_assert(SHELF_PLATE_EVENTS <= BATCH_EVENTS_MAX && SHELF_PLATE_RECORDS <= BATCH_RECORDS_MAX,
               "one plate must fit into an empty batch");

/* ---- plan ------------------------------------------------------------------------------------------- */

void shelf_init(struct shelf *s)
{
    memset(s, 0, sizeof(*s));
    s->next_number = 1;
    s->sale_line = -1;
    s->watch_us = NOREN_NEVER_US;
}

static void plan_products(struct shelf *s, const struct plan *old_plan, const struct plan *plan)
{
    uint16_t old[PRODUCTS_MAX];

    for (uint16_t i = 0; i < plan->products_n; i++)
        old[i] = old_plan == NULL ? NO_INDEX : plan_find_product(old_plan, plan->products[i].gtin);
    shelf_assign_slots(s->product_slots, old, plan->products_n);
    for (uint16_t i = 0; i < plan->products_n; i++) {
        s->first_facing[i] = NO_INDEX;
        if (old[i] == NO_INDEX) {
            *shelf_stock(s, i) = stock_open(plan->products[i].backroom);
            s->pieces[s->product_slots[i]] = (struct piece){.n = 0};
        }
    }
}

/* Facings keep their counts by product; what stood on a facing that is gone is adjusted away. */
static void plan_facings(struct shelf *s, const struct plan *old_plan, const struct plan *plan,
                         struct shelf_plate *p, const struct plan_plate *was,
                         const struct plan_plate *now)
{
    struct shelf_facing kept[PLATE_FACINGS_MAX];

    memcpy(kept, p->facings, sizeof(kept));
    memset(p->facings, 0, sizeof(p->facings));
    for (uint8_t j = 0; j < was->facings_n; j++) {
        const char *gtin = old_plan->products[was->facings[j].product].gtin;
        bool found = false;

        for (uint8_t i = 0; i < now->facings_n && !found; i++)
            if (strcmp(plan->products[now->facings[i].product].gtin, gtin) == 0) {
                p->facings[i] = kept[j];
                found = true;
            }
        if (!found && plan_find_product(plan, gtin) != NO_INDEX)
            stock_count(shelf_stock(s, plan_find_product(plan, gtin)), &kept[j].on_shelf, 0);
    }
}

static void plan_plates(struct shelf *s, const struct plan *old_plan, const struct plan *plan)
{
    uint16_t old[PLATES_MAX];

    for (uint16_t i = 0; i < plan->plates_n; i++)
        old[i] = old_plan == NULL ? NO_INDEX : plan_find_plate(old_plan, plan->plates[i].id);
    shelf_assign_slots(s->plate_slots, old, plan->plates_n);
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        const struct plan_plate *now = &plan->plates[i];
        struct shelf_plate *p = &s->plates[s->plate_slots[i]];

        if (old[i] == NO_INDEX) {
            memset(p, 0, sizeof(*p));
            weigh_init(&p->weigh);
        } else {
            const struct plan_plate *was = &old_plan->plates[old[i]];

            plan_facings(s, old_plan, plan, p, was, now);
            if (!shelf_same_scale(s, old_plan, plan, was, now)) {
                weigh_init(&p->weigh);
                p->tare_mg = 0;
            }
        }
        p->fresh = 0;
        p->lesson.until_us = 0;
        p->calibrated = shelf_is_calibrated(s, plan, now);
        p->weighed |= now->cells_n > 0;
        for (uint8_t j = 0; j < now->facings_n; j++) {
            p->facings[j].next = s->first_facing[now->facings[j].product];
            s->first_facing[now->facings[j].product] = (uint16_t)(i * PLATE_FACINGS_MAX + j);
        }
    }
}

void shelf_plan(struct shelf *s, const struct plan *old_plan, const struct plan *plan)
{
    plan_products(s, old_plan, plan);
    shelf_plan_cells(s, old_plan, plan);
    plan_plates(s, old_plan, plan);
    shelf_plan_pieces(s, plan);
}

/* ---- questions -------------------------------------------------------------------------------------- */

bool shelf_in_service(const struct shelf *s, uint16_t plate)
{
    return s->plates[s->plate_slots[plate]].service_us == 0;
}

enum shelf_sensor shelf_sensor(const struct shelf *s, uint16_t plate)
{
    const struct shelf_plate *p = &s->plates[s->plate_slots[plate]];

    /* Whoever works on it knows of the fault: it is often why they do. */
    if (!shelf_in_service(s, plate))
        return SENSOR_UNCALIBRATED;
    if (p->alert != 0)
        return SENSOR_FAULT;
    if (!p->weighed)
        return SENSOR_NONE;
    if (!p->calibrated)
        return SENSOR_UNCALIBRATED;
    return p->weigh.settled ? SENSOR_OK : SENSOR_SETTLING;
}

const struct shelf_facing *shelf_facing(const struct shelf *s, uint16_t plate, uint8_t facing)
{
    return &s->plates[s->plate_slots[plate]].facings[facing];
}

struct piece_mass shelf_facing_piece(const struct shelf *s, const struct plan *plan, uint16_t plate,
                                     uint8_t facing, int32_t *ret_learnt_from)
{
    const struct plan_facing *f = &plan->plates[plate].facings[facing];
    const struct piece *p = &s->pieces[s->product_slots[f->product]];

    *ret_learnt_from = p->planned_mg == f->unit_mass_mg ? p->n : 0;
    return piece_mass(p, &plan->plates[plate], facing);
}

bool shelf_facing_known(const struct shelf *s, uint16_t plate, uint8_t facing)
{
    enum shelf_sensor sensor = shelf_sensor(s, plate);

    return (sensor == SENSOR_OK || sensor == SENSOR_NONE) &&
           shelf_facing(s, plate, facing)->counted;
}

const struct stock *shelf_ledger(const struct shelf *s, uint16_t product)
{
    return &s->products[s->product_slots[product]];
}

struct shelf_atp shelf_atp(const struct shelf *s, const struct plan *plan, uint16_t product)
{
    struct shelf_atp ret = {.lower_bound = false};

    for (uint16_t code = s->first_facing[product]; code != NO_INDEX;) {
        uint16_t plate = code / PLATE_FACINGS_MAX;
        uint8_t facing = code % PLATE_FACINGS_MAX;

        if (shelf_facing_known(s, plate, facing))
            ret.on_shelf += shelf_facing(s, plate, facing)->on_shelf;
        else
            ret.lower_bound = true;
        code = shelf_facing(s, plate, facing)->next;
    }
    ret.units = stock_atp(&s->products[s->product_slots[product]], ret.on_shelf, 0,
                          plan->products[product].safety);
    return ret;
}

int64_t shelf_take_number(struct shelf *s, struct batch *out)
{
    int64_t number = s->next_number++;

    shelf_save_numbers(s, out);
    return number;
}

int32_t shelf_alerts(const struct shelf *s, const struct plan *plan)
{
    int32_t n = 0;

    for (uint16_t i = 0; i < plan->plates_n; i++)
        n += (s->plates[s->plate_slots[i]].alert != 0) +
             (s->plates[s->plate_slots[i]].sweep.number != 0);
    return n;
}

/* ---- observations ----------------------------------------------------------------------------------- */

/* Slow tracking moved the reference: store it now and then, or a restart would take drift for a change. */
static void keep_reference(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    int64_t moved = weigh_reference_mg(&p->weigh) - p->stored_mg;
    int64_t step = at->unit_mg > 0 ? at->unit_mg / 20 : 20 * NOREN_MG_PER_G;

    if (step < NOREN_MG_PER_G)
        step = NOREN_MG_PER_G;
    if (moved > step || moved < -step)
        shelf_save_plate(at);
    if (p->weigh.drifted && !p->drift_told && at->plan_plate->facings_n > 0) {
        p->drift_told = true;
        shelf_suggest_recount(at, 0, p->facings[0].on_shelf, "drift_limit");
    }
}

static void take_sample(const struct shelf_at *at, int64_t mass_mg)
{
    struct shelf_plate *p = at->plate;
    struct shelf_felt felt;

    p->seen_us = at->now_us;
    p->watched = true;
    p->calibrated = true;
    p->weighed = true;
    switch (weigh_sample(&p->weigh, at->unit_mg, at->now_us, mass_mg - p->tare_mg)) {
    case WEIGH_NOTHING:
        if (p->weigh.settled) {
            keep_reference(at);
            shelf_cross_check(at);
        }
        break;
    case WEIGH_FIRST:
        shelf_first_value(at);
        break;
    case WEIGH_MOVED:
        shelf_claim(at);
        break;
    case WEIGH_REST:
        felt = shelf_feel(at);
        shelf_settle(at);
        if (!p->weigh.away)
            shelf_compare_cells(at, &felt);
        break;
    case WEIGH_BACK:
        shelf_retract(at);
        break;
    }
    shelf_watch_still(at);
    shelf_learn_bend(at);
    if (p->tare_wanted && p->weigh.settled && p->weigh.resting)
        shelf_tare(at);
}

bool shelf_command_seen(const struct shelf *s, const char *id)
{
    for (int i = 0; i < SHELF_COMMANDS_MAX; i++)
        if (s->commands[i][0] != '\0' && strcmp(s->commands[i], id) == 0)
            return true;
    return false;
}

/* The one facing that a recount can mean: of the plate, or of the product. NO_INDEX: none or several. */
static uint16_t facing_meant(const struct shelf *s, const struct plan *plan, const char *target)
{
    uint16_t plate = plan_find_plate(plan, target), product, code;

    if (plate != NO_INDEX)
        return plan->plates[plate].facings_n == 1 ? (uint16_t)(plate * PLATE_FACINGS_MAX)
                                                  : NO_INDEX;
    product = plan_find_product(plan, target);
    if (product == NO_INDEX)
        return NO_INDEX;
    code = s->first_facing[product];
    if (code == NO_INDEX ||
        shelf_facing(s, code / PLATE_FACINGS_MAX, code % PLATE_FACINGS_MAX)->next != NO_INDEX)
        return NO_INDEX;
    return code;
}

static void take_command(struct shelf *s, const struct plan *plan, const struct obs *o,
                         struct batch *out)
{
    uint16_t plate = plan_find_plate(plan, o->u.command.target), facing;
    struct shelf_at at;

    if (shelf_command_seen(s, o->u.command.id))
        return;
    switch (o->u.command.kind) {
    case COMMAND_TARE:
        if (plate == NO_INDEX) {
            s->refused++;
            return;
        }
        /* Done at the next quiet value; the wish is stored with the command's id, so neither is lost. */
        at = shelf_at(s, plan, plate, o->t_us, out);
        at.plate->tare_wanted = true;
        shelf_save_plate(&at);
        break;
    case COMMAND_RECOUNT:
        facing = facing_meant(s, plan, o->u.command.target);
        if (facing == NO_INDEX || o->u.command.quantity < 0) {
            s->refused++;
            return;
        }
        at = shelf_at(s, plan, facing / PLATE_FACINGS_MAX, o->t_us, out);
        shelf_recount(&at, facing % PLATE_FACINGS_MAX, o->u.command.quantity);
        break;
    case COMMAND_CLAIM: /* core/supply.c; the id is remembered here */
        break;
    case COMMAND_COUNT:
    case COMMAND_TRANSFER_IN:
    case COMMAND_TRANSFER_OUT:
    case COMMAND_RETURN:
        if (!shelf_adjust(s, plan, o, out)) {
            s->refused++;
            return;
        }
        break;
    }
    snprintf(s->commands[s->commands_n % SHELF_COMMANDS_MAX], NOREN_ID_SIZE, "%s", o->u.command.id);
    s->commands_n++;
    shelf_save_command(s, out);
}

/* A plan came into force: new plates get time for their first reading. */
static void begin_watch(struct shelf *s, const struct plan *plan, int64_t now_us)
{
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        struct shelf_plate *p = &s->plates[s->plate_slots[i]];

        if (p->watched || !p->calibrated || plan->plates[i].cells_n == 0)
            continue;
        p->watched = true;
        p->seen_us = now_us + START_GRACE_US;
    }
    s->watch_us = plan->plates_n > 0 ? now_us + WATCH_US : NOREN_NEVER_US;
}

static void take_reading(struct shelf *s, const struct plan *plan, const struct obs *o,
                         uint16_t plate, struct batch *out)
{
    struct shelf_at at = shelf_at(s, plan, plate, o->t_us, out);
    int64_t mass_mg;

    if (o->kind == OBS_MASS)
        take_sample(&at, o->u.mass.mass_mg);
    else if (shelf_read_cell(&at, o, &mass_mg))
        take_sample(&at, mass_mg);
}

static void take_node(struct shelf *s, const struct plan *plan, const struct obs *o,
                      struct batch *out)
{
    uint16_t cell = plan_find_node(plan, o->u.node.node, o->u.node.cell);
    struct shelf_at at = shelf_at(s, plan, plan->cells[cell].plate, o->t_us, out);
    int64_t mass_mg;

    if (shelf_read_node(&at, cell, o, &mass_mg))
        take_sample(&at, mass_mg);
}

int64_t shelf_step(struct shelf *s, const struct plan *plan, const struct obs *o, struct batch *out)
{
    switch (o->kind) {
    case OBS_PLAN:
        begin_watch(s, plan, o->t_us);
        break;
    case OBS_TICK:
        if (o->t_us < s->watch_us)
            break;
        shelf_end_services(s, plan, o->t_us, out);
        if (!shelf_end_sweeps(s, plan, o->t_us, out))
            return o->t_us;
        if (!shelf_watch_cells(s, plan, o->t_us, out))
            return o->t_us;
        s->watch_us = o->t_us + WATCH_US;
        break;
    case OBS_CELL:
        take_reading(s, plan, o, plan->cells[o->u.cell.cell].plate, out);
        break;
    case OBS_MASS:
        take_reading(s, plan, o, o->u.mass.plate, out);
        break;
    case OBS_NODE:
        take_node(s, plan, o, out);
        break;
    case OBS_COMMAND:
        take_command(s, plan, o, out);
        break;
    case OBS_CALIBRATION:
        shelf_calibrate(s, plan, o, out);
        break;
    case OBS_SALE:
        shelf_sale(s, plan, o, out);
        break;
    case OBS_TEMPERATURE:
        shelf_warm(s, plan, o, out);
        break;
    case OBS_CLOCK:
    case OBS_SIGHTING:
    case OBS_CHECKIN:
    case OBS_FORGET:
    case OBS_SKEW:
    case OBS_CROWD:
        break;
    }
    return s->watch_us;
}
