/* The table of members: who a token belongs to, and when nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/members.h"

#define NOON_US ((int64_t)NOREN_VECTOR_UNIX_S * NOREN_US_PER_S)
/* 2026-11-22T00:05:00Z: the step before is yesterday's */
#define MIDNIGHT_S ((int64_t)1795305600 + 300)

static struct members table(size_t capacity)
{
    struct members m;

    members_init(&m, calloc(1, members_size(capacity)), capacity);
    assert_non_null(m.memory);
    return m;
}

static void member_key(unsigned seed, uint8_t ret[32])
{
    for (unsigned i = 0; i < 32; i++)
        ret[i] = (uint8_t)(seed == 0 ? i : seed >> 8 * (i % 4)); /* 0: the key of the vectors */
}

static struct member make(const char *ref, unsigned seed, const uint32_t *dates, uint8_t dates_n)
{
    struct member in = {.consent = CONSENT_PRESENCE, .bucket = (uint16_t)(seed % 10000)};
    uint8_t key[32];

    member_key(seed, key);
    snprintf(in.ref, sizeof(in.ref), "%s", ref);
    in.days_n = dates_n;
    for (int i = 0; i < dates_n; i++) {
        in.days[i].date = dates[i];
        noren_day_key(key, dates[i], in.days[i].key);
    }
    return in;
}

static enum token_verdict verdict(struct members *m, unsigned seed, int64_t phone_s,
                                  struct member *ret)
{
    uint8_t key[32], day[NOREN_DAY_KEY_SIZE], mac[NOREN_TOKEN_MAC_SIZE];
    uint64_t step = noren_step(phone_s);

    member_key(seed, key);
    noren_day_key(key, noren_utc_date((int64_t)step * NOREN_STEP_S), day);
    noren_token_mac(day, step, mac);
    return members_resolve(m, (uint8_t)step, mac, ret);
}

static bool hears(struct members *m, unsigned seed, int64_t phone_s, struct member *ret)
{
    return verdict(m, seed, phone_s, ret) == TOKEN_RESOLVED;
}

static void test_window(void **state)
{
    const uint32_t dates[] = {20261121, 20261122};
    struct members m = table(4);
    struct member in = make("m-1", 0, dates, 2), out;

    (void)state;
    assert_null(members_add(&m, &in));
    assert_false(hears(&m, 0, NOREN_VECTOR_UNIX_S, &out)); /* no clock yet */
    members_clock(&m, NOON_US, CLOCK_SYNCED);
    assert_true(hears(&m, 0, NOREN_VECTOR_UNIX_S, &out));
    assert_string_equal(out.ref, "m-1");
    assert_int_equal(out.consent, CONSENT_PRESENCE);
    assert_true(hears(&m, 0, NOREN_VECTOR_UNIX_S - 900, &out));
    assert_true(hears(&m, 0, NOREN_VECTOR_UNIX_S + 900, &out));
    assert_false(hears(&m, 0, NOREN_VECTOR_UNIX_S - 1800, &out));
    assert_false(hears(&m, 0, NOREN_VECTOR_UNIX_S + 1800, &out));
    members_clock(&m, NOON_US + 1800 * NOREN_US_PER_S, CLOCK_HELD);
    assert_false(hears(&m, 0, NOREN_VECTOR_UNIX_S, &out));
    assert_true(hears(&m, 0, NOREN_VECTOR_UNIX_S + 2700, &out));
    members_clock(&m, NOON_US, CLOCK_FLOOR);
    assert_false(hears(&m, 0, NOREN_VECTOR_UNIX_S, &out));
    free(m.memory);
}

