/* Visits: from two sightings to closed, consent, no_track zones, full batches, and a restart at every step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/books.h"

#include "core/people.h"

#define UNUSED __attribute__((unused))
#define S      NOREN_US_PER_S

static struct people *people;
static struct plan *plan;

static int setup(void UNUSED **state)
{
    people = must_calloc(1, sizeof(*people));
    plan = must_calloc(1, sizeof(*plan));
    books_open();
    for (int i = 0; i < 3; i++) {
        snprintf(plan->receivers[i].id, NOREN_ID_SIZE, "r%d", i);
        snprintf(plan->zones[i].id, NOREN_ID_SIZE, "zone %d", i);
        plan->zones[i].receivers = UINT32_C(1) << i;
    }
    plan->receivers_n = plan->zones_n = 3;
    plan->zones[2].no_track = true;
    people_init(people);
    people_plan(people, NULL, plan);
    return 0;
}

static int teardown(void UNUSED **state)
{
    free(people);
    free(plan);
    books_close();
    return 0;
}

static int64_t tick(int64_t t_us)
{
    struct obs o = {.t_us = t_us, .kind = OBS_TICK};
    int64_t due_us;

    do {
        batch_clear(out);
        due_us = people_step(people, plan, &o, out);
        commit();
    } while (due_us <= t_us);
    return due_us;
}

static struct obs sighting(int64_t t_us, const char *ref, uint16_t receiver, int rssi_dbm)
{
    struct obs o = {.t_us = t_us, .kind = OBS_SIGHTING};

    o.u.sighting.who.kind = ref[0] == 't' ? WHO_TAG : WHO_MEMBER;
    snprintf(o.u.sighting.who.ref, NOREN_ID_SIZE, "%s", ref);
    o.u.sighting.receiver = receiver;
    o.u.sighting.rssi_dbm = (int16_t)rssi_dbm;
    o.u.sighting.consent = CONSENT_ALL;
    o.u.sighting.bucket = 1234;
    return o;
}

static void feed(const struct obs *o)
{
    batch_clear(out);
    people_step(people, plan, o, out);
    commit();
}

static void hear(int64_t t_us, const char *ref, uint16_t receiver)
{
    struct obs o = sighting(t_us, ref, receiver, -60);

    feed(&o);
}

/* Stays at a receiver, heard twice a second. */
static int64_t stay(int64_t t_us, int64_t until_us, const char *ref, uint16_t receiver)
{
    for (; t_us < until_us; t_us += S / 2)
        hear(t_us, ref, receiver);
    return t_us;
}

static size_t count(enum event_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < events_n; i++)
        n += events[i].kind == kind;
    return n;
}

static const struct event *nth(enum event_kind kind, size_t n)
{
    for (size_t i = 0; i < events_n; i++)
        if (events[i].kind == kind && n-- == 0)
            return &events[i];
    fail_msg("no such event");
    return NULL;
}

static void assert_zone(size_t n, const char *zone, const char *previous)
{
    const struct event_visit_zone *e = &nth(EVENT_VISIT_ZONE, n)->u.visit_zone;

    assert_string_equal(e->zone, zone);
    assert_string_equal(e->previous, previous);
}

