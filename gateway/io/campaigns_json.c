/* The campaigns document: who is offered what, where and when. See plan_json.h.
 *
 * {"revision":N,"campaigns":[{"id","zone","dwell_s","gtin","template","valid_from","valid_until",
 * "holdout_bp"}]}: a member who stays `dwell_s` seconds in `zone` is shown `template`, if the product `gtin`
 * is available. valid_from and valid_until are RFC 3339 times, absent = open; of the members' central
 * buckets (0..9999) those below `holdout_bp` are held out and get a ghost.
 */
#include <stdint.h>
#include <string.h>

#include "io/plan_json.h"
#include "io/plan_read.h"
#include "io/rfc3339.h"

#define DWELL_MAX_S 86400

static bool read_time(const struct doc *d, const char *key, int64_t *ret_s)
{
    struct doc m = doc_member(d, key);
    int64_t us;

    *ret_s = 0;
    if (m.v == NULL)
        return true;
    if (!json_is_string(m.v) || !rfc3339_parse(json_string_value(m.v), &us) || us <= 0)
        return doc_refuse(&m, "must be a time like \"2026-11-21T09:00:00+09:00\"");
    *ret_s = us / NOREN_US_PER_S;
    return true;
}

/* Zone and product by name; both must exist. */
static bool read_places(const struct plan *p, const struct doc *d, struct plan_campaign *c)
{
    char zone[NOREN_ID_SIZE], gtin[NOREN_GTIN_SIZE];
    struct doc zone_at = doc_member(d, "zone"), gtin_at = doc_member(d, "gtin");

    if (!doc_id(d, "zone", zone) || !plan_read_gtin(d, "gtin", gtin))
        return false;
    c->zone = plan_find_zone(p, zone);
    if (c->zone == NO_INDEX)
        return doc_refuse(&zone_at, "the map has no zone \"%s\"; add it there or correct the id",
                          zone);
    c->product = plan_find_product(p, gtin);
    if (c->product == NO_INDEX)
        return doc_refuse(&gtin_at, "no product of the planogram has the GTIN %s", gtin);
    return true;
}

static bool read_campaign(struct plan *p, int64_t revision, const struct doc *d)
{
    static const char *const keys[] = {"id",          "zone",       "dwell_s",
                                       "gtin",        "template",   "valid_from",
                                       "valid_until", "holdout_bp", NULL};
    struct plan_campaign c = {.revision = revision};
    struct doc id = doc_member(d, "id"), until = doc_member(d, "valid_until");
    int64_t dwell_s, holdout_bp = 0;

    if (!doc_object(d, keys) || !doc_id(d, "id", c.id) || !read_places(p, d, &c) ||
        !doc_i64(d, "dwell_s", 0, DWELL_MAX_S, &dwell_s) || !doc_id(d, "template", c.template_id) ||
        !read_time(d, "valid_from", &c.valid_from_s) ||
        !read_time(d, "valid_until", &c.valid_until_s) ||
        !doc_opt_i64(d, "holdout_bp", 0, 10000, &holdout_bp))
        return false;
    if (c.valid_until_s != 0 && c.valid_until_s <= c.valid_from_s)
        return doc_refuse(&until, "is not after valid_from");
    for (uint16_t i = 0; i < p->campaigns_n; i++)
        if (strcmp(p->campaigns[i].id, c.id) == 0)
            return doc_refuse(&id, "\"%s\" is used twice; every campaign has its own id", c.id);
    c.dwell_us = dwell_s * NOREN_US_PER_S;
    c.holdout_bp = (int32_t)holdout_bp;
    p->campaigns[p->campaigns_n++] = c;
    return true;
}

static bool read_campaigns(struct plan *p, const struct doc *d)
{
    static const char *const keys[] = {"$schema", "to", "revision", "campaigns", NULL};
    int64_t revision;
    struct doc list;

    p->campaigns_n = 0;
    if (!doc_object(d, keys) || !doc_i64(d, "revision", 0, INT64_MAX, &revision) ||
        !doc_array(d, "campaigns", CAMPAIGNS_MAX, &list))
        return false;
    for (size_t i = 0; i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);

        if (!read_campaign(p, revision, &item))
            return false;
    }
    return true;
}

int plan_read_campaigns(struct plan *p, const char *json, size_t n, char ret_error[PLAN_ERROR_SIZE])
{
    return plan_read_with(read_campaigns, p, json, n, ret_error, PLAN_ERROR_SIZE);
}
