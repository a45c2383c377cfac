/* JWS by libcrypto; see jws.h.
 *
 * The protected header is compared in its encoded form with the one we write, so no JSON parser ever sees
 * bytes whose signature has not been checked, and there is no header field to be clever with. Base64url is
 * our own because it has to be strict (RFC 7515, 2: no padding, no white space; RFC 4648, 3.5: trailing
 * bits zero): two texts for one token would be two tokens to whoever compares them.
 */
#include "io/jws.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* base64url of {"alg":"EdDSA"} and the dot that follows */
static const char JWS_HEADER[] = "eyJhbGciOiJFZERTQSJ9.";
#define JWS_HEADER_N    (sizeof(JWS_HEADER) - 1)
#define JWS_SIGNATURE_N 64             /* RFC 8032, 5.1.6 */
#define JWS_TOKEN_MAX   (16 * 1 << 20) /* a members bundle of 30 k members is about 5 MB */

struct jws_key {
    EVP_PKEY *pkey;
    bool can_sign;
};

static const char BASE64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Characters needed for n bytes, without padding. */
static size_t base64url_size(size_t n)
{
    return n / 3 * 4 + (n % 3 == 0 ? 0 : n % 3 + 1);
}

static void base64url_encode(const uint8_t *in, size_t n, char *ret_text)
{
    uint32_t bits = 0;
    int have = 0;

    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | in[i];
        for (have += 8; have >= 6; have -= 6)
            *ret_text++ = BASE64URL[bits >> (have - 6) & 63];
    }
    if (have > 0)
        *ret_text = BASE64URL[bits << (6 - have) & 63];
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Decodes n characters; ret needs n * 3 / 4 bytes. Returns the number of bytes or -EBADMSG. */
static long base64url_decode(const char *text, size_t n, uint8_t *ret)
{
    uint32_t bits = 0;
    int have = 0;
    long out = 0;

    if (n % 4 == 1)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        int v = base64url_value(text[i]);

        if (v < 0)
            return -EBADMSG;
        bits = (bits << 6 | (uint32_t)v) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            ret[out++] = (uint8_t)(bits >> have);
        }
    }
    return (bits & ((1u << have) - 1)) == 0 ? out : -EBADMSG;
}

/* A key file must not make the daemon ask for a passphrase on a terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
    (void)buf, (void)size, (void)rwflag, (void)user;
    return -1;
}

int jws_key_load(struct jws_key **ret_key, const char *path)
{
    struct jws_key *k;
    EVP_PKEY *pkey;
    bool can_sign = true;
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return -errno;
    pkey = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
    if (pkey == NULL) {
        rewind(f);
        can_sign = false;
        pkey = PEM_read_PUBKEY(f, NULL, no_passphrase, NULL);
    }
    fclose(f);
    ERR_clear_error(); /* the first attempt leaves its complaint behind */
    if (pkey == NULL || EVP_PKEY_id(pkey) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(pkey);
        return -EINVAL;
    }
    k = calloc(1, sizeof(*k));
    if (k == NULL) {
        EVP_PKEY_free(pkey);
        return -ENOMEM;
    }
    k->pkey = pkey;
    k->can_sign = can_sign;
    *ret_key = k;
    return 0;
}

void jws_key_free(struct jws_key *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

int jws_key_public(const struct jws_key *k, uint8_t ret_public[JWS_PUBLIC_SIZE])
{
    size_t n = JWS_PUBLIC_SIZE;

    return EVP_PKEY_get_raw_public_key(k->pkey, ret_public, &n) == 1 && n == JWS_PUBLIC_SIZE
               ? 0
               : -EINVAL;
}

int jws_key_replace(struct jws_key *k, const uint8_t public_half[JWS_PUBLIC_SIZE])
{
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_half, JWS_PUBLIC_SIZE);

    if (pkey == NULL) {
        ERR_clear_error();
        return -EINVAL;
    }
    EVP_PKEY_free(k->pkey);
    k->pkey = pkey;
    k->can_sign = false;
    return 0;
}

int jws_sign(const struct jws_key *k, const void *payload, size_t n, char **ret_token)
{
    size_t body_n = JWS_HEADER_N + base64url_size(n);
    size_t signature_n = JWS_SIGNATURE_N;
    uint8_t signature[JWS_SIGNATURE_N];
    EVP_MD_CTX *ctx;
    char *token;
    int ok;

    if (!k->can_sign)
        return -ENOKEY;
    token = calloc(1, body_n + 1 + base64url_size(JWS_SIGNATURE_N) + 1);
    ctx = EVP_MD_CTX_new();
    if (token == NULL || ctx == NULL) {
        free(token);
        EVP_MD_CTX_free(ctx);
        return -ENOMEM;
    }
    memcpy(token, JWS_HEADER, JWS_HEADER_N);
    base64url_encode(payload, n, token + JWS_HEADER_N);
    ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
         EVP_DigestSign(ctx, signature, &signature_n, (const uint8_t *)token, body_n) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok || signature_n != JWS_SIGNATURE_N) {
        ERR_clear_error();
        free(token);
        return -EIO;
    }
    token[body_n] = '.';
    base64url_encode(signature, signature_n, token + body_n + 1);
    *ret_token = token;
    return 0;
}

/* True when `signature` is the key's over `n` bytes of `text`. */
static bool verify_bytes(const struct jws_key *k, const char *text, size_t n,
                         const uint8_t signature[JWS_SIGNATURE_N])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good;

    good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
           EVP_DigestVerify(ctx, signature, JWS_SIGNATURE_N, (const uint8_t *)text, n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

int jws_verify(const struct jws_key *k, const char *token, size_t n, char **ret_payload,
               size_t *ret_n)
{
    uint8_t signature[JWS_SIGNATURE_N];
    size_t signature_chars = base64url_size(JWS_SIGNATURE_N), body_n;
    uint8_t *payload;
    long payload_n;

    if (n < JWS_HEADER_N + 1 + signature_chars || n > JWS_TOKEN_MAX)
        return -EBADMSG;
    body_n = n - signature_chars - 1;
    if (memcmp(token, JWS_HEADER, JWS_HEADER_N) != 0 || token[body_n] != '.' ||
        base64url_decode(token + body_n + 1, signature_chars, signature) != JWS_SIGNATURE_N)
        return -EBADMSG;
    if (!verify_bytes(k, token, body_n, signature))
        return -EBADMSG;
    payload = malloc((body_n - JWS_HEADER_N) * 3 / 4 + 1);
    if (payload == NULL)
        return -ENOMEM;
    payload_n = base64url_decode(token + JWS_HEADER_N, body_n - JWS_HEADER_N, payload);
    if (payload_n < 0) {
        free(payload);
        return -EBADMSG;
    }
    payload[payload_n] = '\0';
    *ret_payload = (char *)payload;
    *ret_n = (size_t)payload_n;
    return 0;
}
