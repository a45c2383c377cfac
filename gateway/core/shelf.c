/* Observations of shelves: which plate, which mass; see shelf.h. What follows from it is shelf_change.c.
 *
 * One observation concerns one plate, and a batch has room for all that one plate can say, so only the tick
 * that looks for silent plates ever has to stop half way.
 */
#include "core/shelf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/shelf_change.h"
#include "core/shelf_evidence.h"
#include "core/shelf_ledger.h"
#include "core/shelf_rows.h"
#include "core/shelf_say.h"
#include "core/shelf_sensor.h"
#include "noren/wire.h"

#define SILENT_US      (2 * NOREN_US_PER_S)  /* an ADC bank delivers at least eight a second */
#define NODE_SILENT_US (30 * NOREN_US_PER_S) /* adverts of a shelf node get lost */
#define START_GRACE_US (3 * NOREN_US_PER_S)  /* banks start after the plan */
#define WATCH_US       (NOREN_US_PER_S / 2)
#define CELL_LEVEL_US  150e3 /* time constants of a cell's level at rest, and of its drift */
#define CELL_DRIFT_US  5e6
#define CLIPPED_MAX    3 /* full-scale codes in a row that are a fault, not a bump */

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

/* Gives each of n entries of the new plan a slot: its old one (`old[i]` is its index in the old plan), or one
 * that is free. */
static void assign_slots(uint16_t *slots, const uint16_t *old, uint16_t n)
{
    uint16_t was[PRODUCTS_MAX], next = 0;
    bool used[PRODUCTS_MAX] = {false};

    memcpy(was, slots, n * sizeof(was[0]));
    for (uint16_t i = 0; i < n; i++)
        if (old[i] != NO_INDEX)
            used[was[old[i]]] = true;
    for (uint16_t i = 0; i < n; i++) {
        if (old[i] != NO_INDEX) {
            slots[i] = was[old[i]];
            continue;
        }
        while (used[next])
            next++;
        used[next] = true;
        slots[i] = next;
    }
}

