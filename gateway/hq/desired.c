/* Desired state out of a folder; see desired.h. */
#include "hq/desired.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/config.h"
#include "io/engine.h"
#include "io/file.h"
#include "noren/crypto.h"

#define FILE_MAX (8 << 20)

struct document {
    char path[CONFIG_PATH_SIZE + 2 * NOREN_ID_SIZE];
    char *text;
    size_t n;
};

static int load(struct document *d, const char *dir, const char *store_name, const char *name)
{
    snprintf(d->path, sizeof(d->path), "%s/%s/%s", dir, store_name, name);
    return file_read(d->path, FILE_MAX, &d->text, &d->n);
}

/* The revision of a content: the last one if it is the same, else a later one. */
static int64_t revision_of(struct store *s, int64_t gateway_id, const char *name,
                           const char *payload, int64_t utc_s, bool *ret_is_new)
{
    /* a label as HMAC key: any fixed one makes it a digest that nothing else uses */
    static const uint8_t LABEL[] = "noren-hq-bundle";
    uint8_t mac[32];
    char digest[65];

    noren_hmac_sha256(LABEL, sizeof(LABEL) - 1, (const uint8_t *)payload, strlen(payload), mac);
    for (int i = 0; i < 32; i++)
        snprintf(digest + 2 * i, 3, "%02x", mac[i]);
    int64_t same = store_int(s, -1,
                             "SELECT revision FROM bundle WHERE gateway_id = ? AND name = ?"
                             " AND digest = ?",
                             "iss", gateway_id, name, digest);
    *ret_is_new = same < 0;
    if (same >= 0)
        return same;
    int64_t last = store_int(s, 0, "SELECT revision FROM bundle WHERE gateway_id = ? AND name = ?",
                             "is", gateway_id, name);
    int64_t revision = utc_s > last ? utc_s : last + 1;
    int r = store_run(s,
                      "INSERT INTO bundle(gateway_id, name, revision, digest) VALUES(?, ?, ?, ?)"
                      " ON CONFLICT DO UPDATE SET revision = excluded.revision,"
                      " digest = excluded.digest",
                      "isis", gateway_id, name, revision, digest);
    return r < 0 ? r : revision;
}

/* As a gateway would: campaigns against the planogram beside them. */
static int check(const char *payload, const char *dir, const char *store_name, char *error)
{
    const char *const where[DOCUMENTS] = {"map.json: ", "planogram.json: ", ""};
    char names[DOCUMENTS][CONFIG_PATH_SIZE + NOREN_ID_SIZE];
    struct engine_plan plan = {.plan = NULL};
    struct bundle b;
    int r = bundle_read(&b, payload, strlen(payload), error);

    if (r == 0)
        r = bundle_check(&b, error);
    if (r == 0 && b.kind == BUNDLE_CAMPAIGNS) {
        static const char *const FILES[] = {"map.json", "planogram.json"};

        plan.text[DOCUMENT_CAMPAIGNS] = b.document;
        plan.n[DOCUMENT_CAMPAIGNS] = b.document_n;
        b.document = NULL;
        for (int i = DOCUMENT_MAP; i <= DOCUMENT_PLANOGRAM; i++) {
            snprintf(names[i], sizeof(names[i]), "%s/%s/%s", dir, store_name, FILES[i]);
            (void)file_read(names[i], FILE_MAX, &plan.text[i], &plan.n[i]);
        }
        /* without a planogram of ours the gateway has its own, and will say what does not fit */
        if (plan.text[DOCUMENT_PLANOGRAM] != NULL)
            r = engine_parse_plan(&plan, where, error);
    }
    engine_plan_free(&plan);
    if (r == 0 || b.kind != BUNDLES)
        bundle_free(&b);
    return r;
}

int desired_make(struct store *s, const char *dir, enum bundle_kind kind, int64_t gateway_id,
                 const char *to, const char *store_name, int64_t utc_s, char **ret_payload,
                 bool *ret_is_new, char ret_error[DESIRED_ERROR_SIZE])
{
    char name[32], why[BUNDLE_ERROR_SIZE] = "";
    struct document d = {.text = NULL}, map = {.text = NULL};
    char *payload = NULL;
    int64_t revision = 1;

    snprintf(name, sizeof(name), "%s.json", bundle_name(kind));
    int r = load(&d, dir, store_name, name);
    if (r == 0 && kind == BUNDLE_PLANOGRAM) {
        r = load(&map, dir, store_name, "map.json");
        r = r == -ENOENT ? 0 : r;
    }
    /* twice: its revision hangs on what is in it */
    for (int i = 0; r == 0 && i < 2; i++) {
        free(payload);
        payload = NULL;
        r = bundle_make(kind, to, revision, d.text, d.n, map.text, map.n, &payload, why);
        if (r == 0 && i == 0)
            r = check(payload, dir, store_name, why);
        if (r == 0 && i == 0) {
            revision = revision_of(s, gateway_id, bundle_name(kind), payload, utc_s, ret_is_new);
            r = revision < 0 ? (int)revision : 0;
        }
    }
    free(d.text);
    free(map.text);
    if (r < 0) {
        snprintf(ret_error, DESIRED_ERROR_SIZE, "%.250s: %s", d.path,
                 why[0] != '\0' ? why : strerror(-r));
        free(payload);
        return r;
    }
    *ret_payload = payload;
    return 1;
}
