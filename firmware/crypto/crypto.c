/* The crypto seam on a microcontroller: SHA-256, AES-128 and CCM small enough for a Cortex-M0.
 *
 * Encryption direction only (CCM and the token MACs need no more), tables of 256 bytes (S-box) and 256
 * bytes (round constants of SHA-256), no heap, no secret-dependent branches. The S-box look-up is not
 * constant-time against a cache, which an M0 does not have. The nRF51's ECB block was rejected for now:
 * no emulator has it, and one frame a second needs 0.2 ms of software AES.
 */
#include "noren/crypto.h"

#include <string.h>

#define SHA_BLOCK 64

struct sha256 {
    uint32_t h[8];
    uint8_t block[SHA_BLOCK];
    size_t n; /* bytes in all */
};

/* FIPS 180-4, 4.2.2 */
static const uint32_t SHA_K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate_right(uint32_t v, unsigned n)
{
    return v >> n | v << (32 - n);
}

/* FIPS 180-4, 6.2.2 */
static void sha_compress(struct sha256 *s)
{
    uint32_t w[64], v[8];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)s->block[4 * i] << 24 | (uint32_t)s->block[4 * i + 1] << 16 |
               (uint32_t)s->block[4 * i + 2] << 8 | s->block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + w[i - 7] + (rotate_right(a, 7) ^ rotate_right(a, 18) ^ a >> 3) +
               (rotate_right(b, 17) ^ rotate_right(b, 19) ^ b >> 10);
    }
    memcpy(v, s->h, sizeof(v));
    for (int i = 0; i < 64; i++) {
        uint32_t e = v[4], a = v[0];
        uint32_t t1 = v[7] + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + SHA_K[i] + w[i];
        uint32_t t2 = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        s->h[i] += v[i];
}

static void sha_begin(struct sha256 *s)
{
    static const uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(s->h, h, sizeof(h));
    s->n = 0;
}

static void sha_add(struct sha256 *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->block[s->n++ % SHA_BLOCK] = p[i];
        if (s->n % SHA_BLOCK == 0)
            sha_compress(s);
    }
}

