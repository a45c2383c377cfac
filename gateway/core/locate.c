/* The table of tracks and the level filter; how a zone is chosen is in zone.c. See locate.h. */
#include "core/locate.h"

#include <assert.h>
#include <string.h>

/* Filter: a stronger sample is believed faster than a weaker one. A body, a shelf or a bad channel can only
 * take signal away, so a dip says less than a peak. Times of the rational approximation dt / (dt + tau). */
#define TAU_RISE_US 500000
#define TAU_FALL_US 2500000
/* A receiver that heard nothing for this long forgets the level instead of filtering across the gap. */
#define SLOT_FORGET_US (10 * NOREN_US_PER_S)

static void unlink_track(struct locate *l, struct track *t)
{
    uint16_t *older = t->newer != NO_INDEX ? &l->tracks[t->newer].older : &l->newest[t->list];
    uint16_t *newer = t->older != NO_INDEX ? &l->tracks[t->older].newer : &l->oldest[t->list];

    *older = t->older;
    *newer = t->newer;
}

static void link_newest(struct locate *l, struct track *t, enum track_list list)
{
    uint16_t i = (uint16_t)(t - l->tracks);

    t->list = (uint8_t)list;
    t->newer = NO_INDEX;
    t->older = l->newest[list];
    if (t->older != NO_INDEX)
        l->tracks[t->older].newer = i;
    else
        l->oldest[list] = i;
    l->newest[list] = i;
}

/** FNV-1a over kind and reference: refs are given by HQ or are random, nobody gains by a collision. */
static uint16_t bucket(const char *ref, bool member)
{
    uint32_t h = member ? 2166136261U : 2166136262U;

    for (const char *p = ref; *p != '\0'; p++)
        h = (h ^ (uint8_t)*p) * 16777619U;
    return (uint16_t)((h ^ h >> 15) & (TRACK_BUCKETS - 1));
}

void locate_init(struct locate *l)
{
    memset(l, 0, sizeof(*l));
    memset(l->buckets, 0xff, sizeof(l->buckets));
    memset(l->oldest, 0xff, sizeof(l->oldest));
    memset(l->newest, 0xff, sizeof(l->newest));
    l->free = NO_INDEX;
}

bool track_is_member(const struct track *t)
{
    return t->list == TRACK_MEMBER_NEW || t->list == TRACK_MEMBER_SILENT ||
           t->list == TRACK_MEMBER_HERE;
}

struct who track_who(const struct track *t)
{
    struct who who = {.kind = track_is_member(t) ? WHO_MEMBER : WHO_TAG};

    memcpy(who.ref, t->ref, sizeof(who.ref));
    return who;
}

uint16_t locate_find(const struct locate *l, const struct who *who)
{
    bool member = who->kind == WHO_MEMBER;
    uint16_t i = l->buckets[bucket(who->ref, member)];

    while (i != NO_INDEX &&
           (track_is_member(&l->tracks[i]) != member || strcmp(l->tracks[i].ref, who->ref) != 0))
        i = l->tracks[i].chain;
    return i;
}

struct track *locate_oldest(struct locate *l, enum track_list list)
{
    return l->oldest[list] != NO_INDEX ? &l->tracks[l->oldest[list]] : NULL;
}

struct track *locate_victim(struct locate *l, enum who_kind kind, bool *ret_full)
{
    /* A tag may push out tags that say nothing; a member also one that is here, but never a visit. */
    enum track_list last = kind == WHO_MEMBER ? TRACK_TAG_HERE : TRACK_TAG_SILENT;

    *ret_full = false;
    if (l->free != NO_INDEX || l->used_n < TRACKS_MAX)
        return NULL;
    for (enum track_list list = 0; list <= last; list++) {
        if (list == TRACK_MEMBER_NEW && kind != WHO_MEMBER)
            continue;
        if (l->oldest[list] != NO_INDEX)
            return locate_oldest(l, list);
    }
    *ret_full = true;
    return NULL;
}

struct track *locate_add(struct locate *l, const struct who *who, int64_t t_us)
{
    bool member = who->kind == WHO_MEMBER;
    uint16_t *b = &l->buckets[bucket(who->ref, member)];
    uint16_t i = l->free != NO_INDEX ? l->free : l->used_n;
    struct track *t = &l->tracks[i];

    assert(i < TRACKS_MAX);
    if (i == l->free)
        l->free = t->chain;
    else
        l->used_n++;
    l->tracks_n++;
    memset(t, 0, sizeof(*t));
    memcpy(t->ref, who->ref, sizeof(t->ref));
    t->ref[sizeof(t->ref) - 1] = '\0';
    t->heard_us = t_us;
    t->zone = t->challenger = t->announced = t->visit = NO_INDEX;
    t->chain = *b;
    *b = i;
    link_newest(l, t, member ? TRACK_MEMBER_NEW : TRACK_TAG_NEW);
    return t;
}

