/* One load cell: each rule of what makes it untrusted, within its time, and nothing on a quiet or a busy day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

/* A converter that is read at a rate: signal, noise, and what is wrong with it. */
struct bench {
    struct cell cell;
    struct rng rng;
    int64_t now_us, period_us;
    double signal, noise;
    int64_t masses, last_mg;
};

static struct bench bench_new(int sps)
{
    struct plan_cell plan = {.zero_counts = ZERO_COUNTS, .mg_per_count = MG_PER_COUNT, .node = -1};
    struct bench b = {.rng = {RIG_SEED}, .now_us = S, .period_us = S / sps, .signal = 300000};

    b.noise = 20;
    cell_init(&b.cell, &plan);
    return b;
}

static void feed(struct bench *b, enum cell_fault fault, int32_t counts)
{
    struct obs o = {.kind = OBS_CELL};

    b->now_us += b->period_us;
    o.u.cell.fault = fault;
    o.u.cell.counts = counts;
    b->masses += cell_take(&b->cell, b->now_us, &o, &b->last_mg);
}

static void run(struct bench *b, int64_t us)
{
    for (int64_t end = b->now_us + us; b->now_us < end;)
        feed(b, CELL_OK, (int32_t)lround(b->signal + b->noise * rng_gauss(&b->rng)));
}

/* Seconds until the cell is in trouble; -1: not within `limit`. */
static double fails_after(struct bench *b, enum cell_fault fault, bool constant, int64_t limit_us)
{
    int64_t start = b->now_us;

    while (b->now_us < start + limit_us && b->cell.trouble == TROUBLE_NONE) {
        if (constant || fault != CELL_OK)
            feed(b, fault, (int32_t)b->signal);
        else
            run(b, b->period_us);
    }
    return b->cell.trouble == TROUBLE_NONE ? -1 : (double)(b->now_us - start) / S;
}

static const int rates[] = {8, 10, 20, 60, 80, 320};

static void counts_become_milligrams(void **state)
{
    struct bench b = bench_new(80);

    (void)state;
    feed(&b, CELL_OK, ZERO_COUNTS + 400000);
    assert_int_equal(b.last_mg, 1000000);
    b.cell.mg_per_count = -MG_PER_COUNT; /* wired the other way round */
    feed(&b, CELL_OK, ZERO_COUNTS - 400000);
    assert_int_equal(b.last_mg, 1000000);
}

static void absence_is_believed_at_once_and_forgiven_after_two_seconds(void **state)
{
    struct bench b = bench_new(80);

    (void)state;
    run(&b, 10 * S);
    feed(&b, CELL_ABSENT, 0);
    assert_int_equal(b.cell.trouble, TROUBLE_ABSENT);
    b.masses = 0;
    run(&b, 1900 * MS);
    assert_int_equal(b.masses, 0);
    run(&b, 300 * MS);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
    assert_true(b.masses > 0);
}

static void a_loose_contact_has_to_prove_itself_longer_each_time(void **state)
{
    struct bench b = bench_new(80);
    double before = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        int64_t start;

        feed(&b, CELL_ABSENT, 0);
        for (start = b.now_us; b.cell.trouble != TROUBLE_NONE;)
            run(&b, b.period_us);
        assert_true((double)(b.now_us - start) > 1.5 * before);
        before = (double)(b.now_us - start);
    }
    run(&b, 20 * 60 * S); /* and all is forgotten after a good while */
    feed(&b, CELL_ABSENT, 0);
    run(&b, 2200 * MS);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
}

static void three_full_scale_codes_are_a_fault(void **state)
{
    struct bench b = bench_new(80);

    (void)state;
    run(&b, S);
    for (int i = 0; i < 5; i++) { /* two are a bump */
        feed(&b, CELL_SATURATED, 0);
        feed(&b, CELL_SATURATED, 0);
        run(&b, b.period_us);
    }
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
    assert_true(fails_after(&b, CELL_SATURATED, true, S) < 0.1);
    assert_int_equal(b.cell.trouble, TROUBLE_SATURATED);
    run(&b, 3 * S);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
}

static void a_stuck_cell_is_found_in_two_seconds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct bench b = bench_new(rates[i]);
        double took;

        run(&b, 60 * S);
        took = fails_after(&b, CELL_OK, true, 60 * S);
        /* a block that was begun before it froze has to end first */
        assert_true(took > 0 && took < (rates[i] < 60 ? 4.2 : 2.1));
        assert_int_equal(b.cell.trouble, TROUBLE_STUCK);
        run(&b, 8 * S);
        assert_int_equal(b.cell.trouble, TROUBLE_NONE);
    }
}

