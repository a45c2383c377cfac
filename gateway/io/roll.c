/* The members document, part by part; see roll.h.
 *
 * What is read here are keys: the buffers that held them are wiped before they are freed, as far as they
 * are ours (jansson's own copies are not, which a core dump of a running gateway could show anyway).
 */
#include "io/roll.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/bundle.h"
#include "io/doc.h"
#include "noren/hex.h"

#define BUCKETS  10000
#define KEY_SIZE 16 /* NOREN_DAY_KEY_SIZE and TAG_KEY_SIZE: all are AES-128 keys */

static const struct {
    const char *name;
    enum consent bit;
} consents[] = {
    {"presence", CONSENT_PRESENCE},
    {"offers", CONSENT_OFFERS},
    {"interaction", CONSENT_INTERACTION},
    {"analytics", CONSENT_ANALYTICS},
};

#define CONSENTS_N (sizeof(consents) / sizeof(consents[0]))

static bool read_consent(const struct doc *d, uint8_t *ret)
{
    struct doc list;

    if (!doc_array(d, "consent", CONSENTS_N, &list))
        return false;
    for (size_t i = 0; i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);
        const char *name = json_string_value(item.v);
        size_t k = 0;

        while (k < CONSENTS_N && (name == NULL || strcmp(consents[k].name, name) != 0))
            k++;
        if (k == CONSENTS_N)
            return doc_refuse(&item, "must be presence, offers, interaction or analytics");
        *ret |= consents[k].bit;
    }
    return true;
}

static bool read_key(const struct doc *d, uint8_t ret[KEY_SIZE])
{
    return hex_read(json_string_value(d->v), ret, KEY_SIZE) ||
           doc_refuse(d, "must be a key of %d hex digits", 2 * KEY_SIZE);
}

/* YYYYMMDD as a number; 0 when it is none. That it exists is looked at where it is compared. */
static uint32_t read_date(const char *text)
{
    uint32_t v = 0;

    if (strlen(text) != 8 || strspn(text, "0123456789") != 8)
        return 0;
    for (; *text != 0; text++)
        v = v * 10 + (uint32_t)(*text - '0');
    return v % 100 >= 1 && v % 100 <= 31 && v / 100 % 100 >= 1 && v / 100 % 100 <= 12 ? v : 0;
}

static bool read_days(const struct doc *d, struct member *m)
{
    struct doc days = doc_member(d, "day_keys");
    const char *date;
    json_t *value;

    if (days.v == NULL)
        return true;
    if (!json_is_object(days.v))
        return doc_refuse(&days, "must be an object of dates and keys");
    if (json_object_size(days.v) > MEMBERS_DATES_MAX)
        return doc_refuse(&days, "has keys of %zu days, at most %d are possible",
                          json_object_size(days.v), MEMBERS_DATES_MAX);
    json_object_foreach(days.v, date, value)
    {
        struct doc key = doc_member(&days, date);
        struct member_day *day = &m->days[m->days_n++];

        day->date = read_date(date);
        if (day->date == 0)
            return doc_refuse(&key, "is no date; write it like 20261121");
        if (!read_key(&key, day->key))
            return false;
    }
    return true;
}

static bool read_flag(const struct doc *d, const char *key, bool *ret)
{
    struct doc flag = doc_member(d, key);

    if (flag.v != NULL && !json_is_boolean(flag.v))
        return doc_refuse(&flag, "must be true or false");
    *ret = json_is_true(flag.v);
    return true;
}

static bool read_member(const struct doc *d, struct member *ret)
{
    static const char *const keys[] = {"member_ref", "consent",  "bucket",
                                       "staff",      "day_keys", NULL};
    int64_t bucket = 0;

    memset(ret, 0, sizeof(*ret));
    if (!doc_object(d, keys) || !doc_id(d, "member_ref", ret->ref) ||
        !read_consent(d, &ret->consent) || !doc_opt_i64(d, "bucket", 0, BUCKETS - 1, &bucket) ||
        !read_flag(d, "staff", &ret->staff) || !read_days(d, ret))
        return false;
    ret->bucket = (uint16_t)bucket;
    return true;
}

