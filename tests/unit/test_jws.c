/* JWS: the vector of RFC 8037 A.4, and every way we know in which a token may lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "io/jws.h"

#define DATA NOREN_SOURCE_DIR "/tests/data/jws/"

static const char HEADER[] = "eyJhbGciOiJFZERTQSJ9.";
static const char BODY[] = "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.";
static const char SIGNATURE[] =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

static struct jws_key *load(const char *name)
{
    struct jws_key *k = NULL;

    assert_int_equal(jws_key_load(&k, name), 0);
    return k;
}

/* Verifies and expects `want`; the payload must be untouched on failure. */
static void expect(const struct jws_key *k, const char *token, int want)
{
    char *payload = NULL;
    size_t n = 99;

    assert_int_equal(jws_verify(k, token, strlen(token), &payload, &n), want);
    if (want != 0) {
        assert_null(payload);
        assert_int_equal(n, 99);
    }
    free(payload);
}

static void test_rfc8037_vector(void **state)
{
    struct jws_key *secret = load(DATA "rfc8037.pem"), *public = load(DATA "rfc8037.pub");
    char want[256], *token = NULL, *payload = NULL;
    size_t n = 0;

    (void)state;
    snprintf(want, sizeof(want), "%s%s%s", HEADER, BODY, SIGNATURE);
    assert_int_equal(jws_sign(secret, "Example of Ed25519 signing", 26, &token), 0);
    assert_string_equal(token, want);
    assert_int_equal(jws_verify(public, token, strlen(token), &payload, &n), 0);
    assert_int_equal(n, 26);
    assert_string_equal(payload, "Example of Ed25519 signing");
    free(payload);
    free(token);
    assert_int_equal(jws_sign(public, "x", 1, &token), -ENOKEY);
    jws_key_free(secret);
    jws_key_free(public);
}

static void test_every_changed_character_is_refused(void **state)
{
    struct jws_key *public = load(DATA "rfc8037.pub");
    char token[256];
    size_t n = (size_t)snprintf(token, sizeof(token), "%s%s%s", HEADER, BODY, SIGNATURE);

    (void)state;
    expect(public, token, 0);
    for (size_t i = 0; i < n; i++) {
        char was = token[i];

        token[i] = was == 'A' ? 'B' : 'A';
        expect(public, token, -EBADMSG);
        token[i] = was;
    }
    for (size_t cut = 0; cut < n; cut++) {
        char *payload;
        size_t ret_n;

        assert_int_equal(jws_verify(public, token, cut, &payload, &ret_n), -EBADMSG);
    }
    jws_key_free(public);
}

static void test_forgeries(void **state)
{
    struct jws_key *public = load(DATA "rfc8037.pub"), *other = load(DATA "other.pem");
    char token[256], *forged = NULL;

    (void)state;
    /* {"alg":"none"} without and with a signature; {"alg":"HS256"}; a dot too many; padding */
    snprintf(token, sizeof(token), "eyJhbGciOiJub25lIn0.%s", BODY);
    expect(public, token, -EBADMSG);
    snprintf(token, sizeof(token), "eyJhbGciOiJub25lIn0.%s%s", BODY, SIGNATURE);
    expect(public, token, -EBADMSG);
    snprintf(token, sizeof(token), "eyJhbGciOiJIUzI1NiJ9.%s%s", BODY, SIGNATURE);
    expect(public, token, -EBADMSG);
    snprintf(token, sizeof(token), "%s%s.%s", HEADER, BODY, SIGNATURE);
    expect(public, token, -EBADMSG);
    snprintf(token, sizeof(token), "%s%s%s=", HEADER, BODY, SIGNATURE);
    expect(public, token, -EBADMSG);
    /* the same signature with its two unused bits set: one token must have one spelling */
    snprintf(token, sizeof(token), "%s%s%s", HEADER, BODY, SIGNATURE);
    token[strlen(token) - 1] = 'h';
    expect(public, token, -EBADMSG);
    assert_int_equal(jws_sign(other, "Example of Ed25519 signing", 26, &forged), 0);
    expect(public, forged, -EBADMSG);
    free(forged);
    jws_key_free(public);
    jws_key_free(other);
}

static void test_round_trip_of_all_lengths(void **state)
{
    struct jws_key *k = load(DATA "other.pem");
    uint8_t bytes[70];

    (void)state;
    for (size_t n = 0; n < sizeof(bytes); n++) {
        char *token = NULL, *payload = NULL;
        size_t got = 0;

        bytes[n] = (uint8_t)(n * 37);
        assert_int_equal(jws_sign(k, bytes, n, &token), 0);
        assert_int_equal(jws_verify(k, token, strlen(token), &payload, &got), 0);
        assert_int_equal(got, n);
        assert_memory_equal(payload, bytes, n);
        free(token);
        free(payload);
    }
    jws_key_free(k);
}

static void test_wrong_key_files(void **state)
{
    struct jws_key *k = NULL;

    (void)state;
    assert_int_equal(jws_key_load(&k, DATA "p256.pem"), -EINVAL);
    assert_int_equal(jws_key_load(&k, NOREN_SOURCE_DIR "/tests/unit/test_jws.c"), -EINVAL);
    assert_int_equal(jws_key_load(&k, DATA "absent.pem"), -ENOENT);
    assert_null(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc8037_vector),
        cmocka_unit_test(test_every_changed_character_is_refused),
        cmocka_unit_test(test_forgeries),
        cmocka_unit_test(test_round_trip_of_all_lengths),
        cmocka_unit_test(test_wrong_key_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
