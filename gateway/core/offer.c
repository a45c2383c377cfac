/* Campaigns against presences; see offer.h. */
#include "core/offer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/row.h"

/* RECORD_SHOP row of the next number; answers are keyed by offer id ("o7"). */
#define NEXT_KEY "offer"

/** Everything a constraint may look at. */
struct offer_case {
    const struct plan_campaign *campaign;
    const struct presence *who;
    int64_t utc_s;
    int decided_n; /**< in this visit */
    bool cooling;  /**< the same campaign was decided for this member lately */
    struct shelf_atp atp;
};

static bool clock_known(const struct offer_case *k)
{
    return k->utc_s != 0 || (k->campaign->valid_from_s == 0 && k->campaign->valid_until_s == 0);
}

static bool is_valid_now(const struct offer_case *k)
{
    return (k->campaign->valid_from_s == 0 || k->utc_s >= k->campaign->valid_from_s) &&
           (k->campaign->valid_until_s == 0 || k->utc_s < k->campaign->valid_until_s);
}

static bool has_consent(const struct offer_case *k)
{
    return (k->who->consent & CONSENT_OFFERS) != 0;
}

static bool below_cap(const struct offer_case *k)
{
    return k->decided_n < OFFER_CAP_VISIT;
}

static bool has_cooled(const struct offer_case *k)
{
    return !k->cooling;
}

static bool in_stock(const struct offer_case *k)
{
    return k->atp.units >= 1 && !k->atp.lower_bound;
}

/* An offer is made in front of the shelf: what is only in the backroom would send the member away empty
 * handed. The replenish task, not the offer, is the answer to that. */
static bool on_shelf(const struct offer_case *k)
{
    return k->atp.on_shelf >= 1;
}

static bool not_held_out(const struct offer_case *k)
{
    return k->who->bucket >= k->campaign->holdout_bp;
}

/** What becomes of a case that failed. */
enum outcome {
    OUTCOME_NEXT_DWELL, /**< asked again when the member comes back to the zone */
    OUTCOME_WAIT,       /**< asked again as soon as stock or time allow */
    OUTCOME_FINAL,      /**< not again in this visit */
};

/* The order is the order of evaluation: add a row where its reason should win. At most 8 rows. */
static const struct {
    char name[24];
    bool (*eval)(const struct offer_case *k);
    enum outcome outcome;
} CONSTRAINTS[] = {
    {"clock_unknown", clock_known, OUTCOME_WAIT},
    {"campaign_inactive", is_valid_now, OUTCOME_WAIT},
    {"no_consent", has_consent, OUTCOME_NEXT_DWELL},
    {"cap_visit", below_cap, OUTCOME_FINAL},
    {"cooldown", has_cooled, OUTCOME_NEXT_DWELL},
    {"out_of_stock", in_stock, OUTCOME_WAIT},
    {"shelf_empty", on_shelf, OUTCOME_WAIT},
    {"holdout", not_held_out, OUTCOME_FINAL},
};

#define CONSTRAINTS_N ((uint8_t)(sizeof(CONSTRAINTS) / sizeof(CONSTRAINTS[0])))
/* Pseudo row: every constraint was met. */
#define DECIDED      CONSTRAINTS_N
#define DECIDED_NAME "decided"

_Static_assert(sizeof(CONSTRAINTS) / sizeof(CONSTRAINTS[0]) <= 8, "reasons are bits of a byte");

#define CASE_ROOM_EVENTS  1
#define CASE_ROOM_RECORDS 3 /* the answer, the number, an old answer deleted */

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037U;

    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 1099511628211U;
    return h;
}

static uint64_t bit(uint16_t campaign)
{
    return UINT64_C(1) << campaign;
}

void offers_init(struct offers *f)
{
    memset(f, 0, sizeof(*f));
    for (uint16_t i = 0; i < VISITS_MAX; i++)
        f->due_us[i] = NOREN_NEVER_US;
    f->next_us = NOREN_NEVER_US;
    f->next_number = 1;
    f->rescan = true;
}

static uint16_t find_campaign(const struct plan *plan, const char *id)
{
    for (uint16_t i = 0; i < plan->campaigns_n; i++)
        if (strcmp(plan->campaigns[i].id, id) == 0)
            return i;
    return NO_INDEX;
}