static void test_life_of_a_visit(void UNUSED **state)
{
    const struct event_visit_closed *closed;
    int64_t t;

    hear(0, "m-1", 0);
    assert_int_equal(events_n, 0); /* one packet is nobody */
    t = stay(S, 30 * S, "m-1", 0);
    assert_int_equal(count(EVENT_VISIT_OPENED), 1);
    assert_string_equal(nth(EVENT_VISIT_OPENED, 0)->u.visit_opened.visit_id, "v1");
    assert_int_equal(nth(EVENT_VISIT_OPENED, 0)->u.visit_opened.evidence.n, 1);
    assert_string_equal(nth(EVENT_VISIT_OPENED, 0)->u.visit_opened.evidence.e[0].path, "token");
    assert_zone(0, "zone 0", "");
    t = stay(t, 90 * S, "m-1", 1);
    assert_zone(1, "zone 1", "zone 0");
    assert_true(nth(EVENT_VISIT_ZONE, 1)->t_us - 30 * S < 6 * S);
    assert_true(nth(EVENT_VISIT_ZONE, 1)->u.visit_zone.since_us <=
                nth(EVENT_VISIT_ZONE, 1)->t_us - S);
    assert_int_equal(count(EVENT_VISIT_QUALIFIED), 1);
    assert_int_equal(nth(EVENT_VISIT_QUALIFIED, 0)->u.visit_qualified.dwell_us, VISIT_QUALIFY_US);
    assert_int_equal(rows_n, 3); /* the visit, the counter, and that it has counted today */

    assert_int_equal(tick(t), t - S / 2 + TRACK_LEAVE_US);
    assert_int_equal(tick(t - S / 2 + TRACK_LEAVE_US), t - S / 2 + TRACK_GONE_US);
    assert_zone(2, "", "zone 1");
    assert_int_equal(tick(t - S / 2 + TRACK_GONE_US), NOREN_NEVER_US);
    closed = &nth(EVENT_VISIT_CLOSED, 0)->u.visit_closed;
    assert_string_equal(closed->visit_id, "v1");
    assert_string_equal(closed->reason, "silence");
    assert_int_equal(closed->dwell_us, t - S / 2);
    assert_int_equal(rows_n, 2);
    assert_int_equal(people->locate.tracks_n + people->visits.used_n, 0);

    stay(1000 * S, 1005 * S, "m-1", 0);
    assert_string_equal(nth(EVENT_VISIT_OPENED, 1)->u.visit_opened.visit_id, "v2");
}

static void test_stray_packets_are_nobody(void UNUSED **state)
{
    for (int i = 0; i < 20; i++)
        hear(i * 4 * S, "m-1", 0);
    /* one advertisement heard by three receivers is one advertisement */
    for (uint16_t r = 0; r < 3; r++)
        hear(500 * S, "m-2", r);
    tick(502 * S);
    assert_int_equal(events_n, 0);
}

static void test_tags_have_zones_but_no_visits(void UNUSED **state)
{
    int64_t t = stay(0, 100 * S, "tag-1", 1);

    assert_int_equal(events_n, 1);
    assert_zone(0, "zone 1", "");
    assert_int_equal(nth(EVENT_VISIT_ZONE, 0)->u.visit_zone.who.kind, WHO_TAG);
    tick(t + TRACK_GONE_US);
    assert_zone(1, "", "zone 1");
    tick(t + 2 * TRACK_GONE_US);
    assert_int_equal(events_n, 2);
    assert_int_equal(rows_n + people->locate.tracks_n, 0);
}

static void test_consent(void UNUSED **state)
{
    struct obs o = sighting(0, "m-1", 0, -60);

    for (o.u.sighting.consent = CONSENT_ALL & ~CONSENT_PRESENCE; o.t_us < 20 * S; o.t_us += S)
        feed(&o);
    assert_int_equal(events_n + people->locate.tracks_n, 0);
    assert_int_equal(people->no_consent, 20);
    o.t_us = stay(o.t_us, 30 * S, "m-1", 0);
    assert_int_equal(count(EVENT_VISIT_OPENED), 1);
    feed(&o); /* taken back */
    assert_string_equal(nth(EVENT_VISIT_CLOSED, 0)->u.visit_closed.reason, "consent");
    assert_int_equal(people->locate.tracks_n + people->visits.used_n, 0);
}

static void test_no_track_zone_is_never_told(void UNUSED **state)
{
    const struct presence *p;
    size_t cursor = 0;
    int64_t t = stay(0, 20 * S, "m-1", 0);

    stay(t, 60 * S, "m-1", 2);
    assert_int_equal(count(EVENT_VISIT_ZONE), 2);
    assert_zone(1, "", "zone 0");
    p = people_next(people, &cursor);
    assert_non_null(p);
    assert_int_equal(p->zone, NO_INDEX);
    assert_null(people_next(people, &cursor));
}

static void test_bad_sightings_are_refused(void UNUSED **state)
{
    struct obs o = sighting(0, "m-1", 3, -60);

    feed(&o); /* no such receiver */
    o = sighting(0, "m-1", 0, 42);
    feed(&o);
    o = sighting(0, "", 0, -60);
    feed(&o);
    assert_int_equal(people->refused, 3);
    hear(5 * S, "m-1", 0);
    hear(4 * S, "m-1", 0);
    assert_int_equal(people->locate.stale, 1);
    assert_int_equal(events_n, 0);
}