static bool read_tag(const struct doc *d, struct tag *ret)
{
    static const char *const keys[] = {"tag",     "member_ref", "consent", "bucket", "staff", "k",
                                       "eid_key", "offset_s",   "irk",     "device", NULL};
    struct doc eid = doc_member(d, "eid_key"), irk = doc_member(d, "irk"),
               device = doc_member(d, "device");
    int64_t bucket = 0, k = 0;

    memset(ret, 0, sizeof(*ret));
    if (!doc_object(d, keys) || !doc_id(d, "tag", ret->id) ||
        !doc_opt_id(d, "member_ref", ret->member_ref) || !read_consent(d, &ret->consent) ||
        !doc_opt_i64(d, "bucket", 0, BUCKETS - 1, &bucket) || !read_flag(d, "staff", &ret->staff))
        return false;
    ret->bucket = (uint16_t)bucket;
    if ((eid.v != NULL) + (irk.v != NULL) + (device.v != NULL) != 1)
        return doc_refuse(d, "needs an eid_key with its k, or an irk, or a device");
    if (device.v != NULL) {
        ret->kind = TAG_DEVICE;
        return read_key(&device, ret->key);
    }
    if (irk.v != NULL) {
        ret->kind = TAG_IRK;
        return read_key(&irk, ret->key);
    }
    ret->kind = TAG_EID;
    if (!read_key(&eid, ret->key) || !doc_i64(d, "k", 0, TAG_K_MAX, &k) ||
        !doc_opt_i64(d, "offset_s", -(int64_t)UINT32_MAX, UINT32_MAX, &ret->offset_s))
        return false;
    ret->k = (uint8_t)k;
    return true;
}

static bool read_sensor(const struct doc *d, struct radio_sensor *ret)
{
    static const char *const keys[] = {"sensor", "bind_key", NULL};
    struct doc key = doc_member(d, "bind_key");

    memset(ret, 0, sizeof(*ret));
    return doc_object(d, keys) && doc_id(d, "sensor", ret->id) && read_key(&key, ret->key);
}

/* --- one part ----------------------------------------------------------------------------------- */

/* What a part says about itself, and how much there is in all parts. */
static bool read_head(const struct doc *d, struct roll_head *ret, int64_t *ret_members,
                      int64_t *ret_tags)
{
    static const char *const keys[] = {"$schema",   "to",        "revision", "part", "parts",
                                       "members_n", "tags_n",    "members",  "tags", "sensors",
                                       "beacons",   "store_key", NULL};
    struct doc members, tags, part = doc_member(d, "part"), members_n = doc_member(d, "members_n");
    struct roll_head h = {.part = 0, .parts = 1};

    if (!doc_object(d, keys) || !doc_i64(d, "revision", 0, INT64_MAX, &h.revision) ||
        !doc_opt_i64(d, "parts", 1, ROLL_PARTS_MAX, &h.parts) ||
        !doc_opt_i64(d, "part", 0, ROLL_PARTS_MAX - 1, &h.part) ||
        !doc_array(d, "members", MEMBERS_MAX, &members) || !doc_array(d, "tags", TAGS_MAX, &tags))
        return false;
    if (h.part >= h.parts)
        return doc_refuse(&part, "is %lld of %lld; parts count from 0", (long long)h.part,
                          (long long)h.parts);
    if (h.parts > 1 && members_n.v == NULL)
        return doc_refuse(d, "is one of several parts: \"members_n\" must say how many members "
                             "there are in all");
    *ret_members = (int64_t)doc_size(&members);
    *ret_tags = (int64_t)doc_size(&tags);
    if (!doc_opt_i64(d, "members_n", *ret_members, MEMBERS_MAX, ret_members) ||
        !doc_opt_i64(d, "tags_n", *ret_tags, TAGS_MAX, ret_tags))
        return false;
    *ret = h;
    return true;
}

static bool is_unwanted(const struct roll *r, const char *ref)
{
    return r->unwanted != NULL && ref[0] != '\0' && r->unwanted(r->user, ref);
}

static void drop_old_days(struct member *m, uint32_t first_date)
{
    uint8_t n = 0;

    for (uint8_t i = 0; i < m->days_n; i++)
        if (m->days[i].date >= first_date)
            m->days[n++] = m->days[i];
    m->days_n = n;
}

