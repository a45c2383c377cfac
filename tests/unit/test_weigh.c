/* One plate's scale: noise, drift, steps at any sampling rate, and a real store's plates at rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define UNIT 250000

/* Feeds the world at `sps` until `t_us`; returns the last signal that was not WEIGH_NOTHING. */
static enum weigh_signal feed_unit(struct weigh *w, int64_t unit_mg, struct world *world, int sps,
                                   int64_t *now_us, int64_t t_us)
{
    enum weigh_signal last = WEIGH_NOTHING, s;

    for (; *now_us + S / sps <= t_us;) {
        *now_us += S / sps;
        s = weigh_sample(w, unit_mg, *now_us, (int64_t)world_mass_mg(world, *now_us));
        if (s != WEIGH_NOTHING)
            last = s;
        if (s == WEIGH_FIRST && !w->has_ref)
            weigh_set_reference(w, w->level_mg, 0);
    }
    return last;
}

static enum weigh_signal feed(struct weigh *w, struct world *world, int sps, int64_t *now_us,
                              int64_t t_us)
{
    return feed_unit(w, UNIT, world, sps, now_us, t_us);
}

static void a_step_is_seen_at_every_rate(void **state)
{
    static const int rates[] = {8, 10, 20, 60, 80, 92, 320};

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct world world = {.noise_mg = 800, .rng.state = RIG_SEED};
        struct weigh w;
        int64_t now_us = 0;

        weigh_init(&w);
        assert_int_equal(feed(&w, &world, rates[i], &now_us, 2 * S), WEIGH_FIRST);
        world_step(&world, 2 * S, UNIT);
        assert_int_not_equal(feed(&w, &world, rates[i], &now_us, 2 * S + 800 * MS), WEIGH_NOTHING);
        assert_int_equal(feed(&w, &world, rates[i], &now_us, 4 * S), WEIGH_REST);
        assert_in_range(w.level_mg, UNIT - 2000, UNIT + 2000);
        world_step(&world, 4 * S, -UNIT);
        assert_int_equal(feed(&w, &world, rates[i], &now_us, 6 * S), WEIGH_BACK);
    }
}

static void a_node_that_reports_once_a_second_is_weighed(void **state)
{
    struct world world = {.noise_mg = 500, .rng.state = RIG_SEED};
    struct weigh w;
    int64_t now_us = 0;

    (void)state;
    weigh_init(&w);
    assert_int_equal(feed(&w, &world, 1, &now_us, 10 * S), WEIGH_FIRST);
    world_step(&world, 10 * S, -UNIT);
    assert_int_equal(feed(&w, &world, 1, &now_us, 20 * S), WEIGH_REST);
}

static void single_wild_samples_do_nothing(void **state)
{
    struct world world = {.noise_mg = 800, .rng.state = RIG_SEED};
    struct weigh w;
    int64_t now_us = 0;

    (void)state;
    weigh_init(&w);
    feed(&w, &world, 80, &now_us, 2 * S);
    for (int i = 0; i < 200; i++) {
        now_us += 12500;
        assert_int_equal(weigh_sample(&w, UNIT, now_us, i % 2 ? INT64_MAX : INT64_MIN),
                         WEIGH_NOTHING);
        assert_int_equal(feed(&w, &world, 80, &now_us, now_us + 100 * MS), WEIGH_NOTHING);
    }
    assert_in_range(w.sigma_mg, 300, 1500);
}

/* Slow drift is followed, but never further than 0.4 of a unit without an agreed count. */
static void drift_is_followed_within_limits(void **state)
{
    struct world world = {.noise_mg = 500, .rng.state = RIG_SEED};
    struct weigh w;
    int64_t now_us = 0;

    (void)state;
    weigh_init(&w);
    feed(&w, &world, 10, &now_us, 2 * S);
    for (int minute = 0; minute < 20; minute++) {
        world_step(&world, now_us, 0.016 * UNIT);
        assert_int_equal(feed(&w, &world, 10, &now_us, now_us + 60 * S), WEIGH_NOTHING);
    }
    assert_false(w.drifted);
    assert_true(weigh_reference_mg(&w) > 0.31 * UNIT && weigh_reference_mg(&w) < 0.33 * UNIT);
    for (int minute = 0; minute < 10; minute++) {
        world_step(&world, now_us, 0.016 * UNIT);
        feed(&w, &world, 10, &now_us, now_us + 60 * S);
    }
    assert_true(w.drifted);
    assert_true(weigh_reference_mg(&w) <= 0.4 * UNIT + 1);
    weigh_agree(&w);
    feed(&w, &world, 10, &now_us, now_us + 300 * S);
    assert_true(weigh_reference_mg(&w) > 0.46 * UNIT);
}

