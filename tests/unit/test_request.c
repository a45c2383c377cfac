/* Requests and bundles: what is read, what is refused and where, and keys that follow each other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "io/bundle.h"
#include "io/request.h"

#define US "acme/s1/gw1"
#define ENVELOPE                                                                      \
    "{\"id\":\"17\",\"name\":\"recount\",\"to\":\"" US "\",\"actor\":\"yuki\","       \
    "\"issued_at\":\"2026-11-21T09:00:00Z\",\"expires_at\":\"2026-11-21T09:05:00Z\"," \
    "\"args\":{\"target\":\"p1\",\"quantity\":3}}"

static void envelope_and_flat_form_are_one_command(void **state)
{
    static const char flat[] =
        "{\"quantity\":3, \"name\":\"recount\",\"target\":\"p1\",\"id\":\"99\"}";
    char error[REQUEST_ERROR_SIZE];
    struct request a, b;

    (void)state;
    assert_true(request_read_envelope(&a, ENVELOPE, strlen(ENVELOPE), error));
    assert_true(request_read_flat(&b, flat, strlen(flat), error));
    assert_string_equal(a.id, "17");
    assert_string_equal(a.actor, "yuki");
    assert_string_equal(a.to, US);
    assert_true(a.expires_us - a.issued_us == 300 * NOREN_US_PER_S);
    assert_string_equal(json_string_value(json_object_get(a.flat, "target")), "p1");
    assert_string_equal(a.digest, b.digest); /* whatever the id, the order and the spaces */
    request_free(&a);
    request_free(&b);
}

static void another_argument_is_another_command(void **state)
{
    char text[] = ENVELOPE, error[REQUEST_ERROR_SIZE];
    struct request a, b;

    (void)state;
    assert_true(request_read_envelope(&a, text, strlen(text), error));
    *strstr(text, ":3}") = ':';
    strstr(text, ":3}")[1] = '4';
    assert_true(request_read_envelope(&b, text, strlen(text), error));
    assert_string_not_equal(a.digest, b.digest);
    request_free(&a);
    request_free(&b);
}

static void bad_envelopes_name_the_place(void **state)
{
    static const struct {
        const char *from, *to, *error;
    } rows[] = {
        {"\"to\":\"" US "\",", "", "\"to\" is missing"},
        {"\"actor\":\"yuki\",", "", "\"actor\" is missing"},
        {"09:05:00Z", "08:00:00Z", "expires_at: is not after"},
        {"09:05:00Z", "09:05", "expires_at: \"2026-11-21T09:05\" is no time"},
        {"\"args\":{", "\"args\":{\"id\":\"x\",", "args: must not have an id"},
        {"\"args\":{", "\"extra\":{", "unknown name \"extra\""},
        {"\"id\":\"17\"", "\"id\":17", "id: must be a string"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1024], error[REQUEST_ERROR_SIZE] = "";
        const char *at = strstr(ENVELOPE, rows[i].from);
        struct request r;

        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - ENVELOPE), ENVELOPE, rows[i].to,
                 at + strlen(rows[i].from));
        assert_false(request_read_envelope(&r, text, strlen(text), error));
        if (strstr(error, rows[i].error) == NULL)
            fail_msg("row %zu: %s", i, error);
    }
}

static void a_bundle_is_for_whom_it_names(void **state)
{
    (void)state;
    assert_true(bundle_is_for(US, US));
    assert_true(bundle_is_for("acme/s1", US));
    assert_true(bundle_is_for("acme", US));
    assert_false(bundle_is_for("acme/s", US));
    assert_false(bundle_is_for("acme/s1/gw", US));
    assert_false(bundle_is_for("acme/s1/gw10", US));
    assert_false(bundle_is_for("", US));
}

