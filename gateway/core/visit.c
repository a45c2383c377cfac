/* Visits of members; see visit.h. */
#include "core/visit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/row.h"

/** What a path of identity is worth (design section 6: medium, high, certain). */
static const struct {
    char name[12];
    int32_t confidence_pm;
} PATHS[ID_PATHS] = {
    [PATH_TOKEN] = {"token", 900}, [PATH_CHECKIN] = {"checkin", 900}, [PATH_TAG] = {"tag", 900},
    [PATH_DOOR] = {"door", 1000},  [PATH_LINE] = {"line", 600},
};

/* RECORD_SHOP row of the next number; the rows of visits are keyed by visit id ("v12"). */
#define NEXT_KEY "visit"

void visits_init(struct visits *s)
{
    memset(s, 0, sizeof(*s));
    for (uint16_t i = 0; i < VISITS_MAX; i++)
        s->v[i].next = i + 1 < VISITS_MAX ? (uint16_t)(i + 1) : NO_INDEX;
    s->next_number = 1;
}

/** Takes a slot; the caller has seen that there is one. */
static struct visit *take_slot(struct visits *s)
{
    uint16_t slot = s->free;
    struct visit *v = &s->v[slot];

    s->free = v->next;
    s->used_n++;
    memset(v, 0, sizeof(*v));
    v->used = true;
    v->presence.slot = slot;
    v->presence.zone = NO_INDEX;
    for (int i = 0; i < ID_PATHS; i++)
        v->evidence_us[i] = EVENT_NULL;
    return v;
}

struct visit *visit_open(struct visits *s, const struct who *who, int64_t t_us)
{
    struct visit *v;

    if (s->free == NO_INDEX) {
        s->refused++;
        return NULL;
    }
    v = take_slot(s);
    v->presence.who = *who;
    v->presence.zone_since_us = t_us;
    v->opened_us = v->heard_us = t_us;
    snprintf(v->presence.visit_id, sizeof(v->presence.visit_id), "v%" PRId64, s->next_number++);
    return v;
}

void visit_evidence(struct visit *v, enum id_path path, int64_t t_us)
{
    if (v->evidence_us[path] == EVENT_NULL)
        v->evidence_us[path] = t_us;
    if (t_us > v->heard_us && v->sightings < UINT16_MAX)
        v->sightings++;
    v->heard_us = t_us;
}

static struct evidence_list evidence_of(const struct visit *v, int32_t *ret_confidence_pm)
{
    struct evidence_list list = {.n = 0};

    *ret_confidence_pm = 0;
    for (int i = 0; i < ID_PATHS; i++) {
        struct evidence *e = &list.e[list.n];

        if (v->evidence_us[i] == EVENT_NULL)
            continue;
        memcpy(e->path, PATHS[i].name, sizeof(e->path));
        e->confidence_pm = PATHS[i].confidence_pm;
        e->at_us = v->evidence_us[i];
        list.n++;
        if (e->confidence_pm > *ret_confidence_pm)
            *ret_confidence_pm = e->confidence_pm;
    }
    return list;
}

static const char *zone_id(const struct plan *plan, uint16_t zone)
{
    return zone < plan->zones_n ? plan->zones[zone].id : "";
}

/** Bits of the flags field of a row. */
enum { ROW_QUALIFIED = 1 };

/** Row: 1, member, consent, bucket, zone, zone_since, opened, heard, sightings, flags, then the moment of
 * each path's evidence after opening, or -1. */
static void save(const struct visits *s, const struct visit *v, const struct plan *plan,
                 struct batch *out)
{
    const struct presence *p = &v->presence;
    struct record *r = batch_record(out, RECORD_VISIT, p->visit_id);
    int n = snprintf(r->value, sizeof(r->value),
                     "1\t%s\t%d\t%d\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%d\t%d", p->who.ref,
                     p->consent, p->bucket, zone_id(plan, p->zone), p->zone_since_us, v->opened_us,
                     v->heard_us, v->sightings, v->qualified ? ROW_QUALIFIED : 0);

    for (int i = 0; i < ID_PATHS; i++) {
        int64_t at = v->evidence_us[i] == EVENT_NULL ? -1 : v->evidence_us[i] - v->opened_us;

        n += snprintf(r->value + n, sizeof(r->value) - (size_t)n, "\t%" PRId64, at);
    }
    assert((size_t)n < sizeof(r->value));
    r = batch_record(out, RECORD_SHOP, NEXT_KEY);
    snprintf(r->value, sizeof(r->value), "1\t%" PRId64, s->next_number);
}

void visit_emit_zone(const struct plan *plan, const struct who *who, uint16_t zone,
                     uint16_t previous, int64_t since_us, int32_t confidence_pm, int64_t now_us,
                     struct batch *out)
{
    struct event_visit_zone *e = &batch_event(out, EVENT_VISIT_ZONE, now_us)->u.visit_zone;

    e->who = *who;
    snprintf(e->zone, sizeof(e->zone), "%s", zone_id(plan, zone));
    snprintf(e->previous, sizeof(e->previous), "%s", zone_id(plan, previous));
    e->since_us = since_us;
    e->confidence = confidence_pm;
    out->store_dirty = true;
}

static void emit_opened(struct visit *v, int64_t now_us, struct batch *out)
{
    struct event_visit_opened *e = &batch_event(out, EVENT_VISIT_OPENED, now_us)->u.visit_opened;

    memcpy(e->visit_id, v->presence.visit_id, sizeof(e->visit_id));
    e->who = v->presence.who;
    e->evidence = evidence_of(v, &e->confidence);
    v->told = true;
    out->store_dirty = true;
}

