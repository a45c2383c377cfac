/* Cells of the shelves; see shelf_cells.h. */
#include "core/shelf_cells.h"

#include <math.h>
#include <string.h>

#include "core/shelf_change.h"
#include "core/shelf_sensor.h"
#include "noren/wire.h"

#define SILENT_US      (2 * NOREN_US_PER_S)  /* an ADC bank delivers at least eight a second */
#define NODE_SILENT_US (30 * NOREN_US_PER_S) /* adverts of a shelf node get lost */
#define CELL_LEVEL_US  150e3 /* time constants of a cell's level at rest, and of its drift */
#define CELL_DRIFT_US  5e6

/* ---- plan ------------------------------------------------------------------------------------------- */

void shelf_plan_cells(struct shelf *s, const struct plan *old_plan, const struct plan *plan)
{
    uint16_t old[CELLS_MAX];

    for (uint16_t i = 0; i < plan->cells_n; i++)
        old[i] = old_plan == NULL ? NO_INDEX : plan_find_cell(old_plan, plan->cells[i].id);
    shelf_assign_slots(s->meter_slots, old, plan->cells_n);
    for (uint16_t i = 0; i < plan->cells_n; i++) {
        struct cell *c = shelf_meter(s, i);

        if (old[i] == NO_INDEX)
            cell_init(c, &plan->cells[i]);
        else
            cell_plan(c, &plan->cells[i]);
    }
    memset(s->cells, 0, sizeof(s->cells));
}

bool shelf_same_scale(const struct shelf *s, const struct plan *old_plan, const struct plan *plan,
                      const struct plan_plate *was, const struct plan_plate *now)
{
    if (was->cells_n != now->cells_n)
        return false;
    for (uint8_t i = 0; i < now->cells_n; i++)
        if (strcmp(old_plan->cells[was->cells[i]].id, plan->cells[now->cells[i]].id) != 0 ||
            s->meters[s->meter_slots[now->cells[i]]].rescaled)
            return false;
    return true;
}

bool shelf_is_calibrated(const struct shelf *s, const struct plan *plan,
                         const struct plan_plate *plate)
{
    for (uint8_t i = 0; i < plate->cells_n; i++)
        if (!cell_is_calibrated(&s->meters[s->meter_slots[plate->cells[i]]]) &&
            plan->cells[plate->cells[i]].node < 0)
            return false;
    return true;
}

/* ---- readings --------------------------------------------------------------------------------------- */

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
static bool take_mass(const struct shelf_at *at, uint16_t cell, int64_t mass_mg,
                      int64_t *ret_mass_mg)
{
    int64_t sum = 0;

    at->s->cells[cell].mass_mg = mass_mg;
    follow_cell(at, &at->s->cells[cell]);
    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++)
        if (at->plan_plate->cells[i] == cell)
            at->plate->fresh |= (uint8_t)(1u << i);
    if (at->plate->fresh != (1u << at->plan_plate->cells_n) - 1)
        return false;
    at->plate->fresh = 0;
    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++)
        sum += at->s->cells[at->plan_plate->cells[i]].mass_mg;
    *ret_mass_mg = sum;
    return true;
}

/* Noise is stored so that a cell which is stuck or noisy after a restart is known to be; a quarter more or less
 * is worth a write. */
static void keep_noise(const struct shelf_at *at, uint16_t cell, const struct cell *c)
{
    if (c->noise > 0 && fabs(c->noise - c->noise_stored) > c->noise_stored / 4)
        shelf_save_cell(at, cell);
}

bool shelf_read_cell(const struct shelf_at *at, const struct obs *o, int64_t *ret_mass_mg)
{
    uint16_t cell = o->u.cell.cell;
    struct cell *c = shelf_meter(at->s, cell);
    int64_t mass_mg;
    bool good = cell_take(c, at->now_us, o, &mass_mg);

    if (!at->plate->calibrated || at->plate->service_us != 0)
        return false;
    keep_noise(at, cell, c);
    if (c->trouble != TROUBLE_NONE)
        shelf_begin_fault(at, cell, c->trouble);
    return good && take_mass(at, cell, mass_mg, ret_mass_mg);
}

bool shelf_read_node(const struct shelf_at *at, uint16_t cell, const struct obs *o,
                     int64_t *ret_mass_mg)
{
    struct cell *c = shelf_meter(at->s, cell);

    if (cell_take_node(c, at->now_us, (o->u.node.status & NOREN_NODE_FAULT) != 0,
                       o->u.node.mass_mg))
        return take_mass(at, cell, o->u.node.mass_mg, ret_mass_mg);
    shelf_begin_fault(at, cell, c->trouble);
    return false;
}

/* ---- what a change was for each cell ---------------------------------------------------------------- */

