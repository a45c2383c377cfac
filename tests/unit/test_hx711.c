/* HX711 frames: each check by itself, on hand-made frames. The code that reads them: test_bank.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adc/hx711.h"

#define T_US 12500

static const struct hx711_config config = {
    .rate_sps = 80, .pulses = 25, .sck_high_max_us = HX711_SCK_HIGH_MAX_US};

/* A flawless frame of `counts` whose conversion ended at `ready_us`. */
static struct hx711_frame frame(int64_t ready_us, int32_t counts)
{
    struct hx711_frame f;
    int64_t t = ready_us + 100;

    hx711_frame_begin(&f, ready_us - 200, ready_us, t, false);
    for (int i = 0; i < 25; i++, t += 6)
        hx711_frame_pulse(&f, t, t + 3, i < 24 ? ((uint32_t)counts >> (23 - i) & 1) != 0 : true);
    hx711_frame_end(&f, t, true);
    return f;
}

/* A stream in its stride: one good frame of `counts` is held, its conversion ended at 0. */
static struct hx711_stream running(int32_t counts)
{
    struct hx711_stream s;
    struct hx711_result r[HX711_RESULTS_MAX];
    struct hx711_frame f = frame(-(int64_t)T_US, counts);

    hx711_stream_init(&s, &config);
    assert_int_equal(hx711_stream_push(&s, &f, r), 0);
    f = frame(0, counts);
    assert_int_equal(hx711_stream_push(&s, &f, r), 1);
    assert_int_equal(r[0].reason, HX711_GOOD);
    return s;
}

/* Pushes `f` and expects that it is refused at once for `reason`, the frame before being good. */
static void expect_refused(struct hx711_frame f, enum hx711_reason reason)
{
    struct hx711_stream s = running(1000);
    struct hx711_result r[HX711_RESULTS_MAX];

    assert_int_equal(hx711_stream_push(&s, &f, r), 2);
    assert_int_equal(r[0].reason, HX711_GOOD);
    assert_int_equal(r[1].reason, reason);
    assert_int_equal(s.count[reason], 1);
}

static void test_sign(void **state)
{
    (void)state;
    assert_int_equal(hx711_sign_extend(0x000000), 0);
    assert_int_equal(hx711_sign_extend(0x7fffff), 8388607);
    assert_int_equal(hx711_sign_extend(0x800000), -8388608);
    assert_int_equal(hx711_sign_extend(0xffffff), -1);
}

static void test_good_frames_come_one_later(void **state)
{
    struct hx711_stream s = running(1000);
    struct hx711_result r[HX711_RESULTS_MAX];
    struct hx711_frame f = frame(T_US, -77);

    (void)state;
    assert_int_equal(hx711_stream_push(&s, &f, r), 1);
    assert_int_equal(r[0].counts, 1000);
    assert_int_equal(r[0].ready_us, 0);
    assert_int_equal(hx711_stream_end(&s, r), 1);
    assert_int_equal(r[0].counts, -77);
    assert_int_equal(r[0].ready_us, T_US);
}

static void test_c1_start(void **state)
{
    struct hx711_frame f = frame(T_US, 1000);
    struct hx711_stream s = running(1000);
    struct hx711_result r[HX711_RESULTS_MAX];

    (void)state;
    f.start_us = f.ready_us + T_US / 2; /* the clocking itself is beyond the edge's neighbourhood */
    expect_refused(f, HX711_LATE_START);
    f = frame(T_US, 1000);
    f.was_low = false; /* no edge: the frame before cannot be confirmed either */
    assert_int_equal(hx711_stream_push(&s, &f, r), 2);
    assert_int_equal(r[0].reason, HX711_GAP);
    assert_int_equal(r[1].reason, HX711_NOT_READY);
}

static void test_c2_sck_high(void **state)
{
    struct hx711_frame f = frame(T_US, 1000);

    (void)state;
    f.high_max_us = 45;
    assert_int_equal(f.high_max_us, HX711_SCK_HIGH_MAX_US);
    f.high_max_us = 46;
    expect_refused(f, HX711_SCK_HIGH);
}