static void sha_end(struct sha256 *s, uint8_t ret_hash[32])
{
    uint64_t bits = (uint64_t)s->n * 8;
    uint8_t end = 0x80, length[8];

    sha_add(s, &end, 1);
    end = 0;
    while (s->n % SHA_BLOCK != SHA_BLOCK - 8)
        sha_add(s, &end, 1);
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    sha_add(s, length, 8);
    for (int i = 0; i < 32; i++)
        ret_hash[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void noren_hmac_sha256(const uint8_t *key, size_t key_n, const uint8_t *msg, size_t n,
                       uint8_t ret_mac[32])
{
    struct sha256 s;
    uint8_t pad[SHA_BLOCK] = {0}, inner[32];

    if (key_n > SHA_BLOCK) { /* RFC 2104, 2: a long key is hashed first */
        sha_begin(&s);
        sha_add(&s, key, key_n);
        sha_end(&s, pad);
    } else {
        memcpy(pad, key, key_n);
    }
    for (int i = 0; i < SHA_BLOCK; i++)
        pad[i] ^= 0x36;
    sha_begin(&s);
    sha_add(&s, pad, sizeof(pad));
    sha_add(&s, msg, n);
    sha_end(&s, inner);
    for (int i = 0; i < SHA_BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    sha_begin(&s);
    sha_add(&s, pad, sizeof(pad));
    sha_add(&s, inner, sizeof(inner));
    sha_end(&s, ret_mac);
}

/* FIPS 197, 5.1.1 */
static const uint8_t SBOX[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16};

/* Multiplication by x in GF(2^8), FIPS 197, 4.2.1 */
static uint8_t xtime(uint8_t b)
{
    return (uint8_t)(b << 1 ^ (b >> 7) * 0x1b);
}

/* The next round key in place, FIPS 197, 5.2. */
static void next_round_key(uint8_t k[16], uint8_t rcon)
{
    k[0] ^= SBOX[k[13]] ^ rcon;
    k[1] ^= SBOX[k[14]];
    k[2] ^= SBOX[k[15]];
    k[3] ^= SBOX[k[12]];
    for (int i = 4; i < 16; i++)
        k[i] ^= k[i - 4];
}

void noren_aes128_block(const uint8_t key[16], const uint8_t in[16], uint8_t ret_out[16])
{
    uint8_t k[16], s[16], t[16], rcon = 1;

    memcpy(k, key, 16);
    for (int i = 0; i < 16; i++)
        s[i] = in[i] ^ k[i];
    for (int round = 1; round <= 10; round++) {
        for (int i = 0; i < 16; i++) /* SubBytes and ShiftRows in one */
            t[i] = SBOX[s[(i + 4 * (i % 4)) % 16]];
        for (int c = 0; c < 16 && round < 10; c += 4) { /* MixColumns */
            uint8_t all = t[c] ^ t[c + 1] ^ t[c + 2] ^ t[c + 3], first = t[c];

            for (int i = 0; i < 4; i++) {
                uint8_t next = i < 3 ? t[c + i + 1] : first;

                t[c + i] ^= all ^ xtime(t[c + i] ^ next);
            }
        }
        next_round_key(k, rcon);
        rcon = xtime(rcon);
        for (int i = 0; i < 16; i++)
            s[i] = t[i] ^ k[i];
    }
    memcpy(ret_out, s, 16);
}

/* CBC-MAC over B0, the associated data and the message (RFC 3610, 2.2; M = 4, L = 2). */
static void ccm_mac(const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_n,
                    const uint8_t *plain, size_t n, uint8_t ret_x[16])
{
    uint8_t x[16] = {0};
    size_t at = 2;

    x[0] = (uint8_t)((aad_n > 0 ? 0x40 : 0) | (4 - 2) / 2 << 3 | (2 - 1));
    memcpy(x + 1, nonce, 13);
    x[14] = (uint8_t)(n >> 8);
    x[15] = (uint8_t)n;
    noren_aes128_block(key, x, x);
    if (aad_n > 0) {
        x[0] ^= (uint8_t)(aad_n >> 8);
        x[1] ^= (uint8_t)aad_n;
        for (size_t i = 0; i < aad_n; i++) {
            x[at++] ^= aad[i];
            if (at == 16 || i + 1 == aad_n) {
                noren_aes128_block(key, x, x);
                at = 0;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        x[i % 16] ^= plain[i];
        if (i % 16 == 15 || i + 1 == n)
            noren_aes128_block(key, x, x);
    }
    memcpy(ret_x, x, 16);
}

/* Key stream block i (RFC 3610, 2.3). */
static void ccm_stream(const uint8_t *key, const uint8_t *nonce, unsigned i, uint8_t ret_s[16])
{
    uint8_t a[16] = {1};

    memcpy(a + 1, nonce, 13);
    a[14] = (uint8_t)(i >> 8);
    a[15] = (uint8_t)i;
    noren_aes128_block(key, a, ret_s);
}

static void ccm_crypt(const uint8_t *key, const uint8_t *nonce, const uint8_t *in, size_t n,
                      uint8_t *ret_out)
{
    uint8_t s[16];

    for (size_t i = 0; i < n; i++) {
        if (i % 16 == 0)
            ccm_stream(key, nonce, (unsigned)(i / 16 + 1), s);
        ret_out[i] = in[i] ^ s[i % 16];
    }
}

void noren_aes_ccm_seal(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad,
                        size_t aad_n, const uint8_t *plain, size_t n, uint8_t *ret_out,
                        uint8_t ret_tag[4])
{
    uint8_t x[16], s0[16];

    ccm_mac(key, nonce, aad, aad_n, plain, n, x);
    ccm_stream(key, nonce, 0, s0);
    ccm_crypt(key, nonce, plain, n, ret_out);
    for (int i = 0; i < 4; i++)
        ret_tag[i] = x[i] ^ s0[i];
}

int noren_aes_ccm_open(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad,
                       size_t aad_n, const uint8_t *in, size_t n, const uint8_t tag[4],
                       uint8_t *ret_plain)
{
    uint8_t plain[64], x[16], s0[16], differs = 0;

    if (n > sizeof(plain))
        return -1;
    ccm_crypt(key, nonce, in, n, plain);
    ccm_mac(key, nonce, aad, aad_n, plain, n, x);
    ccm_stream(key, nonce, 0, s0);
    for (int i = 0; i < 4; i++)
        differs |= (uint8_t)(x[i] ^ s0[i] ^ tag[i]);
    if (differs != 0)
        return -1;
    memcpy(ret_plain, plain, n);
    return 0;
}
