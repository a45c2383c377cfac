/* Events as JSON; see event.h.
 *
 * The event table is walked twice: by the compiler, which makes the structures, and here, which makes a
 * table of name, kind and offset of each field. One generic encoder over that table was preferred to a
 * printing function an event: an event that is added as a row is printed, and tested, at once.
 */
#include "core/event.h"

#include <assert.h>
#include <string.h>

#include "core/json.h"
#include "noren/wire.h"

/* --- the table -------------------------------------------------------------------------------- */

#define EVENT(ID, id, wire, class, en, ja) static const struct event_field fields_##id[] = {
#define FIELD(id, kind, name)              {#name, FIELD_##kind, offsetof(struct event_##id, name)},
#define EVENT_END(id) \
    }                 \
    ;
#include "noren/events.def"

struct row {
    const char *type;
    enum event_class class;
    const char *en, *ja;
    const struct event_field *fields;
    size_t fields_n;
};

static const struct row rows[EVENT_KINDS] = {
#define EVENT(ID, id, wire, class, en, ja) \
    {wire, CLASS_##class, en, ja, fields_##id, sizeof(fields_##id) / sizeof(fields_##id[0])},
#define FIELD(id, kind, name)
#define EVENT_END(id)
#include "noren/events.def"
};

size_t event_fields(enum event_kind kind, const struct event_field **ret_fields)
{
    *ret_fields = rows[kind].fields;
    return rows[kind].fields_n;
}

const char *event_type(enum event_kind kind)
{
    return rows[kind].type;
}

enum event_class event_class(enum event_kind kind)
{
    return rows[kind].class;
}

const char *event_label_en(enum event_kind kind)
{
    return rows[kind].en;
}

const char *event_label_ja(enum event_kind kind)
{
    return rows[kind].ja;
}

const char *event_class_name(enum event_class c)
{
    static const char *const names[CLASS_COUNT] = {
        [CLASS_STOCK] = "stock", [CLASS_VISIT] = "visit",     [CLASS_OFFER] = "offer",
        [CLASS_HOLD] = "hold",   [CLASS_TASK] = "task",       [CLASS_ALERT] = "alert",
        [CLASS_KPI] = "kpi",     [CLASS_GATEWAY] = "gateway",
    };

    return names[c];
}

const char *event_clock_name(enum clock_quality q)
{
    static const char *const names[] = {
        [CLOCK_FLOOR] = "floor",
        [CLOCK_HELD] = "held",
        [CLOCK_SYNCED] = "synced",
    };

    return names[q];
}

const char *event_stage_name(enum shelf_stage s)
{
    static const char *const names[] = {
        [STAGE_PROVISIONAL] = "provisional",
        [STAGE_SETTLED] = "settled",
        [STAGE_RETRACTED] = "retracted",
    };

    return names[s];
}

/* --- data -------------------------------------------------------------------------------------- */

/* A member is known by a reference that HQ understands, anything else by a tag id; nobody is null. */
static void print_who(struct json *j, const struct who *who)
{
    json_key_nstr(j, who->kind == WHO_MEMBER ? "member_ref" : "tag",
                  who->kind == WHO_NONE ? "" : who->ref);
}

static void print_evidence(struct json *j, const struct evidence_list *list)
{
    assert(list->n <= EVENT_EVIDENCE_MAX);
    json_open(j, '[');
    for (size_t i = 0; i < list->n; i++) {
        const struct evidence *e = &list->e[i];

        json_open(j, '{');
        json_key_str(j, "path", e->path);
        json_key_milli(j, "confidence", e->confidence_pm);
        json_key_i64(j, "at_us", e->at_us);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void print_shelf(struct json *j, const struct shelf_change *c)
{
    assert(c->candidates_n <= EVENT_CANDIDATES_MAX);
    json_key_str(j, "change_id", c->change_id);
    json_key_str(j, "stage", event_stage_name(c->stage));
    json_key_i64(j, "rev", c->rev);
    json_key_str(j, "plate", c->plate);
    json_key_nstr(j, "gtin", c->gtin);
    json_key_i64(j, "quantity", c->quantity);
    json_key_i64(j, "mass_mg", c->mass_mg);
    json_key_milli(j, "confidence", c->confidence_pm);
    json_key(j, "candidates");
    json_open(j, '[');
    for (size_t i = 0; i < c->candidates_n; i++) {
        json_open(j, '{');
        json_key_str(j, "gtin", c->candidates[i].gtin);
        json_key_i64(j, "quantity", c->candidates[i].quantity);
        json_key_milli(j, "posterior", c->candidates[i].posterior_pm);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void print_nullable(struct json *j, int64_t v)
{
    if (v == EVENT_NULL)
        json_nil(j);
    else
        json_i64(j, v);
}

static void print_field(struct json *j, const struct event_field *f, const void *value)
{
    switch (f->kind) {
    case FIELD_STR:
        json_key_str(j, f->name, value);
        return;
    case FIELD_NSTR:
        json_key_nstr(j, f->name, value);
        return;
    case FIELD_I64:
        json_key_i64(j, f->name, *(const int64_t *)value);
        return;
    case FIELD_NI64:
        json_key(j, f->name);
        print_nullable(j, *(const int64_t *)value);
        return;
    case FIELD_BOOL:
        json_key_bool(j, f->name, *(const bool *)value);
        return;
    case FIELD_PM:
        json_key_milli(j, f->name, *(const int32_t *)value);
        return;
    case FIELD_EVIDENCE:
        json_key(j, f->name);
        print_evidence(j, value);
        return;
    case FIELD_WHO:
        print_who(j, value);
        return;
    case FIELD_SHELF:
        print_shelf(j, value);
        return;
    }
    assert(!"a kind of field that the encoder does not know");
}

int event_print_data(const struct event *e, char *buf, size_t size)
{
    const struct row *row = &rows[e->kind];
    const char *base = (const char *)&e->u;
    struct json j = json_init(buf, size);

    json_open(&j, '{');
    for (size_t i = 0; i < row->fields_n; i++)
        print_field(&j, &row->fields[i], base + row->fields[i].offset);
    json_close(&j, '}');
    return json_end(&j);
}

/* --- envelope ---------------------------------------------------------------------------------- */

/* `n` decimal digits of `v` at `at`. */
static void print_digits(char *at, uint32_t v, int n)
{
    while (n > 0) {
        at[--n] = (char)('0' + v % 10);
        v /= 10;
    }
}

void event_print_time(int64_t utc_us, char ret_text[EVENT_TIME_SIZE])
{
    int64_t s = utc_us / NOREN_US_PER_S;
    uint32_t date = noren_utc_date(s), day_s = (uint32_t)(s % 86400);

    memcpy(ret_text, "0000-00-00T00:00:00.000000Z", EVENT_TIME_SIZE);
    print_digits(ret_text, date / 10000, 4);
    print_digits(ret_text + 5, date / 100 % 100, 2);
    print_digits(ret_text + 8, date % 100, 2);
    print_digits(ret_text + 11, day_s / 3600, 2);
    print_digits(ret_text + 14, day_s / 60 % 60, 2);
    print_digits(ret_text + 17, day_s % 60, 2);
    print_digits(ret_text + 20, (uint32_t)(utc_us % NOREN_US_PER_S), 6);
}

/* An unsigned number as decimal text: CloudEvents attributes have no 64-bit integers (CloudEvents 1.0.2,
 * type system), so the extensions are strings. Returns the start of the text in `buf`. */
static const char *decimal(uint64_t v, char buf[21])
{
    char *p = buf + 20;

    *p = 0;
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return p;
}

/* Glues parts to one JSON string of the envelope; an id or a source is never longer than this. */
#define ATTRIBUTE_SIZE 160

static void key_parts(struct json *j, const char *key, const char *const *parts, size_t n)
{
    char text[ATTRIBUTE_SIZE];
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(parts[i]);

        if (len >= sizeof(text) - at) {
            j->bad = true;
            return;
        }
        memcpy(text + at, parts[i], len);
        at += len;
    }
    text[at] = 0;
    json_key_str(j, key, text);
}

int event_print_cloud(const struct event_envelope *env, const char *type, const char *data,
                      char *buf, size_t size)
{
    struct json j = json_init(buf, size);
    char seq_buf[21], tus_buf[21], time[EVENT_TIME_SIZE];
    const char *seq = decimal(env->seq, seq_buf);

    json_open(&j, '{');
    json_key_str(&j, "specversion", "1.0");
    key_parts(&j, "id", (const char *const[]){env->epoch, ":", seq}, 3);
    key_parts(&j, "source",
              (const char *const[]){"/noren/", env->tenant, "/", env->store, "/", env->gateway}, 6);
    json_key_str(&j, "type", type);
    if (env->utc_us > 0) {
        event_print_time(env->utc_us, time);
        json_key_str(&j, "time", time);
    }
    json_key_str(&j, "datacontenttype", "application/json");
    json_key_str(&j, "epoch", env->epoch);
    json_key_str(&j, "seq", seq);
    json_key_str(&j, "bootid", env->bootid);
    json_key_str(&j, "tus", decimal(env->t_us > 0 ? (uint64_t)env->t_us : 0, tus_buf));
    json_key_str(&j, "clock", event_clock_name(env->quality));
    json_key(&j, "data");
    json_raw(&j, data);
    json_close(&j, '}');
    return json_end(&j);
}
