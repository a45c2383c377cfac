/* Keys, requests and certificates by libcrypto; see pki.h. */
#include "io/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "noren/hex.h"

#define RENEW_PERCENT 60

static int refuse(char *ret_error, int rc, const char *path, const char *why)
{
    snprintf(ret_error, PKI_ERROR_SIZE, "%s: %s", path, why);
    return rc;
}

/* --- files -------------------------------------------------------------------------------------- */

static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
    (void)buf, (void)size, (void)rwflag, (void)user;
    return 0; /* a key with a passphrase must not make a daemon ask a terminal */
}

/* Readers of PEM take a BIO, so that a file and a text have one way. */
#define LOAD(type, read, bio)                                                \
    type *got = (bio) != NULL ? read(bio, NULL, no_passphrase, NULL) : NULL; \
                                                                             \
    BIO_free(bio);                                                           \
    ERR_clear_error();                                                       \
    return got

EVP_PKEY *pki_load_key(const char *path)
{
    BIO *bio = BIO_new_file(path, "re");

    LOAD(EVP_PKEY, PEM_read_bio_PrivateKey, bio);
}

X509 *pki_load_cert(const char *path)
{
    BIO *bio = BIO_new_file(path, "re");

    LOAD(X509, PEM_read_bio_X509, bio);
}

X509_REQ *pki_load_request(const char *path)
{
    BIO *bio = BIO_new_file(path, "re");

    LOAD(X509_REQ, PEM_read_bio_X509_REQ, bio);
}

X509 *pki_parse_cert(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);

    LOAD(X509, PEM_read_bio_X509, bio);
}

X509_REQ *pki_parse_request(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);

    LOAD(X509_REQ, PEM_read_bio_X509_REQ, bio);
}

/* Flushes, syncs and closes: a key or certificate that a power cut took back would be missed. */
static int close_synced(FILE *f, bool written)
{
    int rc = written && fflush(f) == 0 && fsync(fileno(f)) == 0 ? 0 : -EIO;

    return fclose(f) == 0 ? rc : -EIO;
}

static FILE *create(const char *path, mode_t mode, bool replace)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (replace ? O_TRUNC : O_EXCL), mode);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (f == NULL && fd >= 0)
        close(fd);
    return f;
}

int pki_create_key(const char *path, char ret_error[PKI_ERROR_SIZE])
{
    FILE *f = create(path, S_IRUSR | S_IWUSR, false);
    EVP_PKEY *key;
    int rc = f == NULL ? -errno : 0;

    if (rc == -EEXIST)
        return rc;
    if (rc != 0)
        return refuse(ret_error, rc, path, strerror(-rc));
    key = EVP_EC_gen("P-256");
    rc = close_synced(f,
                      key != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    EVP_PKEY_free(key);
    if (rc != 0) {
        (void)unlink(path);
        return refuse(ret_error, rc, path, "the key could not be written; is the disk full?");
    }
    return 0;
}

/* --- what they say ------------------------------------------------------------------------------ */

static void print_fingerprint(EVP_PKEY *key, char ret[PKI_PRINT_SIZE])
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    int n = key != NULL ? i2d_PUBKEY(key, &der) : -1;
    unsigned digest_n = 0;

    ret[0] = '\0';
    if (n > 0 && EVP_Digest(der, (size_t)n, digest, &digest_n, EVP_sha256(), NULL) == 1) {
        for (unsigned i = 0; i < digest_n; i++)
            snprintf(ret + 3 * i, 4, "%02X%s", digest[i], i + 1 < digest_n ? ":" : "");
    }
    OPENSSL_free(der);
}

