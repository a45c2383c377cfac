/* The members document: who may be recognised today, and what they agreed to. See plan_json.h.
 *
 * What is read here are keys: the buffers that held them are wiped before they are freed, as far as they
 * are ours (jansson's own copies are not, which a core dump of a running gateway could show anyway).
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/doc.h"
#include "io/plan_json.h"
#include "noren/hex.h"

/* The longest list that is still a list of a store's members and not an attack on memory. */
#define BUCKETS 10000

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

static bool read_key(const struct doc *d, uint8_t ret[NOREN_DAY_KEY_SIZE])
{
    return hex_read(json_string_value(d->v), ret, NOREN_DAY_KEY_SIZE) ||
           doc_refuse(d, "must be a key of %d hex digits", 2 * NOREN_DAY_KEY_SIZE);
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

static bool read_member(const struct doc *d, struct member *ret)
{
    static const char *const keys[] = {"member_ref", "consent", "bucket", "day_keys", NULL};
    int64_t bucket = 0;

    memset(ret, 0, sizeof(*ret));
    if (!doc_object(d, keys) || !doc_id(d, "member_ref", ret->ref) ||
        !read_consent(d, &ret->consent) || !doc_opt_i64(d, "bucket", 0, BUCKETS - 1, &bucket) ||
        !read_days(d, ret))
        return false;
    ret->bucket = (uint16_t)bucket;
    return true;
}

static int walk(const struct doc *d, const char *(*each)(void *arg, const struct member *m),
                void *arg, int64_t *ret_revision)
{
    static const char *const keys[] = {"$schema", "revision", "members", NULL};
    struct member m;
    struct doc list;
    int64_t revision;
    int r = 0;

    if (!doc_object(d, keys) || !doc_i64(d, "revision", 0, INT64_MAX, &revision) ||
        !doc_array(d, "members", MEMBERS_MAX, &list))
        return -EINVAL;
    for (size_t i = 0; r == 0 && i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);
        const char *refusal;

        if (!read_member(&item, &m)) {
            r = -EINVAL;
        } else if ((refusal = each(arg, &m)) != NULL) {
            doc_refuse(&item, "%s", refusal);
            r = -EINVAL;
        }
    }
    explicit_bzero(&m, sizeof(m));
    if (r == 0 && ret_revision != NULL)
        *ret_revision = revision;
    return r;
}

int members_walk(const char *json, size_t n, const char *(*each)(void *arg, const struct member *m),
                 void *arg, int64_t *ret_revision, char ret_error[PLAN_ERROR_SIZE])
{
    struct doc d = doc_load(json, n, ret_error, PLAN_ERROR_SIZE);
    int r = -EINVAL;

    if (d.v != NULL)
        r = walk(&d, each, arg, ret_revision);
    json_decref(d.v);
    return r;
}

static const char *add_member(void *arg, const struct member *m)
{
    return members_add(arg, m);
}

int members_read(struct members *m, const char *json, size_t n, char ret_error[PLAN_ERROR_SIZE])
{
    struct doc d = doc_load(json, n, ret_error, PLAN_ERROR_SIZE);
    struct doc list = doc_member(&d, "members");
    size_t capacity = doc_size(&list) < MEMBERS_MAX ? doc_size(&list) : MEMBERS_MAX;
    struct members fresh;
    void *memory;
    int r = -EINVAL;

    if (d.v == NULL)
        return -EINVAL;
    if (capacity == 0)
        capacity = 1;
    memory = calloc(1, members_size(capacity));
    if (memory == NULL) {
        json_decref(d.v);
        return -ENOMEM;
    }
    members_init(&fresh, memory, capacity);
    r = walk(&d, add_member, &fresh, NULL);
    json_decref(d.v);
    if (r == 0) {
        members_free(m);
        *m = fresh;
    } else {
        members_free(&fresh);
    }
    return r;
}

void members_free(struct members *m)
{
    if (m->memory != NULL)
        explicit_bzero(m->memory, members_size(m->capacity));
    free(m->memory);
    memset(m, 0, sizeof(*m));
}