static void test_vector(void **state)
{
    /* the wire contract's own token, MAC from its seventh byte on */
    const uint8_t mac[] = {0x27, 0x9c, 0x20, 0xfd, 0x04, 0xad, 0x62, 0x5a, 0xe1, 0x68};
    const uint32_t dates[] = {NOREN_VECTOR_DATE};
    struct members m = table(4);
    struct member in = make("m-1", 0, dates, 1), out;
    uint8_t wrong[sizeof(mac)];

    (void)state;
    assert_null(members_add(&m, &in));
    members_clock(&m, NOON_US, CLOCK_SYNCED);
    assert_int_equal(members_resolve(&m, NOREN_VECTOR_STEP & 255, mac, &out), TOKEN_RESOLVED);
    assert_int_equal(members_resolve(&m, (NOREN_VECTOR_STEP + 1) & 255, mac, &out), TOKEN_UNKNOWN);
    for (size_t bit = 0; bit < 8 * sizeof(mac); bit++) {
        memcpy(wrong, mac, sizeof(mac));
        wrong[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(members_resolve(&m, NOREN_VECTOR_STEP & 255, wrong, &out), TOKEN_UNKNOWN);
    }
    free(m.memory);
}

/* More tokens than are remembered, heard in turn: each is known every time, and none that nobody said. */
static void test_remembered(void **state)
{
    enum { MANY = MEMBERS_HEARD + MEMBERS_HEARD / 2 };
    const uint32_t dates[] = {NOREN_VECTOR_DATE};
    struct members m = table(MANY);
    uint8_t(*mac)[NOREN_TOKEN_MAC_SIZE] = calloc(MANY, sizeof(*mac));
    struct member out;
    char ref[NOREN_ID_SIZE];

    (void)state;
    assert_non_null(mac);
    for (unsigned i = 0; i < MANY; i++) {
        struct member in = {.days_n = 1, .days[0].date = dates[0]};

        snprintf(in.ref, sizeof(in.ref), "m-%u", i);
        memcpy(in.days[0].key, &i, sizeof(i));
        noren_token_mac(in.days[0].key, NOREN_VECTOR_STEP, mac[i]);
        assert_null(members_add(&m, &in));
    }
    members_clock(&m, NOON_US, CLOCK_SYNCED);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            snprintf(ref, sizeof(ref), "m-%u", i);
            assert_int_equal(members_resolve(&m, (uint8_t)NOREN_VECTOR_STEP, mac[i], &out),
                             TOKEN_RESOLVED);
            assert_string_equal(out.ref, ref);
            /* said as of the step before and after: another token, also of one that is remembered */
            assert_int_equal(members_resolve(&m, (uint8_t)(NOREN_VECTOR_STEP + 1), mac[i], &out),
                             TOKEN_UNKNOWN);
            assert_int_equal(members_resolve(&m, (uint8_t)(NOREN_VECTOR_STEP - 1), mac[i], &out),
                             TOKEN_UNKNOWN);
            mac[i][9] ^= 1; /* beyond what a slot keeps */
            assert_int_equal(members_resolve(&m, (uint8_t)NOREN_VECTOR_STEP, mac[i], &out),
                             TOKEN_UNKNOWN);
            mac[i][9] ^= 1;
        }
    }
    assert_true(members_forget(&m, "m-7"));
    assert_int_equal(members_resolve(&m, (uint8_t)NOREN_VECTOR_STEP, mac[7], &out), TOKEN_UNKNOWN);
    free(mac);
    free(m.memory);
}

/* Around midnight the three steps belong to two dates, each with its own key. */
static void test_midnight(void **state)
{
    const uint32_t both[] = {20261121, 20261122}, today[] = {20261122};
    struct members m = table(4);
    struct member in = make("both", 1, both, 2), late = make("today", 2, today, 1), out;

    (void)state;
    assert_null(members_add(&m, &in));
    assert_null(members_add(&m, &late));
    members_clock(&m, MIDNIGHT_S * NOREN_US_PER_S, CLOCK_SYNCED);
    assert_true(hears(&m, 1, MIDNIGHT_S - 900, &out));
    assert_true(hears(&m, 1, MIDNIGHT_S, &out));
    assert_false(hears(&m, 2, MIDNIGHT_S - 900, &out)); /* we never had yesterday's key */
    assert_true(hears(&m, 2, MIDNIGHT_S, &out));
    /* from 00:15 on yesterday's key is gone for good, even if the clock is set back */
    members_clock(&m, (MIDNIGHT_S + 900) * NOREN_US_PER_S, CLOCK_SYNCED);
    members_clock(&m, (MIDNIGHT_S - 900) * NOREN_US_PER_S, CLOCK_SYNCED);
    assert_false(hears(&m, 1, MIDNIGHT_S - 900, &out));
    assert_true(hears(&m, 1, MIDNIGHT_S, &out));
    free(m.memory);
}

