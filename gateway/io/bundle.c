/* Bundles; see bundle.h. */
#include "io/bundle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/doc.h"
#include "io/plan_json.h"
#include "noren/hex.h"

#define CONFIRM_MIN_S     10
#define CONFIRM_MAX_S     3600
#define CONFIRM_DEFAULT_S 300

static const char *const NAMES[BUNDLES] = {[BUNDLE_KEYS] = "keys",
                                           [BUNDLE_CONFIG] = "config",
                                           [BUNDLE_PLANOGRAM] = "planogram",
                                           [BUNDLE_CAMPAIGNS] = "campaigns"};
/* The name that tells a kind; the others are NAMES. */
static const char KEY_MEMBER[] = "key";

const char *bundle_name(enum bundle_kind kind)
{
    return kind < BUNDLES ? NAMES[kind] : "";
}

enum bundle_kind bundle_find(const char *name)
{
    int i = 0;

    while (i < BUNDLES && strcmp(NAMES[i], name) != 0)
        i++;
    return (enum bundle_kind)i;
}

static const char *member_of(enum bundle_kind kind)
{
    return kind == BUNDLE_KEYS ? KEY_MEMBER : bundle_name(kind);
}

bool bundle_is_for(const char *to, const char *us)
{
    size_t n = strlen(to);

    return n > 0 && strncmp(to, us, n) == 0 && (us[n] == '\0' || us[n] == '/');
}

void bundle_free(struct bundle *b)
{
    free(b->document);
    free(b->map);
    b->document = b->map = NULL;
}

/* --- reading ------------------------------------------------------------------------------------ */

static bool read_config(const struct doc *d, struct bundle_config *c)
{
    static const char *const keys[] = {"mqtt", "storage", NULL};
    static const char *const mqtt_keys[] = {"host", "port", "confirm_s", NULL};
    static const char *const storage_keys[] = {"quota_mb", "keep_mb", "keep_h", NULL};
    struct doc mqtt = doc_member(d, "mqtt"), storage = doc_member(d, "storage");
    struct doc host = doc_member(&mqtt, "host");
    int64_t port = 8883;

    c->confirm_s = CONFIRM_DEFAULT_S;
    if (!doc_object(d, keys))
        return false;
    if (mqtt.v != NULL) {
        if (!doc_object(&mqtt, mqtt_keys) ||
            !doc_opt_text(&mqtt, "host", c->host, sizeof(c->host)) ||
            !doc_opt_i64(&mqtt, "port", 1, 65535, &port) ||
            !doc_opt_i64(&mqtt, "confirm_s", CONFIRM_MIN_S, CONFIRM_MAX_S, &c->confirm_s))
            return false;
        if (c->host[0] == '\0')
            return doc_refuse(&mqtt, "\"host\" is missing; name the broker");
        if (strpbrk(c->host, " /\t") != NULL)
            return doc_refuse(&host, "is no host name");
        c->port = (uint32_t)port;
    }
    /* what is less than a busy hour would give up events while the network is well */
    return storage.v == NULL || (doc_object(&storage, storage_keys) &&
                                 doc_opt_i64(&storage, "quota_mb", 16, 65536, &c->quota_mb) &&
                                 doc_opt_i64(&storage, "keep_mb", 1, 16384, &c->keep_mb) &&
                                 doc_opt_i64(&storage, "keep_h", 1, 720, &c->keep_h));
}

/* A part of the document as text of its own. */
static int take_text(const json_t *v, char **ret_text, size_t *ret_n)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(17));

    if (text == NULL)
        return -ENOMEM;
    *ret_text = text;
    *ret_n = strlen(text);
    return 0;
}