static void carry_slot(struct offer_slot *s, const uint16_t now[CAMPAIGNS_MAX])
{
    struct offer_slot old = *s;

    s->done = s->tried = s->waiting = 0;
    memset(s->reasons, 0, sizeof(s->reasons));
    for (uint16_t c = 0; c < CAMPAIGNS_MAX; c++) {
        if (now[c] == NO_INDEX)
            continue;
        s->reasons[now[c]] = old.reasons[c];
        s->done |= (old.done & bit(c)) != 0 ? bit(now[c]) : 0;
    }
}

void offers_plan(struct offers *f, const struct plan *old_plan, const struct plan *plan)
{
    uint16_t now[CAMPAIGNS_MAX];

    f->rescan = true;
    f->waiting = 0;
    if (old_plan == NULL)
        return;
    memset(now, 0xff, sizeof(now));
    for (uint16_t c = 0; c < old_plan->campaigns_n; c++)
        now[c] = find_campaign(plan, old_plan->campaigns[c].id);
    for (uint16_t i = 0; i < VISITS_MAX; i++)
        carry_slot(&f->slots[i], now);
    for (uint16_t i = 0; i < f->past_n; i++)
        if (f->past[i].campaign != NO_INDEX)
            f->past[i].campaign = now[f->past[i].campaign];
}

/* --- answers of the past ----------------------------------------------------------------------- */

static int64_t age_s(const struct offer_past *a, int64_t now_us, int64_t utc_s)
{
    int64_t age =
        a->utc_s != 0 && utc_s != 0 ? utc_s - a->utc_s : (now_us - a->at_us) / NOREN_US_PER_S;

    return age > 0 ? age : 0;
}

/** Deletes the oldest answer when it is too old to matter, or when there is no room for another. */
static void forget_oldest(struct offers *f, int64_t now_us, int64_t utc_s, struct batch *out)
{
    uint16_t oldest = 0;
    char key[NOREN_ID_SIZE];

    for (uint16_t i = 1; i < f->past_n; i++)
        if (f->past[i].number < f->past[oldest].number)
            oldest = i;
    if (f->past_n == 0)
        return;
    if (age_s(&f->past[oldest], now_us, utc_s) < OFFER_KEEP_S) {
        if (f->past_n < OFFERS_PAST_MAX)
            return;
        f->forgotten++;
    }
    snprintf(key, sizeof(key), "o%" PRId64, f->past[oldest].number);
    batch_record(out, RECORD_OFFER, key)->value[0] = '\0';
    f->past[oldest] = f->past[--f->past_n];
}

void offers_forget(struct offers *f, const char *member_ref)
{
    uint64_t member = hash(member_ref);

    for (uint16_t i = 0; i < f->past_n;) {
        if (f->past[i].member == member)
            f->past[i] = f->past[--f->past_n];
        else
            i++;
    }
}

static bool is_cooling(const struct offers *f, uint64_t member, uint16_t campaign, int64_t now_us,
                       int64_t utc_s)
{
    for (uint16_t i = 0; i < f->past_n; i++) {
        const struct offer_past *a = &f->past[i];

        if (a->reason == DECIDED && a->member == member && a->campaign == campaign &&
            age_s(a, now_us, utc_s) < OFFER_COOLDOWN_S)
            return true;
    }
    return false;
}

/** Remembers an answer in RAM and as a row: 1, reason, visit, member, campaign, boot time, UTC. */
static void remember(struct offers *f, const struct offer_case *k, uint16_t campaign,
                     uint8_t reason, int64_t now_us, const char *offer_id, struct batch *out)
{
    struct offer_past *a;
    struct record *r;

    forget_oldest(f, now_us, k->utc_s, out);
    a = &f->past[f->past_n++];
    *a = (struct offer_past){.number = f->next_number,
                             .member = hash(k->who->who.ref),
                             .visit = hash(k->who->visit_id),
                             .at_us = now_us,
                             .utc_s = k->utc_s,
                             .campaign = campaign,
                             .reason = reason};
    r = batch_record(out, RECORD_OFFER, offer_id);
    snprintf(r->value, sizeof(r->value), "1\t%s\t%s\t%s\t%s\t%" PRId64 "\t%" PRId64,
             reason == DECIDED ? DECIDED_NAME : CONSTRAINTS[reason].name, k->who->visit_id,
             k->who->who.ref, k->campaign->id, now_us, k->utc_s);
    f->next_number++;
    r = batch_record(out, RECORD_SHOP, NEXT_KEY);
    snprintf(r->value, sizeof(r->value), "1\t%" PRId64, f->next_number);
}