/* After a reset nothing counts for four conversions, and one full frame goes in any case. */
static void test_c2_settling(void **state)
{
    struct hx711_stream s = running(1000);
    struct hx711_result r[HX711_RESULTS_MAX];
    struct hx711_frame f = frame(T_US, 0x3ff);

    (void)state;
    f.high_max_us = 200;
    assert_int_equal(hx711_stream_push(&s, &f, r), 2);
    f = frame(T_US * 5 + 300, 900);
    assert_int_equal(hx711_stream_push(&s, &f, r), 1);
    assert_int_equal(r[0].reason, HX711_SETTLING);
    f = frame(T_US * 6 + 300, 950);
    assert_int_equal(hx711_stream_push(&s, &f, r), 0);
    f = frame(T_US * 7 + 300, 950);
    assert_int_equal(hx711_stream_push(&s, &f, r), 1);
    assert_int_equal(r[0].reason, HX711_GOOD);
    assert_int_equal(r[0].counts, 950);
}

static void test_c3_end(void **state)
{
    struct hx711_frame f = frame(T_US, 1000);

    (void)state;
    f.end_us = f.ready_lo_us + T_US / 2 + 1;
    expect_refused(f, HX711_LATE_END);
}

static void test_c4_gain_pulses(void **state)
{
    struct hx711_frame f = frame(T_US, 1000);

    (void)state;
    f.extra_zero = true;
    expect_refused(f, HX711_EXTRA_BITS);
    f = frame(T_US, 1000);
    f.is_high = false;
    expect_refused(f, HX711_DOUT_LOW);
    f = frame(T_US, 1000);
    f.pulses = 26;
    expect_refused(f, HX711_PULSES);
    f = frame(T_US, 1000);
    f.pulses = 24;
    expect_refused(f, HX711_PULSES);
}

/* The reset that no other check saw: the next edge is four conversions away, the frame before is a lie. */
static void test_c5_gap(void **state)
{
    const int32_t bad_tenths[] = {5, 16, 20, 41};

    (void)state;
    for (size_t i = 0; i < sizeof(bad_tenths) / sizeof(*bad_tenths); i++) {
        struct hx711_stream s = running(1000);
        struct hx711_result r[HX711_RESULTS_MAX];
        int64_t ready = T_US * bad_tenths[i] / 10;
        struct hx711_frame f = frame(ready, 1000);

        assert_int_equal(hx711_stream_push(&s, &f, r), 2);
        assert_int_equal(r[0].reason, HX711_GAP);
        assert_int_equal(r[1].reason, HX711_SETTLING);
        for (int k = 1; k <= 3; k++) {
            f = frame(ready + T_US * k, 1000);
            assert_int_equal(hx711_stream_push(&s, &f, r), 1);
            assert_int_equal(r[0].reason, HX711_SETTLING);
        }
        f = frame(ready + T_US * 5, 1000); /* k = 4 went missing on purpose: still a gap */
        assert_true(hx711_stream_push(&s, &f, r) > 0);
    }
}

/* A reader that is often kept waiting sees both edges of an interval late: no reset, as long as the four conversions of
 * one cannot have passed since the clocking, and the shortest interval is one conversion. */