/* A unit carried away gram by gram is noticed: the reference is slower than the thief. */
static void slow_removal_is_not_swallowed(void **state)
{
    struct world world = {.noise_mg = 500, .rng.state = RIG_SEED};
    struct weigh w;
    int64_t now_us = 0;
    enum weigh_signal s = WEIGH_NOTHING;

    (void)state;
    weigh_init(&w);
    feed(&w, &world, 10, &now_us, 2 * S);
    for (int i = 0; i < 30 && s == WEIGH_NOTHING; i++) { /* a unit in five minutes */
        world_step(&world, now_us, -UNIT / 30.0);
        s = feed(&w, &world, 10, &now_us, now_us + 10 * S);
    }
    assert_int_not_equal(s, WEIGH_NOTHING);
}

#define HEAVY 12000000 /* of which the worst plates creep by 24 g */
#define LIGHT 40000

static enum weigh_signal feed_light(struct weigh *w, struct world *world, int64_t *now_us,
                                    int64_t t_us)
{
    return feed_unit(w, LIGHT, world, 10, now_us, t_us);
}

/* A crate was put down (or taken away) and agreed upon, at 2 s. */
static void load(struct weigh *w, struct world *world, int64_t *now_us, double mg)
{
    weigh_init(w);
    world_step(world, -3600 * S, 2 * HEAVY);
    assert_int_equal(feed_light(w, world, now_us, 2 * S), WEIGH_FIRST);
    world_step(world, 2 * S, mg);
    while (feed_light(w, world, now_us, *now_us + 100 * MS) != WEIGH_REST)
        assert_true(*now_us < 10 * S);
    weigh_change_reference(w, w->level_mg);
}

/* Twenty-four grams of creep beside goods of forty: nothing has happened, at any constant, up or down. */
static void creep_is_no_change(void **state)
{
    static const double constants_s[] = {60, 120, 300};

    (void)state;
    for (int i = 0; i < 6; i++) {
        struct world world = {.noise_mg = 500, .rng.state = RIG_SEED};
        double mg = i < 3 ? HEAVY : -HEAVY, crept_mg = mg * 0.002;
        struct weigh w;
        int64_t now_us = 0;

        world.creep_pm = 2;
        world.creep_s = constants_s[i % 3];
        load(&w, &world, &now_us, mg);
        assert_int_equal(feed_light(&w, &world, &now_us, 900 * S), WEIGH_NOTHING);
        assert_false(w.drifted);
        assert_true(fabs((double)weigh_reference_mg(&w) - 2.004 * HEAVY - mg - crept_mg) < 2000);
        assert_true(llabs(creep_left_ug(&w.creep)) < 1500000);
    }
}

/* A hand in the shelf for half a minute: what has crept meanwhile is no change either. */
static void creep_under_a_hand_is_no_change(void **state)
{
    struct world world = {.noise_mg = 500, .rng.state = RIG_SEED, .creep_pm = 2, .creep_s = 60};
    struct weigh w;
    int64_t now_us = 0;

    (void)state;
    load(&w, &world, &now_us, 3 * HEAVY);
    world_hand(&world, 5 * S, 30 * S, 300000);
    assert_int_equal(feed_light(&w, &world, &now_us, 33 * S), WEIGH_BACK);
    assert_int_equal(feed_light(&w, &world, &now_us, 400 * S), WEIGH_NOTHING);
}

/* Room for creep is no room for goods: a light piece that leaves is seen as ever, on a plate that might creep as
 * far as it weighs but does not. */
static void a_pick_while_it_may_creep_is_seen(void **state)
{
    struct world world = {.noise_mg = 500, .rng.state = RIG_SEED};
    struct weigh w;
    int64_t now_us = 0;

    (void)state;
    load(&w, &world, &now_us, -2 * HEAVY);
    for (int i = 0; i < 5; i++) {
        feed_light(&w, &world, &now_us, now_us + 5 * S);
        world_step(&world, now_us, -LIGHT);
        assert_int_equal(feed_light(&w, &world, &now_us, now_us + 2 * S), WEIGH_REST);
        assert_true(fabs((double)(w.level_mg - weigh_reference_mg(&w)) + LIGHT) < 2000);
        weigh_change_reference(&w, w.level_mg);
    }
}

/* Gram by gram under the creep of a crate that was taken away: no more than its two per mille is given up. */
static void slow_removal_is_not_taken_for_creep(void **state)
{
    struct world world = {.noise_mg = 500, .rng.state = RIG_SEED};
    struct weigh w;
    int64_t now_us = 0, swallowed_mg = 0;
    enum weigh_signal s = WEIGH_NOTHING;

    (void)state;
    load(&w, &world, &now_us, -HEAVY);
    for (; s == WEIGH_NOTHING && swallowed_mg < 10 * LIGHT; swallowed_mg += 1000) {
        world_step(&world, now_us, -1000);
        s = feed_light(&w, &world, &now_us, now_us + 6 * S);
    }
    assert_int_not_equal(s, WEIGH_NOTHING);
    assert_true((double)swallowed_mg < 0.002 * HEAVY + 0.85 * LIGHT);
}