static int restore_next(struct offers *f, struct row *row)
{
    int64_t next = row_range(row, 1, INT64_MAX);

    if (!row_done(row))
        return -1;
    f->next_number = next > f->next_number ? next : f->next_number;
    return 0;
}

static bool find_reason(const char *name, uint8_t *ret)
{
    if (strcmp(name, DECIDED_NAME) == 0) {
        *ret = DECIDED;
        return true;
    }
    for (uint8_t i = 0; i < CONSTRAINTS_N; i++)
        if (strcmp(name, CONSTRAINTS[i].name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

int offers_restore(struct offers *f, const struct plan *plan, const struct record *r)
{
    struct row row = row_init(r->value);
    struct row key = row_init(r->key + (r->key[0] == 'o'));
    char reason[NOREN_ID_SIZE], visit[NOREN_ID_SIZE], member[NOREN_ID_SIZE], id[NOREN_ID_SIZE];
    struct offer_past a = {0};

    if (row_i64(&row) != 1)
        return -1;
    if (r->kind == RECORD_SHOP)
        return restore_next(f, &row);
    a.number = row_range(&key, 1, INT64_MAX);
    row_str(&row, reason, sizeof(reason));
    row_str(&row, visit, sizeof(visit));
    row_str(&row, member, sizeof(member));
    row_str(&row, id, sizeof(id));
    a.at_us = row_i64(&row);
    a.utc_s = row_i64(&row);
    if (!row_done(&row) || !row_done(&key) || !find_reason(reason, &a.reason) ||
        f->past_n == OFFERS_PAST_MAX)
        return -1;
    a.visit = hash(visit);
    a.member = hash(member);
    a.campaign = find_campaign(plan, id);
    f->past[f->past_n++] = a;
    f->restored = f->rescan = true;
    return 0;
}

/** A case before it is known whose. */
static struct offer_case case_of(const struct plan *plan, const struct shelf *shelf,
                                 uint16_t campaign, int64_t utc_s)
{
    struct offer_case k = {
        .campaign = &plan->campaigns[campaign], .utc_s = utc_s, .atp = {.units = 1, .on_shelf = 1}};

    if (k.campaign->product != NO_INDEX)
        k.atp = shelf_atp(shelf, plan, k.campaign->product);
    return k;
}

/* --- visits ------------------------------------------------------------------------------------ */

/** The slot of a presence, made new (from what is known of the past) when the visit is another one. */
static struct offer_slot *slot_of(struct offers *f, const struct presence *p)
{
    struct offer_slot *s = &f->slots[p->slot];
    uint64_t visit = hash(p->visit_id);

    if (s->visit == visit)
        return s;
    memset(s, 0, sizeof(*s));
    s->visit = visit;
    for (uint16_t i = 0; i < f->past_n; i++) {
        const struct offer_past *a = &f->past[i];

        if (a->visit != visit)
            continue;
        s->decided_n += a->reason == DECIDED;
        if (a->campaign == NO_INDEX)
            continue;
        if (a->reason == DECIDED || CONSTRAINTS[a->reason].outcome == OUTCOME_FINAL)
            s->done |= bit(a->campaign);
        if (a->reason != DECIDED)
            s->reasons[a->campaign] |= (uint8_t)(1U << a->reason);
    }
    return s;
}

/** Sets the time at which the next campaign of the presence's zone is to be looked at. */
static void schedule(struct offers *f, const struct plan *plan, const struct presence *p)
{
    const struct offer_slot *s = slot_of(f, p);
    int64_t due_us = NOREN_NEVER_US;

    for (uint16_t c = 0; c < plan->campaigns_n && p->zone != NO_INDEX; c++) {
        int64_t at_us = p->zone_since_us + plan->campaigns[c].dwell_us;

        if (plan->campaigns[c].zone == p->zone && ((s->done | s->tried) & bit(c)) == 0 &&
            at_us < due_us)
            due_us = at_us;
    }
    f->due_us[p->slot] = due_us;
    f->next_us = due_us < f->next_us ? due_us : f->next_us;
}

/** Somebody came to another zone, or to one for the first time: a new dwell. */
static void begin_dwell(struct offers *f, const struct plan *plan, const struct presence *p)
{
    struct offer_slot *s = slot_of(f, p);

    s->tried = s->waiting = 0;
    schedule(f, plan, p);
}

/** Would a campaign that somebody waits for be decided now? Rows whose outcome is to wait look at nothing
 * that belongs to one member. */
static bool is_worth_a_look(const struct plan *plan, const struct shelf *shelf, uint16_t campaign,
                            int64_t utc_s)
{
    struct offer_case k = case_of(plan, shelf, campaign, utc_s);

    for (uint8_t i = 0; i < CONSTRAINTS_N; i++)
        if (CONSTRAINTS[i].outcome == OUTCOME_WAIT && !CONSTRAINTS[i].eval(&k))
            return false;
    return true;
}

/** Looks again at everybody who waits for something that has come. */
static void wake(struct offers *f, const struct plan *plan, const struct people *people,
                 const struct shelf *shelf, int64_t utc_s)
{
    const struct presence *p;
    uint64_t ready = 0, still = 0;
    size_t cursor = 0;

    for (uint16_t c = 0; c < plan->campaigns_n; c++)
        if ((f->waiting & bit(c)) != 0 && is_worth_a_look(plan, shelf, c, utc_s))
            ready |= bit(c);
    while ((p = people_next(people, &cursor)) != NULL) {
        struct offer_slot *s = slot_of(f, p);
        uint64_t mine = s->waiting & ready;

        s->tried &= ~mine;
        s->waiting &= ~mine;
        still |= s->waiting;
        if (mine != 0)
            schedule(f, plan, p);
    }
    f->waiting = still; /* without those who have gone */
}

/** Reads from the batch what this observation changed. */
static void react(struct offers *f, const struct plan *plan, const struct people *people,
                  int64_t now_us, const struct batch *out)
{
    for (size_t i = 0; i < out->events_n; i++) {
        const struct event *e = &out->events[i];
        const struct presence *p;

        if (e->kind == EVENT_STOCK_CHANGED || e->kind == EVENT_SENSOR_RECOVERED)
            f->wake_us = now_us;
        if (e->kind != EVENT_VISIT_ZONE || e->u.visit_zone.who.kind != WHO_MEMBER)
            continue;
        p = people_find(people, &e->u.visit_zone.who);
        if (p != NULL)
            begin_dwell(f, plan, p);
    }
}

/* --- decision ---------------------------------------------------------------------------------- */

static void emit(const struct offers *f, const struct plan *plan, const struct offer_case *k,
                 uint8_t reason, int64_t now_us, char ret_id[NOREN_ID_SIZE], struct batch *out)
{
    struct event *e =
        batch_event(out, reason == DECIDED ? EVENT_OFFER_DECIDED : EVENT_OFFER_SUPPRESSED, now_us);
    struct event_offer_decided d = {.revision = k->campaign->revision, .who = k->who->who};

    snprintf(ret_id, NOREN_ID_SIZE, "o%" PRId64, f->next_number);
    memcpy(d.offer_id, ret_id, sizeof(d.offer_id));
    memcpy(d.campaign, k->campaign->id, sizeof(d.campaign));
    memcpy(d.zone, plan->zones[k->who->zone].id, sizeof(d.zone));
    if (k->campaign->product != NO_INDEX)
        snprintf(d.gtin, sizeof(d.gtin), "%s", plan->products[k->campaign->product].gtin);
    memcpy(d.template, k->campaign->template_id, sizeof(d.template));
    if (reason == DECIDED) {
        e->u.offer_decided = d;
        return;
    }
    e->u.offer_suppressed = (struct event_offer_suppressed){.revision = d.revision, .who = d.who};
    memcpy(e->u.offer_suppressed.offer_id, d.offer_id, sizeof(d.offer_id));
    memcpy(e->u.offer_suppressed.campaign, d.campaign, sizeof(d.campaign));
    memcpy(e->u.offer_suppressed.zone, d.zone, sizeof(d.zone));
    memcpy(e->u.offer_suppressed.gtin, d.gtin, sizeof(d.gtin));
    snprintf(e->u.offer_suppressed.reason, NOREN_ID_SIZE, "%s", CONSTRAINTS[reason].name);
}

/** One campaign for one member who has dwelt long enough. */
static void decide(struct offers *f, const struct plan *plan, const struct shelf *shelf,
                   const struct presence *p, uint16_t c, int64_t now_us, int64_t utc_s,
                   struct batch *out)
{
    struct offer_slot *s = slot_of(f, p);
    struct offer_case k = case_of(plan, shelf, c, utc_s);
    char id[NOREN_ID_SIZE];
    uint8_t reason = 0;

    k.who = p;
    k.decided_n = s->decided_n;
    k.cooling = is_cooling(f, hash(p->who.ref), c, now_us, utc_s);
    while (reason < CONSTRAINTS_N && CONSTRAINTS[reason].eval(&k))
        reason++;
    s->tried |= bit(c);
    if (reason == DECIDED || CONSTRAINTS[reason].outcome == OUTCOME_FINAL) {
        s->done |= bit(c);
    } else if (CONSTRAINTS[reason].outcome == OUTCOME_WAIT) {
        s->waiting |= bit(c);
        f->waiting |= bit(c);
    }
    if (reason == DECIDED)
        s->decided_n++;
    else if ((s->reasons[c] & 1U << reason) != 0)
        return;
    else
        s->reasons[c] |= (uint8_t)(1U << reason);
    emit(f, plan, &k, reason, now_us, id, out);
    remember(f, &k, c, reason, now_us, id, out);
}

/** Looks at one visit whose time has come. False when the batch is full. */
static bool look(struct offers *f, const struct plan *plan, const struct shelf *shelf,
                 const struct presence *p, int64_t now_us, int64_t utc_s, struct batch *out)
{
    for (uint16_t c = 0; c < plan->campaigns_n && p->zone != NO_INDEX; c++) {
        const struct offer_slot *s = slot_of(f, p);

        if (plan->campaigns[c].zone != p->zone || ((s->done | s->tried) & bit(c)) != 0 ||
            p->zone_since_us + plan->campaigns[c].dwell_us > now_us)
            continue;
        if (!batch_room(out, CASE_ROOM_EVENTS, CASE_ROOM_RECORDS))
            return false;
        decide(f, plan, shelf, p, c, now_us, utc_s, out);
    }
    schedule(f, plan, p);
    return true;
}

static void rescan(struct offers *f, const struct plan *plan, const struct people *people,
                   int64_t now_us)
{
    const struct presence *p;
    size_t cursor = 0;

    /* A boot time in the future is of another boot: as if said just now, which keeps the cap. */
    for (uint16_t i = 0; i < f->past_n && f->restored; i++)
        if (f->past[i].at_us > now_us)
            f->past[i].at_us = now_us;
    while ((p = people_next(people, &cursor)) != NULL)
        schedule(f, plan, p);
    f->rescan = f->restored = false;
}

int64_t offers_step(struct offers *f, const struct plan *plan, const struct people *people,
                    const struct shelf *shelf, int64_t now_us, int64_t utc_s, struct batch *out)
{
    int64_t next_us = NOREN_NEVER_US;

    if (f->rescan)
        rescan(f, plan, people, now_us);
    react(f, plan, people, now_us, out);
    if (f->waiting != 0 && now_us >= f->wake_us) {
        wake(f, plan, people, shelf, utc_s);
        f->wake_us = now_us + OFFER_RETRY_US;
    }
    if (now_us < f->next_us)
        return f->waiting != 0 && f->wake_us < f->next_us ? f->wake_us : f->next_us;
    f->next_us = NOREN_NEVER_US;
    for (uint16_t i = 0; i < VISITS_MAX; i++) {
        const struct presence *p;

        if (f->due_us[i] <= now_us) {
            p = people_in_slot(people, i);
            if (p == NULL)
                f->due_us[i] = NOREN_NEVER_US;
            else if (!look(f, plan, shelf, p, now_us, utc_s, out))
                return f->next_us = now_us;
        }
        next_us = f->due_us[i] < next_us ? f->due_us[i] : next_us;
    }
    f->next_us = next_us;
    return f->waiting != 0 && f->wake_us < next_us ? f->wake_us : next_us;
}