static int read_body(const struct doc *d, struct bundle *b)
{
    struct doc body = doc_member(d, member_of(b->kind)), map = doc_member(d, "map");
    int rc;

    switch (b->kind) {
    case BUNDLE_KEYS:
        return hex_read(json_string_value(body.v), b->key, sizeof(b->key)) ||
                       doc_refuse(&body, "must be a public key of 64 hex digits")
                   ? 0
                   : -EINVAL;
    case BUNDLE_CONFIG:
        return read_config(&body, &b->config) ? 0 : -EINVAL;
    case BUNDLE_PLANOGRAM:
        rc = take_text(body.v, &b->document, &b->document_n);
        return rc == 0 && map.v != NULL ? take_text(map.v, &b->map, &b->map_n) : rc;
    case BUNDLE_CAMPAIGNS:
        return take_text(d->v, &b->document, &b->document_n);
    case BUNDLES:
        break;
    }
    return -EINVAL;
}

static bool find_kind(const struct doc *d, enum bundle_kind *ret)
{
    int found = 0;

    if (!json_is_object(d->v))
        return doc_refuse(d, "must be an object {...}");
    for (int i = 0; i < BUNDLES; i++) {
        if (json_object_get(d->v, member_of((enum bundle_kind)i)) != NULL) {
            *ret = (enum bundle_kind)i;
            found++;
        }
    }
    return found == 1 || doc_refuse(d, "must have exactly one of key, config, planogram "
                                       "and campaigns");
}

static bool read_head(const struct doc *d, struct bundle *b)
{
    const char *keys[] = {"$schema", "to", "revision", member_of(b->kind), NULL, NULL};
    struct doc to_at = doc_member(d, "to");
    const char *to;

    if (b->kind == BUNDLE_PLANOGRAM)
        keys[4] = "map";
    if (!doc_object(d, keys) || !doc_i64(d, "revision", 1, INT64_MAX, &b->revision) ||
        !doc_string(d, "to", &to))
        return false;
    if (strlen(to) >= sizeof(b->to) || to[0] == '\0')
        return doc_refuse(&to_at, "names nobody; write tenant, tenant/store or "
                                  "tenant/store/gateway");
    memcpy(b->to, to, strlen(to) + 1);
    return true;
}

int bundle_read(struct bundle *ret, const char *json, size_t n, char ret_error[BUNDLE_ERROR_SIZE])
{
    struct doc d = doc_load(json, n, ret_error, BUNDLE_ERROR_SIZE);
    struct bundle b = {.kind = BUNDLES};
    int rc = -EINVAL;

    if (d.v != NULL && find_kind(&d, &b.kind) && read_head(&d, &b))
        rc = read_body(&d, &b);
    json_decref(d.v);
    if (rc == -ENOMEM)
        snprintf(ret_error, BUNDLE_ERROR_SIZE, "no memory");
    if (rc != 0)
        bundle_free(&b);
    else
        *ret = b;
    return rc;
}

int bundle_open(struct bundle *ret, enum bundle_kind kind, const struct jws_key *key,
                const char *token, size_t n, const char *us, char ret_error[BUNDLE_ERROR_SIZE])
{
    struct bundle b;
    char *json = NULL;
    size_t json_n;
    int rc = jws_verify(key, token, n, &json, &json_n);

    if (rc != 0) {
        snprintf(ret_error, BUNDLE_ERROR_SIZE,
                 "not signed by headquarters' key that is in force here");
        return rc;
    }
    rc = bundle_read(&b, json, json_n, ret_error);
    free(json);
    if (rc != 0)
        return rc;
    if (b.kind != kind) {
        snprintf(ret_error, BUNDLE_ERROR_SIZE, "is a bundle of %s", bundle_name(b.kind));
        rc = -EINVAL;
    } else if (!bundle_is_for(b.to, us)) {
        snprintf(ret_error, BUNDLE_ERROR_SIZE, "to: is for %s, this is %s", b.to, us);
        rc = -EPERM;
    }
    if (rc != 0)
        bundle_free(&b);
    else
        *ret = b;
    return rc;
}

/* --- keys --------------------------------------------------------------------------------------- */