static void plan_products(struct shelf *s, const struct plan *old_plan, const struct plan *plan)
{
    uint16_t old[PRODUCTS_MAX];

    for (uint16_t i = 0; i < plan->products_n; i++)
        old[i] = old_plan == NULL ? NO_INDEX : plan_find_product(old_plan, plan->products[i].gtin);
    assign_slots(s->product_slots, old, plan->products_n);
    for (uint16_t i = 0; i < plan->products_n; i++) {
        s->first_facing[i] = NO_INDEX;
        if (old[i] == NO_INDEX)
            *shelf_stock(s, i) = stock_open(plan->products[i].backroom);
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

/* Are the plate's masses still on the same scale? */
static bool same_scale(const struct plan *old_plan, const struct plan *plan,
                       const struct plan_plate *was, const struct plan_plate *now)
{
    if (was->cells_n != now->cells_n)
        return false;
    for (uint8_t i = 0; i < now->cells_n; i++) {
        const struct plan_cell *a = &old_plan->cells[was->cells[i]];
        const struct plan_cell *b = &plan->cells[now->cells[i]];

        if (strcmp(a->id, b->id) != 0 || a->zero_counts != b->zero_counts ||
            a->mg_per_count != b->mg_per_count)
            return false;
    }
    return true;
}

static bool is_calibrated(const struct plan *plan, const struct plan_plate *plate)
{
    for (uint8_t i = 0; i < plate->cells_n; i++)
        if (plan->cells[plate->cells[i]].mg_per_count == 0 && plan->cells[plate->cells[i]].node < 0)
            return false;
    return true;
}

static void plan_plates(struct shelf *s, const struct plan *old_plan, const struct plan *plan)
{
    uint16_t old[PLATES_MAX];

    for (uint16_t i = 0; i < plan->plates_n; i++)
        old[i] = old_plan == NULL ? NO_INDEX : plan_find_plate(old_plan, plan->plates[i].id);
    assign_slots(s->plate_slots, old, plan->plates_n);
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        const struct plan_plate *now = &plan->plates[i];
        struct shelf_plate *p = &s->plates[s->plate_slots[i]];

        if (old[i] == NO_INDEX) {
            memset(p, 0, sizeof(*p));
            weigh_init(&p->weigh);
        } else {
            const struct plan_plate *was = &old_plan->plates[old[i]];

            plan_facings(s, old_plan, plan, p, was, now);
            if (!same_scale(old_plan, plan, was, now)) {
                weigh_init(&p->weigh);
                p->tare_mg = 0;
            }
        }
        p->fresh = 0;
        p->calibrated = is_calibrated(plan, now);
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
    plan_plates(s, old_plan, plan);
    memset(s->cells, 0, sizeof(s->cells));
}

/* ---- questions -------------------------------------------------------------------------------------- */

enum shelf_sensor shelf_sensor(const struct shelf *s, uint16_t plate)
{
    const struct shelf_plate *p = &s->plates[s->plate_slots[plate]];

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
        n += s->plates[s->plate_slots[i]].alert != 0;
    return n;
}

static struct shelf_at at_plate(struct shelf *s, const struct plan *plan, uint16_t index,
                                int64_t now_us, struct batch *out)
{
    struct shelf_at at = {.s = s,
                          .plan = plan,
                          .out = out,
                          .now_us = now_us,
                          .index = index,
                          .plan_plate = &plan->plates[index],
                          .plate = &s->plates[s->plate_slots[index]]};

    for (uint8_t i = 0; i < at.plan_plate->facings_n; i++)
        if (at.unit_mg == 0 || at.plan_plate->facings[i].unit_mass_mg < at.unit_mg)
            at.unit_mg = at.plan_plate->facings[i].unit_mass_mg;
    return at;
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

    p->seen_us = at->now_us;
    p->watched = true;
    p->calibrated = true;
    p->weighed = true;
    switch (weigh_sample(&p->weigh, at->unit_mg, at->now_us, mass_mg - p->tare_mg)) {
    case WEIGH_NOTHING:
        if (p->weigh.settled)
            keep_reference(at);
        break;
    case WEIGH_FIRST:
        shelf_first_value(at);
        break;
    case WEIGH_MOVED:
        shelf_claim(at);
        break;
    case WEIGH_REST:
        shelf_settle(at);
        break;
    case WEIGH_BACK:
        shelf_retract(at);
        break;
    }
    shelf_learn_bend(at);
    if (p->tare_wanted && p->weigh.settled && p->weigh.resting)
        shelf_tare(at);
}

/* Cells tell places by how they share a change: what each feels now against what it felt at rest. */
static void follow_cell(const struct shelf_at *at, struct shelf_cell *c)
{
    const struct weigh *w = &at->plate->weigh;
    double dt_us = (double)(at->now_us - c->seen_us);

    if (c->seen_us == 0)
        c->level_mg = (double)c->mass_mg;
    else
        c->level_mg += ((double)c->mass_mg - c->level_mg) * dt_us / (dt_us + CELL_LEVEL_US);
    if (c->placed && w->calm && !w->away)
        c->ref_mg += (c->level_mg - c->ref_mg) * dt_us / (dt_us + CELL_DRIFT_US);
    c->seen_us = at->now_us;
}

/* One cell has a mass; the plate has one when all its cells do. */
static void take_cell(const struct shelf_at *at, uint16_t cell, int64_t mass_mg)
{
    int64_t sum = 0;

    at->s->cells[cell].clipped = 0;
    at->s->cells[cell].mass_mg = mass_mg;
    follow_cell(at, &at->s->cells[cell]);
    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++)
        if (at->plan_plate->cells[i] == cell)
            at->plate->fresh |= (uint8_t)(1u << i);
    if (at->plate->fresh != (1u << at->plan_plate->cells_n) - 1)
        return;
    at->plate->fresh = 0;
    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++)
        sum += at->s->cells[at->plan_plate->cells[i]].mass_mg;
    take_sample(at, sum);
}