static int64_t unix_time(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void read_info(X509_NAME *subject, EVP_PKEY *key, struct pki_info *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (X509_NAME_get_text_by_NID(subject, NID_commonName, ret->name, sizeof(ret->name)) < 0)
        ret->name[0] = '\0';
    print_fingerprint(key, ret->fingerprint);
}

void pki_cert_info(X509 *cert, struct pki_info *ret)
{
    read_info(X509_get_subject_name(cert), X509_get0_pubkey(cert), ret);
    ret->from_s = unix_time(X509_get0_notBefore(cert));
    ret->until_s = unix_time(X509_get0_notAfter(cert));
}

int pki_read_cert(const char *path, struct pki_info *ret_info, char ret_error[PKI_ERROR_SIZE])
{
    X509 *cert = pki_load_cert(path);

    if (cert == NULL)
        return access(path, R_OK) != 0
                   ? refuse(ret_error, -errno, path, strerror(errno))
                   : refuse(ret_error, -EINVAL, path, "not a certificate in PEM");
    pki_cert_info(cert, ret_info);
    X509_free(cert);
    return 0;
}

int64_t pki_renew_at_s(const struct pki_info *info)
{
    return info->from_s + (info->until_s - info->from_s) * RENEW_PERCENT / 100;
}

/* --- request ------------------------------------------------------------------------------------ */

int pki_write_request(const char *key_path, const char *name, const char *csr_path,
                      struct pki_info *ret_info, char ret_error[PKI_ERROR_SIZE])
{
    EVP_PKEY *key = pki_load_key(key_path);
    X509_REQ *req = X509_REQ_new();
    X509_NAME *subject = req != NULL ? X509_REQ_get_subject_name(req) : NULL;
    FILE *f = NULL;
    int rc = -EINVAL;

    if (key == NULL) {
        X509_REQ_free(req);
        return refuse(ret_error, -EINVAL, key_path, "no private key in PEM there");
    }
    if (subject != NULL &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                   -1, 0) == 1 &&
        X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0) {
        f = create(csr_path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, true);
        rc = f != NULL ? close_synced(f, PEM_write_X509_REQ(f, req) == 1) : -errno;
        read_info(subject, key, ret_info);
    }
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    return rc == 0 ? 0 : refuse(ret_error, rc, csr_path, strerror(-rc));
}

/* --- putting in place --------------------------------------------------------------------------- */

static bool is_key_of(const char *key_path, X509 *cert)
{
    EVP_PKEY *key = pki_load_key(key_path);
    bool same = key != NULL && X509_check_private_key(cert, key) == 1;

    EVP_PKEY_free(key);
    return same;
}

bool pki_is_signed_by(X509 *cert, X509 *ca)
{
    return X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(ca)) == 0 &&
           X509_verify(cert, X509_get0_pubkey(ca)) == 1;
}

static bool is_of_ca(X509 *cert, const char *ca_path)
{
    X509 *ca = pki_load_cert(ca_path);
    bool good = ca != NULL && pki_is_signed_by(cert, ca);

    X509_free(ca);
    return good;
}

int pki_check(const struct pki_files *files, const char *key, const char *cert_path, int64_t now_s,
              struct pki_info *ret_info, char ret_error[PKI_ERROR_SIZE])
{
    X509 *cert = pki_load_cert(cert_path);
    const char *why = NULL;

    if (cert == NULL)
        return pki_read_cert(cert_path, ret_info, ret_error);
    pki_cert_info(cert, ret_info);
    if (!is_key_of(key, cert))
        why = "it is not for the key that was made here; have the request of this board approved";
    else if (strcmp(ret_info->name, files->name) != 0)
        why = "its common name is not the gateway of noren.conf; it belongs to another board";
    else if (files->ca != NULL && !is_of_ca(cert, files->ca))
        why = "it is not signed by the CA named in noren.conf; ask for that CA's certificate";
    else if (now_s != 0 && now_s < ret_info->from_s)
        why = "it is not valid yet; is the clock right? (timedatectl)";
    else if (now_s != 0 && now_s > ret_info->until_s)
        why = "it has expired; make a new request and have it approved";
    X509_free(cert);
    return why == NULL ? 0 : refuse(ret_error, -EPERM, cert_path, why);
}