static void test_refusals(void **state)
{
    const uint32_t dates[] = {20261121, 20261122, 20261123, 20261124};
    struct members m = table(2);
    struct member in = make("a", 1, dates, 3), out;

    (void)state;
    assert_null(members_add(&m, &in));
    in = make("b", 2, dates + 1, 3);
    assert_non_null(members_add(&m, &in)); /* a fourth date */
    in = make("", 2, dates, 1);
    assert_non_null(members_add(&m, &in));
    in = make("b", 2, dates, 1);
    in.bucket = 10000;
    assert_non_null(members_add(&m, &in));
    in.bucket = 9999;
    assert_null(members_add(&m, &in));
    in = make("c", 3, dates, 1);
    assert_non_null(members_add(&m, &in)); /* full */
    assert_int_equal(m.n, 2);
    members_clock(&m, NOON_US, CLOCK_SYNCED);
    assert_true(hears(&m, 2, NOREN_VECTOR_UNIX_S, &out));
    assert_int_equal(out.bucket, 9999);
    free(m.memory);
}

static void test_many(void **state)
{
    const uint32_t dates[] = {20261121};
    const unsigned n = 3000;
    struct members m = table(n);
    struct member out;
    char ref[NOREN_ID_SIZE];

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        snprintf(ref, sizeof(ref), "member-%u", i);
        struct member in = make(ref, i + 1, dates, 1);
        assert_null(members_add(&m, &in));
    }
    members_clock(&m, NOON_US, CLOCK_SYNCED);
    for (unsigned i = 0; i < n; i++) {
        snprintf(ref, sizeof(ref), "member-%u", i);
        assert_true(hears(&m, i + 1, NOREN_VECTOR_UNIX_S, &out));
        assert_string_equal(out.ref, ref);
    }
    for (unsigned i = n; i < 2 * n; i++)
        assert_false(hears(&m, i + 1, NOREN_VECTOR_UNIX_S, &out));
    free(m.memory);
}

/* Whatever the pace of calls, the window is right after each: each second, each minute, after hours of
 * none; and preparing a table in pieces leaves nothing to be done at once. */
static void test_pace(void **state)
{
    const uint32_t dates[] = {20261121, 20261122};
    const int64_t paces_s[] = {1, 60, 899, 5000};
    struct members m = table(50);
    char ref[NOREN_ID_SIZE];
    struct member out;
    int pieces = 0;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        snprintf(ref, sizeof(ref), "m-%u", i);
        struct member in = make(ref, i, dates, 2);
        assert_null(members_add(&m, &in));
    }
    while (!members_prepare(&m, NOON_US, 7))
        pieces++;
    assert_int_equal(pieces, 3 * 50 / 7);
    for (size_t p = 0; p < sizeof(paces_s) / sizeof(paces_s[0]); p++) {
        for (int64_t t = NOREN_VECTOR_UNIX_S; t < NOREN_VECTOR_UNIX_S + 12000; t += paces_s[p]) {
            members_clock(&m, t * NOREN_US_PER_S, CLOCK_SYNCED);
            if (paces_s[p] == 1 && t % 97 != 0)
                continue;
            assert_false(hears(&m, 49, t - 1800, &out));
            assert_true(hears(&m, 49, t - 900, &out));
            assert_true(hears(&m, 0, t, &out));
            assert_true(hears(&m, 49, t + 900, &out));
            assert_false(hears(&m, 49, t + 1800, &out));
        }
    }
    free(m.memory);
}

