/* Commands about load cells: what they show, and calibrating them. See control.h.
 *
 * The person's side, with its waiting and asking, is norenctl's; the gateway keeps no dialogue. It shows what the
 * cells read and whether that rests, judges the points it is given (core/calibration.h) and stores what holds.
 */
#include <stdio.h>
#include <string.h>

#include "core/shelf_rows.h"
#include "io/control.h"

/* The cells that a command means: one, or all of a plate. */
struct target {
    uint16_t cells[PLATE_CELLS_MAX];
    uint8_t n;
};

static bool read_target(struct control_call *c, struct target *ret)
{
    const struct plan *plan = c->d->engine.plan;
    char id[NOREN_ID_SIZE];
    uint16_t plate, cell;

    if (!doc_id(c->doc, "target", id))
        return false;
    plate = plan_find_plate(plan, id);
    cell = plan_find_cell(plan, id);
    if (plate == NO_INDEX && cell == NO_INDEX)
        return doc_refuse(c->doc, "no plate and no load cell \"%s\" in planogram.json", id);
    ret->n = 1;
    ret->cells[0] = cell;
    if (plate != NO_INDEX) {
        ret->n = plan->plates[plate].cells_n;
        memcpy(ret->cells, plan->plates[plate].cells, sizeof(ret->cells));
    }
    if (ret->n == 0)
        return doc_refuse(c->doc, "plate \"%s\" has no load cells in planogram.json", id);
    for (uint8_t i = 0; i < ret->n; i++)
        if (plan->cells[ret->cells[i]].node >= 0)
            return doc_refuse(c->doc,
                              "cell \"%s\" belongs to a shelf node, which keeps its calibration "
                              "itself; see firmware/README",
                              plan->cells[ret->cells[i]].id);
    return true;
}

static const char *cell_state(const struct cell *c)
{
    return c->trouble != TROUBLE_NONE ? cell_trouble_name(c->trouble)
           : cell_is_calibrated(c)    ? "ok"
                                      : "uncalibrated";
}

static void print_cell(const struct control_call *c, uint16_t index, int64_t now_us)
{
    const struct plan *plan = c->d->engine.plan;
    struct shelf *shelf = &c->d->engine.shop->shelf;
    const struct cell *cell = shelf_meter(shelf, index);
    struct cell_rest rest = cell_rest(cell, now_us);

    json_open(c->j, '{');
    json_key_str(c->j, "cell", plan->cells[index].id);
    json_key_str(c->j, "plate", plan->plates[plan->cells[index].plate].id);
    json_key_str(c->j, "state", cell_state(cell));
    json_key_bool(c->j, "in_service", shelf_in_service(shelf, plan->cells[index].plate));
    json_key_i64(c->j, "counts", (int64_t)rest.counts);
    json_key_i64(c->j, "samples", rest.samples);
    json_key_milli(c->j, "spread", (int64_t)(rest.spread * 1000));
    json_key_milli(c->j, "noise", (int64_t)(cell->noise * 1000));
    json_key_bool(c->j, "enough", rest.enough);
    json_key_bool(c->j, "steady", rest.steady);
    json_key_milli(c->j, "refused", cell_refused_pm(cell));
    json_key_i64(c->j, "calibration", cell->calibration);
    json_key_i64(c->j, "zero_counts", cell->zero_counts);
    json_key_i64(c->j, "pg_per_count", (int64_t)(cell->mg_per_count * 1e9));
    json_key(c->j, "temperature_c");
    if (cell_temperature_mc(cell, now_us) == THERMAL_NONE)
        json_nil(c->j);
    else
        json_milli(c->j, cell_temperature_mc(cell, now_us));
    json_key_i64(c->j, "mg_per_k", (int64_t)cell->thermal.mg_per_k);
    json_close(c->j, '}');
}

bool control_cells(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "target", NULL};
    int64_t now_us = clock_boot_us();
    struct target t = {.n = 0};

    if (!doc_object(c->doc, keys) || !read_target(c, &t))
        return false;
    json_key(c->j, "cells");
    json_open(c->j, '[');
    for (uint8_t i = 0; i < t.n; i++)
        print_cell(c, t.cells[i], now_us);
    json_close(c->j, ']');
    return true;
}

/* ---- problems --------------------------------------------------------------------------------------- */

#define PROBLEMS_MAX 20 /* sentences; a store without power on its shelves needs no three hundred */
#define REFUSED_PM   10 /* refused frames that are worth a remark */