static void next_of(const char *path, const char *suffix, char ret[PKI_PATH_SIZE])
{
    snprintf(ret, PKI_PATH_SIZE, "%s.%s", path, suffix);
}

/* The file stays reachable under its old name, too, until the next renewal. */
static int keep_old(const char *path)
{
    char old[PKI_PATH_SIZE];

    next_of(path, "old", old);
    (void)unlink(old);
    return link(path, old) == 0 || errno == ENOENT ? 0 : -errno;
}

int pki_write_cert(const char *path, X509 *cert)
{
    char fresh[PKI_PATH_SIZE];
    FILE *f;
    int rc;

    if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
        return -ENAMETOOLONG;
    f = create(fresh, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, true);
    rc = f != NULL ? close_synced(f, PEM_write_X509(f, cert) == 1) : -errno;
    if (rc == 0 && rename(fresh, path) != 0)
        rc = -errno;
    if (rc != 0)
        (void)unlink(fresh);
    return rc;
}

static int copy_cert(const char *from, const char *to)
{
    X509 *cert = pki_load_cert(from);
    int rc = cert != NULL ? pki_write_cert(to, cert) : -EINVAL;

    X509_free(cert);
    return rc;
}

int pki_install(const struct pki_files *files, const char *from, int64_t now_s,
                struct pki_info *ret_info, char ret_error[PKI_ERROR_SIZE])
{
    char key_next[PKI_PATH_SIZE], cert_next[PKI_PATH_SIZE];
    bool renewed;
    int rc;

    next_of(files->key, "next", key_next);
    next_of(files->cert, "next", cert_next);
    renewed = access(key_next, F_OK) == 0;
    rc = pki_check(files, renewed ? key_next : files->key, from, now_s, ret_info, ret_error);
    if (rc != 0)
        return rc;
    rc = copy_cert(from, cert_next);
    if (rc == 0) {
        rc = keep_old(files->key);
        if (rc == 0)
            rc = keep_old(files->cert);
    }
    if (rc == 0) {
        rc = rename(cert_next, files->cert) == 0 ? 0 : -errno;
    }
    if (rc == 0 && renewed)
        rc = rename(key_next, files->key) == 0 ? 0 : -errno;
    return rc == 0 ? 0 : refuse(ret_error, rc, files->cert, strerror(-rc));
}

void pki_settle(const struct pki_files *files)
{
    char key_next[PKI_PATH_SIZE];
    X509 *cert;

    next_of(files->key, "next", key_next);
    if (access(key_next, F_OK) != 0)
        return;
    cert = pki_load_cert(files->cert);
    if (cert != NULL && is_key_of(key_next, cert))
        (void)rename(key_next, files->key);
    X509_free(cert);
}

/* --- showing that a certificate is one's own ---------------------------------------------------- */

int pki_prove(const char *key_path, const char *text, char ret_proof[PKI_PROOF_SIZE])
{
    EVP_PKEY *key = pki_load_key(key_path);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char sign[(PKI_PROOF_SIZE - 1) / 2];
    size_t n = sizeof(sign);
    bool good = key != NULL && ctx != NULL &&
                EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(ctx, sign, &n, (const unsigned char *)text, strlen(text)) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    for (size_t i = 0; good && i < n; i++)
        snprintf(ret_proof + 2 * i, 3, "%02x", sign[i]);
    return good ? 0 : -EINVAL;
}

bool pki_proved(X509 *cert, const char *text, const char *proof)
{
    uint8_t sign[(PKI_PROOF_SIZE - 1) / 2];
    size_t n = strlen(proof) / 2;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && n > 0 && n <= sizeof(sign) && hex_read(proof, sign, n) &&
                EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, X509_get0_pubkey(cert)) == 1 &&
                EVP_DigestVerify(ctx, sign, n, (const unsigned char *)text, strlen(text)) == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}
