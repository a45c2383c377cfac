/* Warmth and load cells: what is learnt at night, what is not, and that nobody can hide behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/thermal.h"
#include "shop_rig.h"

#define HOUR INT64_C(3600000000)
#define DAY  (24 * HOUR)

/* A shop's day: 17 to 23 degrees. */
static int32_t shop_mc(int64_t t_us)
{
    return 20000 + (int32_t)lround(3000 * sin(2 * 3.14159265 * (double)t_us / (double)DAY));
}

/* Lets a cell of `mg_per_k` rest for some days, with a reading of the sensor each minute. `thief_mg_h` leaves
 * each hour between `from_h` and `to_h` of the day. Returns how far the worst compensated value of the last day
 * was from its middle. */
static double rest(struct thermal *t, int days, double mg_per_k, double walk_mg, double thief_mg_h,
                   int from_h, int to_h)
{
    struct rng rng = {.state = 20261122};
    double low = 1e12, high = -1e12, lost = 0, walk = 0;

    for (int64_t at = 0; at < days * DAY; at += 60 * S) {
        int32_t mc = shop_mc(at) / 100 * 100; /* a sensor of tenths */
        double mass = 6e6 + mg_per_k * (shop_mc(at) - 20000) / 1000 + 150 * rng_gauss(&rng);
        int hour = (int)(at % DAY / HOUR);

        walk += walk_mg / sqrt(60) * rng_gauss(&rng);
        if (hour >= from_h && hour < to_h)
            lost += thief_mg_h / 60;
        assert_true(thermal_take(t, at, mc));
        thermal_learn(t, at, true, mass + walk - lost);
        if (at >= (days - 1) * DAY) {
            low = fmin(low, mass - t->shift_mg);
            high = fmax(high, mass - t->shift_mg);
        }
    }
    return (high - low) / 2;
}

static void a_line_is_learnt_in_days_and_taken_off(void **state)
{
    static const double lines[] = {800, -1500, 3000};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct thermal t, none;
        double with, without;

        thermal_init(&t);
        thermal_init(&none);
        with = rest(&t, 5, lines[i], 100, 0, 0, 0);
        without = fabs(lines[i]) * 3;
        print_message("%5.0f mg/K: learnt %5.0f, +-%.1f g instead of +-%.1f g\n", lines[i],
                      t.mg_per_k, with / 1000, without / 1000);
        assert_true(fabs(t.mg_per_k - lines[i]) < 0.1 * fabs(lines[i]));
        assert_true(with < without / 2);
    }
}

/* What moves without the temperature, or against it, or only while it gets colder, is no line. */
static void nothing_else_is_learnt(void **state)
{
    struct thermal t;

    (void)state;
    thermal_init(&t);
    rest(&t, 7, 0, 1000, 0, 0, 0); /* it wanders */
    assert_true(fabs(t.mg_per_k) < 300);
    thermal_init(&t);
    rest(&t, 7, 0, 100, 2000, 8, 16); /* grams go each day while it gets colder (06 to 18 h) */
    assert_true(t.mg_per_k == 0);
    thermal_init(&t);
    rest(&t, 7, 0, 100, 2000, 0, 24); /* or all the time */
    assert_true(t.mg_per_k == 0);
}

static void a_mad_sensor_moves_nothing(void **state)
{
    struct thermal t;

    (void)state;
    thermal_init(&t);
    t.mg_per_k = THERMAL_MAX_MG_PER_K;
    assert_true(thermal_take(&t, 0, 20000));
    assert_false(thermal_take(&t, S, 850000));
    assert_false(thermal_take(&t, 2 * S, INT32_MIN));
    assert_false(thermal_take(&t, 3 * S, 60000)); /* a jump ... */
    assert_true(thermal_take(&t, 4 * S, 20100));  /* ... that was none */
    assert_true(t.shift_mg == THERMAL_MAX_MG_PER_K * 0.1);
    assert_false(thermal_take(&t, 5 * S, 60000));
    assert_true(thermal_take(&t, 6 * S, 60100)); /* it was carried to the roof */
    assert_true(t.shift_mg <= THERMAL_MAX_SHIFT_MG);
    for (int32_t mc = 60000; mc > -40000; mc -= 4000)
        thermal_take(&t, 7 * S, mc);
    assert_true(t.shift_mg >= -THERMAL_MAX_SHIFT_MG);
}

/* ---- through the brain -------------------------------------------------------------------------------- */

