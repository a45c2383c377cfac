/* The firmware's crypto against libcrypto: the two sides of one seam must agree on every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "noren/crypto.h"

/* the same names as the gateway's implementation, so the firmware's are renamed here */
#define NOREN_CRYPTO_H
void fw_hmac_sha256(const uint8_t *, size_t, const uint8_t *, size_t, uint8_t *);
void fw_aes128_block(const uint8_t *, const uint8_t *, uint8_t *);
int fw_aes_ccm_open(const uint8_t *, const uint8_t *, const uint8_t *, size_t, const uint8_t *,
                    size_t, const uint8_t *, uint8_t *);
void fw_aes_ccm_seal(const uint8_t *, const uint8_t *, const uint8_t *, size_t, const uint8_t *,
                     size_t, uint8_t *, uint8_t *);
#define noren_hmac_sha256  fw_hmac_sha256
#define noren_aes128_block fw_aes128_block
#define noren_aes_ccm_open fw_aes_ccm_open
#define noren_aes_ccm_seal fw_aes_ccm_seal
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-parameter"
#include "crypto/crypto.c" /* NOLINT(bugprone-suspicious-include): a second copy under other names */
#pragma GCC diagnostic pop
#undef noren_hmac_sha256
#undef noren_aes128_block
#undef noren_aes_ccm_open
#undef noren_aes_ccm_seal

static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(rand() >> 7);
}

static void test_hmac(void **state)
{
    uint8_t key[100], msg[300], ours[32], theirs[32];

    (void)state;
    for (size_t n = 0; n < sizeof(msg); n++) {
        fill(key, sizeof(key));
        fill(msg, sizeof(msg));
        fw_hmac_sha256(key, n % 101, msg, n, ours);
        noren_hmac_sha256(key, n % 101, msg, n, theirs);
        assert_memory_equal(ours, theirs, 32);
    }
}

static void test_aes(void **state)
{
    uint8_t key[16], in[16], ours[16], theirs[16];

    (void)state;
    for (int i = 0; i < 200; i++) {
        fill(key, 16);
        fill(in, 16);
        fw_aes128_block(key, in, ours);
        noren_aes128_block(key, in, theirs);
        assert_memory_equal(ours, theirs, 16);
    }
}

static void test_ccm(void **state)
{
    uint8_t key[16], nonce[13], aad[40], plain[64], sealed[64], opened[64], tag[4], tag2[4],
        other[64];

    (void)state;
    for (size_t n = 0; n <= 64; n++) {
        size_t aad_n = n % 40;

        fill(key, 16);
        fill(nonce, 13);
        fill(aad, sizeof(aad));
        fill(plain, sizeof(plain));
        fw_aes_ccm_seal(key, nonce, aad, aad_n, plain, n, sealed, tag);
        noren_aes_ccm_seal(key, nonce, aad, aad_n, plain, n, other, tag2);
        assert_memory_equal(sealed, other, n);
        assert_memory_equal(tag, tag2, 4);
        assert_int_equal(noren_aes_ccm_open(key, nonce, aad, aad_n, sealed, n, tag, opened), 0);
        assert_memory_equal(opened, plain, n);
        assert_int_equal(fw_aes_ccm_open(key, nonce, aad, aad_n, sealed, n, tag, opened), 0);
        tag[n % 4] ^= 1;
        assert_int_equal(fw_aes_ccm_open(key, nonce, aad, aad_n, sealed, n, tag, opened), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_aes),
        cmocka_unit_test(test_ccm),
    };

    srand(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