struct shelf_felt shelf_feel(const struct shelf_at *at)
{
    struct shelf_felt ret = {.total_mg = 0};

    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++) {
        const struct shelf_cell *c = &at->s->cells[at->plan_plate->cells[i]];

        if (!c->placed)
            return (struct shelf_felt){.total_mg = 0};
        ret.own_mg[i] = c->level_mg - c->ref_mg;
        ret.total_mg += fabs(ret.own_mg[i]);
    }
    return ret;
}

void shelf_compare_cells(const struct shelf_at *at, const struct shelf_felt *felt)
{
    if (at->plan_plate->cells_n < 2)
        return;
    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++) {
        struct cell *c = shelf_meter(at->s, at->plan_plate->cells[i]);

        cell_feel(c, at->now_us, felt->own_mg[i], felt->total_mg);
        if (c->trouble != TROUBLE_NONE)
            shelf_begin_fault(at, at->plan_plate->cells[i], c->trouble);
    }
}

/* ---- silence ---------------------------------------------------------------------------------------- */

static int64_t patience_us(const struct plan *plan, const struct plan_plate *plate)
{
    for (uint8_t i = 0; i < plate->cells_n; i++)
        if (plan->cells[plate->cells[i]].node >= 0)
            return NODE_SILENT_US;
    return SILENT_US;
}

/* The plate has had no mass for too long: whose fault is it? */
static void blame(const struct shelf_at *at, int64_t patience)
{
    bool found = false;

    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++) {
        uint16_t cell = at->plan_plate->cells[i];
        struct cell *c = shelf_meter(at->s, cell);

        if (at->now_us - c->seen_us <= patience && c->seen_us != 0)
            continue;
        found = true;
        cell_fall_silent(c, at->now_us);
        shelf_begin_fault(at, cell, c->trouble);
    }
    if (!found)
        shelf_begin_fault(at, NO_INDEX, TROUBLE_SILENT);
}

/* A calibration that the database lost says so once; nothing else would. */
static uint16_t lost_cell(const struct shelf_at *at)
{
    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++) {
        const struct cell *c = shelf_meter(at->s, at->plan_plate->cells[i]);

        if (c->trouble == TROUBLE_CALIBRATION && c->told == TROUBLE_NONE)
            return at->plan_plate->cells[i];
    }
    return NO_INDEX;
}

bool shelf_watch_cells(struct shelf *s, const struct plan *plan, int64_t now_us, struct batch *out)
{
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        struct shelf_at at = shelf_at(s, plan, i, now_us, out);
        const struct shelf_plate *p = at.plate;
        int64_t patience = patience_us(plan, at.plan_plate);
        uint16_t lost = lost_cell(&at);
        bool silent = p->watched && p->calibrated && p->service_us == 0 && p->alert == 0 &&
                      now_us - p->seen_us > patience;

        if (!silent && lost == NO_INDEX)
            continue;
        if (!batch_room(out, SHELF_PLATE_EVENTS, SHELF_PLATE_RECORDS))
            return false;
        if (lost != NO_INDEX)
            shelf_begin_fault(&at, lost, TROUBLE_CALIBRATION);
        else
            blame(&at, patience);
    }
    return true;
}

/* ---- warmth ----------------------------------------------------------------------------------------- */

/* How near a sensor is to a plate by its name; 0: it is for others. */
static uint8_t rank_sensor(const struct plan *plan, const struct plan_plate *plate,
                           const char *sensor)
{
    if (strcmp(sensor, plate->id) == 0)
        return 4;
    if (strcmp(sensor, plan->fixtures[plate->fixture]) == 0)
        return 3;
    if (plate->zone != NO_INDEX && strcmp(sensor, plan->zones[plate->zone].id) == 0)
        return 2;
    return strcmp(sensor, "store") == 0 ? 1 : 0;
}

/* A gram, or a tenth of the line: less is not worth a row. When the batch is full the next reading does it. */
static void keep_warmth(const struct shelf_at *at, uint16_t cell)
{
    const struct thermal *t = &shelf_meter(at->s, cell)->thermal;

    if ((fabs(t->shift_mg - t->stored_mg) >= NOREN_MG_PER_G ||
         fabs(t->mg_per_k - t->stored_line) > fabs(t->stored_line) / 10) &&
        batch_room(at->out, 0, SHELF_PLATE_RECORDS))
        shelf_save_cell(at, cell);
}

void shelf_warm(struct shelf *s, const struct plan *plan, const struct obs *o, struct batch *out)
{
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        struct shelf_at at = shelf_at(s, plan, i, o->t_us, out);
        uint8_t rank = rank_sensor(plan, at.plan_plate, o->u.temperature.sensor);

        for (uint8_t c = 0; c < at.plan_plate->cells_n && rank > 0; c++) {
            uint16_t cell = at.plan_plate->cells[c];

            if (plan->cells[cell].node >= 0)
                continue; /* a node's masses are its own */
            cell_warm(shelf_meter(s, cell), o->t_us, rank, o->u.temperature.temperature_mc);
            keep_warmth(&at, cell);
        }
    }
}
