/* Requests; see request.h. */
#include "io/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/rfc3339.h"
#include "noren/crypto.h"

/* The digest of name and arguments, whatever their order and spacing was. */
static bool make_digest(struct request *r)
{
    static const uint8_t label[] = "noren-command";
    json_t *copy = json_copy(r->flat);
    uint8_t mac[32];
    char *text;

    json_object_del(copy, "id");
    text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));
    json_decref(copy);
    if (text == NULL)
        return false;
    noren_hmac_sha256(label, sizeof(label) - 1, (const uint8_t *)text, strlen(text), mac);
    free(text);
    for (int i = 0; i < 16; i++)
        snprintf(r->digest + 2 * i, 3, "%02x", mac[i]);
    return true;
}

/* Takes the document over. */
static bool finish(struct request *r, const struct doc *d)
{
    if (make_digest(r))
        return true;
    json_decref(r->flat);
    r->flat = NULL;
    return doc_refuse(d, "no memory");
}

bool request_read_flat(struct request *ret, const char *json, size_t n,
                       char ret_error[REQUEST_ERROR_SIZE])
{
    struct doc d = doc_load(json, n, ret_error, REQUEST_ERROR_SIZE);
    struct request r = {.flat = d.v};
    bool good = d.v != NULL && doc_id(&d, "id", r.id);

    memcpy(ret->id, r.id, sizeof(ret->id));
    if (good && doc_id(&d, "name", r.name)) {
        *ret = r;
        return finish(ret, &d);
    }
    json_decref(d.v);
    return false;
}

static bool read_time(const struct doc *d, const char *key, int64_t *ret_us)
{
    struct doc m = doc_member(d, key);
    const char *text;

    if (!doc_string(d, key, &text))
        return false;
    return (rfc3339_parse(text, ret_us) && *ret_us > 0) ||
           doc_refuse(&m, "\"%.40s\" is no time; write 2026-11-21T09:00:00Z", text);
}

static bool read_to(const struct doc *d, char ret_to[REQUEST_TO_SIZE])
{
    struct doc m = doc_member(d, "to");
    const char *text;

    if (!doc_string(d, "to", &text))
        return false;
    if (text[0] == '\0' || strlen(text) >= REQUEST_TO_SIZE)
        return doc_refuse(&m, "names no gateway; write tenant/store/gateway");
    memcpy(ret_to, text, strlen(text) + 1);
    return true;
}

/* The arguments beside id and name, as the handlers read them. */
static bool flatten(const struct doc *d, struct request *r)
{
    struct doc args = doc_member(d, "args");

    if (args.v != NULL && !json_is_object(args.v))
        return doc_refuse(&args, "must be an object {...}");
    if (json_object_get(args.v, "id") != NULL || json_object_get(args.v, "name") != NULL)
        return doc_refuse(&args, "must not have an id or a name; they stand beside it");
    r->flat = args.v != NULL ? json_copy(args.v) : json_object();
    json_object_set_new(r->flat, "id", json_string(r->id));
    json_object_set_new(r->flat, "name", json_string(r->name));
    return true;
}

static bool read_envelope(const struct doc *d, struct request *r)
{
    static const char *const keys[] = {"id",         "name", "to",      "actor", "issued_at",
                                       "expires_at", "args", "session", NULL};
    struct doc until = doc_member(d, "expires_at");

    if (!doc_id(d, "id", r->id) || !doc_object(d, keys) || !doc_id(d, "name", r->name) ||
        !doc_id(d, "actor", r->actor) || !read_to(d, r->to) ||
        !doc_opt_id(d, "session", r->session) || !read_time(d, "issued_at", &r->issued_us) ||
        !read_time(d, "expires_at", &r->expires_us))
        return false;
    if (r->expires_us <= r->issued_us)
        return doc_refuse(&until, "is not after issued_at");
    return flatten(d, r);
}

bool request_read_envelope(struct request *ret, const char *json, size_t n,
                           char ret_error[REQUEST_ERROR_SIZE])
{
    struct doc d = doc_load(json, n, ret_error, REQUEST_ERROR_SIZE);
    struct request r = {.flat = NULL};
    bool good = d.v != NULL && read_envelope(&d, &r);

    if (good)
        *ret = r;
    else
        memcpy(ret->id, r.id, sizeof(ret->id));
    good = good && finish(ret, &d);
    json_decref(d.v);
    return good;
}

void request_free(struct request *r)
{
    json_decref(r->flat);
    r->flat = NULL;
}
