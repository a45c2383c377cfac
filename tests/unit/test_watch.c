/* What should not be on the air: raised when it lasts, cleared when it is over, once, over a restart, and nobody
 * accused who only walks, rotates an address or is heard weakly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/shop.h"

#define S NOREN_US_PER_S

static struct shop *shop;
static struct plan *plan;
static struct batch out;
static struct record row; /* of the open alert */
static struct event_alert_raised raised;
static int raised_n, cleared_n;

static int64_t feed(const struct obs *o)
{
    int64_t due_us = shop_step(shop, o, &out);

    for (size_t i = 0; i < out.events_n; i++) {
        if (out.events[i].kind == EVENT_ALERT_RAISED) {
            raised = out.events[i].u.alert_raised;
            raised_n++;
        }
        cleared_n += out.events[i].kind == EVENT_ALERT_CLEARED;
    }
    for (size_t i = 0; i < out.records_n; i++)
        if (strncmp(out.records[i].key, "watch", 5) == 0)
            row = out.records[i];
    return due_us;
}

static void start(void)
{
    struct obs o = {.kind = OBS_PLAN, .u.plan = plan};

    shop_init(shop);
    feed(&o);
}

static int setup(void **state)
{
    static const double x_m[] = {0, 60, 4};

    (void)state;
    shop = malloc(sizeof(*shop));
    plan = calloc(1, sizeof(*plan));
    if (shop == NULL || plan == NULL)
        return -1;
    for (int i = 0; i < 4; i++) {
        snprintf(plan->receivers[i].id, NOREN_ID_SIZE, "r%d", i);
        plan->receivers[i].placed = i < 3;
        plan->receivers[i].x_m = i < 3 ? x_m[i] : 0;
    }
    plan->receivers_n = 4;
    plan->zones_n = 1;
    snprintf(plan->zones[0].id, NOREN_ID_SIZE, "z");
    plan->zones[0].receivers = 0xf;
    raised_n = cleared_n = 0;
    memset(&row, 0, sizeof(row));
    start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(shop);
    free(plan);
    return 0;
}

static void hear(int64_t t_us, const char *ref, uint16_t receiver, int rssi_dbm, bool twin)
{
    struct obs o = {.t_us = t_us, .kind = OBS_SIGHTING};

    o.u.sighting.who.kind = ref[0] == 't' ? WHO_TAG : WHO_MEMBER;
    snprintf(o.u.sighting.who.ref, NOREN_ID_SIZE, "%s", ref);
    o.u.sighting.receiver = receiver;
    o.u.sighting.rssi_dbm = (int16_t)rssi_dbm;
    o.u.sighting.consent = CONSENT_ALL;
    o.u.sighting.twin = twin;
    feed(&o);
}

static void wait_until(int64_t t_us)
{
    struct obs o = {.t_us = t_us, .kind = OBS_TICK};

    feed(&o);
}

/* One identity near two receivers that are 60 m apart. */
static int64_t two_places(int64_t t_us, const char *ref, int rssi_dbm)
{
    for (int i = 0; i < 10; i++, t_us += S) {
        hear(t_us, ref, 0, rssi_dbm, false);
        hear(t_us + S / 2, ref, 1, rssi_dbm, false);
    }
    return t_us;
}

static void test_far(void **state)
{
    int64_t t_us;

    (void)state;
    t_us = two_places(S, "m-1", -52);
    assert_int_equal(raised_n, 1);
    assert_string_equal(raised.kind, "identity_far");
    assert_string_equal(raised.severity, "warning");
    assert_string_equal(raised.subject, "r1");
    assert_string_equal(raised.member_ref, "m-1");
    assert_int_equal(watch_alerts(&shop->watch), 1);
    t_us = two_places(t_us + 600 * S, "m-1", -52); /* again before it was quiet: the same alert */
    assert_int_equal(raised_n, 1);
    wait_until(t_us + 890 * S);
    assert_int_equal(cleared_n, 0);
    wait_until(t_us + 901 * S);
    assert_int_equal(cleared_n, 1);
    assert_int_equal(watch_alerts(&shop->watch), 0);
    assert_string_equal(row.value, "");
    two_places(t_us + 1000 * S, "tag-1", -52); /* a tag is its own name */
    assert_int_equal(raised_n, 2);
    assert_string_equal(raised.subject, "tag-1");
    assert_string_equal(raised.member_ref, "");
}

