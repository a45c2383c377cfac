/* Campaigns: one row of the table a test; once per visit and reason; stock that comes back; restarts. Through
 * shop_step(), so shelf, people and offers are the real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/books.h"

#include "core/shop.h"

#define UNUSED __attribute__((unused))
#define S      NOREN_US_PER_S

#define UNIT_MG 500000

static struct shop *shop;
static struct plan *plan;
static int64_t now_us;
static int64_t mass_mg; /* on the plate, sampled at 10 Hz; below 0: no plate is read */
static uint8_t consent;

static struct plan_campaign *add_campaign(const char *id, uint16_t zone)
{
    struct plan_campaign *c = &plan->campaigns[plan->campaigns_n++];

    snprintf(c->id, sizeof(c->id), "%s", id);
    snprintf(c->template_id, sizeof(c->template_id), "%s", "ten-off");
    c->revision = 7;
    c->zone = zone;
    c->dwell_us = 10 * S;
    c->product = NO_INDEX;
    return c;
}

static void add_product(void)
{
    struct plan_plate *p = &plan->plates[0];

    snprintf(plan->products[0].gtin, NOREN_GTIN_SIZE, "%s", "04006381333931");
    plan->products_n = 1;
    snprintf(plan->fixtures[0], NOREN_ID_SIZE, "%s", "f");
    plan->fixtures_n = 1;
    snprintf(p->id, NOREN_ID_SIZE, "%s", "p");
    p->zone = 0;
    p->facings_n = 1;
    p->facings[0].unit_mass_mg = UNIT_MG;
    p->facings[0].unit_cv_pm = 5;
    p->facings[0].capacity = 20;
    plan->plates_n = 1;
    mass_mg = 0;
}

static int setup(void UNUSED **state)
{
    shop = must_calloc(1, sizeof(*shop));
    plan = must_calloc(1, sizeof(*plan));
    books_open();
    now_us = 0;
    mass_mg = -1;
    consent = CONSENT_ALL;
    for (int i = 0; i < 2; i++) {
        snprintf(plan->receivers[i].id, NOREN_ID_SIZE, "r%d", i);
        snprintf(plan->zones[i].id, NOREN_ID_SIZE, "zone %d", i);
        plan->zones[i].receivers = UINT32_C(1) << i;
    }
    plan->receivers_n = plan->zones_n = 2;
    return 0;
}

static int teardown(void UNUSED **state)
{
    free(shop);
    free(plan);
    books_close();
    return 0;
}

/* One observation after the ticks that were asked for. */
static void feed(struct obs o)
{
    struct obs tick = {.kind = OBS_TICK};

    while (shop->due_us <= o.t_us) {
        tick.t_us = shop->due_us > shop->now_us ? shop->due_us : shop->now_us;
        shop_step(shop, &tick, out);
        commit();
    }
    shop_step(shop, &o, out);
    commit();
}

static void start(void)
{
    shop_init(shop);
    feed((struct obs){.t_us = now_us, .kind = OBS_PLAN, .u.plan = plan});
    for (size_t i = 0; i < rows_n; i++)
        assert_int_equal(shop_restore(shop, &rows[i]), 0);
}

static void set_clock(int64_t utc_s)
{
    struct obs o = {.t_us = now_us, .kind = OBS_CLOCK};

    o.u.clock.utc_us = utc_s * S;
    o.u.clock.quality = CLOCK_SYNCED;
    feed(o);
}

static void feed_tick(void)
{
    feed((struct obs){.t_us = now_us, .kind = OBS_TICK});
}

/* Time passes with the member at a receiver, or (NO_INDEX) away; the scale goes on. */
static void pass(int64_t for_us, const char *ref, uint16_t receiver)
{
    for (int64_t end_us = now_us + for_us; now_us < end_us; now_us += S / 10) {
        struct obs o = {.t_us = now_us, .kind = OBS_MASS};

        if (mass_mg >= 0) {
            o.u.mass.mass_mg = mass_mg;
            feed(o);
        }
        if (receiver == NO_INDEX || now_us % (S / 2) != 0)
            continue;
        o.kind = OBS_SIGHTING;
        memset(&o.u, 0, sizeof(o.u));
        o.u.sighting.who.kind = WHO_MEMBER;
        snprintf(o.u.sighting.who.ref, NOREN_ID_SIZE, "%s", ref);
        o.u.sighting.receiver = receiver;
        o.u.sighting.rssi_dbm = -60;
        o.u.sighting.consent = consent;
        o.u.sighting.bucket = 500;
        feed(o);
    }
    feed_tick();
}

