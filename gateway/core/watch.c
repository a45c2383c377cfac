/* Alerts about identities and receivers; see watch.h. */
#include "core/watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/row.h"

/* The loudest that a phone or a tag is at 1 m: typical ones are at -59 dBm; of a transmitter of +10 dBm the air
 * alone leaves -30 (2.4 GHz, Friis). The tag of the recordings at a door needs -36: a corridor leads. */
#define LOUDEST_1M_DBM (-30.0)
/* Two receivers have "the same moment" within this; somebody may run in it. */
#define MOMENT_US (2 * NOREN_US_PER_S)
#define RUN_M_S   5.0
/* Metres that a map may be wrong by. */
#define MAP_ERROR_M 2.0

#define ROW_KEY "watch%" PRId64

static const struct {
    const char *alert, *severity;
    uint8_t strikes; /* within WATCH_TIGHT_US */
} KINDS[WATCH_KINDS] = {
    [WATCH_FAR] = {"identity_far", "warning", 3},
    [WATCH_TWIN] = {"identity_twin", "info", 5},
    [WATCH_CLOCK] = {"receiver_clock", "warning", 3},
};

void watch_init(struct watch *w)
{
    memset(w, 0, sizeof(*w));
}

int32_t watch_alerts(const struct watch *w)
{
    int32_t n = 0;

    for (int i = 0; i < WATCH_MAX; i++)
        n += w->cases[i].used && w->cases[i].number != 0;
    return n;
}

/* --- rows --------------------------------------------------------------------------------------- */

/* Row: version, kind, subject, member, number of the alert. */
static void save(const struct watch_case *c, struct batch *out)
{
    char key[RECORD_KEY_SIZE];
    struct record *r;

    snprintf(key, sizeof(key), ROW_KEY, c->number);
    r = batch_record(out, RECORD_SHOP, key);
    snprintf(r->value, sizeof(r->value), "1\t%d\t%s\t%s\t%" PRId64, (int)c->kind, c->subject,
             c->member_ref, c->number);
}

static void erase(const struct watch_case *c, struct batch *out)
{
    char key[RECORD_KEY_SIZE];

    snprintf(key, sizeof(key), ROW_KEY, c->number);
    batch_record(out, RECORD_SHOP, key)->value[0] = '\0';
}

int watch_restore(struct watch *w, const struct record *r)
{
    struct row row = row_init(r->value);
    struct watch_case c = {.used = true};
    int i = 0;

    if (row_range(&row, 1, 1) != 1)
        return -1;
    c.kind = (enum watch_kind)row_range(&row, 0, WATCH_KINDS - 1);
    row_str(&row, c.subject, sizeof(c.subject));
    row_str(&row, c.member_ref, sizeof(c.member_ref));
    c.number = row_range(&row, 1, INT64_MAX);
    while (i < WATCH_MAX && w->cases[i].used)
        i++;
    if (!row_done(&row) || c.subject[0] == '\0' || i == WATCH_MAX)
        return -1;
    w->cases[i] = c;
    w->restored = true;
    return 0;
}

/* --- alerts ------------------------------------------------------------------------------------- */

static void raise_alert(struct watch_case *c, struct shelf *shelf, int64_t now_us,
                        struct batch *out)
{
    struct event_alert_raised *e;

    c->number = shelf_take_number(shelf, out);
    e = batch_raise_alert(out, now_us, c->number, KINDS[c->kind].alert, KINDS[c->kind].severity,
                          c->subject);
    snprintf(e->member_ref, sizeof(e->member_ref), "%s", c->member_ref);
    save(c, out);
}

static void clear_alert(const struct watch_case *c, int64_t now_us, struct batch *out)
{
    batch_clear_alert(out, now_us, c->number, KINDS[c->kind].alert, c->subject);
    erase(c, out);
}

/* Ends cases that were quiet for long enough; one that was never raised after a minute. */
static int64_t time_out(struct watch *w, int64_t now_us, struct batch *out)
{
    int64_t due_us = NOREN_NEVER_US;

    for (int i = 0; i < WATCH_MAX; i++) {
        struct watch_case *c = &w->cases[i];
        int64_t until_us = c->last_us + (c->number != 0 ? WATCH_CLEAR_US : WATCH_TIGHT_US);

        if (!c->used)
            continue;
        if (until_us > now_us) {
            due_us = until_us < due_us ? until_us : due_us;
            continue;
        }
        if (c->number != 0 && !batch_room(out, 1, 1))
            return now_us;
        if (c->number != 0)
            clear_alert(c, now_us, out);
        c->used = false;
    }
    return due_us;
}

/* --- strikes ------------------------------------------------------------------------------------ */

