/* Banks of HX711s: the real reading code (io/bank.c) against simulated chips in virtual time, with a reader that
 * is late, starved, or preempted at random moments. The checks of a frame: test_hx711.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "adc/hx711.h"
#include "adc/hx711_sim.h"
#include "io/bank.h"

/* A world in virtual time: every access to a line takes a microsecond or two, now and then a stall. */
struct world {
    int64_t now_ns;
    uint64_t random;
    uint32_t stall_odds; /* one access in so many is stalled for 60..5000 us; 0 = none */
    int64_t stalls;
    uint32_t late_odds; /* one timer in so many is late by 0.2 .. 0.45 of a conversion; 0 = none */
    int64_t lates;
    bool shared;
    int cells_n;
    struct hx711_sim chips[BOARD_BANK_CELLS_MAX];
    struct {
        int32_t code;      /* what the chip had to say when its frame began */
        int32_t read;      /* what the reader found on the wire instead */
        int pulses, reads; /* of the frame that is clocked */
        bool low, power_down;
        bool touched;    /* a stall fell into a call that sets PD_SCK: C2 may not trust the frame */
        int after_reset; /* frames since the last power-down */
    } truth[BOARD_BANK_CELLS_MAX];
};

static uint32_t draw(struct world *w, uint32_t below)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((w->random >> 33) % below);
}

static void pass(struct world *w)
{
    w->now_ns += 1000 + draw(w, 1500);
    if (w->stall_odds > 0 && draw(w, w->stall_odds) == 0) {
        w->now_ns += 60000 + draw(w, 4940000);
        w->stalls++;
    }
}

static int64_t world_now(void *ctx)
{
    return ((struct world *)ctx)->now_ns / 1000;
}

static void world_wait(void *ctx, int32_t us)
{
    ((struct world *)ctx)->now_ns += us * INT64_C(1000);
}

static int world_set_sck(void *ctx, unsigned line, bool high)
{
    struct world *w = ctx;

    for (int i = w->shared ? 0 : (int)line; i < (w->shared ? w->cells_n : (int)line + 1); i++)
        hx711_sim_sck(&w->chips[i], high, w->now_ns);
    pass(w);
    return 0;
}

static int world_get_dout(void *ctx, uint32_t *ret_levels)
{
    struct world *w = ctx;

    *ret_levels = 0;
    for (int i = 0; i < w->cells_n; i++)
        if (hx711_sim_dout(&w->chips[i], w->now_ns))
            *ret_levels |= UINT32_C(1) << i;
    pass(w);
    return 0;
}

static const struct bank_bus world_bus = {.set_sck = world_set_sck,
                                          .get_dout = world_get_dout,
                                          .now_us = world_now,
                                          .wait_us = world_wait};

static struct board_bank board_bank(int cells_n, bool shared, uint32_t rate_sps)
{
    return (struct board_bank){.cells_n = (uint8_t)cells_n,
                               .sck_n = (uint8_t)(shared ? 1 : cells_n),
                               .rate_sps = rate_sps,
                               .gain = 128,
                               .sck_high_max_us = HX711_SCK_HIGH_MAX_US};
}

static void world_init(struct world *w, struct bank *b, int cells_n, bool shared, uint32_t rate_sps)
{
    struct board_bank config_bank = board_bank(cells_n, shared, rate_sps);
    struct bank_bus bus = world_bus;

    *w = (struct world){.now_ns = 1000000000, .random = 42, .shared = shared, .cells_n = cells_n};
    for (int i = 0; i < cells_n; i++) {
        hx711_sim_init(&w->chips[i], w->now_ns, INT64_C(1000000000) / rate_sps / 100 * (98 + i % 5),
                       (uint64_t)i);
        w->chips[i].signal = 10000 * (i + 1);
    }
    bus.ctx = w;
    bank_init(b, &config_bank, &bus);
}

/* Sleeps until `until_us`, with a timer's slack; a timer may be late. */
static void sleep_until(struct world *w, int64_t until_us)
{
    if (until_us <= world_now(w))
        return;
    w->now_ns = until_us * 1000 + 60000;
    if (w->late_odds > 0 && draw(w, w->late_odds) == 0) {
        w->now_ns += w->chips[0].period_ns / 100 * (20 + draw(w, 25));
        w->lates++;
    }
}

