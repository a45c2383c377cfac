/* A damped sine's middle, at any sampling rate; and what is no swing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#include "core/swing.h"

static struct rng rng = {RIG_SEED};

/* Feeds `span_s` of level + size x exp(-t decay) sin(2 pi hz t) + noise. */
static struct swing_ring ring_of(int sps, double span_s, double level, double size, double hz,
                                 double decay, double noise)
{
    struct swing_ring r;

    memset(&r, 0, sizeof(r));
    for (int i = 0; i < span_s * sps; i++) {
        double t = (double)i / sps;

        swing_take(&r, (int64_t)(t * S),
                   (int32_t)(level + size * exp(-t * decay) * sin(6.28318531 * hz * t + 1) +
                             noise * rng_gauss(&rng)));
    }
    return r;
}

static void the_middle_is_found_before_it_is_quiet(void **state)
{
    static const int rates[] = {8, 10, 60, 80};
    static const double hz[] = {0.5, 0.8, 1.3, 2.0};

    (void)state;
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++) {
            struct swing_ring r = ring_of(rates[i], 2.6, 500e3, 60e3, hz[k], 0.4, 500);
            struct swing s;

            assert_true(swing_fit(&r, 2500, false, 500, &s));
            assert_in_range(s.level_mg, 495000, 505000);
            assert_in_range(s.period_ms, (int)(900 / hz[k]), (int)(1100 / hz[k]));
        }
}

static void what_dies_down_is_goods(void **state)
{
    struct swing_ring r = ring_of(80, 2.6, 500e3, 60e3, 1.3, 0.8, 500);
    struct swing s;

    (void)state;
    assert_true(swing_fit(&r, 2500, false, 500, &s));
    assert_true(s.decays);
}

static void a_sway_that_does_not_tire_is_no_goods(void **state)
{
    struct swing_ring r = ring_of(80, 3, 500e3, 40e3, 0.7, 0, 500);
    struct swing s;

    (void)state;
    assert_true(swing_fit(&r, 2900, false, 500, &s));
    assert_false(s.decays);
}

/* Sampled ten times a second a tremor of 9 Hz looks like 1 Hz, and beats with the sway: for half a beat the sum dies
 * down. It is told from goods by what one sine leaves unexplained, and by being little beside the force. */
static void a_beating_hand_is_no_goods(void **state)
{
    const double force = 500e3;
    int dying = 0;

    (void)state;
    for (int k = 0; k < 400; k++) {
        double hz = 0.6 + 0.3 * (k % 20) / 20, phase = 6.28318531 * k / 400;
        struct swing_ring r;
        struct swing s;

        memset(&r, 0, sizeof(r));
        for (int i = 0; i < 30; i++) {
            double t = i / 10.0, sway = 0.08 * sin(6.28318531 * hz * t + phase);

            swing_take(&r, (int64_t)(t * S),
                       (int32_t)(force * (1 + sway + 0.03 * sin(6.28318531 * 9 * t + phase)) +
                                 500 * rng_gauss(&rng)));
        }
        if (!swing_fit(&r, 2900, false, 250, &s) || !s.decays)
            continue;
        dying++;
        assert_false(s.clean);
        assert_true(s.began_mg < 0.15 * force);
    }
    print_message("%d of 400 hands looked as if they died down\n", dying);
    assert_true(dying > 0);
}

static void one_wild_reading_does_nothing(void **state)
{
    struct swing_ring r = ring_of(10, 3, 500e3, 40e3, 1, 0.4, 500);
    struct swing s;

    (void)state;
    r.mass_mg[(r.head + SWING_RING - 7) % SWING_RING] = 19000000;
    assert_true(swing_fit(&r, 2900, false, 500, &s));
    assert_in_range(s.level_mg, 494000, 506000);
}

static void noise_and_steps_are_no_swing(void **state)
{
    struct swing_ring r = ring_of(80, 3, 500e3, 0, 1, 0, 3000);
    struct swing s;

    (void)state;
    for (int i = 0; i < 12; i++) /* half of the window lies elsewhere */
        r.mass_mg[(r.head + SWING_RING - i) % SWING_RING] += 200000;
    if (swing_fit(&r, 2900, false, 1000, &s)) /* only what came after the step may be believed */
        assert_in_range(s.level_mg, 690000, 710000);
    r = ring_of(80, 0.5, 500e3, 40e3, 1, 0, 500);
    assert_false(swing_fit(&r, 500, false, 500, &s)); /* half a period tells nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_middle_is_found_before_it_is_quiet),
        cmocka_unit_test(what_dies_down_is_goods),
        cmocka_unit_test(a_sway_that_does_not_tire_is_no_goods),
        cmocka_unit_test(a_beating_hand_is_no_goods),
        cmocka_unit_test(one_wild_reading_does_nothing),
        cmocka_unit_test(noise_and_steps_are_no_swing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
