/* Sightings and cell readings between boards; see bus_json.h. */
#include "io/bus_json.h"

#include <errno.h>
#include <string.h>

#include "core/crowd.h"
#include "core/json.h"
#include "io/doc.h"

/* 2020 to 2100: what is outside was never a clock. */
#define UTC_MIN_US         (INT64_C(1577836800) * NOREN_US_PER_S)
#define UTC_MAX_US         (INT64_C(4102444800) * NOREN_US_PER_S)
#define COUNTS_MAX         8388607 /* of a 24-bit converter */
#define TEMPERATURE_MIN_MC (-100000)
#define TEMPERATURE_MAX_MC 200000
#define MASS_MAX           (INT64_C(1000000000))

static const char *const CLOCKS[] = {
    [CLOCK_FLOOR] = "floor", [CLOCK_HELD] = "held", [CLOCK_SYNCED] = "synced", NULL};
static const char *const PATHS[] = {
    [PATH_TOKEN] = "token", [PATH_CHECKIN] = "checkin", [PATH_TAG] = "tag",
    [PATH_DOOR] = "door",   [PATH_LINE] = "line",       NULL};
/* A switch and no table: the compiler says when there is a fault without a word. */
static const char *fault_word(enum cell_fault fault)
{
    switch (fault) {
    case CELL_OK:
        break;
    case CELL_ABSENT:
        return "absent";
    case CELL_SATURATED:
        return "saturated";
    case CELL_CORRUPT:
        return "corrupt";
    case CELL_RATE:
        return "rate";
    }
    return "ok";
}

/* --- printing ----------------------------------------------------------------------------------- */

static struct json begin(const struct bus_batch *b, const char *list, char *buf, size_t size)
{
    struct json j = json_init(buf, size);

    json_open(&j, '{');
    json_key_str(&j, "clock", CLOCKS[b->quality]);
    json_key_i64(&j, "sent_us", b->sent_us);
    json_key(&j, list);
    json_open(&j, '[');
    return j;
}

static int end(struct json *j)
{
    json_close(j, ']');
    json_close(j, '}');
    return json_end(j);
}

int bus_print_sightings(const struct bus_batch *b, int64_t utc_offset_us, char *buf, size_t size)
{
    struct json j = begin(b, "sightings", buf, size);

    for (size_t i = 0; i < b->n; i++) {
        const struct obs *o = &b->obs[i];
        bool member = o->u.sighting.who.kind == WHO_MEMBER;

        if (o->kind != OBS_SIGHTING && o->kind != OBS_CROWD)
            continue;
        json_open(&j, '{');
        json_key_i64(&j, "utc_us", o->t_us + utc_offset_us);
        if (o->kind == OBS_CROWD) {
            json_key_i64(&j, "unknown", o->u.crowd.devices);
            json_close(&j, '}');
            continue;
        }
        json_key_str(&j, member ? "member_ref" : "tag", o->u.sighting.who.ref);
        if (member) {
            json_key_i64(&j, "consent", o->u.sighting.consent);
            json_key_i64(&j, "bucket", o->u.sighting.bucket);
        }
        json_key_str(&j, "path", PATHS[o->u.sighting.path]);
        json_key_i64(&j, "rssi_dbm", o->u.sighting.rssi_dbm);
        if (o->u.sighting.twin)
            json_key_bool(&j, "twin", true);
        json_close(&j, '}');
    }
    return end(&j);
}

static void print_cell(struct json *j, const struct obs *o, const struct plan *plan)
{
    json_key_str(j, "cell", plan->cells[o->u.cell.cell].id);
    if (o->u.cell.fault == CELL_OK)
        json_key_i64(j, "counts", o->u.cell.counts);
    else
        json_key_str(j, "fault", fault_word(o->u.cell.fault));
}

int bus_print_cells(const struct bus_batch *b, const struct plan *plan, int64_t utc_offset_us,
                    char *buf, size_t size)
{
    struct json j = begin(b, "readings", buf, size);

    for (size_t i = 0; i < b->n; i++) {
        const struct obs *o = &b->obs[i];

        if (o->kind != OBS_NODE && o->kind != OBS_TEMPERATURE &&
            (o->kind != OBS_CELL || o->u.cell.cell >= plan->cells_n))
            continue;
        json_open(&j, '{');
        json_key_i64(&j, "utc_us", o->t_us + utc_offset_us);
        if (o->kind == OBS_CELL) {
            print_cell(&j, o, plan);
        } else if (o->kind == OBS_TEMPERATURE) {
            json_key_str(&j, "sensor", o->u.temperature.sensor);
            json_key_i64(&j, "temperature_mc", o->u.temperature.temperature_mc);
        } else {
            json_key_i64(&j, "node", o->u.node.node);
            json_key_i64(&j, "node_cell", o->u.node.cell);
            json_key_i64(&j, "mass_mg", o->u.node.mass_mg);
            json_key_i64(&j, "status", o->u.node.status);
        }
        json_close(&j, '}');
    }
    return end(&j);
}