static const char *trouble_remedy(enum cell_trouble t)
{
    switch (t) {
    case TROUBLE_NONE:
        break;
    case TROUBLE_ABSENT:
    case TROUBLE_SILENT:
        return "its converter does not answer: check power and plug";
    case TROUBLE_SATURATED:
        return "the load is beyond its range, or a wire of the bridge is torn";
    case TROUBLE_NODE:
        return "its shelf node says so: look at the node";
    case TROUBLE_STUCK:
        return "always the same value: check the bridge's wires, else change the converter";
    case TROUBLE_NOISY:
        return "five times its usual noise: look for a loose wire or a machine beside it";
    case TROUBLE_RATE:
        return "it converts at another rate than rate_sps of the board file says: set that, or the "
               "RATE pin";
    case TROUBLE_CORRUPT:
        return "a tenth of its frames are refused: shorten the wires; see the counters for why";
    case TROUBLE_DEAF:
        return "it feels nothing of what the plate's other cells feel: something blocks it, or it "
               "is loose";
    case TROUBLE_CALIBRATION:
        return "its stored calibration is damaged: norenctl calibrate";
    case TROUBLE_OVERLOAD:
        return "more lies on it than its capacity_g: take something off, then check with a known "
               "mass that it still weighs right";
    case TROUBLES:
        break;
    }
    return "";
}

void control_print_cell_problems(const struct norend *d, struct json *j)
{
    const struct plan *plan = d->engine.plan;
    char text[256];
    int n = 0;

    for (uint16_t i = 0; i < plan->cells_n && n < PROBLEMS_MAX; i++) {
        const struct cell *c = shelf_meter(&d->engine.shop->shelf, i);
        enum cell_trouble now = c->trouble != TROUBLE_NONE ? c->trouble : c->told;
        int32_t refused = cell_refused_pm(c);

        if (c->told != TROUBLE_NONE)
            snprintf(text, sizeof(text), "cell %s: %s; %s", plan->cells[i].id,
                     cell_trouble_name(now), trouble_remedy(now));
        else if (refused >= REFUSED_PM)
            snprintf(text, sizeof(text),
                     "cell %s: %d.%d %% of its frames were refused in five minutes; shorten the "
                     "wires, or allow real-time priority",
                     plan->cells[i].id, refused / 10, refused % 10);
        else
            continue;
        json_str(j, text);
        n++;
    }
}

/* ---- history ---------------------------------------------------------------------------------------- */

struct history {
    struct control_call *c;
    const struct target *target;
};

static int print_row(void *user, const struct record *r)
{
    const struct history *h = user;
    struct json *j = h->c->j;
    const struct plan *plan = h->c->d->engine.plan;
    char id[NOREN_ID_SIZE];
    int64_t number;
    struct calibration v;
    bool wanted = false;

    if (r->kind != RECORD_CALIBRATION || !calibration_key(r->key, id, &number))
        return 0;
    for (uint8_t i = 0; i < h->target->n; i++)
        wanted |= strcmp(plan->cells[h->target->cells[i]].id, id) == 0;
    if (!wanted)
        return 0;
    json_open(j, '{');
    json_key_str(j, "cell", id);
    json_key_i64(j, "number", number);
    if (calibration_read(r->value, id, number, &v)) {
        json_key_bool(j, "damaged", false);
        json_key_i64(j, "utc_s", v.utc_s);
        json_key_str(j, "operator", v.operator);
        json_key_i64(j, "zero_counts", v.zero_counts);
        json_key_i64(j, "pg_per_count", v.pg_per_count);
        json_key_i64(j, "mass_mg", v.mass_mg);
        json_key_i64(j, "error_mg", v.error_mg);
        json_key(j, "temperature_c");
        if (v.temperature_mc == CALIBRATION_NO_TEMPERATURE)
            json_nil(j);
        else
            json_milli(j, v.temperature_mc);
    } else {
        json_key_bool(j, "damaged", true);
    }
    json_close(j, '}');
    return 0;
}

bool control_calibrations(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "target", NULL};
    struct target t = {.n = 0};
    struct history h = {.c = c, .target = &t};
    int rc;

    if (!doc_object(c->doc, keys) || !read_target(c, &t))
        return false;
    json_key(c->j, "calibrations");
    json_open(c->j, '[');
    rc = db_restore(c->d->db, print_row, &h);
    json_close(c->j, ']');
    return rc >= 0 || doc_refuse(c->doc, "the database cannot be read: %s", strerror(-rc));
}

/* ---- calibrating ------------------------------------------------------------------------------------ */

static void feed_stage(struct control_call *c, const struct target *t, enum calibration_stage stage)
{
    struct obs o = {.kind = OBS_CALIBRATION, .t_us = clock_boot_us()};

    o.u.calibration.cell = t->cells[0];
    o.u.calibration.stage = stage;
    snprintf(o.u.calibration.values.operator, NOREN_ID_SIZE, "%s", c->actor);
    engine_feed(&c->d->engine, &o);
}

