/* The brain's wiring; see shop.h.
 *
 * Order within one observation: shelves, their supply, people, offers. Offers last, because they ask both; people after
 * shelves only so that the order of events in a batch is fixed, which replay compares byte for byte.
 */
#include "core/shop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"

/* Tasks that the retained state lists; more than a shop's people can do anyway. */
#define STATE_TASKS_MAX 100

void shop_init(struct shop *s)
{
    memset(s, 0, sizeof(*s));
    s->due_us = NOREN_NEVER_US;
    s->shelf_due_us = s->supply_due_us = s->kpi_due_us = s->people_due_us = s->offers_due_us =
        s->watch_due_us = NOREN_NEVER_US;
    shelf_init(&s->shelf);
    supply_init(&s->supply);
    kpi_init(&s->kpi);
    people_init(&s->people);
    watch_init(&s->watch);
    offers_init(&s->offers);
}

int shop_restore(struct shop *s, const struct record *r)
{
    if (s->plan == NULL)
        return -1;
    switch (r->kind) {
    case RECORD_SHOP: /* one row a module: each keeps its own counters */
        if (strncmp(r->key, "visit", 5) == 0)
            return people_restore(&s->people, s->plan, r);
        if (strncmp(r->key, "watch", 5) == 0)
            return watch_restore(&s->watch, r);
        if (strncmp(r->key, "offer", 5) == 0)
            return offers_restore(&s->offers, s->plan, r);
        return shelf_restore(&s->shelf, s->plan, r);
    case RECORD_PLATE:
    case RECORD_FACING:
    case RECORD_PRODUCT:
    case RECORD_CELL:
    case RECORD_CALIBRATION:
    case RECORD_PIECE:
        return shelf_restore(&s->shelf, s->plan, r);
    case RECORD_SUPPLY:
        return supply_restore(&s->supply, s->plan, &s->shelf, r);
    case RECORD_VISIT:
        return people_restore(&s->people, s->plan, r);
    case RECORD_OFFER:
        return offers_restore(&s->offers, s->plan, r);
    case RECORD_KINDS:
        break;
    }
    return -1;
}

/* Does the observation name something that exists? What it names is an index, so this is cheap. */
static bool names_something(const struct plan *plan, const struct obs *o)
{
    switch (o->kind) {
    case OBS_TICK:
    case OBS_PLAN:
    case OBS_CLOCK:
    case OBS_TEMPERATURE:
    case OBS_CHECKIN:
    case OBS_FORGET:
        return true;
    case OBS_SIGHTING:
        return plan != NULL && o->u.sighting.receiver < plan->receivers_n;
    case OBS_SKEW:
        return plan != NULL && o->u.skew.receiver < plan->receivers_n;
    case OBS_CROWD:
        return plan != NULL && o->u.crowd.receiver < plan->receivers_n;
    case OBS_CELL:
        return plan != NULL && o->u.cell.cell < plan->cells_n;
    case OBS_CALIBRATION:
        return plan != NULL && o->u.calibration.cell < plan->cells_n;
    case OBS_MASS:
        return plan != NULL && o->u.mass.plate < plan->plates_n;
    case OBS_NODE:
        return plan != NULL && plan_find_node(plan, o->u.node.node, o->u.node.cell) != NO_INDEX;
    case OBS_SALE:
        return plan != NULL && o->u.sale.product < plan->products_n;
    case OBS_COMMAND:
        return plan != NULL && (o->u.command.kind == COMMAND_CLAIM ||
                                plan_find_plate(plan, o->u.command.target) != NO_INDEX ||
                                plan_find_product(plan, o->u.command.target) != NO_INDEX);
    }
    return false;
}

