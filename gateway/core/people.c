/* Sightings to tracks to visits, and their time-outs; see people.h. */
#include "core/people.h"

#include <string.h>

#define RSSI_MIN_DBM (-127)
#define RSSI_MAX_DBM 20

void people_init(struct people *p)
{
    memset(p, 0, sizeof(*p));
    locate_init(&p->locate);
    visits_init(&p->visits);
}

static struct visit *visit_of(struct people *p, const struct track *t)
{
    return t->visit != NO_INDEX ? &p->visits.v[t->visit] : NULL;
}

void people_plan(struct people *p, const struct plan *old_plan, const struct plan *plan)
{
    locate_plan(&p->locate, old_plan, plan);
    mounts_init(&p->mounts);
    for (uint16_t i = 0; i < VISITS_MAX; i++) {
        struct presence *who = &p->visits.v[i].presence;

        if (p->visits.v[i].used && who->zone != NO_INDEX && old_plan != NULL)
            who->zone = zone_public(plan, plan_find_zone(plan, old_plan->zones[who->zone].id));
    }
}

int people_restore(struct people *p, const struct plan *plan, const struct record *r)
{
    return visit_restore(&p->visits, plan, r);
}

static struct visit_clock clock_at(const struct people *p, int64_t now_us)
{
    return (struct visit_clock){p->clock_known, now_us + p->local_offset_us};
}

static void clear_dirty(struct people *p, struct track *t)
{
    if (t->dirty)
        p->dirty_n--;
    t->dirty = false;
}

/** Says what is new about a track, or marks it when the batch is full. `since_us`: when it came to its
 * present zone. */
static void tell(struct people *p, const struct plan *plan, struct track *t, int64_t since_us,
                 int64_t now_us, struct batch *out)
{
    struct visit *v = visit_of(p, t);
    uint16_t zone = zone_public(plan, t->zone);
    int32_t confidence_pm = zone == NO_INDEX ? 1000 : t->confidence_pm;

    if (v != NULL && v->presence.zone != zone) {
        v->presence.zone = zone;
        v->presence.zone_since_us = since_us;
    }
    if (!batch_room(out, VISIT_ROOM_EVENTS, VISIT_ROOM_RECORDS)) {
        if (!t->dirty)
            p->dirty_n++;
        t->dirty = true;
        return;
    }
    if (v != NULL) {
        struct visit_clock clock = clock_at(p, now_us);

        visit_tell(&p->visits, v, plan, &clock, t->announced, confidence_pm, now_us, out);
    } else if (!track_is_member(t) && t->announced != zone) {
        struct who who = track_who(t);

        visit_emit_zone(plan, &who, zone, t->announced, since_us, confidence_pm, now_us, out);
    }
    t->announced = zone;
    clear_dirty(p, t);
}

/** Forgets a track, closing its visit; a tag leaves its zone. There must be room in the batch. */
static void drop(struct people *p, const struct plan *plan, struct track *t, const char *reason,
                 int64_t now_us, struct batch *out)
{
    struct visit *v = visit_of(p, t);

    if (v != NULL) {
        visit_close(&p->visits, v, reason, now_us, out);
    } else if (!track_is_member(t) && t->announced != NO_INDEX) {
        struct who who = track_who(t);

        visit_emit_zone(plan, &who, NO_INDEX, t->announced, t->heard_us, 1000, now_us, out);
    }
    clear_dirty(p, t);
    locate_drop(&p->locate, t);
}

/** Visits read from disk get a track as if heard just now: they go on when heard within the silence. */
static void adopt(struct people *p, int64_t now_us)
{
    for (uint16_t i = 0; i < VISITS_MAX; i++) {
        struct visit *v = &p->visits.v[i];
        struct track *t;

        if (!v->used || !v->restored)
            continue;
        visit_rebase(v, now_us);
        t = locate_add(&p->locate, &v->presence.who, now_us);
        t->visit = i;
        t->zone = t->challenger = t->announced = v->presence.zone;
        locate_move(&p->locate, t, TRACK_MEMBER_HERE);
    }
    p->visits.restored = false;
}