/* Lets the bank run for some virtual time; counts values and faults by cell. */
static void run(struct world *w, struct bank *b, int64_t us, int64_t values[], int64_t faults[])
{
    struct bank_reading readings[BANK_READINGS_MAX];
    int64_t end = world_now(w) + us, next;

    while (world_now(w) < end) {
        size_t n = bank_poll(b, readings, &next);

        for (size_t i = 0; i < n; i++) {
            if (readings[i].fault == CELL_OK)
                values[readings[i].cell]++;
            else
                faults[readings[i].cell]++;
        }
        sleep_until(w, next);
    }
}

static void test_bank_delivers_every_conversion(void **state)
{
    const uint32_t rates[] = {10, 20, 80, 320};

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct world w;
        struct bank b;
        int64_t values[BOARD_BANK_CELLS_MAX] = {0}, faults[BOARD_BANK_CELLS_MAX] = {0};

        world_init(&w, &b, 4, false, rates[i]);
        run(&w, &b, 20000000, values, faults);
        for (int c = 0; c < 4; c++) {
            int64_t conversions = 20000000000 / w.chips[c].period_ns;

            assert_in_range(values[c], conversions - 9, conversions);
            assert_int_equal(faults[c], 0);
        }
    }
}

/* Shared PD_SCK: the slowest chip sets the pace, and hardly a frame more is lost. */
static void test_bank_shared(void **state)
{
    struct world w;
    struct bank b;
    int64_t values[BOARD_BANK_CELLS_MAX] = {0}, faults[BOARD_BANK_CELLS_MAX] = {0};

    (void)state;
    world_init(&w, &b, 4, true, 80);
    run(&w, &b, 20000000, values, faults);
    for (int c = 0; c < 4; c++) {
        assert_in_range(values[c], 1600 * 94 / 100, 1650);
        assert_int_equal(faults[c], 0);
    }
}

/* A thread without real-time priority on a busy board wakes late now and then. That costs the frame that was
 * missed, not the four conversions after it: a chip that was reset would be silent for longer. */
static void test_late_reader_loses_what_it_missed(void **state)
{
    const uint32_t rates[] = {10, 80};

    (void)state;
    for (int i = 0; i < 4; i++) {
        bool shared = i % 2 == 1;
        struct world w;
        struct bank b;
        int64_t values[BOARD_BANK_CELLS_MAX] = {0}, faults[BOARD_BANK_CELLS_MAX] = {0};
        const uint32_t *count;

        world_init(&w, &b, 2, shared, rates[i / 2]);
        w.chips[1].fault = HX711_SIM_ABSENT; /* nobody else's wakes help */
        run(&w, &b, 5000000, values, faults);
        w.late_odds = 200;
        memset(values, 0, sizeof(values));
        run(&w, &b, 200000000, values, faults);
        count = b.cells[0].stream.count;
        print_message("%u SPS, shared %d: %ld late wakes, %u late starts, %u settling\n",
                      rates[i / 2], shared, (long)w.lates, count[HX711_LATE_START],
                      count[HX711_SETTLING]);
        assert_true(w.lates > 20 && count[HX711_LATE_START] > 5);
        assert_true(count[HX711_SETTLING] <= 10); /* it was four for each late start */
        assert_true(faults[0] <= 2);
        assert_true(values[0] + count[HX711_LATE_START] + 15 >=
                    INT64_C(200000000000) / w.chips[0].period_ns);
    }
}

static void test_dead_chip_never_stalls_its_bank(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct world w;
        struct bank b;
        int64_t values[BOARD_BANK_CELLS_MAX] = {0}, faults[BOARD_BANK_CELLS_MAX] = {0};

        world_init(&w, &b, 3, shared != 0, 80);
        w.chips[1].fault = HX711_SIM_ABSENT;
        run(&w, &b, 10000000, values, faults);
        assert_in_range(values[0], 800 * 94 / 100, 850);
        assert_in_range(values[2], 800 * 94 / 100, 850);
        assert_int_equal(values[1], 0);
        assert_in_range(faults[1], 8, 10); /* once a second */
        assert_int_equal(faults[0] + faults[2], 0);
        w.chips[1].fault = HX711_SIM_NONE; /* plugged in again: it comes back by itself */
        run(&w, &b, 1000000, values, faults);
        assert_in_range(values[1], 40, 80);
    }
}