static size_t count(enum event_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < events_n; i++)
        n += events[i].kind == kind;
    return n;
}

static const struct event *last(enum event_kind kind)
{
    for (size_t i = events_n; i > 0; i--)
        if (events[i - 1].kind == kind)
            return &events[i - 1];
    fail_msg("no such event");
    return NULL;
}

static void assert_offers(size_t decided, size_t suppressed)
{
    assert_int_equal(count(EVENT_OFFER_DECIDED), decided);
    assert_int_equal(count(EVENT_OFFER_SUPPRESSED), suppressed);
}

static void assert_reason(const char *reason)
{
    assert_string_equal(last(EVENT_OFFER_SUPPRESSED)->u.offer_suppressed.reason, reason);
}

static void test_dwell_makes_an_offer(void UNUSED **state)
{
    const struct event_offer_decided *d;
    int64_t since_us;

    add_campaign("c", 1);
    start();
    pass(30 * S, "m", 0);
    assert_offers(0, 0);
    pass(30 * S, "m", 1);
    assert_offers(1, 0);
    d = &last(EVENT_OFFER_DECIDED)->u.offer_decided;
    assert_string_equal(d->offer_id, "o1");
    assert_string_equal(d->campaign, "c");
    assert_string_equal(d->zone, "zone 1");
    assert_string_equal(d->template, "ten-off");
    assert_string_equal(d->who.ref, "m");
    assert_int_equal(d->revision, 7);
    since_us = last(EVENT_VISIT_ZONE)->u.visit_zone.since_us;
    assert_int_equal(last(EVENT_OFFER_DECIDED)->t_us, since_us + 10 * S); /* at the deadline */
    pass(60 * S, "m", 0);
    pass(60 * S, "m", 1);
    assert_offers(1, 0);
}

static void test_short_dwell_makes_none(void UNUSED **state)
{
    add_campaign("c", 1);
    start();
    for (int i = 0; i < 5; i++) {
        pass(15 * S, "m", 0);
        pass(6 * S, "m", 1); /* and a few seconds until the change back is believed */
    }
    assert_offers(0, 0);
}

static void test_clock_and_validity(void UNUSED **state)
{
    struct plan_campaign *c = add_campaign("c", 0);

    c->valid_from_s = 1000000;
    c->valid_until_s = 1000100;
    start();
    pass(60 * S, "m", 0);
    assert_offers(0, 1);
    assert_reason("clock_unknown");
    set_clock(999000);
    pass(60 * S, "m", 0);
    assert_offers(0, 1); /* known, but it is too early: the member still waits */
    set_clock(1000000);
    pass(5 * S, "m", 0);
    assert_offers(1, 1);
}

static void test_campaign_over(void UNUSED **state)
{
    add_campaign("c", 0)->valid_until_s = 1000;
    start();
    set_clock(1000);
    pass(60 * S, "m", 0);
    assert_offers(0, 1);
    assert_reason("campaign_inactive");
}

static void test_no_consent(void UNUSED **state)
{
    add_campaign("c", 0);
    consent = CONSENT_PRESENCE;
    start();
    pass(60 * S, "m", 0);
    assert_offers(0, 1);
    assert_reason("no_consent");
}

static void test_one_offer_a_visit(void UNUSED **state)
{
    add_campaign("c", 0);
    add_campaign("d", 0);
    add_campaign("e", 1);
    start();
    pass(30 * S, "m", 0);
    assert_offers(1, 1);
    assert_reason("cap_visit");
    assert_string_equal(last(EVENT_OFFER_SUPPRESSED)->u.offer_suppressed.campaign, "d");
    pass(30 * S, "m", 1);
    assert_offers(1, 2);
    start(); /* the cap and what was said survive */
    pass(30 * S, "m", 0);
    pass(30 * S, "m", 1);
    assert_offers(1, 2);
    assert_int_equal(count(EVENT_VISIT_OPENED), 1);
}

