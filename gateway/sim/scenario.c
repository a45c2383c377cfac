/* Scenario, members and plan of a simulated shop; see scenario.h.
 *
 * {"automatic":true, "phones":3, "outside_s":20, "look_s":6, "pick_pm":600, "put_back_pm":200,
 *  "fill_pm":800, "restock_below_pm":300, "restock_after_s":12, "noise_mg":400,
 *  "beacons":[{"kind":"store","x_m":6,"y_m":1,"uuid":"32 hex digits","major":7,"key":"32 hex digits"},
 *             {"kind":"thermometer","x_m":2,"y_m":6}]}
 * Every member may be left out.
 */
#include "sim/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tags.h"
#include "io/doc.h"
#include "io/plan_json.h"

#define FILE_SIZE_MAX ((size_t)16 * 1024 * 1024)

struct scenario scenario_default(void)
{
    return (struct scenario){.automatic = true,
                             .phones = 3,
                             .outside_s = 20,
                             .look_s = 6,
                             .pick_pm = 600,
                             .put_back_pm = 200,
                             .fill_pm = 800,
                             .restock_below_pm = 300,
                             .restock_after_s = 12,
                             .noise_mg = 400};
}

/* The whole file, NUL-terminated; the caller frees. */
static int slurp(const char *path, char **ret, size_t *ret_n, char *error)
{
    FILE *f = fopen(path, "re");
    char *text = f != NULL ? malloc(FILE_SIZE_MAX + 1) : NULL;
    int r = f == NULL ? -errno : text == NULL ? -ENOMEM : 0;

    if (r == 0) {
        *ret_n = fread(text, 1, FILE_SIZE_MAX, f);
        text[*ret_n] = '\0';
        *ret = text;
    } else {
        snprintf(error, SCENARIO_ERROR_SIZE, "%s: %s", path, strerror(-r));
    }
    if (f != NULL)
        fclose(f);
    return r;
}

/* Reads `path` and hands it to `read`, whose sentence gets the file's name in front. */
static int read_with(struct world *w, const char *path,
                     int (*read)(struct world *w, const char *json, size_t n, char *error),
                     char ret_error[SCENARIO_ERROR_SIZE])
{
    char error[PLAN_ERROR_SIZE] = "", *text = NULL;
    size_t n = 0;
    int r = slurp(path, &text, &n, ret_error);

    if (r < 0)
        return r;
    r = read(w, text, n, error);
    free(text);
    if (r < 0)
        snprintf(ret_error, SCENARIO_ERROR_SIZE, "%s: %s", path, error);
    return r;
}

static int read_map(struct world *w, const char *json, size_t n, char *error)
{
    return plan_read_map(&w->plan, json, n, error);
}

static int read_planogram(struct world *w, const char *json, size_t n, char *error)
{
    int r = plan_read_planogram(&w->plan, json, n, error);

    for (int i = 0; i < w->plan.cells_n && r == 0; i++)
        if (w->plan.cells[i].mg_per_count == 0) {
            snprintf(error, PLAN_ERROR_SIZE,
                     "cell %s has no mg_per_count; a simulated cell needs one",
                     w->plan.cells[i].id);
            r = -EINVAL;
        }
    return r;
}