static void a_tare_makes_the_load_zero(void **state)
{
    struct world world = {.noise_mg = 500, .rng.state = RIG_SEED};
    struct weigh w;
    int64_t now_us = 0;

    (void)state;
    weigh_init(&w);
    world_step(&world, -10 * S, 7 * UNIT);
    feed(&w, &world, 80, &now_us, 2 * S);
    assert_in_range(weigh_reference_mg(&w), 7 * UNIT - 1000, 7 * UNIT + 1000);
    world_step(&world, now_us - 10 * S, -(double)w.level_mg);
    weigh_tare(&w);
    assert_int_equal(weigh_reference_mg(&w), 0);
    assert_int_equal(feed(&w, &world, 80, &now_us, now_us + 5 * S), WEIGH_NOTHING);
}

/* ---- the recording ---------------------------------------------------------------------------------- */

#define QUIET_FILE NOREN_SOURCE_DIR "/tests/data/weight/plates-60hz-quiet.csv"

/* Reads t_us,plate,mass_mg in time order; plates get their index in the order of appearance. */
static void replay_quiet(struct rig *r, int64_t unit_mg)
{
    FILE *f = fopen(QUIET_FILE, "r");
    char line[128], plate[NOREN_ID_SIZE], *end;
    size_t length;
    static struct {
        int64_t t_us, mass_mg;
        uint16_t plate;
    } samples[32768], x;
    size_t n = 0;

    assert_non_null(f);
    r->plan.plates_n = 0;
    r->plan.cells_n = 0;
    assert_non_null(fgets(line, sizeof(line), f));
    while (fgets(line, sizeof(line), f) != NULL) {
        samples[n].t_us = strtoll(line, &end, 10);
        length = strcspn(++end, ",");
        assert_true(length < sizeof(plate));
        snprintf(plate, sizeof(plate), "%.*s", (int)length, end);
        samples[n].mass_mg = strtoll(end + length + 1, NULL, 10);
        if (plan_find_plate(&r->plan, plate) == NO_INDEX) {
            struct plan_plate *p = &r->plan.plates[r->plan.plates_n++];

            memset(p, 0, sizeof(*p));
            snprintf(p->id, sizeof(p->id), "%s", plate);
            p->zone = NO_INDEX;
            p->facings_n = unit_mg > 0;
            p->facings[0] = (struct plan_facing){.unit_mass_mg = unit_mg, .unit_cv_pm = 20};
        }
        samples[n++].plate = plan_find_plate(&r->plan, plate);
    }
    fclose(f);
    for (size_t i = 1; i < n; i++) /* nearly sorted runs, one a plate */
        for (size_t j = i; j > 0 && samples[j].t_us < samples[j - 1].t_us; j--) {
            x = samples[j];
            samples[j] = samples[j - 1];
            samples[j - 1] = x;
        }
    r->now_us = 0;
    rig_boot(r);
    for (size_t i = 0; i < n; i++) {
        struct obs o = {.t_us = samples[i].t_us + 1, .kind = OBS_MASS};

        o.u.mass.plate = samples[i].plate;
        o.u.mass.mass_mg = samples[i].mass_mg;
        rig_feed(r, &o);
    }
}

static void a_real_store_at_rest_is_quiet(void **state)
{
    static const int64_t units[] = {0, 50000, 100000, 250000, 500000};

    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct rig *r = rig_new(60);

        replay_quiet(r, units[i]);
        assert_int_equal(r->plan.plates_n, 20);
        if (rig_count(r, 0, STAGE_SETTLED) + rig_count(r, 0, STAGE_PROVISIONAL) > 0)
            rig_dump(r);
        assert_int_equal(rig_count(r, 0, STAGE_SETTLED), 0);
        assert_int_equal(rig_count(r, 0, STAGE_PROVISIONAL), 0);
        for (uint16_t p = 0; p < 20; p++)
            assert_int_equal(shelf_sensor(&r->shop.shelf, p), SENSOR_OK);
        free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_seen_at_every_rate),
        cmocka_unit_test(a_node_that_reports_once_a_second_is_weighed),
        cmocka_unit_test(single_wild_samples_do_nothing),
        cmocka_unit_test(drift_is_followed_within_limits),
        cmocka_unit_test(slow_removal_is_not_swallowed),
        cmocka_unit_test(creep_is_no_change),
        cmocka_unit_test(creep_under_a_hand_is_no_change),
        cmocka_unit_test(a_pick_while_it_may_creep_is_seen),
        cmocka_unit_test(slow_removal_is_not_taken_for_creep),
        cmocka_unit_test(a_tare_makes_the_load_zero),
        cmocka_unit_test(a_real_store_at_rest_is_quiet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