static void config_keeps_within_its_bounds(void **state)
{
    static const struct {
        const char *config, *error; /* NULL: taken */
    } rows[] = {
        {"{}", NULL},
        {"{\"mqtt\":{\"host\":\"h\",\"port\":1883}}", NULL},
        {"{\"storage\":{\"quota_mb\":64}}", NULL},
        {"{\"mqtt\":{\"port\":1883}}", "config.mqtt: \"host\" is missing"},
        {"{\"mqtt\":{\"host\":\"a b\"}}", "config.mqtt.host: is no host name"},
        {"{\"mqtt\":{\"host\":\"h\",\"confirm_s\":1}}", "config.mqtt.confirm_s: is 1, must be 10"},
        {"{\"storage\":{\"quota_mb\":1}}", "config.storage.quota_mb: is 1, must be 16"},
        {"{\"data_dir\":\"/\"}", "config: unknown name \"data_dir\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[512], error[BUNDLE_ERROR_SIZE] = "";
        struct bundle b;

        snprintf(text, sizeof(text), "{\"to\":\"acme\",\"revision\":1,\"config\":%s}",
                 rows[i].config);
        assert_int_equal(bundle_read(&b, text, strlen(text), error),
                         rows[i].error == NULL ? 0 : -EINVAL);
        if (rows[i].error != NULL && strstr(error, rows[i].error) == NULL)
            fail_msg("row %zu: %s", i, error);
        if (rows[i].error == NULL)
            bundle_free(&b);
    }
}

/* --- keys --------------------------------------------------------------------------------------- */

static struct jws_key *make_key(void)
{
    char path[] = "/tmp/noren-test-key-XXXXXX";
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    FILE *f = fdopen(mkstemp(path), "w");
    struct jws_key *k = NULL;

    assert_non_null(pkey);
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    EVP_PKEY_free(pkey);
    assert_int_equal(jws_key_load(&k, path), 0);
    remove(path);
    return k;
}

#define CHAIN_SIZE 2048

/* One line of a chain (CHAIN_SIZE bytes): `by` says that `next` signs from now on. */
static void add_step(char *chain, const struct jws_key *by, const struct jws_key *next,
                     int revision)
{
    uint8_t bytes[JWS_PUBLIC_SIZE];
    char hex[2 * JWS_PUBLIC_SIZE + 1], error[BUNDLE_ERROR_SIZE], *payload, *token;

    assert_int_equal(jws_key_public(next, bytes), 0);
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    assert_int_equal(
        bundle_make(BUNDLE_KEYS, "acme", revision, hex, strlen(hex), NULL, 0, &payload, error), 0);
    assert_int_equal(jws_sign(by, payload, strlen(payload), &token), 0);
    snprintf(chain + strlen(chain), CHAIN_SIZE - strlen(chain), "%s\n", token);
    free(payload);
    free(token);
}

static void expect_key(const struct jws_key *k, const struct jws_key *same)
{
    uint8_t a[JWS_PUBLIC_SIZE], b[JWS_PUBLIC_SIZE];

    assert_int_equal(jws_key_public(k, a), 0);
    assert_int_equal(jws_key_public(same, b), 0);
    assert_memory_equal(a, b, sizeof(a));
}

static void keys_follow_each_other_and_never_go_back(void **state)
{
    struct jws_key *k1 = make_key(), *k2 = make_key(), *k3 = make_key(), *thief = make_key();
    struct jws_key *ours = make_key();
    uint8_t first[JWS_PUBLIC_SIZE];
    char chain[CHAIN_SIZE] = "", forged[CHAIN_SIZE] = "", error[BUNDLE_ERROR_SIZE] = "";
    int64_t revision = 0;

    (void)state;
    assert_int_equal(jws_key_public(k1, first), 0);
    add_step(chain, k1, k2, 1);
    add_step(chain, k2, k3, 2);
    assert_int_equal(jws_key_replace(ours, first), 0);
    assert_int_equal(bundle_follow_keys(ours, chain, strlen(chain), US, &revision, error), 2);
    assert_int_equal(revision, 2);
    expect_key(ours, k3);
    /* the same chain again, and what a thief with the retired key makes of it */
    assert_int_equal(bundle_follow_keys(ours, chain, strlen(chain), US, &revision, error), 0);
    add_step(forged, k1, thief, 9);
    add_step(forged, thief, k1, 10);
    assert_int_equal(bundle_follow_keys(ours, forged, strlen(forged), US, &revision, error), 0);
    expect_key(ours, k3);
    /* a chain for somebody else, and one that is broken in the middle */
    assert_int_equal(jws_key_replace(ours, first), 0);
    assert_int_equal(
        bundle_follow_keys(ours, chain, strlen(chain), "other/s1/gw1", &revision, error), 0);
    expect_key(ours, k1);
    forged[0] = '\0';
    add_step(forged, k1, k2, 1);
    add_step(forged, thief, k3, 2);
    assert_true(bundle_follow_keys(ours, forged, strlen(forged), US, &revision, error) < 0);
    jws_key_free(k1);
    jws_key_free(k2);
    jws_key_free(k3);
    jws_key_free(thief);
    jws_key_free(ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelope_and_flat_form_are_one_command),
        cmocka_unit_test(another_argument_is_another_command),
        cmocka_unit_test(bad_envelopes_name_the_place),
        cmocka_unit_test(a_bundle_is_for_whom_it_names),
        cmocka_unit_test(config_keeps_within_its_bounds),
        cmocka_unit_test(keys_follow_each_other_and_never_go_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