/** The oldest track of a list, if it was silent for `silence_us`. */
static struct track *overdue(struct people *p, enum track_list list, int64_t silence_us,
                             int64_t now_us)
{
    struct track *t = locate_oldest(&p->locate, list);

    return t != NULL && now_us - t->heard_us >= silence_us ? t : NULL;
}

static void tell_dirty(struct people *p, const struct plan *plan, int64_t now_us, struct batch *out)
{
    for (uint16_t i = 0; i < TRACKS_MAX && p->dirty_n > 0; i++) {
        struct track *t = &p->locate.tracks[i];
        int64_t since_us = t->heard_us;

        if (!t->dirty)
            continue;
        if (visit_of(p, t) != NULL)
            since_us = visit_of(p, t)->presence.zone_since_us;
        tell(p, plan, t, since_us, now_us, out);
        if (t->dirty)
            return;
    }
}

/** A check-in says that its member is here though no radio hears anything. */
static bool still_good(struct people *p, const struct track *t, int64_t now_us)
{
    const struct visit *v = visit_of(p, t);

    return v != NULL && v->until_us > now_us;
}

/** Lets time pass. Returns the next deadline; `now_us` when the batch is full and more is due. */
static int64_t time_out(struct people *p, const struct plan *plan, int64_t now_us,
                        struct batch *out)
{
    static const struct {
        enum track_list list, next; /* next: where a silent track goes; the list itself: dropped */
        int64_t silence_us;
    } RULES[TRACK_LISTS] = {
        {TRACK_TAG_HERE, TRACK_TAG_SILENT, TRACK_LEAVE_US},
        {TRACK_MEMBER_HERE, TRACK_MEMBER_SILENT, TRACK_LEAVE_US},
        {TRACK_TAG_NEW, TRACK_TAG_NEW, TRACK_GONE_US},
        {TRACK_MEMBER_NEW, TRACK_MEMBER_NEW, TRACK_GONE_US},
        {TRACK_TAG_SILENT, TRACK_TAG_SILENT, TRACK_GONE_US},
        {TRACK_MEMBER_SILENT, TRACK_MEMBER_SILENT, TRACK_GONE_US},
    };
    int64_t deadline_us = NOREN_NEVER_US;

    tell_dirty(p, plan, now_us, out);
    for (int i = 0; i < TRACK_LISTS; i++) {
        struct track *t;

        while ((t = overdue(p, RULES[i].list, RULES[i].silence_us, now_us)) != NULL) {
            if (!batch_room(out, VISIT_ROOM_EVENTS, VISIT_ROOM_RECORDS))
                return now_us;
            if (RULES[i].next == RULES[i].list && still_good(p, t, now_us)) {
                t->heard_us = now_us; /* looked at again after another silence */
                locate_move(&p->locate, t, RULES[i].list);
                continue;
            }
            if (RULES[i].next == RULES[i].list) {
                drop(p, plan, t, "silence", now_us, out);
                continue;
            }
            t->zone = t->challenger = NO_INDEX;
            t->slots_n = 0;
            locate_move(&p->locate, t, RULES[i].next);
            tell(p, plan, t, t->heard_us, now_us, out);
        }
        t = locate_oldest(&p->locate, RULES[i].list);
        if (t != NULL && t->heard_us + RULES[i].silence_us < deadline_us)
            deadline_us = t->heard_us + RULES[i].silence_us;
    }
    return p->dirty_n > 0 ? now_us : deadline_us;
}

/** The track of whoever was heard, new if need be; NULL when it may not be followed. */
static struct track *track_for(struct people *p, const struct plan *plan, const struct who *who,
                               int64_t t_us, struct batch *out)
{
    uint16_t i = locate_find(&p->locate, who);
    struct track *victim;
    bool full;

    if (i != NO_INDEX)
        return &p->locate.tracks[i];
    victim = locate_victim(&p->locate, who->kind, &full);
    if (victim != NULL && !batch_room(out, VISIT_ROOM_EVENTS, VISIT_ROOM_RECORDS))
        full = true;
    if (full) {
        p->locate.refused++;
        return NULL;
    }
    if (victim != NULL) {
        p->locate.evicted++;
        drop(p, plan, victim, "evicted", t_us, out);
    }
    return locate_add(&p->locate, who, t_us);
}