static void the_last_bit_of_a_stuck_cell_may_toggle(void **state)
{
    struct bench b = bench_new(80);

    (void)state;
    run(&b, 60 * S);
    for (int i = 0; i < 160; i++)
        feed(&b, CELL_OK, 300000 + i % 2);
    assert_int_equal(b.cell.trouble, TROUBLE_STUCK);
}

/* Tables of a scale that shows whole grams, or that were made without noise, are not stuck. */
static void a_coarse_scale_is_not_stuck(void **state)
{
    struct bench b = bench_new(10);

    (void)state;
    b.noise = 0;
    run(&b, 20 * S);
    b.signal += 3;
    run(&b, 3600 * S);
    b.noise = 0.3;
    run(&b, 3600 * S);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
}

static void a_cell_that_never_moved_is_stuck_after_a_minute(void **state)
{
    struct bench b = bench_new(80);
    double took = fails_after(&b, CELL_OK, true, 100 * S);

    (void)state;
    assert_int_equal(b.cell.trouble, TROUBLE_STUCK);
    assert_true(took >= 60 && took < 61);
}

static void noise_of_ten_times_is_a_fault_after_thirty_seconds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct bench b = bench_new(rates[i]);
        double took;

        run(&b, 120 * S);
        b.noise = 200 * 2;
        took = fails_after(&b, CELL_OK, false, 60 * S);
        assert_int_equal(b.cell.trouble, TROUBLE_NOISY);
        assert_true(took > 22 && took < 45);
        run(&b, 60 * S);
        assert_int_equal(b.cell.trouble, TROUBLE_NOISY); /* it goes on */
        b.noise = 20;
        run(&b, 30 * S);
        assert_int_equal(b.cell.trouble, TROUBLE_NONE);
    }
}

/* Somebody rummages for minutes; goods swing on a hook for as long. */
static void people_are_not_noise(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct bench b = bench_new(rates[i]);
        int64_t start;

        run(&b, 60 * S);
        for (start = b.now_us; b.now_us < start + 180 * S;) {
            double t_s = (double)(b.now_us - start) / S;

            b.signal = 300000 + 40000 * sin(2 * 3.14159265 * 0.7 * t_s) +
                       8000 * sin(2 * 3.14159265 * 9.1 * t_s);
            run(&b, b.period_us);
        }
        assert_int_equal(b.cell.trouble, TROUBLE_NONE);
        for (start = b.now_us; b.now_us < start + 180 * S;) {
            double t_s = (double)(b.now_us - start) / S;

            b.signal = 300000 + 80000 * exp(-t_s / 60) * sin(2 * 3.14159265 * 1.1 * t_s);
            run(&b, b.period_us);
        }
        assert_int_equal(b.cell.trouble, TROUBLE_NONE);
    }
}

static void a_wrong_rate_is_the_readers_word(void **state)
{
    struct bench b = bench_new(80);

    (void)state;
    run(&b, S);
    feed(&b, CELL_RATE, 0);
    assert_int_equal(b.cell.trouble, TROUBLE_RATE);
    run(&b, 3 * S);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
}

static void run_lossy(struct bench *b, int64_t us, int one_in)
{
    int64_t n = 0;

    for (int64_t end = b->now_us + us; b->now_us < end; n++) {
        if (n % one_in == 0)
            feed(b, CELL_CORRUPT, 0);
        else
            run(b, b->period_us);
    }
}

static void one_frame_in_ten_refused_is_a_fault(void **state)
{
    struct bench b = bench_new(80);
    int64_t start;

    (void)state;
    run_lossy(&b, 3600 * S, 12); /* 8 %: worth a remark, no fault */
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
    assert_true(cell_refused_pm(&b.cell) > 70);
    start = b.now_us;
    run_lossy(&b, 300 * S, 8);
    assert_int_equal(b.cell.trouble, TROUBLE_CORRUPT);
    assert_true(b.now_us - start <= 301 * S);
    run_lossy(&b, 300 * S, 14); /* 7 % is not well enough again */
    assert_int_equal(b.cell.trouble, TROUBLE_CORRUPT);
    run_lossy(&b, 300 * S, 200);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
    b = bench_new(80);
    run_lossy(&b, 10 * S, 2); /* a new cell with bad wiring is found in seconds */
    assert_int_equal(b.cell.trouble, TROUBLE_CORRUPT);
}

