/* What the relay decides without a broker: how much may be in flight, when a PUBACK is overdue, when to try
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/backoff.h"
#include "io/drain.h"
#include "io/flight.h"

static void test_the_window_is_the_smaller_one(void **state)
{
    struct flight f;
    uint64_t token;

    (void)state;
    flight_begin(&f, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(flight_room(&f));
        flight_sent(&f, 10 + i, (uint64_t)i, 100, 0);
    }
    assert_false(flight_room(&f));
    assert_true(flight_acked(&f, 10, 5, &token));
    assert_int_equal(token, 0);
    assert_true(flight_room(&f));
    assert_false(flight_acked(&f, 10, 5, &token)); /* twice */
    flight_begin(&f, 65535);
    for (int i = 0; i < FLIGHT_MAX; i++)
        flight_sent(&f, i + 1, 0, 1, 0);
    assert_false(flight_room(&f));
}

static void test_a_puback_out_of_order_frees_no_place_before_the_oldest(void **state)
{
    struct flight f;
    uint64_t token;

    (void)state;
    flight_begin(&f, 2);
    flight_sent(&f, 1, 1, 10, 0);
    flight_sent(&f, 2, 2, 10, 0);
    assert_true(flight_acked(&f, 2, 1, &token));
    assert_int_equal(token, 2);
    assert_false(flight_room(&f)); /* the oldest one still holds its place in the order */
    assert_true(flight_acked(&f, 1, 1, &token));
    assert_int_equal(f.n, 0);
    assert_int_equal(f.bytes, 0);
}

static void test_a_slow_link_gets_fewer_bytes_and_a_fast_one_more(void **state)
{
    struct flight f;
    uint64_t token;
    int64_t now = 0;
    int mid = 0;

    (void)state;
    flight_begin(&f, 0);
    for (int round = 0; round < 100; round++) {
        int first = mid;

        while (flight_room(&f))
            flight_sent(&f, ++mid, 0, 64000, now);
        now += 50;
        while (first < mid)
            assert_true(flight_acked(&f, ++first, now, &token));
    }
    assert_int_equal(f.bytes_max, FLIGHT_BYTES_MAX);
    for (int round = 0; round < 20; round++) {
        int first = mid;

        while (flight_room(&f))
            flight_sent(&f, ++mid, 0, 64000, now);
        now += 8000;
        while (first < mid)
            assert_true(flight_acked(&f, ++first, now, &token));
    }
    assert_int_equal(f.bytes_max, FLIGHT_BYTES_MIN);
    assert_true(flight_room(&f)); /* one always goes, whatever its size */
}

static void test_overdue_counts_from_when_it_waits_for_nothing_else(void **state)
{
    struct flight f;
    uint64_t token;

    (void)state;
    flight_begin(&f, 0);
    assert_false(flight_overdue(&f, 1000000));
    flight_sent(&f, 1, 1, 1000, 0);
    flight_sent(&f, 2, 2, 1000, 0);
    assert_false(flight_overdue(&f, FLIGHT_LIMIT_MS + 1000));
    assert_true(flight_overdue(&f, FLIGHT_LIMIT_MS + 1001));
    assert_true(flight_acked(&f, 1, 30000, &token));
    assert_false(flight_overdue(&f, 30000 + FLIGHT_LIMIT_MS));
    assert_true(flight_overdue(&f, 30000 + FLIGHT_LIMIT_MS + 1001));
    /* others that are acknowledged behind it do not excuse it */
    flight_sent(&f, 3, 3, 1000, 50000);
    assert_true(flight_acked(&f, 3, 60000, &token));
    assert_true(flight_overdue(&f, 30000 + FLIGHT_LIMIT_MS + 1001));
    /* a long message on the slowest link has its time */
    flight_begin(&f, 0);
    flight_sent(&f, 1, 1, 60000, 0);
    assert_false(flight_overdue(&f, FLIGHT_LIMIT_MS + 60000));
    assert_true(flight_overdue(&f, FLIGHT_LIMIT_MS + 60001));
}

static void test_the_back_off_doubles_to_its_bound(void **state)
{
    struct backoff b = {0};
    int64_t bound = BACKOFF_BASE_MS;

    (void)state;
    for (int i = 0; i < 20; i++) {
        int64_t most = backoff_next_ms(&b, 0, UINT32_MAX);

        assert_int_equal(most, bound - 1);
        bound = 2 * bound < BACKOFF_MAX_MS ? 2 * bound : BACKOFF_MAX_MS;
    }
    assert_int_equal(backoff_next_ms(&b, 0, 0), 0);
    assert_int_equal(backoff_next_ms(&b, 0, UINT32_MAX / 2), BACKOFF_MAX_MS / 2 - 1);
}

static void test_only_a_stable_connection_resets_it(void **state)
{
    struct backoff b = {0};

    (void)state;
    for (int i = 0; i < 5; i++)
        backoff_next_ms(&b, 0, 0);
    /* a broker that accepts, and drops after 59 s */
    assert_int_equal(backoff_next_ms(&b, BACKOFF_STABLE_MS - 1, UINT32_MAX), 31999);
    assert_int_equal(backoff_next_ms(&b, BACKOFF_STABLE_MS, UINT32_MAX), BACKOFF_SPREAD_MS - 1);
    assert_int_equal(backoff_next_ms(&b, 0, UINT32_MAX), BACKOFF_BASE_MS - 1);
}

/* A backlog that is always there, looked at every millisecond, in batches of 130. */
static void test_a_backlog_goes_at_its_cap_and_not_faster(void **state)
{
    struct drain d = {.per_s = 1000};
    uint64_t first_100_ms = 0, gone = 0;

    (void)state;
    for (int64_t now_us = 3600000000; now_us < 3610000000; now_us += 1000) {
        while (drain_allows(&d, now_us)) {
            drain_took(&d, 130, now_us);
            gone += 130;
        }
        if (now_us < 3600100000)
            first_100_ms = gone;
    }
    assert_in_range(first_100_ms, 130, 330); /* an hour of rest saved up 100 ms, not an hour */
    assert_in_range(gone, 9900, 10300);
    d.per_s = 0;
    for (int i = 0; i < 1000; i++) {
        assert_true(drain_allows(&d, 3610000000));
        drain_took(&d, 130, 3610000000);
    }
}

static void test_after_a_power_cut_gateways_come_back_spread_out(void **state)
{
    (void)state;
    assert_int_equal(backoff_first_ms(20000, UINT32_MAX), BACKOFF_BOOT_MS - 1);
    assert_int_equal(backoff_first_ms(20000, 0), 0);
    assert_int_equal(backoff_first_ms(BACKOFF_UP_MS, UINT32_MAX),
                     0); /* only the daemon restarted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_window_is_the_smaller_one),
        cmocka_unit_test(test_a_puback_out_of_order_frees_no_place_before_the_oldest),
        cmocka_unit_test(test_a_slow_link_gets_fewer_bytes_and_a_fast_one_more),
        cmocka_unit_test(test_overdue_counts_from_when_it_waits_for_nothing_else),
        cmocka_unit_test(test_the_back_off_doubles_to_its_bound),
        cmocka_unit_test(test_only_a_stable_connection_resets_it),
        cmocka_unit_test(test_a_backlog_goes_at_its_cap_and_not_faster),
        cmocka_unit_test(test_after_a_power_cut_gateways_come_back_spread_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