static void test_c5_pauses_of_the_reader(void **state)
{
    const struct {
        int before_tenths, high_tenths,
            low_tenths; /* seen high, then low; the edge before was at 0 */
        bool good;
    } seen[] = {
        {0, 10, 10, true},  {-6, 8, 10, true},   {-6, 14, 16, true},  {-6, 14, 20, true},
        {-6, 12, 34, true}, {-6, 12, 37, false}, {-6, 16, 17, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(seen) / sizeof(*seen); i++) {
        struct hx711_stream s = running(1000);
        struct hx711_result r[HX711_RESULTS_MAX];
        struct hx711_frame f = frame(T_US * seen[i].low_tenths / 10, 1000);

        s.ready_lo_us = T_US * seen[i].before_tenths / 10;
        f.ready_lo_us = T_US * seen[i].high_tenths / 10;
        assert_true(hx711_stream_push(&s, &f, r) > 0);
        assert_int_equal(r[0].reason, seen[i].good ? HX711_GOOD : HX711_GAP);
    }
}

static void test_c5_wait(void **state)
{
    struct hx711_stream s = running(1000);
    struct hx711_result r[HX711_RESULTS_MAX];

    (void)state;
    assert_int_equal(hx711_stream_wait(&s, T_US, r), 0);
    assert_int_equal(hx711_stream_wait(&s, T_US * 8 / 5, r), 1);
    assert_int_equal(r[0].reason, HX711_GAP);
    assert_int_equal(hx711_stream_wait(&s, T_US * 9, r), 0);
}

static void test_c6_clip(void **state)
{
    (void)state;
    expect_refused(frame(T_US, HX711_CLIP_HIGH), HX711_CLIP);
    expect_refused(frame(T_US, HX711_CLIP_LOW), HX711_CLIP);
}

/* The verdict on the middle one of three frames. */
static enum hx711_reason middle(int32_t before, int32_t value, int32_t after)
{
    struct hx711_stream s = running(before);
    struct hx711_result r[HX711_RESULTS_MAX];
    struct hx711_frame f = frame(T_US, value);

    assert_int_equal(hx711_stream_push(&s, &f, r), 1);
    f = frame(T_US * 2, after);
    assert_int_equal(hx711_stream_push(&s, &f, r), 1);
    return r[0].reason;
}

static void test_c6_pattern(void **state)
{
    (void)state;
    assert_int_equal(middle(100000, 0x1ffff, 100010), HX711_PATTERN); /* 2^17 - 1 */
    assert_int_equal(middle(100000, 0x25bff, 100010), HX711_PATTERN); /* ten trailing ones */
    assert_int_equal(middle(100000, -1, 100010), HX711_PATTERN);
    assert_int_equal(middle(131000, 0x1ffff, 131100), HX711_GOOD);  /* near its neighbours */
    assert_int_equal(middle(100000, 0x1ffff, 200000), HX711_GOOD);  /* on the way */
    assert_int_equal(middle(100000, 0x1ffff, 0x1ffff), HX711_GOOD); /* it stays there */
    assert_int_equal(middle(100000, 150000, 100000), HX711_GOOD);   /* a jump, but no pattern */
}

static void test_period_is_learnt_within_limits(void **state)
{
    struct hx711_stream s = running(1000);
    struct hx711_result r[HX711_RESULTS_MAX];
    int64_t ready = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct hx711_frame f = frame(ready += 11700, 1000);

        (void)hx711_stream_push(&s, &f, r);
    }
    assert_in_range(hx711_stream_period_us(&s), 11690, 11710);
    for (int i = 0; i < 2000; i++) {
        struct hx711_frame f = frame(ready += hx711_stream_period_us(&s) * 3 / 4, 1000);

        (void)hx711_stream_push(&s, &f, r);
    }
    assert_in_range(hx711_stream_period_us(&s), T_US * 7 / 10 - 1, T_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign),
        cmocka_unit_test(test_good_frames_come_one_later),
        cmocka_unit_test(test_c1_start),
        cmocka_unit_test(test_c2_sck_high),
        cmocka_unit_test(test_c2_settling),
        cmocka_unit_test(test_c3_end),
        cmocka_unit_test(test_c4_gain_pulses),
        cmocka_unit_test(test_c5_gap),
        cmocka_unit_test(test_c5_pauses_of_the_reader),
        cmocka_unit_test(test_c5_wait),
        cmocka_unit_test(test_c6_clip),
        cmocka_unit_test(test_c6_pattern),
        cmocka_unit_test(test_period_is_learnt_within_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