static void take_counts(const struct shelf_at *at, const struct obs *o)
{
    const struct plan_cell *cell = &at->plan->cells[o->u.cell.cell];

    if (!at->plate->calibrated)
        return;
    switch (o->u.cell.fault) {
    case CELL_OK:
        take_cell(at, o->u.cell.cell,
                  llround((double)(o->u.cell.counts - cell->zero_counts) * cell->mg_per_count));
        break;
    case CELL_ABSENT:
        shelf_begin_fault(at, o->u.cell.cell, "absent");
        break;
    case CELL_SATURATED:
        if (at->s->cells[o->u.cell.cell].clipped < CLIPPED_MAX)
            at->s->cells[o->u.cell.cell].clipped++;
        if (at->s->cells[o->u.cell.cell].clipped == CLIPPED_MAX)
            shelf_begin_fault(at, o->u.cell.cell, "saturated");
        break;
    case CELL_CORRUPT: /* the reader counts them; too many in a row are silence */
        break;
    }
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
        at = at_plate(s, plan, plate, o->t_us, out);
        at.plate->tare_wanted = true;
        shelf_save_plate(&at);
        break;
    case COMMAND_RECOUNT:
        facing = facing_meant(s, plan, o->u.command.target);
        if (facing == NO_INDEX || o->u.command.quantity < 0) {
            s->refused++;
            return;
        }
        at = at_plate(s, plan, facing / PLATE_FACINGS_MAX, o->t_us, out);
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

/* The cell that keeps the plate from being weighed, or NO_INDEX when all are silent. */
static uint16_t silent_cell(const struct shelf_at *at)
{
    if (at->plan_plate->cells_n == 1)
        return at->plan_plate->cells[0];
    for (uint8_t i = 0; i < at->plan_plate->cells_n && at->plate->fresh != 0; i++)
        if ((at->plate->fresh & 1u << i) == 0)
            return at->plan_plate->cells[i];
    return NO_INDEX;
}

static int64_t patience_us(const struct plan *plan, const struct plan_plate *plate)
{
    for (uint8_t i = 0; i < plate->cells_n; i++)
        if (plan->cells[plate->cells[i]].node >= 0)
            return NODE_SILENT_US;
    return SILENT_US;
}

/* Looks for plates that fell silent. False: the batch is full, come back. */
static bool watch(struct shelf *s, const struct plan *plan, int64_t now_us, struct batch *out)
{
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        struct shelf_plate *p = &s->plates[s->plate_slots[i]];
        struct shelf_at at;

        if (!p->watched || p->alert != 0 ||
            now_us - p->seen_us <= patience_us(plan, &plan->plates[i]))
            continue;
        if (!batch_room(out, SHELF_PLATE_EVENTS, SHELF_PLATE_RECORDS))
            return false;
        at = at_plate(s, plan, i, now_us, out);
        shelf_begin_fault(&at, silent_cell(&at), "silent");
    }
    return true;
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
    struct shelf_at at = at_plate(s, plan, plate, o->t_us, out);

    if (o->kind == OBS_CELL)
        take_counts(&at, o);
    else
        take_sample(&at, o->u.mass.mass_mg);
}

static void take_node(struct shelf *s, const struct plan *plan, const struct obs *o,
                      struct batch *out)
{
    uint16_t cell = plan_find_node(plan, o->u.node.node, o->u.node.cell);
    struct shelf_at at = at_plate(s, plan, plan->cells[cell].plate, o->t_us, out);

    if (o->u.node.status & NOREN_NODE_FAULT)
        shelf_begin_fault(&at, cell, "node");
    else
        take_cell(&at, cell, o->u.node.mass_mg);
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
        if (!watch(s, plan, o->t_us, out))
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
    case OBS_SALE:
        shelf_sale(s, plan, o, out);
        break;
    case OBS_CLOCK:
    case OBS_SIGHTING:
        break;
    }
    return s->watch_us;
}