/* What is refused says why, so that what is played back can be counted apart from what is made up. */
static void test_verdicts(void **state)
{
    const uint32_t dates[] = {20261121};
    struct members m = table(4);
    struct member in = make("m-1", 0, dates, 1), out;

    (void)state;
    in.staff = true;
    assert_null(members_add(&m, &in));
    assert_int_equal(verdict(&m, 0, NOREN_VECTOR_UNIX_S, &out), TOKEN_CLOSED);
    members_clock(&m, NOON_US, CLOCK_SYNCED);
    assert_int_equal(verdict(&m, 0, NOREN_VECTOR_UNIX_S, &out), TOKEN_RESOLVED);
    assert_true(out.staff);
    assert_int_equal(out.consent, CONSENT_PRESENCE);
    assert_int_equal(verdict(&m, 9, NOREN_VECTOR_UNIX_S, &out), TOKEN_UNKNOWN);
    assert_int_equal(verdict(&m, 0, NOREN_VECTOR_UNIX_S - 1800, &out), TOKEN_LATE);
    assert_int_equal(verdict(&m, 0, NOREN_VECTOR_UNIX_S + 1800, &out), TOKEN_EARLY);
    free(m.memory);
}

/* A forgotten member is nobody, and no byte of the name or a key is left. */
static void test_forget(void **state)
{
    const uint32_t dates[] = {20261121};
    struct members m = table(3);
    struct member out, in;
    const char *ref;
    int n = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        char name[NOREN_ID_SIZE];

        snprintf(name, sizeof(name), "somebody-%u", i);
        in = make(name, i + 1, dates, 1);
        assert_null(members_add(&m, &in));
    }
    in = make("somebody-1", 2, dates, 1);
    members_clock(&m, NOON_US, CLOCK_SYNCED);
    assert_true(members_find(&m, "somebody-1", &out));
    assert_int_equal(out.bucket, 2);
    assert_non_null(memmem(m.memory, members_size(3), "somebody-1", 10));
    assert_non_null(memmem(m.memory, members_size(3), in.days[0].key, NOREN_DAY_KEY_SIZE));
    assert_true(members_forget(&m, "somebody-1"));
    assert_null(memmem(m.memory, members_size(3), "somebody-1", 10));
    assert_null(memmem(m.memory, members_size(3), in.days[0].key, NOREN_DAY_KEY_SIZE));
    assert_false(members_forget(&m, "somebody-1"));
    assert_false(members_find(&m, "somebody-1", &out));
    for (ref = members_next_ref(&m, NULL); ref != NULL; ref = members_next_ref(&m, ref), n++)
        assert_string_not_equal(ref, "somebody-1");
    assert_int_equal(n, 2);
    for (int64_t later = 0; later < 4 * 900; later += 900) {
        members_clock(&m, NOON_US + later * NOREN_US_PER_S, CLOCK_SYNCED);
        assert_true(hears(&m, 1, NOREN_VECTOR_UNIX_S + later, &out));
        assert_false(hears(&m, 2, NOREN_VECTOR_UNIX_S + later, &out));
        assert_true(hears(&m, 3, NOREN_VECTOR_UNIX_S + later, &out));
    }
    free(m.memory);
}

static void test_nobody(void **state)
{
    struct members m = {0};
    const uint8_t mac[NOREN_TOKEN_MAC_SIZE] = {0};
    struct member out;

    (void)state;
    members_clock(&m, NOON_US, CLOCK_SYNCED);
    assert_int_equal(members_resolve(&m, 0, mac, &out), TOKEN_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),     cmocka_unit_test(test_vector),
        cmocka_unit_test(test_remembered), cmocka_unit_test(test_midnight),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_many),
        cmocka_unit_test(test_pace),       cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_verdicts),   cmocka_unit_test(test_forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