static void test_not_far(void **state)
{
    int64_t t_us;

    (void)state;
    t_us = two_places(S, "m-1", -62); /* a loud phone in the middle is heard so by both */
    hear(t_us, "m-2", 0, -50, false); /* once is a stray packet */
    hear(t_us + S, "m-2", 1, -50, false);
    for (int i = 0; i < 20; i++) { /* four metres are no distance, and of r3 none is known */
        t_us += S;
        hear(t_us, "m-3", 0, -45, false);
        hear(t_us + 1, "m-3", 2, -45, false);
        hear(t_us + 2, "m-3", 3, -45, false);
    }
    for (int i = 0; i < 20; i++) /* walks from one to the other and back, 30 s a way */
        hear(t_us += 30 * S, "m-4", i % 2 == 0 ? 0 : 1, -45, false);
    assert_int_equal(raised_n, 0);
}

/* Who does not agree to be seen is not accused either. */
static void test_unwilling(void **state)
{
    struct obs o = {.kind = OBS_SIGHTING, .u.sighting.who = {WHO_MEMBER, "m-1"}};

    (void)state;
    o.u.sighting.consent = CONSENT_OFFERS;
    o.u.sighting.rssi_dbm = -50;
    o.u.sighting.twin = true;
    for (int i = 0; i < 40; i++) {
        o.t_us = i * S;
        o.u.sighting.receiver = (uint16_t)(i % 2);
        feed(&o);
    }
    assert_int_equal(raised_n, 0);
    for (int i = 0; i < WATCH_MAX; i++)
        assert_false(shop->watch.cases[i].used);
}

static void test_twin(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        hear((1 + i) * 20 * S, "m-1", 0, -60, true); /* too slow: a minute has three */
    assert_int_equal(raised_n, 0);
    for (int i = 0; i < 5; i++)
        hear((200 + i) * S, "m-1", 0, -60, true);
    assert_int_equal(raised_n, 1);
    assert_string_equal(raised.kind, "identity_twin");
    assert_string_equal(raised.severity, "info");
}

static void test_clock(void **state)
{
    struct obs o = {.kind = OBS_SKEW, .u.skew.receiver = 2};

    (void)state;
    for (int i = 0; i < 600; i++) { /* a board that is wrong for ten minutes, on and off */
        o.t_us = i * S;
        if (i < 30 || i % 90 < 3)
            feed(&o);
    }
    assert_int_equal(raised_n, 1);
    assert_string_equal(raised.kind, "receiver_clock");
    assert_string_equal(raised.subject, "r2");
    assert_int_equal(cleared_n, 0);
    wait_until(1600 * S);
    assert_int_equal(cleared_n, 1);
}

static void test_restart(void **state)
{
    (void)state;
    two_places(S, "m-1", -52);
    assert_int_equal(raised_n, 1);
    start();
    assert_int_equal(shop_restore(shop, &row), 0);
    assert_int_equal(watch_alerts(&shop->watch), 1);
    two_places(S, "m-1", -52);
    assert_int_equal(raised_n, 1); /* it is the same */
    wait_until(950 * S);
    assert_int_equal(cleared_n, 1);
    snprintf(row.value, sizeof(row.value), "1\t9\tr0\tm\t1");
    assert_int_equal(shop_restore(shop, &row), -1);
    snprintf(row.value, sizeof(row.value), "1\t1\tr0\tm\t1\tmore");
    assert_int_equal(shop_restore(shop, &row), -1);
}

/* Nothing names a member who wants to be forgotten, the alert included. */
static void test_forget(void **state)
{
    struct obs o = {.kind = OBS_FORGET, .t_us = 20 * S, .u.forget = "m-1"};

    (void)state;
    two_places(S, "m-1", -52);
    feed(&o);
    assert_int_equal(cleared_n, 1);
    assert_string_equal(row.value, "");
    for (size_t i = 0; i + 4 <= sizeof(shop->watch); i++)
        assert_memory_not_equal((const char *)&shop->watch + i, "m-1", 4);
}

/* More suspects than places: open alerts are never pushed out, the rest is counted. */
static void test_bounded(void **state)
{
    char ref[NOREN_ID_SIZE];

    (void)state;
    for (int k = 0; k < WATCH_MAX + 10; k++) {
        snprintf(ref, sizeof(ref), "m-%d", k);
        for (int i = 0; i < 5; i++)
            hear(S + k, ref, 0, -60, true);
    }
    assert_int_equal(raised_n, WATCH_MAX);
    assert_int_equal(watch_alerts(&shop->watch), WATCH_MAX);
    assert_int_equal(shop->watch.refused, 50);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_far),   TEST(test_not_far), TEST(test_unwilling), TEST(test_twin),
        TEST(test_clock), TEST(test_restart), TEST(test_forget),    TEST(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