static bool take_members(struct roll *r, const struct doc *d)
{
    struct member m;
    struct doc list;
    bool ok = doc_array(d, "members", MEMBERS_MAX, &list);

    for (size_t i = 0; ok && i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);
        const char *why = NULL;

        ok = read_member(&item, &m);
        if (!ok || is_unwanted(r, m.ref))
            continue;
        drop_old_days(&m, r->first_date);
        why = members_add(&r->members, &m);
        ok = why == NULL || doc_refuse(&item, "%s", why);
    }
    explicit_bzero(&m, sizeof(m));
    return ok;
}

static bool take_tags(struct roll *r, const struct doc *d)
{
    struct tag tag;
    struct doc list;
    bool ok = doc_array(d, "tags", TAGS_MAX, &list);

    for (size_t i = 0; ok && i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);
        const char *why = NULL;

        ok = read_tag(&item, &tag);
        if (!ok || is_unwanted(r, tag.member_ref))
            continue;
        why = tags_add(&r->tags, &tag);
        ok = why == NULL || doc_refuse(&item, "%s", why);
    }
    explicit_bzero(&tag, sizeof(tag));
    return ok;
}

static bool take_sensors(struct roll *r, const struct doc *d)
{
    struct doc list;
    bool ok = doc_array(d, "sensors", RADIO_SENSORS_MAX, &list);

    for (size_t i = 0; ok && i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);

        if (r->sensors_n == RADIO_SENSORS_MAX)
            return doc_refuse(&item, "is one sensor too many; %d are possible", RADIO_SENSORS_MAX);
        ok = read_sensor(&item, &r->sensors[r->sensors_n]);
        r->sensors_n += ok;
    }
    return ok;
}

static bool take_beacons(struct roll *r, const struct doc *d)
{
    static const char *const keys[] = {"beacon", "key", NULL};
    struct doc list;
    bool ok = doc_array(d, "beacons", ROLL_BEACONS_MAX, &list);

    for (size_t i = 0; ok && i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i), key = doc_member(&item, "key");
        struct roll_beacon *b = &r->beacons[r->beacons_n];

        if (r->beacons_n == ROLL_BEACONS_MAX)
            return doc_refuse(&item, "is one beacon too many; %d are possible", ROLL_BEACONS_MAX);
        ok = doc_object(&item, keys) && doc_id(&item, "beacon", b->id) && read_key(&key, b->key);
        r->beacons_n += ok;
    }
    return ok;
}

/* What device tags are made with; in one of the parts. */
static bool take_store_key(struct roll *r, const struct doc *d)
{
    struct doc key = doc_member(d, "store_key");

    return key.v == NULL || read_key(&key, r->tags.store_key);
}

/* Empty tables for so many of each. */
static int begin(struct roll *r, const struct roll_head *h, int64_t members_n, int64_t tags_n)
{
    size_t members = members_n > 0 ? (size_t)members_n : 1, tags = tags_n > 0 ? (size_t)tags_n : 1;
    void *members_memory, *tags_memory;

    roll_free(r);
    members_memory = calloc(1, members_size(members));
    tags_memory = tags_n > 0 ? calloc(1, tags_size(tags)) : NULL;
    if (members_memory == NULL || (tags_n > 0 && tags_memory == NULL)) {
        free(members_memory);
        free(tags_memory);
        return -ENOMEM;
    }
    members_init(&r->members, members_memory, members);
    if (tags_memory != NULL)
        tags_init(&r->tags, tags_memory, tags);
    r->head = *h;
    return 0;
}

/* A signed document is good for whom it names: nobody can give one store's members to another. */
static bool is_for_us(const struct roll *r, const struct doc *d)
{
    struct doc to = doc_member(d, "to");
    const char *text = json_string_value(to.v);

    if (r->us == NULL || (text != NULL && bundle_is_for(text, r->us)))
        return true;
    return doc_refuse(&to, "names \"%.120s\", and this is %s", text != NULL ? text : "nobody",
                      r->us);
}