static void test_full_batch_loses_nothing(void UNUSED **state)
{
    char ref[NOREN_ID_SIZE];
    int64_t t;

    /* 200 members come, and go at the same moment; the batch holds 32 events */
    for (t = 0; t < 5 * S; t += S)
        for (int i = 0; i < 200; i++) {
            snprintf(ref, sizeof(ref), "m-%d", i);
            hear(t, ref, 0);
        }
    assert_int_equal(count(EVENT_VISIT_OPENED), 200);
    assert_int_equal(count(EVENT_VISIT_ZONE), 200);
    tick(t + TRACK_GONE_US);
    assert_int_equal(count(EVENT_VISIT_CLOSED), 200);
    assert_int_equal(rows_n, 1);

    /* a sighting that meets a full batch is taken in and told later */
    hear(1000 * S, "m-1", 0);
    batch_clear(out);
    while (batch_room(out, 1, 0))
        batch_event(out, EVENT_GATEWAY_GAP, 1001 * S);
    {
        struct obs o = sighting(1001 * S, "m-1", 0, -60);

        assert_int_equal(people_step(people, plan, &o, out), 1001 * S);
    }
    assert_int_equal(count(EVENT_VISIT_OPENED), 200);
    tick(1001 * S);
    assert_int_equal(count(EVENT_VISIT_OPENED), 201);
}

static void test_plan_change_carries_zones(void UNUSED **state)
{
    struct plan *next = malloc(sizeof(*next));
    struct plan *old = plan;
    int64_t t = stay(0, 20 * S, "m-1", 1);
    size_t before;

    assert_non_null(next);
    *next = *plan; /* the zones change places, the middle receiver's name stays */
    next->zones[0] = plan->zones[1];
    next->zones[1] = plan->zones[0];
    people_plan(people, plan, next);
    plan = next;
    before = events_n;
    t = stay(t, 40 * S, "m-1", 1);
    assert_int_equal(events_n, before);
    next->zones_n = 1;
    snprintf(next->zones[0].id, NOREN_ID_SIZE, "renamed");
    old->zones[0] = old->zones[1];
    people_plan(people, old, next);
    stay(t, 50 * S, "m-1", 1);
    assert_string_equal(nth(EVENT_VISIT_ZONE, count(EVENT_VISIT_ZONE) - 1)->u.visit_zone.zone,
                        "renamed");
    plan = old;
    free(next);
}

/* --- restarts ---------------------------------------------------------------------------------- */

static void restart(void)
{
    people_init(people);
    people_plan(people, NULL, plan);
    for (size_t i = 0; i < rows_n; i++)
        assert_int_equal(people_restore(people, plan, &rows[i]), 0);
}

/* Two members come, change zone, go and one comes again, in steps of half a second; later than a visit can
 * last when a restart has begun its silence anew. */
#define SCRIPT_STEPS 660

static void script(int step)
{
    int64_t t = (int64_t)step * S / 2;

    tick(t);
    if (step < 100 || (step > 600 && step < 640))
        hear(t, "m-1", step < 40 ? 0 : 1);
    if (step > 20 && step < 220)
        hear(t, "m-2", 1);
}

static void assert_paired(void)
{
    assert_int_equal(count(EVENT_VISIT_OPENED), 3);
    assert_int_equal(count(EVENT_VISIT_CLOSED), 3);
    for (size_t i = 0; i < 3; i++) {
        const char *id = nth(EVENT_VISIT_OPENED, i)->u.visit_opened.visit_id;
        int closed = 0;

        for (size_t j = 0; j < 3; j++) {
            closed += strcmp(nth(EVENT_VISIT_CLOSED, j)->u.visit_closed.visit_id, id) == 0;
            assert_true(i == j ||
                        strcmp(nth(EVENT_VISIT_OPENED, j)->u.visit_opened.visit_id, id) != 0);
        }
        assert_int_equal(closed, 1);
    }
    assert_int_equal(rows_n, 2); /* the counter, and that it has counted */
}

static void test_restart_at_every_step(void UNUSED **state)
{
    for (int cut = 0; cut < SCRIPT_STEPS; cut++) {
        events_n = rows_n = 0;
        restart();
        for (int step = 0; step < SCRIPT_STEPS; step++) {
            if (step == cut)
                restart();
            script(step);
        }
        tick(SCRIPT_STEPS * S / 2 + 2 * TRACK_GONE_US);
        assert_paired();
        assert_int_equal(count(EVENT_VISIT_QUALIFIED), 1);
    }
}