int bundle_follow_keys(struct jws_key *key, const char *chain, size_t n, const char *us,
                       int64_t *ret_revision, char ret_error[BUNDLE_ERROR_SIZE])
{
    const char *end = chain + n, *at = chain;
    int64_t revision = -1;
    int steps = 0;

    for (const char *line_end; at < end; at = line_end + 1) {
        struct bundle b;
        int rc;

        line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end != NULL ? line_end : end;
        rc = bundle_open(&b, BUNDLE_KEYS, key, at, (size_t)(line_end - at), us, ret_error);
        if (rc != 0 && (steps == 0 || line_end == at))
            continue; /* how another key came to be ours: history */
        if (rc != 0)
            return rc;
        bundle_free(&b);
        if (b.revision <= revision || jws_key_replace(key, b.key) != 0) {
            snprintf(ret_error, BUNDLE_ERROR_SIZE, "revision %lld is no step forward",
                     (long long)b.revision);
            return -EBADMSG;
        }
        *ret_revision = revision = b.revision;
        steps++;
    }
    return steps;
}

/* --- making and checking ------------------------------------------------------------------------ */

static json_t *body_of(enum bundle_kind kind, const char *document, size_t n, char *error)
{
    json_error_t e;
    json_t *v, *inner;

    if (kind == BUNDLE_KEYS)
        return json_stringn(document, n);
    v = json_loadb(document, n, JSON_REJECT_DUPLICATES, &e);
    if (v == NULL) {
        snprintf(error, BUNDLE_ERROR_SIZE, "line %d, column %d: %s", e.line, e.column, e.text);
        return NULL;
    }
    if (kind != BUNDLE_CAMPAIGNS)
        return v;
    inner = json_incref(json_object_get(v, NAMES[kind])); /* the file has them below the name */
    json_decref(v);
    if (inner == NULL)
        snprintf(error, BUNDLE_ERROR_SIZE, "needs {\"%s\": [...]}", NAMES[kind]);
    return inner;
}

int bundle_make(enum bundle_kind kind, const char *to, int64_t revision, const char *document,
                size_t n, const char *map, size_t map_n, char **ret_payload,
                char ret_error[BUNDLE_ERROR_SIZE])
{
    json_t *body = body_of(kind, document, n, ret_error), *bundle;

    if (body == NULL)
        return -EINVAL;
    bundle = json_pack("{s:s,s:I,s:o}", "to", to, "revision", (json_int_t)revision, member_of(kind),
                       body);
    if (bundle != NULL && map != NULL) {
        json_t *v = body_of(BUNDLE_PLANOGRAM, map, map_n, ret_error);

        if (v == NULL) {
            json_decref(bundle);
            return -EINVAL;
        }
        json_object_set_new(bundle, "map", v);
    }
    *ret_payload = json_dumps(bundle, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(bundle);
    return *ret_payload != NULL ? 0 : -ENOMEM;
}

/* Runs a reader into a scratch plan and puts the place in front of what it says. */
static int check_plan(const struct bundle *b, char *error)
{
    struct plan *plan = malloc(sizeof(*plan));
    char why[PLAN_ERROR_SIZE] = "";
    const char *where = "map.";
    int rc = 0;

    if (plan == NULL)
        return -ENOMEM;
    plan_clear(plan);
    if (b->map != NULL)
        rc = plan_read_map(plan, b->map, b->map_n, why);
    if (rc == 0) {
        where = "planogram.";
        rc = plan_read_planogram(plan, b->document, b->document_n, why);
    }
    free(plan);
    if (rc != 0)
        snprintf(error, BUNDLE_ERROR_SIZE, "%s%s", where, why);
    return rc;
}

int bundle_check(const struct bundle *b, char ret_error[BUNDLE_ERROR_SIZE])
{
    /* campaigns name zones and products that only the planogram knows; the rest was checked when it was read */
    return b->kind == BUNDLE_PLANOGRAM ? check_plan(b, ret_error) : 0;
}