static void a_cell_that_feels_nothing_any_more_is_deaf(void **state)
{
    struct bench b = bench_new(80);
    int changes = 0;

    (void)state;
    run(&b, S);
    for (int i = 0; i < 15; i++)
        cell_feel(&b.cell, b.now_us, 150e3 + 100e3 * rng_uniform(&b.rng), 500e3);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
    for (; b.cell.trouble == TROUBLE_NONE && changes < 100; changes++)
        cell_feel(&b.cell, b.now_us, 1e3, 500e3);
    assert_int_equal(changes, 10);
    assert_int_equal(b.cell.trouble, TROUBLE_DEAF);
    run(&b, 600 * S);
    assert_int_equal(b.cell.trouble, TROUBLE_DEAF);
    b.signal += 40000; /* it feels 100 g */
    run(&b, 3 * S);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
}

/* The corner of a plate where nothing stands feels little, always. */
static void a_far_corner_is_not_deaf(void **state)
{
    struct bench b = bench_new(80);

    (void)state;
    for (int i = 0; i < 200; i++)
        cell_feel(&b.cell, S, 30e3 * rng_uniform(&b.rng), 500e3);
    for (int i = 0; i < 200; i++) /* and a shop that rearranges the plate finds it again */
        cell_feel(&b.cell, S, (i % 8 == 0 ? 100e3 : 15e3), 500e3);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
}

/* 24 hours: temperature, a refrigerator that starts four times an hour, picks, hands, a lost frame now and
 * then. Nothing is wrong, so nothing may be said. */
static void a_day_raises_no_alarm(void **state)
{
    (void)state;
    for (int sps = 10; sps <= 80; sps += 70) {
        struct bench b = bench_new(sps);
        int64_t samples = 0;
        double load = 300000;

        while (b.now_us < 24 * 3600 * S) {
            double t_s = (double)b.now_us / S;
            double phase = fmod(t_s, 900), hand = fmod(t_s, 613);

            b.noise = phase < 240 ? 60 : 20;
            if (samples % (97 * sps) == 0)
                load += rng_uniform(&b.rng) < 0.5 && load > 100000 ? -40000 : 40000;
            b.signal = load + 4000 * sin(2 * 3.14159265 * t_s / 86400);
            if (hand < 25)
                b.signal += 30000 * sin(2 * 3.14159265 * 0.8 * t_s);
            if (samples % 5000 == 4999)
                feed(&b, CELL_CORRUPT, 0);
            else
                run(&b, b.period_us);
            assert_int_equal(b.cell.trouble, TROUBLE_NONE);
            samples++;
        }
    }
}

/* 5 kg on a cell that may carry 4: too much, in either direction and by whichever calibration; an impact is not. */
static void too_much_for_a_second_is_an_overload(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(rates) / sizeof(rates[0]); i++) {
        struct bench b = bench_new(rates[i / 2]);
        double g = (i % 2 == 0 ? 1000 : -1000) / MG_PER_COUNT, took; /* counts */

        b.cell.capacity_mg = 4e6;
        b.signal = ZERO_COUNTS + 4.3e3 * g; /* within the tenth */
        run(&b, 20 * S);
        b.signal = ZERO_COUNTS + 9e3 * g;
        run(&b, 700 * MS);
        b.signal = ZERO_COUNTS + 4.3e3 * g;
        run(&b, 10 * S);
        assert_int_equal(b.cell.trouble, TROUBLE_NONE);
        b.signal = ZERO_COUNTS + 5e3 * g;
        took = fails_after(&b, CELL_OK, false, 10 * S);
        assert_int_equal(b.cell.trouble, TROUBLE_OVERLOAD);
        assert_true(took > 0.9 && took < 1.5);
        b.signal = ZERO_COUNTS + 4.3e3 * g; /* still more than it may carry */
        run(&b, 20 * S);
        assert_int_equal(b.cell.trouble, TROUBLE_OVERLOAD);
        b.signal = ZERO_COUNTS + 3.5e3 * g;
        run(&b, 3 * S);
        assert_int_equal(b.cell.trouble, TROUBLE_NONE);
        b.cell.capacity_mg = 0; /* a planogram without it */
        b.signal = ZERO_COUNTS + 9e3 * g;
        run(&b, 10 * S);
        assert_int_equal(b.cell.trouble, TROUBLE_NONE);
    }
}

