/* Reading what gateways send; see message.h. */
#include "hq/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/rfc3339.h"
#include "noren/event.h"

static const struct {
    const char *name, *text;
} REFUSALS_TABLE[REFUSALS] = {
#define X(name, text) {#name, text},
    REFUSAL_KINDS(X)
#undef X
};

const char *refusal_text(enum refusal r)
{
    return REFUSALS_TABLE[r].text;
}

const char *refusal_name(enum refusal r)
{
    return REFUSALS_TABLE[r].name;
}

/* The event table as this file needs it: a row opens an event, the rows after it are its fields. */
static const struct row {
    const char *type, *class; /* NULL in a field's row */
    enum field_kind kind;
    const char *name;
} ROWS[] = {
#define EVENT(ID, id, wire, class, en, ja) {wire, #class, 0, NULL},
#define FIELD(id, kind, name)              {NULL, NULL, FIELD_##kind, #name},
#define EVENT_END(id)
#include "noren/events.def"
};
static const struct row *const ROWS_END = ROWS + sizeof(ROWS) / sizeof(ROWS[0]);

static const struct row *find_type(const char *type)
{
    for (const struct row *row = ROWS; row != ROWS_END; row++)
        if (row->type != NULL && strcmp(row->type, type) == 0)
            return row;
    return NULL;
}

static bool is_id(const json_t *j)
{
    return json_is_string(j) && json_string_length(j) > 0;
}

static bool is_shelf_change(const json_t *data)
{
    const json_t *gtin = json_object_get(data, "gtin");
    const char *stage = json_string_value(json_object_get(data, "stage"));

    return is_id(json_object_get(data, "change_id")) && stage != NULL &&
           (strcmp(stage, "provisional") == 0 || strcmp(stage, "settled") == 0 ||
            strcmp(stage, "retracted") == 0) &&
           json_is_integer(json_object_get(data, "rev")) && is_id(json_object_get(data, "plate")) &&
           (is_id(gtin) || json_is_null(gtin)) &&
           json_is_integer(json_object_get(data, "quantity"));
}

static bool is_field(const json_t *data, enum field_kind kind, const char *name)
{
    const json_t *j = json_object_get(data, name);

    switch (kind) {
    case FIELD_STR:
        return json_is_string(j);
    case FIELD_NSTR:
        return json_is_string(j) || json_is_null(j);
    case FIELD_I64:
        return json_is_integer(j);
    case FIELD_NI64:
        return json_is_integer(j) || json_is_null(j);
    case FIELD_BOOL:
        return json_is_boolean(j);
    case FIELD_PM:
        return json_is_number(j) && json_number_value(j) >= 0 && json_number_value(j) <= 1;
    case FIELD_WHO:
        return is_id(json_object_get(data, "member_ref")) || is_id(json_object_get(data, "tag"));
    case FIELD_EVIDENCE:
        return json_is_array(j);
    case FIELD_SHELF:
        return is_shelf_change(data);
    }
    return false;
}

/* What types alone do not say. The bounds keep sums inside int64_t: a clock offset lies before 2100. */
static bool values_fit(const struct message_event *e)
{
    const json_t *data = e->data;

    if (strcmp(e->type, "noren.gateway.gap") == 0) {
        json_int_t first = json_integer_value(json_object_get(data, "first_seq"));

        return first >= 1 && json_integer_value(json_object_get(data, "last_seq")) >= first;
    }
    if (strcmp(e->type, "noren.gateway.clock") == 0) {
        json_int_t offset_us = json_integer_value(json_object_get(data, "offset_us"));

        return offset_us >= 0 && offset_us < 4102444800000000;
    }
    return true;
}

/* Class and data against the event table. A type we do not know (a newer gateway's) is kept as it is. */
static enum refusal check_type(const struct message_event *e, const char *class)
{
    const struct row *row = find_type(e->type);

    if (row == NULL)
        return REFUSAL_NONE;
    if (strcasecmp(row->class, class) != 0)
        return REFUSAL_CLASS;
    for (row++; row != ROWS_END && row->type == NULL; row++)
        if (!is_field(e->data, row->kind, row->name))
            return REFUSAL_DATA;
    return values_fit(e) ? REFUSAL_NONE : REFUSAL_DATA;
}

/* Takes one level of a topic. Wildcards cannot be in a published topic; empty levels are refused. */
static bool take_level(const char **text, char ret[NOREN_ID_SIZE])
{
    size_t n = strcspn(*text, "/");

    if (n == 0 || n >= NOREN_ID_SIZE)
        return false;
    memcpy(ret, *text, n);
    ret[n] = '\0';
    *text += n;
    if (**text == '/')
        (*text)++;
    return true;
}

