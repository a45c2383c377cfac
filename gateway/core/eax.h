/* AES-128-EAX (Bellare, Rogaway, Wagner 2004) without a header: what seals Eddystone-eTLM frames.
 *
 * Made of the block cipher of the crypto seam: libcrypto has no EAX, and a dozen bytes a minute need no
 * speed.
 */
#ifndef NOREN_CORE_EAX_H
#define NOREN_CORE_EAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EAX_TEXT_MAX 32

/** Checks and decrypts `n` (<= EAX_TEXT_MAX) bytes; nonce and tag have at most 16. False: the tag is
 * wrong; `ret_plain` (n bytes) is then untouched. */
bool eax_open(const uint8_t key[16], const uint8_t *nonce, size_t nonce_n, const uint8_t *in,
              size_t n, const uint8_t *tag, size_t tag_n, uint8_t *ret_plain);

/** The sender's half, for simulations and tests. */
void eax_seal(const uint8_t key[16], const uint8_t *nonce, size_t nonce_n, const uint8_t *plain,
              size_t n, uint8_t *ret_out, uint8_t *ret_tag, size_t tag_n);

#endif