static void test_cooldown(void UNUSED **state)
{
    add_campaign("c", 0);
    start();
    set_clock(1000000);
    pass(30 * S, "m", 0);
    pass(200 * S, "m", NO_INDEX);
    pass(30 * S, "m", 0);
    assert_int_equal(count(EVENT_VISIT_OPENED), 2);
    assert_offers(1, 1);
    assert_reason("cooldown");
    pass(200 * S, "m", NO_INDEX);
    now_us = 0; /* a reboot; an hour later by the wall clock */
    start();
    set_clock(1000000 + 3600);
    pass(30 * S, "m", 0);
    assert_offers(1, 2);
    pass(200 * S, "m", NO_INDEX);
    set_clock(1000000 + 5 * 3600);
    pass(30 * S, "m", 0);
    assert_offers(2, 2);
}

static void test_holdout(void UNUSED **state)
{
    add_campaign("c", 0)->holdout_bp = 500; /* the member's bucket is 500: the first that is not */
    add_campaign("d", 1)->holdout_bp = 501;
    start();
    pass(30 * S, "m", 1);
    assert_offers(0, 1);
    assert_reason("holdout");
    pass(30 * S, "m", 0);
    assert_offers(1, 1);
}

static void test_stock_comes_back(void UNUSED **state)
{
    add_product();
    add_campaign("c", 0)->product = 0;
    start();
    pass(30 * S, "m", 0);
    assert_offers(0, 1);
    assert_reason("out_of_stock");
    pass(60 * S, "m", 0);
    assert_offers(0, 1); /* said once */
    mass_mg = 3 * UNIT_MG;
    pass(20 * S, "m", 0);
    assert_true(shelf_atp(&shop->shelf, plan, 0).units > 0);
    assert_offers(1, 1);
    assert_string_equal(last(EVENT_OFFER_DECIDED)->u.offer_decided.gtin, "04006381333931");
}

/* Units in the backroom can be promised, but not in front of an empty shelf. */
static void test_empty_shelf(void UNUSED **state)
{
    add_product();
    plan->products[0].backroom = 24;
    add_campaign("c", 0)->product = 0;
    start();
    pass(30 * S, "m", 0);
    assert_true(shelf_atp(&shop->shelf, plan, 0).units >= 1);
    assert_offers(0, 1);
    assert_reason("shelf_empty");
    mass_mg = 3 * UNIT_MG;
    pass(20 * S, "m", 0);
    assert_offers(1, 1);
}

static void test_who_left_gets_nothing(void UNUSED **state)
{
    add_product();
    add_campaign("c", 0)->product = 0;
    start();
    pass(30 * S, "m", 0);
    pass(30 * S, "m", 1);
    mass_mg = 3 * UNIT_MG;
    pass(30 * S, "m", 1);
    assert_offers(0, 1);
    pass(30 * S, "m", 0); /* comes back */
    assert_offers(1, 1);
    assert_int_equal(shop->offers.waiting, 0);
}

static void test_bad_rows_are_refused(void UNUSED **state)
{
    static const char *const values[] = {
        "1\tdecided\tv1\tm\tc\t0",
        "1\tbecause\tv1\tm\tc\t0\t0",
        "2\tdecided\tv1\tm\tc\t0\t0",
        "1\tdecided\tv1\tm\tc\t0\t0\t1",
    };
    struct record r = {.kind = RECORD_OFFER, .key = "o1"};

    start();
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        snprintf(r.value, sizeof(r.value), "%s", values[i]);
        assert_int_equal(shop_restore(shop, &r), -1);
    }
    snprintf(r.value, sizeof(r.value), "%s", "1\tdecided\tv1\tm\tgone\t0\t0");
    assert_int_equal(shop_restore(shop, &r),
                     0); /* of a campaign that is over: still counts for caps */
    snprintf(r.key, sizeof(r.key), "%s", "x1");
    assert_int_equal(shop_restore(shop, &r), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dwell_makes_an_offer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_dwell_makes_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_and_validity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_campaign_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_consent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_offer_a_visit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cooldown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holdout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stock_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_shelf, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_left_gets_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_rows_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