int topic_parse(const char *text, struct topic *ret)
{
    static const char PREFIX[] = "noren/1/";
    struct topic t = {0};

    if (strncmp(text, PREFIX, sizeof(PREFIX) - 1) != 0)
        return -EINVAL;
    text += sizeof(PREFIX) - 1;
    if (!take_level(&text, t.tenant) || !take_level(&text, t.store) ||
        !take_level(&text, t.gateway))
        return -EINVAL;
    if (strncmp(text, "evt/", 4) == 0) {
        t.kind = TOPIC_EVENT;
        text += 4;
        if (!take_level(&text, t.leaf))
            return -EINVAL;
    } else if (strncmp(text, "state/fixture/", 14) == 0) {
        t.kind = TOPIC_FIXTURE;
        text += 14;
        if (!take_level(&text, t.leaf))
            return -EINVAL;
    } else if (strcmp(text, "state/store") == 0) {
        t.kind = TOPIC_STORE;
        text += strlen(text);
    } else if (strcmp(text, "state/gateway") == 0) {
        t.kind = TOPIC_GATEWAY;
        text += strlen(text);
    } else if (strcmp(text, "state/desired") == 0) {
        t.kind = TOPIC_DESIRED;
        text += strlen(text);
    } else if (strcmp(text, "state/certificate") == 0) {
        t.kind = TOPIC_CERTIFICATE;
        text += strlen(text);
    } else if (strcmp(text, "rsp") == 0) {
        t.kind = TOPIC_ANSWER;
        text += strlen(text);
    } else {
        return -EINVAL;
    }
    if (*text != '\0' || text[-1] == '/')
        return -EINVAL;
    *ret = t;
    return 0;
}

/* A canonical decimal string (no sign, no leading zero) that fits int64_t; -1 otherwise. */
static int64_t parse_decimal(const char *text)
{
    int64_t v = 0;

    if (text == NULL || text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || v > (INT64_MAX - (*text - '0')) / 10)
            return -1;
        v = v * 10 + (*text - '0');
    }
    return v;
}

bool message_is_epoch(const char *text)
{
    return text != NULL && strlen(text) == EPOCH_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == EPOCH_SIZE - 1;
}

static const char *member(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static enum refusal read_identity(const json_t *json, struct message_event *e)
{
    const char *epoch = member(json, "epoch"), *id = member(json, "id");
    int64_t seq = parse_decimal(member(json, "seq"));
    char expected[EPOCH_SIZE + 24];

    if (!message_is_epoch(epoch) || seq < 1 || id == NULL)
        return REFUSAL_IDENTITY;
    snprintf(expected, sizeof(expected), "%s:%s", epoch, member(json, "seq"));
    if (strcmp(id, expected) != 0)
        return REFUSAL_IDENTITY;
    e->epoch = epoch;
    e->seq = seq;
    return REFUSAL_NONE;
}

/* Attributes that may be absent, but not wrong. */
static enum refusal read_times(const json_t *json, struct message_event *e)
{
    const json_t *time = json_object_get(json, "time"), *tus = json_object_get(json, "tus");

    e->tus = -1;
    if (time != NULL) {
        if (!json_is_string(time) || !rfc3339_parse(json_string_value(time), &e->utc_us) ||
            e->utc_us <= 0)
            return REFUSAL_ENVELOPE;
    }
    if (tus != NULL) {
        e->tus = parse_decimal(json_string_value(tus));
        if (e->tus < 0)
            return REFUSAL_ENVELOPE;
    }
    e->bootid = member(json, "bootid");
    e->clock = member(json, "clock");
    return REFUSAL_NONE;
}

enum refusal message_read_event(const json_t *json, const struct topic *topic,
                                struct message_event *ret)
{
    char source[3 * NOREN_ID_SIZE + 16];
    struct message_event e = {.json = json};

    *ret = e;
    if (!json_is_object(json))
        return REFUSAL_SHAPE;
    snprintf(source, sizeof(source), "/noren/%s/%s/%s", topic->tenant, topic->store,
             topic->gateway);
    if (member(json, "source") == NULL || strcmp(member(json, "source"), source) != 0)
        return REFUSAL_SOURCE;
    enum refusal r = read_identity(json, &e);
    *ret = e;
    if (r != REFUSAL_NONE)
        return r;
    e.type = member(json, "type");
    e.data = json_object_get(json, "data");
    if (member(json, "specversion") == NULL || strcmp(member(json, "specversion"), "1.0") != 0 ||
        e.type == NULL || strncmp(e.type, "noren.", 6) != 0 || !json_is_object(e.data))
        return REFUSAL_ENVELOPE;
    r = read_times(json, &e);
    if (r != REFUSAL_NONE)
        return r;
    r = check_type(&e, topic->leaf);
    if (r != REFUSAL_NONE)
        return r;
    *ret = e;
    return REFUSAL_NONE;
}