static void test_reboot_starts_the_clock_again(void UNUSED **state)
{
    stay(5000 * S, 5070 * S, "m-1", 0);
    restart();
    stay(10 * S, 40 * S, "m-1", 0); /* heard again within the silence, by the new clock */
    assert_int_equal(count(EVENT_VISIT_OPENED), 1);
    assert_int_equal(count(EVENT_VISIT_QUALIFIED), 1);
    tick(400 * S);
    assert_int_equal(count(EVENT_VISIT_CLOSED), 1);
    assert_in_range(nth(EVENT_VISIT_CLOSED, 0)->u.visit_closed.dwell_us, 85 * S, 100 * S);
}

static void test_bad_rows_are_refused(void UNUSED **state)
{
    static const char *const values[] = {
        "",
        "2\tm\t1\t1\t\t0\t0\t0\t0\t0\t0\t-1\t-1\t-1\t-1",
        "1\tm\t1",
        "1\tm\t1\t1\t\t0\t0\t0\t0\t0\t0\t-1\t-1\t-1\t-1\t9",
        "1\t\t1\t1\t\t0\t0\t0\t0\t0\t0\t-1\t-1\t-1\t-1",
        "1\tm\t1\t1\t\t0\t9\t0\t0\t0\t0\t-1\t-1\t-1\t-1",
        "1\tm\tx\t1\t\t0\t0\t0\t0\t0\t0\t-1\t-1\t-1\t-1",
    };
    struct record r = {.kind = RECORD_VISIT, .key = "v1"};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        snprintf(r.value, sizeof(r.value), "%s", values[i]);
        assert_int_equal(people_restore(people, plan, &r), -1);
    }
    assert_int_equal(people->visits.used_n, 0);
    snprintf(r.value, sizeof(r.value), "%s", "1\tm\t1\t1\t\t0\t0\t0\t0\t0\t0\t-1\t-1\t-1\t-1");
    assert_int_equal(people_restore(people, plan, &r), 0);
}

/* --- other evidence ---------------------------------------------------------------------------- */

static void check_in(int64_t t_us, const char *ref, enum id_path path, int64_t at_us)
{
    struct obs o = {.t_us = t_us, .kind = OBS_CHECKIN};

    snprintf(o.u.checkin.member_ref, NOREN_ID_SIZE, "%s", ref);
    o.u.checkin.consent = CONSENT_ALL;
    o.u.checkin.path = path;
    o.u.checkin.at_us = at_us;
    feed(&o);
}

static void set_clock(int64_t t_us, int64_t local_us)
{
    struct obs o = {.t_us = t_us, .kind = OBS_CLOCK};

    o.u.clock.utc_us = local_us - 9 * 3600 * S;
    o.u.clock.local_us = 9 * 3600 * S;
    o.u.clock.quality = CLOCK_SYNCED;
    feed(&o);
}

/* Silence does not end a visit before its evidence is worn out, and does soon after; a restart in between. */
static void test_checkin_lasts(void UNUSED **state)
{
    int64_t t = 10 * S;

    check_in(t, "m-1", PATH_LINE, t - 60 * S);
    assert_int_equal(count(EVENT_VISIT_OPENED), 1);
    assert_int_equal(nth(EVENT_VISIT_OPENED, 0)->u.visit_opened.confidence, 600);
    assert_string_equal(nth(EVENT_VISIT_OPENED, 0)->u.visit_opened.evidence.e[0].path, "line");
    assert_int_equal(count(EVENT_VISIT_ZONE), 0); /* where is not known */
    while (t < 13 * 60 * S)
        t = tick(t);
    restart();
    for (t = 13 * 60 * S; t < 15 * 60 * S; t += S)
        tick(t);
    assert_int_equal(count(EVENT_VISIT_CLOSED), 0);
    for (; t < 17 * 60 * S; t += S)
        tick(t);
    assert_int_equal(count(EVENT_VISIT_CLOSED), 1);
    assert_int_equal(count(EVENT_VISIT_OPENED), 1);
    assert_int_equal(rows_n, 1);
}