void locate_move(struct locate *l, struct track *t, enum track_list list)
{
    unlink_track(l, t);
    link_newest(l, t, list);
}

void locate_drop(struct locate *l, struct track *t)
{
    uint16_t *link = &l->buckets[bucket(t->ref, track_is_member(t))];
    uint16_t i = (uint16_t)(t - l->tracks);

    while (*link != i)
        link = &l->tracks[*link].chain;
    *link = t->chain;
    unlink_track(l, t);
    memset(t, 0, sizeof(*t));
    t->chain = l->free;
    l->free = i;
    l->tracks_n--;
}

/** Removes slots that were silent for too long. */
static void forget_slots(struct track *t, int64_t t_us)
{
    if (t_us - t->heard_us > SLOT_FORGET_US)
        t->slots_n = 0;
    for (uint8_t i = 0; i < t->slots_n;) {
        if (track_age_us(t->heard_tick[i], t_us) <= SLOT_FORGET_US)
            i++;
        else
            track_drop_slot(t, i);
    }
}

/** The slot for a receiver not heard before: a free one, or the weakest when the sample is stronger. */
static uint8_t new_slot(struct track *t, int level)
{
    uint8_t weakest = 0;

    if (t->slots_n < TRACK_SLOTS)
        return t->slots_n++;
    for (uint8_t i = 1; i < TRACK_SLOTS; i++)
        if (t->level[i] < t->level[weakest])
            weakest = i;
    return level > t->level[weakest] ? weakest : TRACK_SLOTS;
}

bool locate_hear(struct locate *l, struct track *t, uint16_t receiver, int rssi_dbm, int64_t t_us)
{
    int level = rssi_dbm * 16;
    uint8_t i = 0;

    if (t_us < t->heard_us) {
        l->stale++;
        return false;
    }
    forget_slots(t, t_us);
    t->heard_us = t_us;
    while (i < t->slots_n && t->receiver[i] != receiver)
        i++;
    if (i == t->slots_n) {
        i = new_slot(t, level);
        if (i == TRACK_SLOTS)
            return true;
        t->receiver[i] = (uint8_t)receiver;
        t->level[i] = (int16_t)level;
        t->lead_db[i] = 0;
    } else {
        int64_t dt = track_age_us(t->heard_tick[i], t_us);
        int64_t tau = level > t->level[i] ? TAU_RISE_US : TAU_FALL_US;

        t->level[i] = (int16_t)(t->level[i] + (level - t->level[i]) * dt / (dt + tau));
    }
    t->heard_tick[i] = track_tick(t_us);
    return true;
}

/** The same zone in the new plan; `gone` when it is no longer there. */
static uint16_t carry_zone(uint16_t zone, const struct plan *old_plan, const struct plan *plan,
                           uint16_t gone)
{
    uint16_t now;

    if (zone >= old_plan->zones_n)
        return zone;
    now = plan_find_zone(plan, old_plan->zones[zone].id);
    return now != NO_INDEX ? now : gone;
}

static void carry_track(struct track *t, const struct plan *old_plan, const struct plan *plan,
                        const uint16_t receivers[RECEIVERS_MAX])
{
    for (uint8_t i = 0; i < t->slots_n;) {
        uint16_t now = receivers[t->receiver[i]];

        t->lead_db[i] = 0; /* it may stand for another zone now */
        if (now != NO_INDEX)
            t->receiver[i++] = (uint8_t)now;
        else
            track_drop_slot(t, i);
    }
    t->zone = carry_zone(t->zone, old_plan, plan, NO_INDEX);
    t->announced = carry_zone(t->announced, old_plan, plan, ZONE_VANISHED);
    t->challenger = t->zone;
}

void locate_plan(struct locate *l, const struct plan *old_plan, const struct plan *plan)
{
    uint16_t receivers[RECEIVERS_MAX];

    zone_map_build(&l->map, plan);
    if (old_plan == NULL)
        return;
    memset(receivers, 0xff, sizeof(receivers));
    for (uint16_t i = 0; i < old_plan->receivers_n; i++)
        receivers[i] = plan_find_receiver(plan, old_plan->receivers[i].id);
    for (int list = 0; list < TRACK_LISTS; list++) {
        for (uint16_t i = l->oldest[list]; i != NO_INDEX; i = l->tracks[i].newer)
            carry_track(&l->tracks[i], old_plan, plan, receivers);
    }
}