static bool doc_hex(const struct doc *d, const char *key, uint8_t *ret, size_t n)
{
    struct doc m = doc_member(d, key);
    const char *text;

    if (!doc_string(d, key, &text))
        return false;
    if (strlen(text) != 2 * n || strspn(text, "0123456789abcdefABCDEF") != 2 * n)
        return doc_refuse(&m, "must be %zu hex digits", 2 * n);
    for (size_t i = 0; i < n; i++) {
        const char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};

        ret[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

static bool read_beacon(struct scenario *s, const struct doc *d)
{
    static const char *const keys[] = {"kind", "x_m", "y_m", "uuid", "major", "key", NULL};
    struct scenario_beacon b = {.major = 0};
    struct doc kind_at = doc_member(d, "kind");
    const char *kind;

    if (!doc_object(d, keys) || !doc_string(d, "kind", &kind) ||
        !doc_opt_real(d, "x_m", -1e4, 1e4, &b.x_m) || !doc_opt_real(d, "y_m", -1e4, 1e4, &b.y_m))
        return false;
    if (strcmp(kind, "thermometer") == 0)
        b.kind = BEACON_THERMOMETER;
    else if (strcmp(kind, "store") == 0)
        b.kind = BEACON_STORE;
    else
        return doc_refuse(&kind_at, "is \"%.20s\", must be store or thermometer", kind);
    if (b.kind == BEACON_STORE &&
        (!doc_hex(d, "uuid", b.uuid, sizeof(b.uuid)) || !doc_hex(d, "key", b.key, sizeof(b.key)) ||
         !doc_i64(d, "major", 0, UINT16_MAX, &b.major)))
        return false;
    s->beacons[s->beacons_n++] = b;
    return true;
}

static bool read_automatic(struct scenario *s, const struct doc *d)
{
    struct doc m = doc_member(d, "automatic");

    if (m.v != NULL && !json_is_boolean(m.v))
        return doc_refuse(&m, "must be true or false");
    s->automatic = m.v == NULL || json_is_true(m.v);
    return true;
}

static bool read_document(struct scenario *s, const struct doc *d)
{
    static const char *const keys[] = {
        "$schema",  "automatic",   "phones",  "outside_s",        "look_s",
        "pick_pm",  "put_back_pm", "fill_pm", "restock_below_pm", "restock_after_s",
        "noise_mg", "beacons",     NULL};
    struct doc list;

    if (!doc_object(d, keys) || !read_automatic(s, d) ||
        !doc_opt_i64(d, "phones", 0, 32, &s->phones) ||
        !doc_opt_real(d, "outside_s", 0, 86400, &s->outside_s) ||
        !doc_opt_real(d, "look_s", 0, 3600, &s->look_s) ||
        !doc_opt_i64(d, "pick_pm", 0, 1000, &s->pick_pm) ||
        !doc_opt_i64(d, "put_back_pm", 0, 1000, &s->put_back_pm) ||
        !doc_opt_i64(d, "fill_pm", 0, 1000, &s->fill_pm) ||
        !doc_opt_i64(d, "restock_below_pm", 0, 1000, &s->restock_below_pm) ||
        !doc_opt_real(d, "restock_after_s", 0, 86400, &s->restock_after_s) ||
        !doc_opt_i64(d, "noise_mg", 0, 1000000, &s->noise_mg) ||
        !doc_array(d, "beacons", WORLD_BEACONS_MAX, &list))
        return false;
    for (size_t i = 0; i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);

        if (!read_beacon(s, &item))
            return false;
    }
    return true;
}

static int read_scenario(struct world *w, const char *json, size_t n, char *error)
{
    struct doc d = doc_load(json, n, error, PLAN_ERROR_SIZE);
    bool ok = d.v != NULL && read_document(&w->scenario, &d);

    json_decref(d.v);
    return ok ? 0 : -EINVAL;
}

static bool read_person(struct world *w, const struct doc *item)
{
    struct person *p = &w->people[w->people_n++];

    *p = (struct person){.kind = PERSON_MEMBER, .phone = doc_member(item, "member_key").v != NULL};
    return doc_id(item, "member_ref", p->ref) &&
           (!p->phone || doc_hex(item, "member_key", p->key, sizeof(p->key)));
}

/* The card of a member; what lies about in the shop is not simulated. */
static bool read_card(struct world *w, const struct doc *item)
{
    char ref[NOREN_ID_SIZE] = "";
    struct person_tag tag = {.carried = true, .irk = doc_member(item, "irk").v != NULL};
    int64_t k = 0;

    if (!doc_opt_id(item, "member_ref", ref) ||
        !doc_hex(item, tag.irk ? "irk" : "eid_key", tag.key, sizeof(tag.key)) ||
        !doc_opt_i64(item, "k", 0, TAG_K_MAX, &k) ||
        !doc_opt_i64(item, "offset_s", -(int64_t)UINT32_MAX, UINT32_MAX, &tag.offset_s))
        return false;
    tag.k = (uint8_t)k;
    for (int i = 0; i < w->people_n; i++)
        if (strcmp(w->people[i].ref, ref) == 0)
            w->people[i].tag = tag;
    return true;
}

/* Headquarters checks its own file; what is not needed here is not looked at. */
static int read_members(struct world *w, const char *json, size_t n, char *error)
{
    struct doc d = doc_load(json, n, error, PLAN_ERROR_SIZE), list, cards;
    bool ok = d.v != NULL && doc_array(&d, "members", WORLD_PEOPLE_MAX / 2, &list) &&
              doc_array(&d, "tags", TAGS_MAX, &cards);

    for (size_t i = 0; ok && i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);

        ok = read_person(w, &item);
    }
    for (size_t i = 0; ok && i < doc_size(&cards); i++) {
        struct doc item = doc_item(&cards, i);

        ok = read_card(w, &item);
    }
    json_decref(d.v);
    return ok ? 0 : -EINVAL;
}

int scenario_read(struct world *w, const char *path, char ret_error[SCENARIO_ERROR_SIZE])
{
    return read_with(w, path, read_scenario, ret_error);
}

int scenario_read_members(struct world *w, const char *path, char ret_error[SCENARIO_ERROR_SIZE])
{
    return read_with(w, path, read_members, ret_error);
}

int scenario_read_map(struct world *w, const char *path, char ret_error[SCENARIO_ERROR_SIZE])
{
    return read_with(w, path, read_map, ret_error);
}

int scenario_read_planogram(struct world *w, const char *path, char ret_error[SCENARIO_ERROR_SIZE])
{
    return read_with(w, path, read_planogram, ret_error);
}