/* One number of counts for each cell. */
static bool read_counts(const struct doc *list, const struct target *t, double ret[PLATE_CELLS_MAX])
{
    if (doc_size(list) != t->n)
        return doc_refuse(list, "has %zu numbers for %u cells", doc_size(list), t->n);
    for (uint8_t i = 0; i < t->n; i++) {
        struct doc item = doc_item(list, i);

        if (!doc_real_self(&item, -8388608, 8388607, &ret[i]))
            return false;
    }
    return true;
}

static bool read_points(struct control_call *c, const struct target *t,
                        struct calibration_points *p)
{
    struct doc zero, loads, check;

    if (!doc_array(c->doc, "zero", PLATE_CELLS_MAX, &zero) ||
        !doc_array(c->doc, "loads", PLATE_CELLS_MAX, &loads) ||
        !doc_array(c->doc, "check", PLATE_CELLS_MAX, &check) || !read_counts(&zero, t, p->zero) ||
        !read_counts(&check, t, p->check) ||
        !doc_i64(c->doc, "mass_mg", 1, CALIBRATION_MASS_MAX_MG, &p->mass_mg) ||
        !doc_i64(c->doc, "check_mg", 1, CALIBRATION_MASS_MAX_MG, &p->check_mg))
        return false;
    if (doc_size(&loads) != t->n)
        return doc_refuse(&loads, "has %zu positions for %u cells", doc_size(&loads), t->n);
    for (uint8_t i = 0; i < t->n; i++) {
        const struct plan_cell *cell = &c->d->engine.plan->cells[t->cells[i]];
        struct doc item = doc_item(&loads, i), list = item;

        p->nominal[i] = cell->mg_per_count;
        p->noise[i] = shelf_meter(&c->d->engine.shop->shelf, t->cells[i])->noise;
        if (!read_counts(&list, t, p->load[i]))
            return false;
    }
    p->cells_n = t->n;
    return true;
}

static void feed_values(struct control_call *c, const struct target *t,
                        const struct calibration_points *p, const double *mg_per_count,
                        double error_mg, const char *operator)
{
    enum clock_quality quality;
    int64_t utc_us = clock_utc_us(&quality);

    for (uint8_t i = 0; i < t->n; i++) {
        struct obs o = {.kind = OBS_CALIBRATION, .t_us = clock_boot_us()};
        struct calibration *v = &o.u.calibration.values;

        o.u.calibration.cell = t->cells[i];
        o.u.calibration.stage = CALIBRATION_SET;
        *v = (struct calibration){
            .zero_counts = (int64_t)p->zero[i],
            .pg_per_count = (int64_t)(mg_per_count[i] * 1e9),
            .mass_mg = p->mass_mg,
            .error_mg = (int64_t)error_mg,
            .temperature_mc = cell_temperature_mc(
                shelf_meter(&c->d->engine.shop->shelf, t->cells[i]), clock_boot_us()),
            .utc_s = utc_us / NOREN_US_PER_S,
        };
        snprintf(v->operator, sizeof(v->operator), "%s", operator);
        engine_feed(&c->d->engine, &o);
    }
}

static bool set(struct control_call *c, const struct target *t)
{
    const struct plan *plan = c->d->engine.plan;
    struct calibration_points p = {.cells_n = 0};
    double mg_per_count[PLATE_CELLS_MAX] = {0}, error_mg = 0;
    char operator[NOREN_ID_SIZE];
    enum calibration_refusal r;
    uint8_t at;

    if (!doc_id(c->doc, "operator", operator) || !read_points(c, t, &p))
        return false;
    r = calibration_solve(&p, mg_per_count, &error_mg, &at);
    if (r != CALIBRATION_FINE)
        return doc_refuse(c->doc, "refused (%s), cell %s: %s; nothing was changed",
                          calibration_refusal_name(r), plan->cells[t->cells[at]].id,
                          calibration_remedy(r));
    feed_values(c, t, &p, mg_per_count, error_mg, operator);
    json_key(c->j, "calibrated");
    json_open(c->j, '[');
    for (uint8_t i = 0; i < t->n; i++)
        print_cell(c, t->cells[i], clock_boot_us());
    json_close(c->j, ']');
    json_key_i64(c->j, "error_mg", (int64_t)error_mg);
    return true;
}

bool control_calibrate(struct control_call *c)
{
    static const char *const keys[] = {"id",      "name",     "target", "stage",    "zero", "loads",
                                       "mass_mg", "check_mg", "check",  "operator", NULL};
    struct target t = {.n = 0};
    const char *stage;

    if (!doc_object(c->doc, keys) || !doc_string(c->doc, "stage", &stage) || !read_target(c, &t))
        return false;
    if (strcmp(stage, "set") == 0)
        return set(c, &t);
    if (strcmp(stage, "begin") != 0 && strcmp(stage, "end") != 0)
        return doc_refuse(c->doc, "stage is begin, set or end");
    feed_stage(c, &t, stage[0] == 'b' ? CALIBRATION_BEGIN : CALIBRATION_END);
    return true;
}