/* --- reading ------------------------------------------------------------------------------------ */

/* One of the words, by its index. */
static bool read_word(const struct doc *d, const char *key, const char *const *words, int *ret)
{
    struct doc m = doc_member(d, key);
    const char *text;

    if (!doc_string(d, key, &text))
        return false;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return true;
        }
    return doc_refuse(&m, "\"%.20s\" is none of the words that can stand here", text);
}

static bool read_fault(const struct doc *d, enum cell_fault *ret)
{
    struct doc m = doc_member(d, "fault");
    const char *text;

    if (!doc_string(d, "fault", &text))
        return false;
    for (enum cell_fault f = CELL_ABSENT; f <= CELL_RATE; f++)
        if (strcmp(fault_word(f), text) == 0) {
            *ret = f;
            return true;
        }
    return doc_refuse(&m, "\"%.20s\" is no fault of a cell; a reading without one has counts",
                      text);
}

static bool read_crowd(const struct doc *d, struct bus_batch *b)
{
    static const char *const keys[] = {"utc_us", "unknown", NULL};
    struct obs o = {.kind = OBS_CROWD};
    int64_t devices;

    if (!doc_object(d, keys) || !doc_i64(d, "utc_us", UTC_MIN_US, UTC_MAX_US, &o.t_us) ||
        !doc_i64(d, "unknown", 0, CROWD_DEVICES_MAX, &devices))
        return false;
    o.u.crowd.receiver = NO_INDEX;
    o.u.crowd.devices = (uint32_t)devices;
    o.u.crowd.other = true;
    b->obs[b->n++] = o;
    return true;
}

static bool read_sighting(const struct doc *d, const struct plan *plan, struct bus_batch *b)
{
    static const char *const keys[] = {"utc_us", "member_ref", "tag",  "consent", "bucket",
                                       "path",   "rssi_dbm",   "twin", NULL};
    struct obs o = {.kind = OBS_SIGHTING};
    struct doc twin = doc_member(d, "twin");
    bool member = doc_member(d, "member_ref").v != NULL;
    int64_t consent = 0, bucket = 0, rssi_dbm;
    int path;

    (void)plan;
    if (doc_member(d, "unknown").v != NULL)
        return read_crowd(d, b);
    if (!doc_object(d, keys))
        return false;
    if (member == (doc_member(d, "tag").v != NULL))
        return doc_refuse(d, "needs either member_ref or tag");
    /* Consent that is not told is not given. */
    if (!doc_i64(d, "utc_us", UTC_MIN_US, UTC_MAX_US, &o.t_us) ||
        !doc_id(d, member ? "member_ref" : "tag", o.u.sighting.who.ref) ||
        !doc_opt_i64(d, "consent", 0, CONSENT_ALL, &consent) ||
        !doc_opt_i64(d, "bucket", 0, 9999, &bucket) || !read_word(d, "path", PATHS, &path) ||
        !doc_i64(d, "rssi_dbm", -127, 20, &rssi_dbm))
        return false;
    if (twin.v != NULL && !json_is_boolean(twin.v))
        return doc_refuse(&twin, "must be true or false");
    o.u.sighting.twin = json_is_true(twin.v);
    o.u.sighting.receiver = NO_INDEX;
    o.u.sighting.who.kind = member ? WHO_MEMBER : WHO_TAG;
    o.u.sighting.consent = (uint8_t)consent;
    o.u.sighting.bucket = (uint16_t)bucket;
    o.u.sighting.path = (enum id_path)path;
    o.u.sighting.rssi_dbm = (int16_t)rssi_dbm;
    b->obs[b->n++] = o;
    return true;
}