/* It names the remedy: silence is over when it speaks. */
static void a_silent_cell_that_speaks_says_what_is_wrong(void **state)
{
    struct bench b = bench_new(80);

    (void)state;
    b.cell.capacity_mg = 4e6;
    run(&b, 10 * S);
    b.signal = ZERO_COUNTS + 5e6 / MG_PER_COUNT;
    b.now_us += 3 * S;
    cell_fall_silent(&b.cell, b.now_us);
    run(&b, 5 * S);
    assert_int_equal(b.cell.trouble, TROUBLE_OVERLOAD);
    b.signal = ZERO_COUNTS;
    run(&b, 5 * S);
    assert_int_equal(b.cell.trouble, TROUBLE_NONE);
}

static void a_load_rests_when_four_seconds_agree(void **state)
{
    struct bench b = bench_new(80);
    struct cell_rest r;

    (void)state;
    run(&b, 2 * S);
    assert_false(cell_rest(&b.cell, b.now_us).steady);
    run(&b, 3 * S);
    r = cell_rest(&b.cell, b.now_us);
    assert_true(r.steady);
    assert_true(fabs(r.counts - 300000) < 5);
    assert_true(r.samples > 300);
    b.signal += 100000;
    run(&b, S);
    assert_false(cell_rest(&b.cell, b.now_us).steady);
    run(&b, 5 * S);
    assert_true(cell_rest(&b.cell, b.now_us).steady);
    assert_false(cell_rest(&b.cell, b.now_us + 5 * S).steady); /* nothing has come since */
}

/* Share of the looks at a load, four a second for ten minutes, at which it seems to rest. Readings come every
 * `least` to `most`; the load sways slowly by `sway` counts. */
static double rest_share(int64_t least, int64_t most, double sway)
{
    struct bench b = bench_new(80);
    int looks = 0, rests = 0;
    double level = b.signal;

    run(&b, 20 * S); /* the noise is known from before */
    for (int64_t start = b.now_us, look = start + 10 * S; b.now_us < start + 600 * S;) {
        double t_s = (double)(b.now_us - start) / S;

        b.period_us = least + (int64_t)(rng_uniform(&b.rng) * (double)(most - least));
        b.signal = level + sway * sin(2 * 3.14159265 * 0.2 * t_s);
        run(&b, b.period_us);
        for (; look <= b.now_us; look += S / 4, looks++)
            rests += cell_rest(&b.cell, b.now_us).steady;
    }
    return (double)rests / looks;
}

/* Half a second's mean is worth as much as it has readings: a slow chip, or one whose thread is kept waiting, does
 * not seem to move. What sways by a gram does, however it is read. */
static void few_readings_rest_too(void **state)
{
    static const struct {
        int64_t least, most;
    } rows[] = {{12500, 12500}, {100000, 100000}, {125000, 125000}, {20000, 400000}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double still = rest_share(rows[i].least, rows[i].most, 0);
        double sways = rest_share(rows[i].least, rows[i].most, 400);

        print_message("every %d to %d ms: rests %.3f, swaying %.3f\n", (int)(rows[i].least / 1000),
                      (int)(rows[i].most / 1000), still, sways);
        assert_true(still > 0.99);
        assert_true(sways < 0.01);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_become_milligrams),
        cmocka_unit_test(absence_is_believed_at_once_and_forgiven_after_two_seconds),
        cmocka_unit_test(a_loose_contact_has_to_prove_itself_longer_each_time),
        cmocka_unit_test(three_full_scale_codes_are_a_fault),
        cmocka_unit_test(a_stuck_cell_is_found_in_two_seconds),
        cmocka_unit_test(the_last_bit_of_a_stuck_cell_may_toggle),
        cmocka_unit_test(a_coarse_scale_is_not_stuck),
        cmocka_unit_test(a_cell_that_never_moved_is_stuck_after_a_minute),
        cmocka_unit_test(noise_of_ten_times_is_a_fault_after_thirty_seconds),
        cmocka_unit_test(people_are_not_noise),
        cmocka_unit_test(a_wrong_rate_is_the_readers_word),
        cmocka_unit_test(one_frame_in_ten_refused_is_a_fault),
        cmocka_unit_test(a_cell_that_feels_nothing_any_more_is_deaf),
        cmocka_unit_test(a_far_corner_is_not_deaf),
        cmocka_unit_test(a_day_raises_no_alarm),
        cmocka_unit_test(too_much_for_a_second_is_an_overload),
        cmocka_unit_test(a_silent_cell_that_speaks_says_what_is_wrong),
        cmocka_unit_test(a_load_rests_when_four_seconds_agree),
        cmocka_unit_test(few_readings_rest_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
