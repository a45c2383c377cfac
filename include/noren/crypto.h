/* The crypto seam: three primitives, resolved at link time.
 *
 * The gateway links libcrypto behind it (gateway/io/crypto.c), firmware the chip's AES or a small one and
 * a small SHA-256 (firmware/). All are pure functions of their arguments, so the pure cores may call
 * them. Function pointers were rejected: a program has exactly one implementation.
 */
#ifndef NOREN_CRYPTO_H
#define NOREN_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

/** HMAC-SHA256 (RFC 2104, FIPS 180-4) of `n` bytes at `msg`; writes 32 bytes. Cannot fail. */
void noren_hmac_sha256(const uint8_t *key, size_t key_n, const uint8_t *msg, size_t n,
                       uint8_t ret_mac[32]);

/** AES-128 encryption of one block (FIPS 197). Cannot fail. */
void noren_aes128_block(const uint8_t key[16], const uint8_t in[16], uint8_t ret_out[16]);

/** AES-128-CCM (RFC 3610) with a 13-byte nonce and a 4-byte tag: checks and decrypts `n` bytes (<= 256, a
 * whole AD structure; in firmware <= 64, it has no use for more).
 * Returns 0, or -1 when the tag is wrong; `ret_plain` (n bytes) is then untouched. */
int noren_aes_ccm_open(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad,
                       size_t aad_n, const uint8_t *in, size_t n, const uint8_t tag[4],
                       uint8_t *ret_plain);

/** The sender's half: encrypts `n` (<= 64) bytes and writes the 4-byte tag. Cannot fail. */
void noren_aes_ccm_seal(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad,
                        size_t aad_n, const uint8_t *plain, size_t n, uint8_t *ret_out,
                        uint8_t ret_tag[4]);

#endif