static void take_plan(struct shop *s, const struct plan *plan, struct batch *out)
{
    const struct plan *old_plan = s->plan;

    s->plan = plan;
    shelf_plan(&s->shelf, old_plan, plan);
    supply_plan(&s->supply, old_plan, plan, &s->shelf, s->now_us);
    kpi_plan(&s->kpi, old_plan, plan, &s->shelf, s->now_us);
    people_plan(&s->people, old_plan, plan);
    offers_plan(&s->offers, old_plan, plan);
    tally_plan(&s->tally);
    for (uint16_t i = 0; i < plan->fixtures_n; i++)
        out->fixtures_dirty[i] = true;
    out->store_dirty = true;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Readings come by the ten thousand a second and are nobody's business but the shelf's, unless something
 * came of one. */
static bool is_reading(const struct obs *o)
{
    return o->kind == OBS_CELL || o->kind == OBS_MASS || o->kind == OBS_NODE ||
           o->kind == OBS_TEMPERATURE;
}

/* A shelf that something happened to: its state must be told again, and its level looked at. */
static bool any_fixture(const struct batch *b)
{
    return memchr(b->fixtures_dirty, true, sizeof(b->fixtures_dirty)) != NULL;
}

int64_t shop_step(struct shop *s, const struct obs *o, struct batch *ret_out)
{
    int64_t utc_us;

    batch_clear(ret_out);
    if (o->t_us < s->now_us || !names_something(s->plan, o)) {
        s->refused++;
        return s->due_us;
    }
    s->now_us = o->t_us;
    if (o->kind == OBS_PLAN)
        take_plan(s, o->u.plan, ret_out);
    if (o->kind == OBS_CLOCK) {
        s->clock_known = true;
        s->clock_quality = o->u.clock.quality;
        s->utc_offset_us = o->u.clock.utc_us - o->t_us;
        s->local_us = o->u.clock.local_us;
    }
    if (s->plan == NULL)
        return s->due_us;
    if (o->kind == OBS_CROWD)
        tally_take(&s->tally, s->plan, o, ret_out);

    s->shelf_due_us = shelf_step(&s->shelf, s->plan, o, ret_out);
    utc_us = s->clock_known ? o->t_us + s->utc_offset_us : 0;
    if (!is_reading(o) || any_fixture(ret_out)) {
        struct kpi_clock clock = {s->clock_known, utc_us, s->local_us};

        s->kpi_due_us = kpi_step(&s->kpi, s->plan, &s->shelf, &clock, o->t_us, ret_out);
        s->supply_due_us = supply_step(&s->supply, s->plan, &s->shelf, o, utc_us, ret_out);
    }
    if (o->kind == OBS_FORGET)
        offers_forget(&s->offers, o->u.forget);
    if (!is_reading(o)) {
        s->watch_due_us = watch_step(&s->watch, s->plan, &s->people, &s->shelf, o, ret_out);
        s->people_due_us = people_step(&s->people, s->plan, o, ret_out);
    }
    if (!is_reading(o) || ret_out->events_n > 0) {
        s->offers_due_us = offers_step(&s->offers, s->plan, &s->people, &s->shelf, o->t_us,
                                       utc_us / NOREN_US_PER_S, ret_out);
    }
    s->due_us = earlier(earlier(s->shelf_due_us, earlier(s->supply_due_us, s->kpi_due_us)),
                        earlier(s->people_due_us, earlier(s->offers_due_us, s->watch_due_us)));
    return s->due_us;
}

static void print_facing(const struct shop *s, uint16_t plate, uint8_t facing, struct json *j)
{
    const struct plan_facing *f = &s->plan->plates[plate].facings[facing];
    const struct plan_product *product = &s->plan->products[f->product];
    const struct shelf_facing *now = shelf_facing(&s->shelf, plate, facing);
    bool known = shelf_facing_known(&s->shelf, plate, facing);
    struct shelf_atp atp = shelf_atp(&s->shelf, s->plan, f->product);

    json_open(j, '{');
    json_key_str(j, "gtin", product->gtin);
    json_key_str(j, "name", product->name);
    json_key(j, "on_shelf");
    if (known)
        json_i64(j, now->on_shelf);
    else
        json_nil(j);
    json_key_i64(j, "capacity", f->capacity);
    json_key_i64(j, "min", f->min);
    json_key_i64(j, "atp", atp.units);
    json_key_bool(j, "atp_lower_bound", atp.lower_bound);
    json_key_milli(j, "confidence", known ? now->confidence_pm : 0);
    json_close(j, '}');
}

static const char *sensor_name(enum shelf_sensor sensor)
{
    switch (sensor) {
    case SENSOR_OK:
        return "ok";
    case SENSOR_SETTLING:
        return "settling";
    case SENSOR_UNCALIBRATED:
        return "uncalibrated";
    case SENSOR_FAULT:
        return "fault";
    case SENSOR_NONE:
        return "none";
    }
    return "fault";
}

static void print_plate(const struct shop *s, uint16_t plate, struct json *j)
{
    const struct plan_plate *p = &s->plan->plates[plate];

    json_open(j, '{');
    json_key_str(j, "plate", p->id);
    json_key_nstr(j, "zone", p->zone == NO_INDEX ? "" : s->plan->zones[p->zone].id);
    json_key_str(j, "sensor", sensor_name(shelf_sensor(&s->shelf, plate)));
    json_key(j, "facings");
    json_open(j, '[');
    for (uint8_t i = 0; i < p->facings_n; i++)
        print_facing(s, plate, i, j);
    json_close(j, ']');
    json_close(j, '}');
}

int shop_print_fixture(const struct shop *s, uint16_t fixture, char *buf, size_t size)
{
    struct json j;

    if (s->plan == NULL || fixture >= s->plan->fixtures_n)
        return -1;
    j = json_init(buf, size);
    json_open(&j, '{');
    json_key_str(&j, "fixture", s->plan->fixtures[fixture]);
    json_key(&j, "plates");
    json_open(&j, '[');
    for (uint16_t i = 0; i < s->plan->plates_n; i++)
        if (s->plan->plates[i].fixture == fixture)
            print_plate(s, i, &j);
    json_close(&j, ']');
    json_close(&j, '}');
    return json_end(&j);
}

static void print_place(const struct shop *s, uint16_t plate, uint8_t facing, struct json *j)
{
    const struct plan_plate *p = &s->plan->plates[plate];
    const struct shelf_facing *now = shelf_facing(&s->shelf, plate, facing);
    int64_t empty_s = supply_time_to_empty_s(&s->supply, &s->shelf,
                                             (struct supply_place){plate, facing}, s->now_us);
    bool known = shelf_facing_known(&s->shelf, plate, facing);
    int32_t learnt_from;
    struct piece_mass piece = shelf_facing_piece(&s->shelf, s->plan, plate, facing, &learnt_from);

    json_open(j, '{');
    json_key_str(j, "plate", p->id);
    json_key_str(j, "fixture", s->plan->fixtures[p->fixture]);
    json_key_nstr(j, "zone", p->zone == NO_INDEX ? "" : s->plan->zones[p->zone].id);
    json_key_str(j, "sensor", sensor_name(shelf_sensor(&s->shelf, plate)));
    json_key(j, "on_shelf");
    if (known)
        json_i64(j, now->on_shelf);
    else
        json_nil(j);
    json_key_milli(j, "confidence", known ? now->confidence_pm : 0);
    json_key_i64(j, "min", p->facings[facing].min);
    json_key_i64(j, "capacity", p->facings[facing].capacity);
    json_key(j, "time_to_empty_s");
    if (empty_s != EVENT_NULL)
        json_i64(j, empty_s);
    else
        json_nil(j);
    json_key_i64(j, "unit_mass_mg", piece.mass_mg);
    json_key_i64(j, "unit_sd_mg", llround(piece.sd_mg));
    json_key_i64(j, "unit_learnt_from", learnt_from);
    json_close(j, '}');
}

int shop_print_stock(const struct shop *s, uint16_t product, char *buf, size_t size)
{
    const struct stock *stock;
    struct shelf_atp atp;
    struct json j;

    if (s->plan == NULL || product >= s->plan->products_n)
        return -1;
    stock = shelf_ledger(&s->shelf, product);
    atp = shelf_atp(&s->shelf, s->plan, product);
    j = json_init(buf, size);
    json_open(&j, '{');
    json_key_str(&j, "gtin", s->plan->products[product].gtin);
    json_key_str(&j, "name", s->plan->products[product].name);
    json_key_i64(&j, "on_shelf", atp.on_shelf);
    json_key_i64(&j, "backroom", stock->backroom);
    json_key_i64(&j, "in_hand", stock->in_hand);
    json_key_i64(&j, "sold", stock->sold);
    json_key_i64(&j, "held", 0);
    json_key_i64(&j, "safety", s->plan->products[product].safety);
    json_key_i64(&j, "atp", atp.units);
    json_key_bool(&j, "atp_lower_bound", atp.lower_bound);
    json_key(&j, "facings");
    json_open(&j, '[');
    for (uint16_t code = s->shelf.first_facing[product]; code != NO_INDEX;
         code = shelf_facing(&s->shelf, code / PLATE_FACINGS_MAX, code % PLATE_FACINGS_MAX)->next)
        print_place(s, code / PLATE_FACINGS_MAX, code % PLATE_FACINGS_MAX, &j);
    json_close(&j, ']');
    json_close(&j, '}');
    return json_end(&j);
}

static void print_task(const struct shop *s, struct supply_place at, struct json *j)
{
    const struct plan_plate *p = &s->plan->plates[at.plate];
    const struct plan_product *product = &s->plan->products[p->facings[at.facing].product];
    const struct supply_task *t = &supply_facing(&s->supply, &s->shelf, at)->task;
    char id[NOREN_ID_SIZE];

    snprintf(id, sizeof(id), "t%" PRId64, t->number);
    json_open(j, '{');
    json_key_str(j, "task_id", id);
    json_key_str(j, "kind", "replenish");
    json_key_str(j, "state", t->state == TASK_CLAIMED ? "claimed" : "open");
    json_key_str(j, "plate", p->id);
    json_key_str(j, "fixture", s->plan->fixtures[p->fixture]);
    json_key_nstr(j, "zone", p->zone == NO_INDEX ? "" : s->plan->zones[p->zone].id);
    json_key_str(j, "gtin", product->gtin);
    json_key_str(j, "name", product->name);
    json_key_i64(j, "wanted", supply_wanted(s->plan, &s->shelf, at));
    json_key_nstr(j, "actor", t->actor);
    json_key_bool(j, "overdue", t->overdue);
    json_key_i64(j, "age_s",
                 t->opened_us == SUPPLY_STALE_US ? 0 : (s->now_us - t->opened_us) / NOREN_US_PER_S);
    json_close(j, '}');
}

int shop_print_task(const struct shop *s, struct supply_place at, char *buf, size_t size)
{
    struct json j = json_init(buf, size);

    print_task(s, at, &j);
    return json_end(&j);
}

/* Open tasks: how many, and the first of them. */
static void print_tasks(const struct shop *s, struct json *j)
{
    struct supply_place at;
    size_t cursor = 0;
    int64_t n = 0;

    json_key(j, "tasks");
    json_open(j, '[');
    for (; supply_next_task(&s->supply, s->plan, &s->shelf, &cursor, &at); n++)
        if (n < STATE_TASKS_MAX)
            print_task(s, at, j);
    json_close(j, ']');
    json_key_i64(j, "tasks_open", n);
}

int shop_print_store(const struct shop *s, char *buf, size_t size)
{
    const struct presence *p;
    int32_t members[ZONES_MAX] = {0};
    uint32_t unknown[ZONES_MAX];
    struct json j;
    size_t cursor = 0;

    if (s->plan == NULL)
        return -1;
    while ((p = people_next(&s->people, &cursor)) != NULL)
        if (p->who.kind == WHO_MEMBER && p->zone < s->plan->zones_n)
            members[p->zone]++;
    tally_zones(&s->tally, s->plan, s->now_us, unknown);
    j = json_init(buf, size);
    json_open(&j, '{');
    json_key(&j, "zones");
    json_open(&j, '[');
    for (uint16_t i = 0; i < s->plan->zones_n; i++) {
        if (s->plan->zones[i].no_track)
            continue;
        json_open(&j, '{');
        json_key_str(&j, "zone", s->plan->zones[i].id);
        json_key(&j, "members");
        if (members[i] > 0 && members[i] < CROWD_K)
            json_nil(&j);
        else
            json_i64(&j, members[i]);
        json_key(&j, "unknown");
        if (unknown[i] == 0)
            json_nil(&j);
        else
            json_i64(&j, unknown[i]);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_key_i64(&j, "alerts",
                 shelf_alerts(&s->shelf, s->plan) + supply_alerts(&s->supply, s->plan, &s->shelf) +
                     watch_alerts(&s->watch));
    print_tasks(s, &j);
    json_close(&j, '}');
    return json_end(&j);
}