static void test_faults_are_named(void **state)
{
    struct world w;
    struct bank b;
    struct bank_reading readings[BANK_READINGS_MAX];
    int64_t next, values[BOARD_BANK_CELLS_MAX] = {0}, faults[BOARD_BANK_CELLS_MAX] = {0};
    int saturated = 0;

    (void)state;
    world_init(&w, &b, 2, false, 80);
    run(&w, &b, 2000000, values, faults);
    w.chips[1].fault = HX711_SIM_SATURATED;
    for (int64_t end = world_now(&w) + 3500000; world_now(&w) < end;) {
        size_t n = bank_poll(&b, readings, &next);

        for (size_t i = 0; i < n; i++)
            if (readings[i].cell == 1 && readings[i].fault != CELL_OK) {
                assert_int_equal(readings[i].fault, CELL_SATURATED);
                saturated++;
            }
        w.now_ns = next * 1000;
    }
    assert_in_range(saturated, 200, 300); /* each of them */
}

/* A RATE pin wired wrong: said, and the neighbours on the same PD_SCK go on. */
static void test_wrong_rate_is_named_and_stalls_nobody(void **state)
{
    static const struct {
        uint32_t nominal, real;
    } rows[] = {{80, 10}, {80, 40}, {80, 60}, {10, 80}, {320, 80}, {20, 10}};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t nominal = rows[i / 2].nominal, real = rows[i / 2].real;
        bool shared = i % 2 == 1;
        struct world w;
        struct bank b;
        struct bank_reading readings[BANK_READINGS_MAX];
        int64_t next, named = 0, other = 0, good = 0;
        int64_t values[BOARD_BANK_CELLS_MAX] = {0}, faults[BOARD_BANK_CELLS_MAX] = {0};

        world_init(&w, &b, 3, shared, nominal);
        w.chips[1].period_ns = 1000000000 / real;
        run(&w, &b, 5000000, values, faults);
        for (int64_t end = world_now(&w) + 10000000; world_now(&w) < end;) {
            size_t n = bank_poll(&b, readings, &next);

            for (size_t k = 0; k < n; k++) {
                named += readings[k].cell == 1 && readings[k].fault == CELL_RATE;
                other += readings[k].cell == 1 && readings[k].fault == CELL_ABSENT;
                good += readings[k].cell != 1 && readings[k].fault == CELL_OK;
            }
            if (next > world_now(&w))
                w.now_ns = next * 1000;
        }
        if (good < 2 * 10 * nominal * 90 / 100 || named < 5 || other != 0)
            print_error("%u read as %u, shared %d: named %ld, absent %ld, neighbours %ld\n", real,
                        nominal, shared, (long)named, (long)other, (long)good);
        assert_true(good > 2 * 10 * nominal * 90 / 100);
        assert_int_equal(other, 0);
        assert_true(shared ||
                    named >= 8); /* clocked together, a fast chip looks like its neighbours */
    }
}

/* A sampling thread that is kept waiting loses frames; its chips are not to blame. One poll in `odds` comes
 * up to 100 ms late, and once the machine stands still for three seconds. */
static void test_starved_reader_blames_no_chip(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool shared = i % 2 == 1;
        uint64_t odds = i < 2 ? 100 : 8; /* at the latter hardly a value is left */
        struct world w;
        struct bank b;
        struct bank_reading readings[BANK_READINGS_MAX];
        int64_t next, good = 0, bad = 0;
        uint64_t random = 7;
        bool stood = false;

        world_init(&w, &b, 3, shared, 80);
        for (int64_t end = world_now(&w) + 120000000; world_now(&w) < end;) {
            size_t n = bank_poll(&b, readings, &next);

            for (size_t k = 0; k < n; k++) {
                assert_int_not_equal(readings[k].fault, CELL_RATE);
                assert_int_not_equal(readings[k].fault, CELL_ABSENT);
                good += readings[k].fault == CELL_OK;
                bad += readings[k].fault != CELL_OK;
            }
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            if (next > world_now(&w))
                w.now_ns = next * 1000;
            if ((random >> 33) % odds == 0)
                w.now_ns += (int64_t)(random >> 40) % 100 * 1000000;
            if (!stood && world_now(&w) > end - 60000000) {
                stood = true;
                w.now_ns += INT64_C(3000000000);
            }
        }
        print_message("shared %d, one in %d: good %ld, charged %ld\n", shared, (int)odds,
                      (long)good, (long)bad);
        assert_true(odds == 8 || good > 3000);
        assert_true(bad * 50 <= good);
    }
}

/* --- a million frames with stalls ----------------------------------------------------------------- */