static bool qualifies(const struct visit *v)
{
    int kinds = 0;

    for (int i = 0; i < ID_PATHS; i++)
        kinds += v->evidence_us[i] != EVENT_NULL;
    return v->heard_us - v->opened_us >= VISIT_QUALIFY_US &&
           (kinds >= VISIT_QUALIFY_EVIDENCE || v->sightings >= VISIT_QUALIFY_SIGHTINGS);
}

static void emit_qualified(struct visit *v, int64_t now_us, struct batch *out)
{
    struct event_visit_qualified *e =
        &batch_event(out, EVENT_VISIT_QUALIFIED, now_us)->u.visit_qualified;
    int32_t confidence_pm;

    memcpy(e->visit_id, v->presence.visit_id, sizeof(e->visit_id));
    e->who = v->presence.who;
    e->dwell_us = v->heard_us - v->opened_us;
    e->evidence = evidence_of(v, &confidence_pm);
    v->qualified = true;
}

void visit_tell(struct visits *s, struct visit *v, const struct plan *plan, uint16_t announced,
                int32_t confidence_pm, int64_t now_us, struct batch *out)
{
    size_t before = out->events_n;

    if (!v->told)
        emit_opened(v, now_us, out);
    if (v->presence.zone != announced)
        visit_emit_zone(plan, &v->presence.who, v->presence.zone, announced,
                        v->presence.zone_since_us, confidence_pm, now_us, out);
    if (!v->qualified && qualifies(v))
        emit_qualified(v, now_us, out);
    if (out->events_n > before)
        save(s, v, plan, out);
}

static void free_slot(struct visits *s, struct visit *v)
{
    uint16_t slot = v->presence.slot;

    memset(v, 0, sizeof(*v));
    v->next = s->free;
    s->free = slot;
    s->used_n--;
}

void visit_close(struct visits *s, struct visit *v, const char *reason, int64_t now_us,
                 struct batch *out)
{
    if (v->told) {
        struct event_visit_closed *e =
            &batch_event(out, EVENT_VISIT_CLOSED, now_us)->u.visit_closed;

        memcpy(e->visit_id, v->presence.visit_id, sizeof(e->visit_id));
        e->who = v->presence.who;
        snprintf(e->reason, sizeof(e->reason), "%s", reason);
        e->opened_us = v->opened_us;
        e->dwell_us = v->heard_us - v->opened_us;
        batch_record(out, RECORD_VISIT, v->presence.visit_id)->value[0] = '\0';
        out->store_dirty = true;
    }
    free_slot(s, v);
}

/** The row's fields after the version into a visit that is not in the table yet. */
static bool parse_visit(struct row *row, const struct plan *plan, struct visit *ret)
{
    char zone[NOREN_ID_SIZE];
    int64_t flags;

    ret->presence.who.kind = WHO_MEMBER;
    row_str(row, ret->presence.who.ref, sizeof(ret->presence.who.ref));
    ret->presence.consent = (uint8_t)row_range(row, 0, UINT8_MAX);
    ret->presence.bucket = (uint16_t)row_range(row, 0, UINT16_MAX);
    row_str(row, zone, sizeof(zone));
    ret->presence.zone = zone[0] != '\0' ? plan_find_zone(plan, zone) : NO_INDEX;
    ret->presence.zone_since_us = row_i64(row);
    ret->opened_us = row_i64(row);
    ret->heard_us = row_i64(row);
    ret->sightings = (uint16_t)row_range(row, 0, UINT16_MAX);
    flags = row_i64(row);
    ret->qualified = (flags & ROW_QUALIFIED) != 0;
    for (int i = 0; i < ID_PATHS; i++) {
        int64_t at = row_i64(row);

        ret->evidence_us[i] = at < 0 ? EVENT_NULL : ret->opened_us + at;
    }
    return row_done(row) && ret->presence.who.ref[0] != '\0' && ret->heard_us >= ret->opened_us;
}

static int restore_next(struct visits *s, struct row *row)
{
    int64_t next = row_range(row, 1, INT64_MAX);

    if (!row_done(row))
        return -1;
    s->next_number = next > s->next_number ? next : s->next_number;
    return 0;
}

int visit_restore(struct visits *s, const struct plan *plan, const struct record *r)
{
    struct row row = row_init(r->value);
    struct visit v = {.used = true, .told = true, .restored = true};
    struct visit *slot;

    if (row_i64(&row) != 1)
        return -1;
    if (r->kind == RECORD_SHOP)
        return restore_next(s, &row);
    if (!parse_visit(&row, plan, &v) || s->free == NO_INDEX || strlen(r->key) >= NOREN_ID_SIZE)
        return -1;
    memcpy(v.presence.visit_id, r->key, strlen(r->key) + 1);
    slot = take_slot(s);
    v.presence.slot = slot->presence.slot;
    *slot = v;
    s->restored = true;
    return 0;
}

void visit_rebase(struct visit *v, int64_t now_us)
{
    int64_t shift = v->heard_us > now_us ? now_us - v->heard_us : 0;

    v->heard_us += shift;
    v->opened_us += shift;
    v->presence.zone_since_us += shift;
    for (int i = 0; i < ID_PATHS; i++)
        if (v->evidence_us[i] != EVENT_NULL)
            v->evidence_us[i] += shift;
    v->restored = false;
}
