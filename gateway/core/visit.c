/* Visits of members; see visit.h. */
#include "core/visit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/row.h"

#define MINUTE_US (60 * NOREN_US_PER_S)

/** What a path of identity is worth (design section 6: medium, high, certain), and for how long it says that
 * somebody is here. What our radios hear is said again by itself; a phone reports a beacon when it enters the
 * region and then may sleep (20 minutes is what phones' own geofences use), LINE tells of entering only, and
 * who was at the door or the till is about to walk through the shop or out of it. */
static const struct {
    char name[12];
    int32_t confidence_pm;
    int64_t good_us;
} PATHS[ID_PATHS] = {
    [PATH_TOKEN] = {"token", 900, 0},
    [PATH_CHECKIN] = {"checkin", 900, 20 * MINUTE_US},
    [PATH_TAG] = {"tag", 900, 0},
    [PATH_DOOR] = {"door", 1000, 20 * MINUTE_US},
    [PATH_LINE] = {"line", 600, 15 * MINUTE_US},
};

#define DAY_US ((int64_t)24 * 60 * MINUTE_US)

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

void visit_checkin(struct visit *v, enum id_path path, int64_t at_us)
{
    if (v->evidence_us[path] == EVENT_NULL)
        v->evidence_us[path] = at_us;
    if (at_us > v->heard_us)
        v->heard_us = at_us;
    if (at_us + PATHS[path].good_us > v->until_us)
        v->until_us = at_us + PATHS[path].good_us;
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
/** Evidence may be older than the visit that it opened, so no small number can stand for none. */
#define ROW_NONE ((int64_t)-100000000000000000)

/** Row: 2, member, consent, bucket, zone, zone_since, opened, heard, sightings, flags, until, then the moment
 * of each path's evidence after opening, or ROW_NONE. Version 1 had no `until`, and -1 for none. */
static void save(const struct visits *s, const struct visit *v, const struct plan *plan,
                 struct batch *out)
{
    const struct presence *p = &v->presence;
    struct record *r = batch_record(out, RECORD_VISIT, p->visit_id);
    int n = snprintf(r->value, sizeof(r->value),
                     "2\t%s\t%d\t%d\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%d\t%d\t%" PRId64,
                     p->who.ref, p->consent, p->bucket, zone_id(plan, p->zone), p->zone_since_us,
                     v->opened_us, v->heard_us, v->sightings, v->qualified ? ROW_QUALIFIED : 0,
                     v->until_us);

    for (int i = 0; i < ID_PATHS; i++) {
        int64_t at = v->evidence_us[i] == EVENT_NULL ? ROW_NONE : v->evidence_us[i] - v->opened_us;

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

/* FNV-1a: only compared. */
static uint64_t hash_of(const char *text)
{
    uint64_t h = 14695981039346656037U;

    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 1099511628211U;
    return h;
}

/* Is the shop open? Both 0: always; hours may go over midnight. */
static bool open_at(const struct plan *plan, const struct visit_clock *clock)
{
    int64_t minute = (clock->local_us % DAY_US + DAY_US) % DAY_US / MINUTE_US;

    if (plan->open_min == plan->close_min)
        return true;
    if (!clock->known)
        return false;
    if (plan->open_min < plan->close_min)
        return minute >= plan->open_min && minute < plan->close_min;
    return minute >= plan->open_min || minute < plan->close_min;
}

static bool counted(const struct visits *s, uint64_t member, int64_t day)
{
    for (uint16_t i = 0; i < s->counted_n; i++)
        if (s->counted[i].member == member && s->counted[i].day == day)
            return true;
    return false;
}

#define COUNTED_KEY "q%u"

/* Remembers that a member's visit has counted today, in the place of one of another day, else of the first. */
static void count(struct visits *s, uint64_t member, int64_t day, struct batch *out)
{
    char key[NOREN_ID_SIZE];
    uint16_t i = 0;
    struct record *r;

    while (i < s->counted_n && s->counted[i].day == day)
        i++;
    if (i == s->counted_n && i < VISITS_COUNTED_MAX)
        s->counted_n++;
    if (i == VISITS_COUNTED_MAX)
        i = (uint16_t)(member % VISITS_COUNTED_MAX);
    s->counted[i] = (struct visit_counted){.member = member, .day = day};
    snprintf(key, sizeof(key), COUNTED_KEY, (unsigned)i);
    r = batch_record(out, RECORD_VISIT, key);
    snprintf(r->value, sizeof(r->value), "1\t%" PRIx64 "\t%" PRId64, member, day);
}

static bool qualifies(const struct visits *s, const struct visit *v, const struct plan *plan,
                      const struct visit_clock *clock)
{
    int kinds = 0;

    if (v->heard_us - v->opened_us < VISIT_QUALIFY_US || !open_at(plan, clock) ||
        counted(s, hash_of(v->presence.who.ref), clock->local_us / DAY_US))
        return false;
    for (int i = 0; i < ID_PATHS; i++)
        kinds += v->evidence_us[i] != EVENT_NULL;
    return kinds >= VISIT_QUALIFY_EVIDENCE || v->sightings >= VISIT_QUALIFY_SIGHTINGS;
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

void visit_tell(struct visits *s, struct visit *v, const struct plan *plan,
                const struct visit_clock *clock, uint16_t announced, int32_t confidence_pm,
                int64_t now_us, struct batch *out)
{
    size_t before = out->events_n;

    if (!v->told)
        emit_opened(v, now_us, out);
    if (v->presence.zone != announced)
        visit_emit_zone(plan, &v->presence.who, v->presence.zone, announced,
                        v->presence.zone_since_us, confidence_pm, now_us, out);
    if (!v->qualified && qualifies(s, v, plan, clock)) {
        emit_qualified(v, now_us, out);
        count(s, hash_of(v->presence.who.ref), clock->local_us / DAY_US, out);
    }
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

void visit_erase(struct visits *s, struct visit *v, struct batch *out)
{
    if (v->told) {
        batch_record(out, RECORD_VISIT, v->presence.visit_id)->value[0] = '\0';
        out->store_dirty = true;
    }
    free_slot(s, v);
}

void visit_erase_counted(struct visits *s, const char *member_ref, struct batch *out)
{
    uint64_t member = hash_of(member_ref);

    for (uint16_t i = 0; i < s->counted_n; i++) {
        char key[NOREN_ID_SIZE];

        if (s->counted[i].member != member)
            continue;
        s->counted[i] = (struct visit_counted){.member = 0};
        snprintf(key, sizeof(key), COUNTED_KEY, (unsigned)i);
        batch_record(out, RECORD_VISIT, key)->value[0] = '\0';
        return; /* at most one: who has counted is not counted again on the day, and later in its place */
    }
}

/** The row's fields after the version into a visit that is not in the table yet. */
static bool parse_visit(struct row *row, int64_t version, const struct plan *plan,
                        struct visit *ret)
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
    ret->until_us = version >= 2 ? row_i64(row) : 0;
    ret->qualified = (flags & ROW_QUALIFIED) != 0;
    for (int i = 0; i < ID_PATHS; i++) {
        int64_t at = row_i64(row);

        ret->evidence_us[i] =
            at == ROW_NONE || (version == 1 && at < 0) ? EVENT_NULL : ret->opened_us + at;
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

/* "q12": in the place that its key says. */
static int restore_counted(struct visits *s, const char *key, struct row *row)
{
    struct row at_row = row_init(key + 1);
    int64_t at = row_range(&at_row, 0, VISITS_COUNTED_MAX - 1);
    struct visit_counted c;
    char member[NOREN_ID_SIZE];

    row_str(row, member, sizeof(member));
    c.day = row_i64(row);
    c.member = 0;
    for (const char *p = member; *p != '\0'; p++)
        c.member = c.member << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
    if (!row_done(row) || !row_done(&at_row))
        return -1;
    s->counted[at] = c;
    if (at >= s->counted_n)
        s->counted_n = (uint16_t)(at + 1);
    return 0;
}

int visit_restore(struct visits *s, const struct plan *plan, const struct record *r)
{
    struct row row = row_init(r->value);
    struct visit v = {.used = true, .told = true, .restored = true};
    struct visit *slot;
    int64_t version;

    version = row_range(&row, 1, 2);
    if (r->kind == RECORD_SHOP)
        return version == 1 ? restore_next(s, &row) : -1;
    if (r->key[0] == 'q')
        return version == 1 ? restore_counted(s, r->key, &row) : -1;
    if (!parse_visit(&row, version, plan, &v) || s->free == NO_INDEX ||
        strlen(r->key) >= NOREN_ID_SIZE)
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
    v->until_us += v->until_us != 0 ? shift : 0;
    for (int i = 0; i < ID_PATHS; i++)
        if (v->evidence_us[i] != EVENT_NULL)
            v->evidence_us[i] += shift;
    v->restored = false;
}