/** Moves a track that was heard again to where it belongs; a second sighting soon enough makes it somebody
 * who is here. */
static void arrive(struct people *p, struct track *t, int64_t t_us)
{
    bool member = track_is_member(t);
    enum track_list here = member ? TRACK_MEMBER_HERE : TRACK_TAG_HERE;
    int64_t gap_us = t_us - t->heard_us;

    if (t->list != TRACK_MEMBER_NEW && t->list != TRACK_TAG_NEW) {
        locate_move(&p->locate, t, here);
        return;
    }
    if (gap_us > 0 && gap_us <= TRACK_ENTER_US) {
        struct who who = track_who(t);
        struct visit *v = member ? visit_open(&p->visits, &who, t->heard_us) : NULL;

        if (v != NULL)
            t->visit = v->presence.slot;
        if (v != NULL || !member) {
            locate_move(&p->locate, t, here);
            return;
        }
    }
    locate_move(&p->locate, t, t->list);
}

/** A member took back the consent to presence: the visit ends, nothing of it stays. */
static void forget_unwilling(struct people *p, const struct plan *plan, const struct who *who,
                             int64_t t_us, struct batch *out)
{
    uint16_t i = locate_find(&p->locate, who);

    p->no_consent++;
    if (i != NO_INDEX && batch_room(out, VISIT_ROOM_EVENTS, VISIT_ROOM_RECORDS))
        drop(p, plan, &p->locate.tracks[i], "consent", t_us, out);
}

/** Evidence that is no radio's: a visit without a place, opened at once, because it was verified. */
static void check_in(struct people *p, const struct plan *plan, const struct obs *o,
                     struct batch *out)
{
    struct who who = {.kind = WHO_MEMBER};
    struct track *t;
    struct visit *v;

    memcpy(who.ref, o->u.checkin.member_ref, sizeof(who.ref));
    if ((o->u.checkin.consent & CONSENT_PRESENCE) == 0) {
        forget_unwilling(p, plan, &who, o->t_us, out);
        return;
    }
    t = track_for(p, plan, &who, o->t_us, out);
    if (t == NULL)
        return;
    if (t->visit == NO_INDEX) {
        v = visit_open(&p->visits, &who, o->u.checkin.at_us);
        if (v == NULL)
            return;
        t->visit = v->presence.slot;
        locate_move(&p->locate, t, TRACK_MEMBER_SILENT);
    }
    v = visit_of(p, t);
    v->presence.consent = o->u.checkin.consent;
    v->presence.bucket = o->u.checkin.bucket;
    visit_checkin(v, o->u.checkin.path, o->u.checkin.at_us);
    tell(p, plan, t, v->presence.zone_since_us, o->t_us, out);
}

/** Nothing of a member stays, and nothing is told: an event would name who wants to be forgotten. */
static void forget(struct people *p, const char *member_ref, struct batch *out)
{
    struct who who = {.kind = WHO_MEMBER};
    uint16_t i;

    memcpy(who.ref, member_ref, strlen(member_ref) + 1);
    visit_erase_counted(&p->visits, member_ref, out);
    i = locate_find(&p->locate, &who);
    if (i == NO_INDEX)
        return;
    if (p->locate.tracks[i].visit != NO_INDEX)
        visit_erase(&p->visits, visit_of(p, &p->locate.tracks[i]), out);
    clear_dirty(p, &p->locate.tracks[i]);
    locate_drop(&p->locate, &p->locate.tracks[i]);
}