/* Two kinds of evidence, one visit; heard by a radio too, it has a zone. */
static void test_evidence_is_one_visit(void UNUSED **state)
{
    const struct evidence_list *list;

    check_in(0, "m-1", PATH_DOOR, 0);
    (void)stay(S, 20 * S, "m-1", 0);
    assert_zone(0, "zone 0", "");
    check_in(70 * S, "m-1", PATH_CHECKIN, 70 * S); /* silent since 20 s, no longer in a zone */
    assert_zone(1, "", "zone 0");
    assert_int_equal(count(EVENT_VISIT_QUALIFIED), 1);
    list = &nth(EVENT_VISIT_QUALIFIED, 0)->u.visit_qualified.evidence;
    assert_int_equal(list->n, 3);
    assert_int_equal(count(EVENT_VISIT_OPENED), 1);
}

static void test_checkin_without_consent(void UNUSED **state)
{
    struct obs o = {.t_us = S, .kind = OBS_CHECKIN, .u.checkin.path = PATH_DOOR};

    strcpy(o.u.checkin.member_ref, "m-1");
    o.u.checkin.consent = CONSENT_ALL & ~CONSENT_PRESENCE;
    feed(&o);
    assert_int_equal(events_n, 0);
    assert_int_equal(people->locate.tracks_n, 0);
    check_in(2 * S, "m-1", PATH_DOOR, 2 * S);
    assert_int_equal(count(EVENT_VISIT_OPENED), 1);
    o.t_us = 3 * S;
    feed(&o); /* taken back */
    assert_string_equal(nth(EVENT_VISIT_CLOSED, 0)->u.visit_closed.reason, "consent");
}

/* Once a day, in opening hours, also after a restart. */
static void test_counts_once_a_day(void UNUSED **state)
{
    const int64_t day = (int64_t)20000 * 24 * 3600 * S, hour = 3600 * S;
    int64_t t = 0;

    plan->open_min = 10 * 60;
    plan->close_min = 21 * 60;
    set_clock(0, day + 9 * hour + 50 * 60 * S);
    t = stay(S, 120 * S, "m-1", 0);
    assert_int_equal(count(EVENT_VISIT_QUALIFIED), 0); /* the door is closed */
    t = stay(t, 12 * 60 * S, "m-1", 0);
    assert_int_equal(count(EVENT_VISIT_QUALIFIED), 1);
    t += 200 * S;
    tick(t);
    assert_int_equal(count(EVENT_VISIT_CLOSED), 1);
    restart();
    set_clock(t, day + 11 * hour);
    t = stay(t, t + 300 * S, "m-1", 0);
    assert_int_equal(count(EVENT_VISIT_OPENED), 2);
    assert_int_equal(count(EVENT_VISIT_QUALIFIED), 1);
    t += 200 * S;
    tick(t);
    set_clock(t, day + 35 * hour); /* eleven, the day after */
    stay(t, t + 300 * S, "m-1", 0);
    assert_int_equal(count(EVENT_VISIT_QUALIFIED), 2);
}

/* Nothing is told of who is forgotten, not even that the visit ends; all rows but the counter go. */
static void test_forget(void UNUSED **state)
{
    struct obs o = {.t_us = 100 * S, .kind = OBS_FORGET};
    int64_t t;

    stay(S, 90 * S, "m-1", 0);
    assert_int_equal(count(EVENT_VISIT_QUALIFIED), 1);
    assert_int_equal(rows_n, 3);
    events_n = 0;
    strcpy(o.u.forget, "m-1");
    feed(&o);
    assert_int_equal(events_n, 0);
    assert_int_equal(rows_n, 1);
    assert_int_equal(people->locate.tracks_n + people->visits.used_n, 0);
    assert_null(memmem(people, sizeof(*people), "m-1", 4));
    for (t = 100 * S; t < 400 * S; t += S)
        tick(t);
    assert_int_equal(events_n, 0);
    stay(t, t + 90 * S, "m-1", 0); /* a new list has the name again: somebody new */
    assert_int_equal(count(EVENT_VISIT_QUALIFIED), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life_of_a_visit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stray_packets_are_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tags_have_zones_but_no_visits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_consent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_track_zone_is_never_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_sightings_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_batch_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_plan_change_carries_zones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reboot_starts_the_clock_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_rows_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checkin_lasts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_evidence_is_one_visit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checkin_without_consent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts_once_a_day, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