/* The case of this suspicion, a new one, or NULL. Of a member it is one case wherever it is heard. */
static struct watch_case *case_of(struct watch *w, enum watch_kind kind, const char *subject,
                                  const char *member_ref)
{
    struct watch_case *spare = NULL;

    for (int i = 0; i < WATCH_MAX; i++) {
        struct watch_case *c = &w->cases[i];
        bool same_who = member_ref[0] != '\0' ? strcmp(c->member_ref, member_ref) == 0
                                              : strcmp(c->subject, subject) == 0;

        if (c->used && c->kind == kind && same_who)
            return c;
        if (!c->used || (c->number == 0 && spare == NULL))
            spare = c;
    }
    if (spare == NULL) {
        w->refused++;
        return NULL;
    }
    *spare = (struct watch_case){.used = true, .kind = kind};
    snprintf(spare->subject, sizeof(spare->subject), "%s", subject);
    snprintf(spare->member_ref, sizeof(spare->member_ref), "%s", member_ref);
    return spare;
}

static void strike(struct watch *w, enum watch_kind kind, const char *subject,
                   const char *member_ref, struct shelf *shelf, int64_t now_us, struct batch *out)
{
    struct watch_case *c = case_of(w, kind, subject, member_ref);

    if (c == NULL)
        return;
    if (c->strikes == 0 || now_us - c->from_us > WATCH_TIGHT_US) {
        c->strikes = 0;
        c->from_us = now_us;
    }
    c->last_us = now_us;
    c->strikes = (uint8_t)(c->strikes < UINT8_MAX ? c->strikes + 1 : UINT8_MAX);
    /* 2 rows: the alert's, and the number's; without room the next strike raises it */
    if (c->number == 0 && c->strikes >= KINDS[kind].strikes && batch_room(out, 1, 2))
        raise_alert(c, shelf, now_us, out);
}

/* The farthest that a transmitter can be for this level, m. */
static double reach_m(double level_dbm)
{
    return pow(10, (LOUDEST_1M_DBM - level_dbm) / 20);
}

static bool too_far(const struct plan *plan, const struct track *t, const struct obs *o)
{
    const struct plan_receiver *here = &plan->receivers[o->u.sighting.receiver];

    for (uint8_t i = 0; i < t->slots_n && here->placed; i++) {
        const struct plan_receiver *there = &plan->receivers[t->receiver[i]];
        int64_t age_us = track_age_us(t->heard_tick[i], o->t_us);
        double apart_m = hypot(here->x_m - there->x_m, here->y_m - there->y_m);

        if (there->placed && age_us <= MOMENT_US &&
            apart_m > MAP_ERROR_M + reach_m(o->u.sighting.rssi_dbm) + reach_m(t->level[i] / 16.0) +
                          RUN_M_S * (double)age_us / (double)NOREN_US_PER_S)
            return true;
    }
    return false;
}

static void watch_sighting(struct watch *w, const struct plan *plan, const struct people *people,
                           struct shelf *shelf, const struct obs *o, struct batch *out)
{
    const struct who *who = &o->u.sighting.who;
    bool member = who->kind == WHO_MEMBER;
    const char *subject = member ? plan->receivers[o->u.sighting.receiver].id : who->ref;
    uint16_t i;

    /* of who did not agree to be seen nothing is kept, no suspicion either */
    if (member && (o->u.sighting.consent & CONSENT_PRESENCE) == 0)
        return;
    if (o->u.sighting.twin)
        strike(w, WATCH_TWIN, subject, member ? who->ref : "", shelf, o->t_us, out);
    i = locate_find(&people->locate, who);
    if (i != NO_INDEX && o->t_us >= people->locate.tracks[i].heard_us &&
        too_far(plan, &people->locate.tracks[i], o))
        strike(w, WATCH_FAR, subject, member ? who->ref : "", shelf, o->t_us, out);
}

static void forget(struct watch *w, const char *member_ref, int64_t now_us, struct batch *out)
{
    for (int i = 0; i < WATCH_MAX; i++) {
        struct watch_case *c = &w->cases[i];

        if (!c->used || strcmp(c->member_ref, member_ref) != 0)
            continue;
        /* The alert's end names nobody and is told; without room the row goes with the database's own look
         * for the name, and the alert stays for a person to close. */
        if (c->number != 0 && batch_room(out, 1, 1))
            clear_alert(c, now_us, out);
        memset(c, 0, sizeof(*c));
    }
}

int64_t watch_step(struct watch *w, const struct plan *plan, const struct people *people,
                   struct shelf *shelf, const struct obs *o, struct batch *out)
{
    for (int i = 0; i < WATCH_MAX && w->restored; i++)
        w->cases[i].last_us = w->cases[i].from_us = o->t_us;
    w->restored = false;
    if (o->kind == OBS_FORGET)
        forget(w, o->u.forget, o->t_us, out);
    if (o->kind == OBS_SIGHTING)
        watch_sighting(w, plan, people, shelf, o, out);
    if (o->kind == OBS_SKEW)
        strike(w, WATCH_CLOCK, plan->receivers[o->u.skew.receiver].id, "", shelf, o->t_us, out);
    return time_out(w, o->t_us, out);
}
