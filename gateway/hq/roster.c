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

/* NULL, or what is wrong with one member and what to write. */
static const char *check_member(const json_t *m)
{
    uint8_t key[32];
    const json_t *ref = json_object_get(m, "member_ref"), *stores = json_object_get(m, "stores");
    json_int_t bucket = json_integer_value(json_object_get(m, "bucket"));

    if (!json_is_string(ref) || json_string_length(ref) == 0 ||
        json_string_length(ref) >= NOREN_ID_SIZE)
        return "member_ref: write an opaque text of 1..39 bytes";
    if (!json_is_string(json_object_get(m, "name")))
        return "name: write a text (it stays at headquarters)";
    if (!hex_read(json_string_value(json_object_get(m, "member_key")), key, sizeof(key)))
        return "member_key: write 64 lower-case hex digits";
    if (!known_consents(json_object_get(m, "consent")))
        return "consent: write a list of presence, offers, interaction, analytics";
    if (!json_is_integer(json_object_get(m, "bucket")) || bucket < 0 || bucket > 9999)
        return "bucket: write 0..9999";
    if (stores != NULL && !strings_only(stores))
        return "stores: write a list of store ids, or leave it out for all stores";
    return NULL;
}

static int check_members(const json_t *members, const char *path, char *ret_error)
{
    size_t i;
    const json_t *m;
    json_t *seen = json_object();
    int r = 0;

    json_array_foreach((json_t *)members, i, m)
    {
        const char *why = check_member(m);
        const char *ref = json_string_value(json_object_get(m, "member_ref"));

        if (why == NULL && json_object_get(seen, ref) != NULL)
            why = "member_ref: is in the list twice; remove one";
        if (why != NULL) {
            snprintf(ret_error, ROSTER_ERROR_SIZE, "%s: members[%zu].%s", path, i, why);
            r = -EINVAL;
            break;
        }
        json_object_set_new(seen, ref, json_true());
    }
    json_decref(seen);
    return r;
}

int roster_load(struct roster *r, const char *path, char ret_error[ROSTER_ERROR_SIZE])
{
    json_error_t error;

    if (path[0] == '\0') {
        r->members = json_array();
        return 0;
    }
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        snprintf(ret_error, ROSTER_ERROR_SIZE, "%s:%d: %s", path, error.line, error.text);
        return -EINVAL;
    }
    json_t *members = json_object_get(root, "members");
    int rc = -EINVAL;
    if (json_is_array(members))
        rc = check_members(members, path, ret_error);
    else
        snprintf(ret_error, ROSTER_ERROR_SIZE, "%s: needs {\"members\": [...]}", path);
    if (rc == 0)
        r->members = json_incref(members);
    json_decref(root);
    return rc;
}

void roster_free(struct roster *r)
{
    json_decref(r->members);
    r->members = NULL;
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
    json_t *keys = json_object();

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
        json_array_append_new(
            list, json_pack("{s:O,s:O,s:O,s:o}", "member_ref", json_object_get(m, "member_ref"),
                            "consent", json_object_get(m, "consent"), "bucket",
                            json_object_get(m, "bucket"), "day_keys", day_keys(m, utc_s)));
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

int roster_print(const struct roster *r, struct store *s, int64_t gateway_id,
                 const char *store_name, int64_t utc_s, char **ret_payload)
{
    /* a label as HMAC key: any fixed one makes it a digest that nothing else uses */
    static const uint8_t LABEL[] = "noren-hq-bundle";
    uint8_t mac[32];
    char digest[65];
    json_t *list = bundle_members(r, store_name, utc_s);
    char *text = json_dumps(list, JSON_COMPACT);

    if (text == NULL) {
        json_decref(list);
        return -ENOMEM;
    }
    noren_hmac_sha256(LABEL, sizeof(LABEL) - 1, (const uint8_t *)text, strlen(text), mac);
    free(text);
    print_hex(mac, sizeof(mac), digest);
    int64_t revision = next_revision(s, gateway_id, digest, utc_s);
    if (revision < 0) {
        json_decref(list);
        return (int)revision;
    }
    json_t *bundle = json_pack("{s:I,s:o}", "revision", (json_int_t)revision, "members", list);
    *ret_payload = json_dumps(bundle, JSON_COMPACT);
    json_decref(bundle);
    return *ret_payload != NULL ? 0 : -ENOMEM;
}
