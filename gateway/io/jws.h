/* JWS (RFC 7515) compact serialisation with EdDSA (RFC 8037): everything that comes down from HQ.
 *
 * One algorithm, no negotiation: a header that says anything but {"alg":"EdDSA"} is refused, which is how
 * the classic JWS attacks (alg none, key confusion) are kept out.
 */
#ifndef NOREN_IO_JWS_H
#define NOREN_IO_JWS_H

#include <stddef.h>
#include <stdint.h>

struct jws_key;

/** Reads an Ed25519 key in PEM: the public half from a public or a private file. 0 or -errno
 * (-EINVAL: not an Ed25519 key). */
int jws_key_load(struct jws_key **ret_key, const char *path);
void jws_key_free(struct jws_key *k);

#define JWS_PUBLIC_SIZE 32

/** The public half as RFC 8032 writes it. */
int jws_key_public(const struct jws_key *k, uint8_t ret_public[JWS_PUBLIC_SIZE]);

/** Makes `k` a public key, whoever holds the pointer. 0, or -EINVAL and `k` is as before. */
int jws_key_replace(struct jws_key *k, const uint8_t public_half[JWS_PUBLIC_SIZE]);

/** Signs; the caller frees *ret_token (NUL-terminated). -ENOKEY when the key has no private half. */
int jws_sign(const struct jws_key *k, const void *payload, size_t n, char **ret_token);

/** Verifies `token` (n bytes, need not be terminated). The caller frees *ret_payload, which is
 * NUL-terminated beyond *ret_n. -EBADMSG: malformed, other algorithm, or wrong signature. */
int jws_verify(const struct jws_key *k, const char *token, size_t n, char **ret_payload,
               size_t *ret_n);

#endif
