/* AES-128-EAX; see eax.h. */
#include "core/eax.h"

#include <assert.h>
#include <string.h>

#include "noren/crypto.h"

/* Doubles in GF(2^128) (NIST SP 800-38B, 6.1). */
static void dbl(uint8_t b[16])
{
    uint8_t carry = b[0] >> 7;

    for (int i = 0; i < 15; i++)
        b[i] = (uint8_t)(b[i] << 1 | b[i + 1] >> 7);
    b[15] = (uint8_t)(b[15] << 1 ^ (carry != 0 ? 0x87 : 0));
}

/* OMAC with the tweak `t`: CMAC of a block that ends with t, then the message. */
static void omac(const uint8_t key[16], uint8_t t, const uint8_t *msg, size_t n, uint8_t ret[16])
{
    uint8_t subkey[16] = {0}, x[16] = {0};

    noren_aes128_block(key, subkey, subkey);
    dbl(subkey);
    x[15] = t;
    for (; n > 0; n -= n < 16 ? n : 16, msg += 16) {
        size_t m = n < 16 ? n : 16;

        noren_aes128_block(key, x, x);
        for (size_t i = 0; i < m; i++)
            x[i] ^= msg[i];
        if (m < 16) { /* padded with a one and zeros, under the second subkey */
            x[m] ^= 0x80;
            dbl(subkey);
        }
    }
    for (int i = 0; i < 16; i++)
        x[i] ^= subkey[i];
    noren_aes128_block(key, x, ret);
}

/* Counter mode from the nonce's MAC; both ways. */
static void ctr(const uint8_t key[16], const uint8_t start[16], const uint8_t *in, size_t n,
                uint8_t *out)
{
    uint8_t counter[16], pad[16];

    memcpy(counter, start, sizeof(counter));
    for (size_t i = 0; i < n; i++) {
        if (i % 16 == 0) {
            noren_aes128_block(key, counter, pad);
            for (int k = 15; k >= 0 && ++counter[k] == 0; k--)
                ;
        }
        out[i] = in[i] ^ pad[i % 16];
    }
}

static void tag_of(const uint8_t key[16], const uint8_t nonce_mac[16], const uint8_t *sealed,
                   size_t n, uint8_t ret[16])
{
    uint8_t header_mac[16];

    omac(key, 1, NULL, 0, header_mac);
    omac(key, 2, sealed, n, ret);
    for (int i = 0; i < 16; i++)
        ret[i] ^= nonce_mac[i] ^ header_mac[i];
}

bool eax_open(const uint8_t key[16], const uint8_t *nonce, size_t nonce_n, const uint8_t *in,
              size_t n, const uint8_t *tag, size_t tag_n, uint8_t *ret_plain)
{
    uint8_t nonce_mac[16], expected[16];

    assert(n <= EAX_TEXT_MAX && tag_n <= 16);
    omac(key, 0, nonce, nonce_n, nonce_mac);
    tag_of(key, nonce_mac, in, n, expected);
    if (memcmp(expected, tag, tag_n) != 0)
        return false;
    ctr(key, nonce_mac, in, n, ret_plain);
    return true;
}

void eax_seal(const uint8_t key[16], const uint8_t *nonce, size_t nonce_n, const uint8_t *plain,
              size_t n, uint8_t *ret_out, uint8_t *ret_tag, size_t tag_n)
{
    uint8_t nonce_mac[16], tag[16];

    assert(n <= EAX_TEXT_MAX && tag_n <= 16);
    omac(key, 0, nonce, nonce_n, nonce_mac);
    ctr(key, nonce_mac, plain, n, ret_out);
    tag_of(key, nonce_mac, ret_out, n, tag);
    memcpy(ret_tag, tag, tag_n);
}