/* The same bus with a witness: it knows what each frame should have said, and which ones had a chance. */
static int witness_set_sck(void *ctx, unsigned line, bool high)
{
    struct world *w = ctx;
    int i = (int)line;
    int64_t before;

    if (high && w->truth[i].pulses == 0 && w->truth[i].low) {
        w->truth[i].code = hx711_sign_extend(w->chips[i].code);
        w->truth[i].power_down = w->truth[i].touched = false;
    }
    hx711_sim_sck(&w->chips[i], high, w->now_ns);
    if (!high && w->chips[i].unsettled > 0 && w->chips[i].pulses == 0 &&
        w->chips[i].next_ns == w->now_ns + w->chips[i].period_ns) {
        w->truth[i].power_down = true;
        w->truth[i].after_reset = 0;
    }
    if (!high)
        w->truth[i].pulses++;
    before = w->stalls;
    pass(w);
    w->truth[i].touched = w->truth[i].touched || w->stalls != before;
    return 0;
}

static int witness_get_dout(void *ctx, uint32_t *ret_levels)
{
    struct world *w = ctx;

    (void)world_get_dout(ctx, ret_levels);
    for (int i = 0; i < w->cells_n; i++) {
        w->truth[i].low = (*ret_levels >> i & 1) == 0;
        if (w->truth[i].pulses > w->truth[i].reads && w->truth[i].reads++ < HX711_DATA_BITS)
            w->truth[i].read = w->truth[i].read * 2 + !w->truth[i].low;
    }
    return 0;
}

static void stall_test(uint64_t seed, int64_t frames, uint32_t odds)
{
    struct board_bank config_bank = board_bank(1, false, 80);
    struct bank_bus bus = world_bus;
    struct bank_reading readings[BANK_READINGS_MAX];
    struct world w;
    struct bank b;
    int64_t next, done = 0, corrupt = 0, given = 0, usable = 0, spoilt = 0;
    int32_t truth[4] = {0};

    world_init(&w, &b, 1, false, 80);
    bus.ctx = &w;
    bus.set_sck = witness_set_sck;
    bus.get_dout = witness_get_dout;
    bank_init(&b, &config_bank, &bus);
    w.stall_odds = odds;
    w.random = seed;
    w.chips[0].noise = 300;
    while (done < frames) {
        size_t n;

        w.truth[0].pulses = w.truth[0].reads = w.truth[0].read = 0;
        n = bank_poll(&b, readings, &next);
        for (size_t i = 0; i < n; i++)
            if (readings[i].fault == CELL_OK) {
                given++; /* it is the frame before the one that was just clocked */
                corrupt += readings[i].counts != truth[0] && readings[i].counts != truth[1];
            }
        if (w.truth[0].pulses > 0) {
            bool right = hx711_sign_extend((uint32_t)w.truth[0].read) == w.truth[0].code;

            done++;
            spoilt += !right;
            /* The first frame after a power-down goes by contract, however right it is; so does one
             * whose clocking was held up in a call that sets PD_SCK. */
            usable += right && !w.truth[0].touched && w.truth[0].after_reset > 0;
            w.truth[0].after_reset += w.truth[0].power_down ? 0 : 1;
            truth[1] = truth[0];
            truth[0] = w.truth[0].code;
            if (done % 997 == 0)
                w.chips[0].signal = (int32_t)draw(&w, 4000000) - 2000000;
        }
        pass(&w);
        if (next > world_now(&w))
            w.now_ns = next * 1000 + 60000;
    }
    printf("seed %lu: %ld frames, %ld stalls, %ld spoilt on the wire, %ld usable, %ld given out, "
           "%ld corrupt\n",
           (unsigned long)seed, (long)done, (long)w.stalls, (long)spoilt, (long)usable, (long)given,
           (long)corrupt);
    for (int i = 1; i < HX711_REASONS; i++)
        printf("  %-11s %u\n", hx711_reason_name((enum hx711_reason)i), b.cells[0].stream.count[i]);
    assert_int_equal(corrupt, 0);
    assert_true(w.stalls > 0 && spoilt > 0);
    assert_true((usable - given) * 1000 < usable);
}

static void test_stalls(void **state)
{
    const char *n = getenv("NOREN_FRAMES");

    (void)state;
    for (uint64_t seed = 42; seed < 47; seed++) /* NOREN_FRAMES=1000000: the long way */
        stall_test(seed, n != NULL ? strtol(n, NULL, 10) : 40000, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bank_delivers_every_conversion),
        cmocka_unit_test(test_bank_shared),
        cmocka_unit_test(test_late_reader_loses_what_it_missed),
        cmocka_unit_test(test_dead_chip_never_stalls_its_bank),
        cmocka_unit_test(test_faults_are_named),
        cmocka_unit_test(test_wrong_rate_is_named_and_stalls_nobody),
        cmocka_unit_test(test_starved_reader_blames_no_chip),
        cmocka_unit_test(test_stalls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