static bool read_node(const struct doc *d, struct bus_batch *b)
{
    static const char *const keys[] = {"utc_us", "node", "node_cell", "mass_mg", "status", NULL};
    struct obs o = {.kind = OBS_NODE};
    int64_t node, cell, status;

    if (!doc_object(d, keys) || !doc_i64(d, "utc_us", UTC_MIN_US, UTC_MAX_US, &o.t_us) ||
        !doc_i64(d, "node", 0, UINT16_MAX, &node) || !doc_i64(d, "node_cell", 0, 15, &cell) ||
        !doc_i64(d, "mass_mg", -MASS_MAX, MASS_MAX, &o.u.node.mass_mg) ||
        !doc_i64(d, "status", 0, UINT8_MAX, &status))
        return false;
    o.u.node.node = (uint16_t)node;
    o.u.node.cell = (uint8_t)cell;
    o.u.node.status = (uint8_t)status;
    b->obs[b->n++] = o;
    return true;
}

static bool read_temperature(const struct doc *d, struct bus_batch *b)
{
    static const char *const keys[] = {"utc_us", "sensor", "temperature_mc", NULL};
    struct obs o = {.kind = OBS_TEMPERATURE};
    int64_t temperature_mc;

    if (!doc_object(d, keys) || !doc_i64(d, "utc_us", UTC_MIN_US, UTC_MAX_US, &o.t_us) ||
        !doc_id(d, "sensor", o.u.temperature.sensor) ||
        !doc_i64(d, "temperature_mc", TEMPERATURE_MIN_MC, TEMPERATURE_MAX_MC, &temperature_mc))
        return false;
    o.u.temperature.temperature_mc = (int32_t)temperature_mc;
    b->obs[b->n++] = o;
    return true;
}

static bool read_reading(const struct doc *d, const struct plan *plan, struct bus_batch *b)
{
    static const char *const keys[] = {"utc_us", "cell", "counts", "fault", NULL};
    struct obs o = {.kind = OBS_CELL};
    char cell[NOREN_ID_SIZE];
    int64_t counts = 0;
    bool good = doc_member(d, "counts").v != NULL;

    if (doc_member(d, "node").v != NULL)
        return read_node(d, b);
    if (doc_member(d, "sensor").v != NULL)
        return read_temperature(d, b);
    if (!doc_object(d, keys))
        return false;
    if (good == (doc_member(d, "fault").v != NULL))
        return doc_refuse(d, "needs either counts or fault");
    if (!doc_i64(d, "utc_us", UTC_MIN_US, UTC_MAX_US, &o.t_us) || !doc_id(d, "cell", cell) ||
        (good && !doc_i64(d, "counts", -COUNTS_MAX - 1, COUNTS_MAX, &counts)) ||
        (!good && !read_fault(d, &o.u.cell.fault)))
        return false;
    o.u.cell.cell = plan_find_cell(plan, cell);
    o.u.cell.counts = (int32_t)counts;
    if (o.u.cell.cell == NO_INDEX)
        b->unknown_cells++;
    else
        b->obs[b->n++] = o;
    return true;
}

static bool read_batch(const struct doc *d, const char *list, const struct plan *plan,
                       bool (*read)(const struct doc *, const struct plan *, struct bus_batch *),
                       struct bus_batch *b)
{
    const char *const keys[] = {"clock", "sent_us", list, NULL};
    struct doc items;
    int quality = 0;

    b->n = b->unknown_cells = 0;
    if (d->v == NULL || !doc_object(d, keys) || !read_word(d, "clock", CLOCKS, &quality) ||
        !doc_i64(d, "sent_us", UTC_MIN_US, UTC_MAX_US, &b->sent_us) ||
        !doc_array(d, list, BUS_BATCH_MAX, &items))
        return false;
    b->quality = (enum clock_quality)quality;
    for (size_t i = 0; i < doc_size(&items); i++) {
        struct doc item = doc_item(&items, i);

        if (!read(&item, plan, b))
            return false;
    }
    return true;
}

int bus_read_sightings(const char *json, size_t n, struct bus_batch *ret,
                       char ret_error[BUS_ERROR_SIZE])
{
    struct doc d = doc_load(json, n, ret_error, BUS_ERROR_SIZE);
    bool good = read_batch(&d, "sightings", NULL, read_sighting, ret);

    json_decref(d.v);
    return good ? 0 : -EINVAL;
}

int bus_read_cells(const char *json, size_t n, const struct plan *plan, struct bus_batch *ret,
                   char ret_error[BUS_ERROR_SIZE])
{
    struct doc d = doc_load(json, n, ret_error, BUS_ERROR_SIZE);
    bool good = read_batch(&d, "readings", plan, read_reading, ret);

    json_decref(d.v);
    return good ? 0 : -EINVAL;
}
