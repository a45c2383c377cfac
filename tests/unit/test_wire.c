/* The vectors of include/noren/wire.h: the contract with app, HQ and firmware. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "noren/wire.h"

static void assert_hex(const uint8_t *bytes, size_t n, const char *hex)
{
    char text[129] = "";

    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
    assert_string_equal(text, hex);
}

static void test_token_vector(void **state)
{
    uint8_t key[32], day[NOREN_DAY_KEY_SIZE], token[NOREN_TOKEN_SIZE], ad[18];

    (void)state;
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    assert_int_equal(noren_step(NOREN_VECTOR_UNIX_S), NOREN_VECTOR_STEP);
    assert_int_equal(noren_utc_date(NOREN_VECTOR_UNIX_S), NOREN_VECTOR_DATE);
    noren_day_key(key, NOREN_VECTOR_DATE, day);
    assert_hex(day, sizeof(day), NOREN_VECTOR_DAY_KEY);
    noren_token(day, NOREN_VECTOR_STEP, token);
    assert_hex(token, sizeof(token), NOREN_VECTOR_TOKEN);
    noren_token_ad(token, ad);
    assert_int_equal(ad[0], 17);
    assert_int_equal(ad[1], 0x07);
    assert_hex(ad + 2, 16, NOREN_VECTOR_ON_AIR);
}

static void test_beacon_vector(void **state)
{
    uint8_t key[16];

    (void)state;
    for (int i = 0; i < 16; i++)
        key[i] = (uint8_t)i;
    assert_int_equal(noren_beacon_minor(key, NOREN_VECTOR_STEP), NOREN_VECTOR_MINOR);
}

static void test_utc_date(void **state)
{
    (void)state;
    assert_int_equal(noren_utc_date(0), 19700101);
    assert_int_equal(noren_utc_date(951782399), 20000228);
    assert_int_equal(noren_utc_date(951782400), 20000229);
    assert_int_equal(noren_utc_date(951868800), 20000301);
    assert_int_equal(noren_utc_date(1798761599), 20261231);
    assert_int_equal(noren_utc_date(1798761600), 20270101);
}

static void test_node_round_trip(void **state)
{
    const uint8_t key[16] = {7};
    struct noren_node n = {
        .node = 0x0102, .cell = 3, .counter = 99, .mass_dg = -12345, .status = 1};
    uint8_t ad[NOREN_NODE_AD_SIZE], nonce[13], body[NOREN_NODE_BODY];

    (void)state;
    noren_node_ad(key, &n, ad);
    assert_int_equal(ad[0], 30);
    assert_int_equal(ad[1], 0x21);
    assert_int_equal(ad[2], 0x02); /* reversed: the node number comes first on air */
    assert_int_equal(ad[3], 0x01);
    noren_node_nonce(n.node, n.counter, nonce);
    assert_int_equal(
        noren_aes_ccm_open(key, nonce, ad + 1, NOREN_NODE_HEADER - 1, ad + 23, 4, ad + 27, body),
        0);
    assert_int_equal(rd_sign_extend((uint64_t)(body[0] | body[1] << 8 | body[2] << 16), 24),
                     -12345);
    assert_int_equal(body[3], 1);
    ad[19] ^= 1; /* the counter is authenticated */
    assert_int_equal(
        noren_aes_ccm_open(key, nonce, ad + 1, NOREN_NODE_HEADER - 1, ad + 23, 4, ad + 27, body),
        -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_vector),
        cmocka_unit_test(test_beacon_vector),
        cmocka_unit_test(test_utc_date),
        cmocka_unit_test(test_node_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
