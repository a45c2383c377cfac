/* Counting unknown phones: once each, where they are heard best, never few, never for long, never too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/crowd.h"
#include "core/plan.h"
#include "core/tally.h"

#define S NOREN_US_PER_S

static struct crowd c;
static const uint8_t salt[CROWD_SALT_SIZE] = {1, 2, 3};

static void hear(uint32_t device, uint16_t receiver, int16_t rssi_dbm, int64_t t_us)
{
    uint8_t address[6] = {
        (uint8_t)device, (uint8_t)(device >> 8), (uint8_t)(device >> 16), 0, 0, 0x4a};

    crowd_hear(&c, address, receiver, rssi_dbm, t_us);
}

static int setup(void **state)
{
    (void)state;
    memset(&c, 0, sizeof(c));
    return 0;
}

static void test_once_each(void **state)
{
    (void)state;
    hear(1, 0, -60, 0);
    assert_int_equal(c.seen_n, 0); /* no salt, no count */
    assert_true(crowd_wants_salt(&c, 0));
    crowd_salt(&c, salt, 0);
    for (int64_t t = 0; t < 290 * S; t += S)
        for (uint32_t d = 0; d < 6; d++) {
            hear(d, 0, -60, t);
            hear(d, 1, d == 5 ? -50 : -70, t); /* one is nearer to the other receiver */
        }
    assert_int_equal(c.seen_n, 6);
    assert_int_equal(crowd_count(&c, 0), 0); /* not before the five minutes are over */
    hear(99, 0, -60, 300 * S);
    assert_int_equal(crowd_count(&c, 0), 5);
    assert_int_equal(crowd_count(&c, 1), 0); /* one is told of nowhere */
    hear(99, 0, -60, 1000 * S);
    assert_int_equal(crowd_count(&c, 0), 0); /* what was so long ago is not now */
}

/* With another salt the same phone is another: nothing joins the two. */
static void test_salt(void **state)
{
    static const uint8_t other[CROWD_SALT_SIZE] = {9};
    uint32_t hash = 0;

    (void)state;
    crowd_salt(&c, salt, 0);
    assert_false(crowd_wants_salt(&c, 899 * S));
    assert_true(crowd_wants_salt(&c, 900 * S));
    hear(7, 0, -60, S);
    for (uint32_t i = 0; i < CROWD_SLOTS; i++)
        hash |= c.seen[i].hash;
    crowd_salt(&c, other, 900 * S);
    assert_int_equal(c.seen_n, 0);
    for (uint32_t i = 0; i < CROWD_SLOTS; i++)
        assert_int_equal(c.seen[i].hash, 0);
    hear(7, 0, -60, 901 * S);
    for (uint32_t i = 0; i < CROWD_SLOTS; i++)
        assert_int_not_equal(c.seen[i].hash, hash);
}

/* Ten thousand made-up addresses a second for five minutes cost a counter. */
static void test_flood(void **state)
{
    uint32_t device = 0;

    (void)state;
    crowd_salt(&c, salt, 0);
    for (int64_t t = 0; t < 20 * S; t += S)
        for (int i = 0; i < 10000; i++)
            hear(device++, 0, -60, t);
    assert_int_equal(c.seen_n, CROWD_DEVICES_MAX);
    assert_int_equal(c.overflow, 20 * 10000 - CROWD_DEVICES_MAX);
    hear(device, 0, -60, 300 * S);
    assert_int_equal(crowd_count(&c, 0), CROWD_DEVICES_MAX);
}

static uint32_t told(uint16_t receiver)
{
    uint16_t cursor = 0, r;
    uint32_t n, ret = UINT32_MAX;

    while (crowd_next(&c, &cursor, &r, &n))
        ret = r == receiver ? n : ret;
    return ret;
}

/* Three windows fill the life of a salt, none is lost to the next salt; who left is told of once more. */
static void test_windows(void **state)
{
    (void)state;
    assert_false(crowd_second(&c, 0));
    crowd_salt(&c, salt, 0);
    for (int64_t t = 0; t < 1800; t++) {
        if (crowd_second(&c, t * S)) {
            assert_int_equal(t % 300, 0);
            assert_int_equal(told(3), t <= 900 ? 7 : t == 1200 ? 0 : UINT32_MAX);
        } else {
            assert_true(t % 300 != 0 || t == 0);
        }
        if (crowd_wants_salt(&c, t * S))
            crowd_salt(&c, salt, t * S);
        for (uint32_t d = 0; d < 7 && t < 900; d++)
            hear(d, 3, -60, t * S);
    }
}

/* Zones are what is told of: receivers of one board are added, boards are not, four are nobody. */
static void test_tally(void **state)
{
    static struct plan plan;
    static struct tally tally;
    static struct batch out;
    struct obs o = {.kind = OBS_CROWD, .t_us = S};
    uint32_t zones[ZONES_MAX];
    const struct {
        uint16_t receiver;
        uint32_t devices;
        bool other, dirty;
        uint32_t want[3];
    } steps[] = {
        {0, 4, false, false, {0, 0, 0}},  {1, 1, false, true, {5, 0, 0}},
        {2, 4, true, false, {5, 0, 0}},   {2, 9, true, true, {9, 0, 0}},
        {2, 0, true, true, {5, 0, 0}},    {1, 0, false, true, {0, 0, 0}},
        {3, 50, false, false, {0, 0, 0}}, /* nobody is tracked there */
        {4, 6, false, true, {0, 0, 6}},   /* by its place in a polygon */
    };

    (void)state;
    plan.receivers_n = 5;
    plan.zones_n = 3;
    plan.zones[0].receivers = 7;
    plan.zones[1].receivers = 8;
    plan.zones[1].no_track = true;
    plan.zones[2].corners_n = 3;
    plan.zones[2].corners[1].x_m = plan.zones[2].corners[2].y_m = 10;
    plan.receivers[4].placed = true;
    plan.receivers[4].x_m = plan.receivers[4].y_m = 2;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        batch_clear(&out);
        o.u.crowd.receiver = steps[i].receiver;
        o.u.crowd.devices = steps[i].devices;
        o.u.crowd.other = steps[i].other;
        tally_take(&tally, &plan, &o, &out);
        tally_zones(&tally, &plan, S, zones);
        assert_memory_equal(zones, steps[i].want, sizeof(steps[i].want));
        assert_int_equal(out.store_dirty, steps[i].dirty);
    }
    tally_zones(&tally, &plan, S + TALLY_STALE_US + 1, zones);
    assert_int_equal(zones[2], 0); /* nobody said it again: a board that is gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_once_each, setup), cmocka_unit_test_setup(test_salt, setup),
        cmocka_unit_test_setup(test_flood, setup),     cmocka_unit_test_setup(test_windows, setup),
        cmocka_unit_test_setup(test_tally, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