static void hear(struct people *p, const struct plan *plan, const struct obs *o, struct batch *out)
{
    struct track *t = track_for(p, plan, &o->u.sighting.who, o->t_us, out);
    struct visit *v;
    int64_t since_us = o->t_us;

    if (t == NULL)
        return;
    if (o->t_us >= t->heard_us)
        arrive(p, t, o->t_us);
    if (!locate_hear(&p->locate, t, o->u.sighting.receiver, o->u.sighting.rssi_dbm, o->t_us))
        return;
    if (t->list == TRACK_MEMBER_NEW || t->list == TRACK_TAG_NEW)
        return;
    v = visit_of(p, t);
    if (v != NULL) {
        v->presence.consent = o->u.sighting.consent;
        v->presence.bucket = o->u.sighting.bucket;
        visit_evidence(v, o->u.sighting.path, o->t_us);
    }
    if (zone_decide(&p->locate.map, plan, p->mounts.offset, t, o->t_us))
        since_us -=
            (int64_t)((uint32_t)(o->t_us / NOREN_US_PER_MS) - t->challenge_ms) * NOREN_US_PER_MS;
    tell(p, plan, t, since_us, o->t_us, out);
}

static bool acceptable(const struct plan *plan, const struct obs *o)
{
    return o->u.sighting.receiver < plan->receivers_n && o->u.sighting.who.kind != WHO_NONE &&
           o->u.sighting.who.ref[0] != '\0' && o->u.sighting.rssi_dbm >= RSSI_MIN_DBM &&
           o->u.sighting.rssi_dbm <= RSSI_MAX_DBM && (int)o->u.sighting.path < ID_PATHS;
}

/** What a receiver heard: a fixed beacon, or somebody. */
static void take_sighting(struct people *p, const struct plan *plan, const struct obs *o,
                          struct batch *out)
{
    const struct who *who = &o->u.sighting.who;
    uint16_t beacon = plan->beacons_n > 0 ? mounts_find(plan, who->ref) : NO_INDEX;

    if (!acceptable(plan, o))
        p->refused++;
    else if (beacon != NO_INDEX)
        mounts_hear(&p->mounts, plan, beacon, o->u.sighting.receiver, o->u.sighting.rssi_dbm,
                    o->t_us);
    else if (who->kind == WHO_MEMBER && (o->u.sighting.consent & CONSENT_PRESENCE) == 0)
        forget_unwilling(p, plan, who, o->t_us, out);
    else
        hear(p, plan, o, out);
}

int64_t people_step(struct people *p, const struct plan *plan, const struct obs *o,
                    struct batch *out)
{
    int64_t deadline_us;

    if (o->kind == OBS_CLOCK) {
        p->clock_known = true;
        p->local_offset_us = o->u.clock.utc_us + o->u.clock.local_us - o->t_us;
    }
    if (p->visits.restored)
        adopt(p, o->t_us);
    if (o->kind == OBS_FORGET) /* first: its time may be up just now, and nothing may be told */
        forget(p, o->u.forget, out);
    /* Time first: who was silent too long is gone before being heard again. Then the sighting, which is
     * taken in even when the batch is full. */
    deadline_us = time_out(p, plan, o->t_us, out);
    if (o->kind == OBS_CHECKIN)
        check_in(p, plan, o, out);
    else if (o->kind == OBS_SIGHTING)
        take_sighting(p, plan, o, out);
    else
        return deadline_us;
    return deadline_us == o->t_us ? deadline_us : time_out(p, plan, o->t_us, out);
}

const struct presence *people_in_slot(const struct people *p, uint16_t slot)
{
    const struct visit *v = &p->visits.v[slot];

    return v->used && v->told ? &v->presence : NULL;
}

const struct presence *people_find(const struct people *p, const struct who *who)
{
    uint16_t i = locate_find(&p->locate, who);
    uint16_t slot = i != NO_INDEX ? p->locate.tracks[i].visit : NO_INDEX;

    return slot != NO_INDEX ? people_in_slot(p, slot) : NULL;
}

const struct presence *people_next(const struct people *p, size_t *cursor)
{
    while (*cursor < VISITS_MAX) {
        const struct presence *here = people_in_slot(p, (uint16_t)(*cursor)++);

        if (here != NULL)
            return here;
    }
    return NULL;
}
