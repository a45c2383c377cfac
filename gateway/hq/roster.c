/* The roster; see roster.h. */
#include "hq/roster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "noren/crypto.h"
#include "noren/hex.h"
#include "noren/units.h"
#include "noren/wire.h"

static void print_hex(const uint8_t *bytes, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static bool strings_only(const json_t *array)
{
    size_t i;
    const json_t *one;

    if (!json_is_array(array))
        return false;
    json_array_foreach((json_t *)array, i, one) if (!json_is_string(one)) return false;
    return true;
}

static bool known_consents(const json_t *array)
{
    static const char *const KNOWN[] = {"presence", "offers", "interaction", "analytics"};
    size_t i;
    const json_t *one;

    if (!strings_only(array))
        return false;
    json_array_foreach((json_t *)array, i, one)
    {
        bool known = false;

        for (size_t k = 0; k < sizeof(KNOWN) / sizeof(KNOWN[0]); k++)
            known = known || strcmp(KNOWN[k], json_string_value(one)) == 0;
        if (!known)
            return false;
    }
    return true;
}

/* What members, tags and sensors have in common. */
static const char *check_common(const json_t *m)
{
    const json_t *stores = json_object_get(m, "stores"), *staff = json_object_get(m, "staff");

    if (stores != NULL && !strings_only(stores))
        return "stores: write a list of store ids, or leave it out for all stores";
    if (staff != NULL && !json_is_boolean(staff))
        return "staff: write true or false";
    return NULL;
}

static bool is_id(const json_t *m, const char *name)
{
    const json_t *id = json_object_get(m, name);

    return json_is_string(id) && json_string_length(id) > 0 &&
           json_string_length(id) < NOREN_ID_SIZE;
}

static bool is_key(const json_t *m, const char *name)
{
    uint8_t key[16];

    return hex_read(json_string_value(json_object_get(m, name)), key, sizeof(key));
}

static const char *check_tag(const json_t *m)
{
    const json_t *k = json_object_get(m, "k"), *offset = json_object_get(m, "offset_s");

    if (!is_id(m, "tag"))
        return "tag: write a text of 1..39 bytes";
    if (json_object_get(m, "member_ref") != NULL && !is_id(m, "member_ref"))
        return "member_ref: write a member's, or leave it out";
    if (is_key(m, "irk") + is_key(m, "eid_key") + is_key(m, "device") != 1)
        return "eid_key, irk or device: write one of them, 32 lower-case hex digits";
    if (is_key(m, "eid_key") &&
        (!json_is_integer(k) || json_integer_value(k) < 0 || json_integer_value(k) > 15))
        return "k: write the tag's rotation exponent, 0..15";
    if (offset != NULL && !json_is_integer(offset))
        return "offset_s: write the tag's counter minus unix time";
    return check_common(m);
}

static const char *check_sensor(const json_t *m)
{
    if (!is_id(m, "sensor"))
        return "sensor: write a text of 1..39 bytes";
    if (!is_key(m, "bind_key"))
        return "bind_key: write 32 lower-case hex digits";
    return check_common(m);
}

static const char *check_beacon(const json_t *m)
{
    if (!is_id(m, "beacon"))
        return "beacon: write a text of 1..39 bytes";
    if (!is_key(m, "key"))
        return "key: write 32 lower-case hex digits";
    return check_common(m);
}

/* NULL, or what is wrong with one member and what to write. */
static const char *check_member(const json_t *m)
{
    uint8_t key[32];
    const json_t *ref = json_object_get(m, "member_ref");
    json_int_t bucket = json_integer_value(json_object_get(m, "bucket"));

    if (!json_is_string(ref) || json_string_length(ref) == 0 ||
        json_string_length(ref) >= NOREN_ID_SIZE)
        return "member_ref: write an opaque text of 1..39 bytes";
    if (!json_is_string(json_object_get(m, "name")))
        return "name: write a text (it stays at headquarters)";
    if (json_object_get(m, "member_key") != NULL &&
        !hex_read(json_string_value(json_object_get(m, "member_key")), key, sizeof(key)))
        return "member_key: write 64 lower-case hex digits, or leave it out (a card only)";
    if (!known_consents(json_object_get(m, "consent")))
        return "consent: write a list of presence, offers, interaction, analytics";
    if (!json_is_integer(json_object_get(m, "bucket")) || bucket < 0 || bucket > 9999)
        return "bucket: write 0..9999";
    return check_common(m);
}

/* A list whose items are named by `id`, each checked, none twice. Missing is an empty one. */
static int take_list(const json_t *root, const char *name, const char *id,
                     const char *(*check)(const json_t *), const char *path, char *ret_error,
                     json_t **ret)
{
    json_t *list = json_object_get(root, name), *seen = json_object();
    size_t i;
    const json_t *m;
    int r = list == NULL || json_is_array(list) ? 0 : -EINVAL;

    if (r != 0)
        snprintf(ret_error, ROSTER_ERROR_SIZE, "%s: %s: write a list", path, name);
    json_array_foreach(list, i, m)
    {
        const char *why = check(m), *ref = json_string_value(json_object_get(m, id));
        char twice[64];

        if (why == NULL && json_object_get(seen, ref) != NULL) {
            snprintf(twice, sizeof(twice), "%s: is in the list twice; remove one", id);
            why = twice;
        }
        if (why != NULL) {
            snprintf(ret_error, ROSTER_ERROR_SIZE, "%s: %s[%zu].%s", path, name, i, why);
            r = -EINVAL;
            break;
        }
        json_object_set_new(seen, ref, json_true());
    }
    json_decref(seen);
    if (r == 0)
        *ret = list != NULL ? json_incref(list) : json_array();
    return r;
}

/* The key that device tags are made with; needed when there are any. */
static int take_store_key(const json_t *root, const char *path, char ret_error[ROSTER_ERROR_SIZE],
                          struct roster *r)
{
    json_t *key = json_object_get(root, "store_key");
    bool needed = false;
    size_t i;
    json_t *m;

    json_array_foreach(r->tags, i, m) needed |= json_object_get(m, "device") != NULL;
    if (key == NULL && !needed)
        return 0;
    if (!is_key(root, "store_key")) {
        snprintf(ret_error, ROSTER_ERROR_SIZE,
                 "%s: store_key: write 32 random lower-case hex digits; the tags' devices are made "
                 "with it (noren-hq device)",
                 path);
        return -EINVAL;
    }
    r->store_key = json_incref(key);
    return 0;
}

int roster_load(struct roster *r, const char *path, char ret_error[ROSTER_ERROR_SIZE])
{
    json_error_t error = {.line = 0};

    json_t *root = path[0] != '\0' ? json_load_file(path, JSON_REJECT_DUPLICATES, &error)
                                   : json_pack("{s:[]}", "members");
    int rc = 0;

    memset(r, 0, sizeof(*r));
    if (root == NULL) {
        snprintf(ret_error, ROSTER_ERROR_SIZE, "%s:%d: %s", path, error.line, error.text);
        return -EINVAL;
    }
    if (json_object_get(root, "members") == NULL) {
        snprintf(ret_error, ROSTER_ERROR_SIZE, "%s: needs {\"members\": [...]}", path);
        rc = -EINVAL;
    }
    if (rc == 0)
        rc = take_list(root, "members", "member_ref", check_member, path, ret_error, &r->members);
    if (rc == 0)
        rc = take_list(root, "tags", "tag", check_tag, path, ret_error, &r->tags);
    if (rc == 0)
        rc = take_list(root, "sensors", "sensor", check_sensor, path, ret_error, &r->sensors);
    if (rc == 0)
        rc = take_list(root, "beacons", "beacon", check_beacon, path, ret_error, &r->beacons);
    if (rc == 0)
        rc = take_store_key(root, path, ret_error, r);
    json_decref(root);
    if (rc != 0)
        roster_free(r);
    return rc;
}

void roster_free(struct roster *r)
{
    json_decref(r->members);
    json_decref(r->tags);
    json_decref(r->sensors);
    json_decref(r->beacons);
    json_decref(r->store_key);
    memset(r, 0, sizeof(*r));
}

const json_t *roster_find(const struct roster *r, const char *member_ref)
{
    size_t i;
    const json_t *m;

    json_array_foreach(r->members, i,
                       m) if (strcmp(json_string_value(json_object_get(m, "member_ref")),
                                     member_ref) == 0) return m;
    return NULL;
}

static bool may_come(const json_t *m, const char *store_name)
{
    const json_t *stores = json_object_get(m, "stores");
    size_t i;
    const json_t *one;

    if (stores == NULL)
        return true;
    json_array_foreach((json_t *)stores, i,
                       one) if (strcmp(json_string_value(one), store_name) == 0) return true;
    return false;
}

static json_t *day_keys(const json_t *m, int64_t utc_s)
{
    uint8_t member_key[32], key[NOREN_DAY_KEY_SIZE];
    json_t *keys = json_object(); /* stays empty for who has a card only */

    if (!hex_read(json_string_value(json_object_get(m, "member_key")), member_key,
                  sizeof(member_key)))
        return keys;
    for (int day = -1; day <= 1; day++) {
        uint32_t date = noren_utc_date(utc_s + day * 86400);
        char name[16], hex[2 * NOREN_DAY_KEY_SIZE + 1];

        snprintf(name, sizeof(name), "%08u", date);
        noren_day_key(member_key, date, key);
        print_hex(key, sizeof(key), hex);
        json_object_set_new(keys, name, json_string(hex));
    }
    return keys;
}

static json_t *bundle_members(const struct roster *r, const char *store_name, int64_t utc_s)
{
    json_t *list = json_array();
    size_t i;
    json_t *m;

    json_array_foreach(r->members, i, m)
    {
        if (!may_come(m, store_name))
            continue;
        json_t *item =
            json_pack("{s:O,s:O,s:O,s:o}", "member_ref", json_object_get(m, "member_ref"),
                      "consent", json_object_get(m, "consent"), "bucket",
                      json_object_get(m, "bucket"), "day_keys", day_keys(m, utc_s));
        if (json_is_true(json_object_get(m, "staff")))
            json_object_set_new(item, "staff", json_true());
        json_array_append_new(list, item);
    }
    return list;
}

/* The members of the object that a gateway needs, and of a tag what its carrier agreed to. */
static json_t *bundle_things(const struct roster *r, json_t *things, const char *const *keys,
                             const char *store_name)
{
    json_t *list = json_array();
    size_t i;
    json_t *m;

    json_array_foreach(things, i, m)
    {
        const char *ref = json_string_value(json_object_get(m, "member_ref"));
        const json_t *member = ref != NULL ? roster_find(r, ref) : NULL;
        json_t *item;

        if (!may_come(m, store_name) || (ref != NULL && member == NULL))
            continue; /* a card of nobody whom we know is not given to anybody */
        item = json_object();
        for (size_t k = 0; keys[k] != NULL; k++)
            if (json_object_get(m, keys[k]) != NULL)
                json_object_set(item, keys[k], json_object_get(m, keys[k]));
        if (member != NULL) {
            json_object_set(item, "consent", json_object_get(member, "consent"));
            json_object_set(item, "bucket", json_object_get(member, "bucket"));
        }
        json_array_append_new(list, item);
    }
    return list;
}

/* The revision of a content: the last one if the content is the same, else a later one. */
static int64_t next_revision(struct store *s, int64_t gateway_id, const char *digest, int64_t utc_s)
{
    int64_t same = store_int(s, -1,
                             "SELECT revision FROM bundle WHERE gateway_id = ? AND name = 'members'"
                             " AND digest = ?",
                             "is", gateway_id, digest);

    if (same >= 0)
        return same;
    int64_t last =
        store_int(s, 0, "SELECT revision FROM bundle WHERE gateway_id = ? AND name = 'members'",
                  "i", gateway_id);
    int64_t revision = utc_s > last ? utc_s : last + 1;
    int r = store_run(s,
                      "INSERT INTO bundle(gateway_id, name, revision, digest)"
                      " VALUES(?, 'members', ?, ?) ON CONFLICT DO UPDATE SET"
                      " revision = excluded.revision, digest = excluded.digest",
                      "iis", gateway_id, revision, digest);
    return r < 0 ? r : revision;
}

/* How many parts the broker retains of what was published before; notes that there are `n` now. */
static int swap_parts(struct store *s, int64_t gateway_id, size_t n, size_t *ret_before)
{
    *ret_before = (size_t)store_int(
        s, 1, "SELECT revision FROM bundle WHERE gateway_id = ? AND name = 'members.parts'", "i",
        gateway_id);
    if (*ret_before == n)
        return 0;
    return store_run(s,
                     "INSERT INTO bundle(gateway_id, name, revision, digest)"
                     " VALUES(?, 'members.parts', ?, '') ON CONFLICT DO UPDATE SET"
                     " revision = excluded.revision",
                     "ii", gateway_id, (int64_t)n);
}

/* Items `from` on, as many as fit into a part together with what is in it. */
static json_t *slice(const json_t *list, size_t *from, size_t *room)
{
    json_t *part = json_array();

    for (; *from < json_array_size(list) && *room > 0; (*from)++, (*room)--)
        json_array_append(part, json_array_get(list, *from));
    return part;
}

static int print_parts(const json_t *all, int64_t revision, struct roster_parts *ret)
{
    const json_t *members = json_object_get(all, "members"), *tags = json_object_get(all, "tags");
    size_t members_at = 0, tags_at = 0, items = json_array_size(members) + json_array_size(tags),
           n = items / ROSTER_PART_ITEMS + (items % ROSTER_PART_ITEMS != 0 || items == 0);

    ret->payloads = calloc(n, sizeof(*ret->payloads));
    if (ret->payloads == NULL)
        return -ENOMEM;
    for (ret->n = 0; ret->n < n; ret->n++) {
        size_t room = ROSTER_PART_ITEMS;
        json_t *part = json_pack("{s:I,s:o}", "revision", (json_int_t)revision, "members",
                                 slice(members, &members_at, &room));

        json_object_set(part, "to", json_object_get(all, "to"));
        json_object_set_new(part, "tags", slice(tags, &tags_at, &room));
        if (ret->n == 0) {
            json_object_set(part, "sensors", json_object_get(all, "sensors"));
            json_object_set(part, "beacons", json_object_get(all, "beacons"));
            if (json_object_get(all, "store_key") != NULL)
                json_object_set(part, "store_key", json_object_get(all, "store_key"));
        }
        if (n > 1) {
            json_object_set_new(part, "part", json_integer((json_int_t)ret->n));
            json_object_set_new(part, "parts", json_integer((json_int_t)n));
            json_object_set_new(part, "members_n",
                                json_integer((json_int_t)json_array_size(members)));
            json_object_set_new(part, "tags_n", json_integer((json_int_t)json_array_size(tags)));
        }
        ret->payloads[ret->n] = json_dumps(part, JSON_COMPACT);
        json_decref(part);
        if (ret->payloads[ret->n] == NULL)
            return -ENOMEM;
    }
    return 0;
}

/* "tenant/store/gateway": nobody else takes it. */
static json_t *addressee(struct store *s, int64_t gateway_id)
{
    json_t *rows = store_rows(s,
                              "SELECT tenant || '/' || store || '/' || gateway AS name FROM gateway"
                              " WHERE id = ?",
                              "i", gateway_id);
    json_t *name = json_incref(json_object_get(json_array_get(rows, 0), "name"));

    json_decref(rows);
    return name;
}

int roster_print(const struct roster *r, struct store *s, int64_t gateway_id,
                 const char *store_name, int64_t utc_s, struct roster_parts *ret)
{
    /* a label as HMAC key: any fixed one makes it a digest that nothing else uses */
    static const uint8_t LABEL[] = "noren-hq-bundle";
    static const char *const tag_keys[] = {"tag", "member_ref", "eid_key", "k", "offset_s",
                                           "irk", "device",     "staff",   NULL},
                             *const sensor_keys[] = {"sensor", "bind_key", NULL},
                             *const beacon_keys[] = {"beacon", "key", NULL};
    uint8_t mac[32];
    char digest[65];
    json_t *all = json_pack("{s:o,s:o,s:o}", "members", bundle_members(r, store_name, utc_s),
                            "tags", bundle_things(r, r->tags, tag_keys, store_name), "sensors",
                            bundle_things(r, r->sensors, sensor_keys, store_name));
    json_object_set_new(all, "beacons", bundle_things(r, r->beacons, beacon_keys, store_name));
    if (r->store_key != NULL)
        json_object_set(all, "store_key", r->store_key);
    json_object_set_new(all, "to", addressee(s, gateway_id));
    char *text = json_dumps(all, JSON_COMPACT);
    int64_t revision = -ENOMEM;
    int rc;

    memset(ret, 0, sizeof(*ret));
    if (text != NULL) {
        noren_hmac_sha256(LABEL, sizeof(LABEL) - 1, (const uint8_t *)text, strlen(text), mac);
        free(text);
        print_hex(mac, sizeof(mac), digest);
        revision = next_revision(s, gateway_id, digest, utc_s);
    }
    rc = revision < 0 ? (int)revision : print_parts(all, revision, ret);
    if (rc == 0)
        rc = swap_parts(s, gateway_id, ret->n, &ret->stale);
    json_decref(all);
    if (rc < 0)
        roster_parts_free(ret);
    return rc < 0 ? rc : 0;
}

void roster_parts_free(struct roster_parts *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->payloads[i]);
    free(p->payloads);
    memset(p, 0, sizeof(*p));
}