static void tell(struct rig *r, const char *sensor, int32_t mc)
{
    struct obs o = {.t_us = r->now_us, .kind = OBS_TEMPERATURE};

    snprintf(o.u.temperature.sensor, sizeof(o.u.temperature.sensor), "%s", sensor);
    o.u.temperature.temperature_mc = mc;
    rig_feed(r, &o);
}

/* Hours of a cell that moves by `mg_per_k` in a hall whose doors stand open again and again: 17 to 23 degrees,
 * four times a day. */
static struct rig *warm_hours(double hours, bool heard, double mg_per_k, double thief_mg_h)
{
    struct rig *r = rig_new(8);
    double lost = 0;

    rig_run(r, 4 * S);
    rig_command(r, COMMAND_TARE, "cmd-1", "p1", 0);
    world_step(&r->world, 6 * S, 12 * 500000.0);
    for (int64_t end = (int64_t)(hours * (double)HOUR); r->now_us < end;) {
        rig_run(r, r->now_us + 30 * S);
        lost += thief_mg_h / 120;
        r->world.steps[0].mg =
            12 * 500000.0 - lost + mg_per_k * (shop_mc(4 * r->now_us) - 20000) / 1000;
        if (heard)
            tell(r, "gondola-1", shop_mc(4 * r->now_us) / 100 * 100);
    }
    return r;
}

static int64_t tracked_mg(const struct rig *r)
{
    return r->shop.shelf.plates[0].weigh.tracked_ug / 1000;
}

static const struct thermal *thermal(const struct rig *r)
{
    return &r->shop.shelf.meters[0].thermal;
}

static void a_shelf_is_not_moved_by_warmth(void **state)
{
    /* both end when it is warmest, a quarter of a wave of six hours after its start: 4 g a degree are 12 g, of which a
     * little is taken for creep while nobody tells the temperature */
    struct rig *deaf = warm_hours(25.5, false, 4000, 0), *warm = warm_hours(25.5, true, 4000, 0);
    int32_t now_mc = thermal(warm)->now_mc;

    (void)state;
    print_message("the reference went %ld mg without a sensor, %ld mg with one; line %.0f mg/K\n",
                  (long)tracked_mg(deaf), (long)tracked_mg(warm), thermal(warm)->mg_per_k);
    assert_int_equal(now_mc, 23000);
    assert_true(fabs(thermal(warm)->mg_per_k - 4000) < 500);
    assert_true(tracked_mg(deaf) > 10000);
    assert_true(labs(tracked_mg(warm)) < 5000);
    assert_int_equal(rig_count(warm, 0, STAGE_SETTLED), 1); /* the restock */
    assert_int_equal(rig_on_shelf(warm), 12);
    free(deaf);

    /* what was learnt outlives a power cut */
    rig_boot(warm);
    assert_true(fabs(thermal(warm)->mg_per_k - 4000) < 500);
    assert_true(fabs(thermal(warm)->shift_mg) > 1000);
    assert_in_range(thermal(warm)->now_mc, now_mc - 500, now_mc); /* a gram later, or earlier */
    free(warm);
}

/* More than a cell can be blamed for is not believed, and a far sensor gives way to a near one. */
static void what_is_learnt_is_bounded(void **state)
{
    struct rig *r = warm_hours(13, true, 15000, 0);

    (void)state;
    assert_true(thermal(r)->mg_per_k <= THERMAL_MAX_MG_PER_K);
    tell(r, "store", 25000);
    assert_int_not_equal(thermal(r)->now_mc, 25000);
    tell(r, "elsewhere", 25000);
    assert_int_not_equal(thermal(r)->now_mc, 25000);
    tell(r, "p1", 22000);
    assert_int_equal(thermal(r)->now_mc, 22000);
    free(r);
}

/* With a sensor as without one: grams that go all day become a doubt at a half unit, and never vanish. */
static void slow_theft_is_seen_with_a_sensor_too(void **state)
{
    struct rig *r = warm_hours(20, true, 4000, 25000);

    (void)state;
    assert_true(
        rig_kind_count(r, 0, EVENT_STOCK_RECOUNT_SUGGESTED) + rig_count(r, 0, STAGE_SETTLED) > 1);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_learnt_in_days_and_taken_off),
        cmocka_unit_test(nothing_else_is_learnt),
        cmocka_unit_test(a_mad_sensor_moves_nothing),
        cmocka_unit_test(a_shelf_is_not_moved_by_warmth),
        cmocka_unit_test(what_is_learnt_is_bounded),
        cmocka_unit_test(slow_theft_is_seen_with_a_sensor_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
