/* The crypto seam on Linux: libcrypto behind include/noren/crypto.h.
 *
 * The seam cannot fail, libcrypto's calls can (no memory, a provider that does not load). There is no
 * sensible way on from there, and going on with a MAC of zeros would be a hole: such a failure aborts.
 * Contexts are made per call; the token table's bulk work is measured in scripts/bench.
 */
#include "noren/crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define CCM_NONCE_SIZE 13
#define CCM_TAG_SIZE   4

static void must(int ok)
{
    if (ok <= 0)
        abort();
}

void noren_hmac_sha256(const uint8_t *key, size_t key_n, const uint8_t *msg, size_t n,
                       uint8_t ret_mac[32])
{
    unsigned len = 0;

    must(HMAC(EVP_sha256(), key, (int)key_n, msg, n, ret_mac, &len) != NULL);
}

void noren_aes128_block(const uint8_t key[16], const uint8_t in[16], uint8_t ret_out[16])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int len;

    must(c != NULL);
    must(EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL));
    EVP_CIPHER_CTX_set_padding(c, 0);
    must(EVP_EncryptUpdate(c, ret_out, &len, in, 16));
    EVP_CIPHER_CTX_free(c);
}

/* Set-up common to both directions of CCM: lengths before key and nonce, as libcrypto wants it. */
static EVP_CIPHER_CTX *ccm_begin(int encrypt, const uint8_t *key, const uint8_t *nonce,
                                 const uint8_t *tag)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

    must(c != NULL);
    must(EVP_CipherInit_ex(c, EVP_aes_128_ccm(), NULL, NULL, NULL, encrypt));
    must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, CCM_NONCE_SIZE, NULL));
    must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, CCM_TAG_SIZE, (void *)(uintptr_t)tag));
    must(EVP_CipherInit_ex(c, NULL, NULL, key, nonce, encrypt));
    return c;
}

int noren_aes_ccm_open(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad,
                       size_t aad_n, const uint8_t *in, size_t n, const uint8_t tag[4],
                       uint8_t *ret_plain)
{
    EVP_CIPHER_CTX *c = ccm_begin(0, key, nonce, tag);
    uint8_t plain[256];
    int len, ok;

    must(n <= sizeof(plain));
    must(EVP_CipherUpdate(c, NULL, &len, NULL, (int)n));
    if (aad_n > 0)
        must(EVP_CipherUpdate(c, NULL, &len, aad, (int)aad_n));
    ok = EVP_CipherUpdate(c, plain, &len, in, (int)n); /* CCM checks the tag here */
    EVP_CIPHER_CTX_free(c);
    if (ok <= 0)
        return -1;
    memcpy(ret_plain, plain, n);
    return 0;
}

void noren_aes_ccm_seal(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad,
                        size_t aad_n, const uint8_t *plain, size_t n, uint8_t *ret_out,
                        uint8_t ret_tag[4])
{
    EVP_CIPHER_CTX *c = ccm_begin(1, key, nonce, NULL);
    int len;

    must(EVP_CipherUpdate(c, NULL, &len, NULL, (int)n));
    if (aad_n > 0)
        must(EVP_CipherUpdate(c, NULL, &len, aad, (int)aad_n));
    must(EVP_CipherUpdate(c, ret_out, &len, plain, (int)n));
    must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, CCM_TAG_SIZE, ret_tag));
    EVP_CIPHER_CTX_free(c);
}