/* --- forgetting --------------------------------------------------------------------------------- */

/* What HQ itself kept. Events stay as numbers, for the ack counts them. */
static int erase(struct store *s, const char *ref)
{
    static const char *const SQL[] = {
        ("UPDATE event SET body = json_set(body, '$.data', json('{\"forgotten\":true}'))"
         " WHERE json_extract(body, '$.data.member_ref') = ?"),
        "DELETE FROM presence WHERE who = ?",
        "DELETE FROM offer WHERE who = ?",
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(SQL) / sizeof(SQL[0]) && r >= 0; i++)
        r = store_run(s, SQL[i], "s", ref);
    return r;
}

static void drop_cards(struct roster *r, const char *ref)
{
    for (size_t i = json_array_size(r->tags); i-- > 0;) {
        const char *carrier =
            json_string_value(json_object_get(json_array_get(r->tags, i), "member_ref"));

        if (carrier != NULL && strcmp(carrier, ref) == 0)
            json_array_remove(r->tags, i);
    }
}

/* The member whom a receipt is about, or -1: not of our list, or gone already. */
static int find_digest(const struct roster *r, const char *receipt, const char *digest)
{
    size_t i;
    const json_t *m;

    json_array_foreach(r->members, i, m)
    {
        char text[33];

        noren_forget_digest(receipt, json_string_value(json_object_get(m, "member_ref")), text);
        if (strcmp(text, digest) == 0)
            return (int)i;
    }
    return -1;
}

int roster_honour(struct roster *r, struct store *s)
{
    json_t *rows = store_rows(s, "SELECT receipt, digest FROM forgotten", "");
    size_t i;
    const json_t *row;
    int n = 0, rc = 0;

    json_array_foreach(rows, i, row)
    {
        int at = find_digest(r, json_string_value(json_object_get(row, "receipt")),
                             json_string_value(json_object_get(row, "digest")));
        char ref[NOREN_ID_SIZE];

        if (at < 0 || rc < 0)
            continue;
        snprintf(ref, sizeof(ref), "%s",
                 json_string_value(
                     json_object_get(json_array_get(r->members, (size_t)at), "member_ref")));
        drop_cards(r, ref);
        json_array_remove(r->members, (size_t)at);
        rc = erase(s, ref);
        explicit_bzero(ref, sizeof(ref));
        n++;
    }
    json_decref(rows);
    return rc < 0 ? rc : n;
}