static int take(struct roll *r, const struct doc *d)
{
    struct roll_head h = {.parts = 0};
    int64_t members_n = 0, tags_n = 0;
    int rc = 0;

    if (!is_for_us(r, d))
        return -EPERM;
    if (!read_head(d, &h, &members_n, &tags_n))
        return -EINVAL;
    if (r->head.parts > 0 && h.revision < r->head.revision) {
        doc_refuse(d, "revision %lld is older than %lld, whose parts are coming",
                   (long long)h.revision, (long long)r->head.revision);
        return -ESTALE;
    }
    if (r->in_force && h.revision < r->revision) {
        doc_refuse(d, "revision %lld is older than %lld, which is in force", (long long)h.revision,
                   (long long)r->revision);
        return -ESTALE;
    }
    r->last = h;
    if (r->in_force && h.revision == r->revision)
        return 0;
    if (r->head.parts == 0 || h.revision > r->head.revision || h.parts != r->head.parts)
        rc = begin(r, &h, members_n, tags_n);
    if (rc != 0 || r->have[h.part])
        return rc;
    if (!take_members(r, d) || !take_tags(r, d) || !take_sensors(r, d) || !take_beacons(r, d) ||
        !take_store_key(r, d)) {
        roll_free(r);
        return -EINVAL;
    }
    r->have[h.part] = true;
    return ++r->have_n == (size_t)h.parts;
}

int roll_read(struct roll *r, const char *json, size_t n, char ret_error[PLAN_ERROR_SIZE])
{
    struct doc d = doc_load(json, n, ret_error, PLAN_ERROR_SIZE);
    int rc = -EINVAL;

    if (d.v != NULL)
        rc = take(r, &d);
    if (rc == -ENOMEM)
        snprintf(ret_error, PLAN_ERROR_SIZE, "no memory for so many");
    json_decref(d.v);
    return rc;
}

int roll_walk(const char *json, size_t n, const char *(*each)(void *arg, const struct member *m),
              void *arg, char ret_error[PLAN_ERROR_SIZE])
{
    struct doc d = doc_load(json, n, ret_error, PLAN_ERROR_SIZE), list;
    struct member m;
    bool ok = d.v != NULL && doc_array(&d, "members", MEMBERS_MAX, &list);

    for (size_t i = 0; ok && i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);
        const char *why = NULL;

        ok = read_member(&item, &m);
        if (ok)
            why = each(arg, &m);
        if (why != NULL)
            ok = doc_refuse(&item, "%s", why);
    }
    explicit_bzero(&m, sizeof(m));
    json_decref(d.v);
    return ok ? 0 : -EINVAL;
}

/* --- in force ----------------------------------------------------------------------------------- */

static void free_block(void *memory, size_t n)
{
    if (memory != NULL)
        explicit_bzero(memory, n);
    free(memory);
}

static void free_tables(struct members *m, struct tags *t)
{
    free_block(m->memory, m->memory != NULL ? members_size(m->capacity) : 0);
    free_block(t->memory, t->memory != NULL ? tags_size(t->capacity) : 0);
    memset(m, 0, sizeof(*m));
    memset(t, 0, sizeof(*t));
}

void roll_use(struct roll *r, struct radio *radio)
{
    struct radio_sensor old[RADIO_SENSORS_MAX];
    size_t old_n = radio->sensors_n;

    tags_carry(&r->tags, &radio->tags);
    free_tables(&radio->members, &radio->tags);
    radio->members = r->members;
    radio->tags = r->tags;
    memcpy(old, radio->sensors, sizeof(old));
    memcpy(radio->sensors, r->sensors, sizeof(radio->sensors));
    radio->sensors_n = r->sensors_n;
    for (size_t i = 0; i < radio->sensors_n; i++)
        for (size_t k = 0; k < old_n; k++)
            if (strcmp(radio->sensors[i].id, old[k].id) == 0 &&
                memcmp(radio->sensors[i].key, old[k].key, KEY_SIZE) == 0)
                radio->sensors[i] = old[k];
    explicit_bzero(old, sizeof(old));
    r->members = (struct members){.memory = NULL};
    r->tags = (struct tags){.memory = NULL};
    r->in_force = true;
    r->revision = r->head.revision;
    roll_free(r);
}

void roll_free(struct roll *r)
{
    free_tables(&r->members, &r->tags);
    explicit_bzero(r->sensors, sizeof(r->sensors));
    r->sensors_n = 0;
    explicit_bzero(r->beacons, sizeof(r->beacons));
    r->beacons_n = 0;
    r->head = (struct roll_head){.parts = 0};
    memset(r->have, 0, sizeof(r->have));
    r->have_n = 0;
}

void roll_free_radio(struct radio *radio)
{
    free_tables(&radio->members, &radio->tags);
    explicit_bzero(radio->sensors, sizeof(radio->sensors));
    radio->sensors_n = 0;
}
