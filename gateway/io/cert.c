/* The certificate's files, with libcrypto; see cert.h. */
#include "io/cert.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <time.h>

#include "io/pki.h"

/* A number that changes when a file is replaced or written. */
static uint64_t look(const struct cert_files *f)
{
    const char *const names[] = {f->cert, f->key};
    uint64_t sum = 0;

    for (int i = 0; i < 2; i++) {
        struct stat st;

        if (stat(names[i], &st) != 0)
            return 0;
        sum = sum * 1099511628211u + (uint64_t)st.st_ino;
        sum = sum * 1099511628211u + (uint64_t)st.st_mtim.tv_sec;
        sum = sum * 1099511628211u + (uint64_t)st.st_mtim.tv_nsec;
    }
    return sum;
}

static int64_t end_of(X509 *cert)
{
    struct tm tm;

    return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int cert_note(struct cert_files *f)
{
    X509 *cert = pki_load_cert(f->cert);

    f->seen = look(f);
    f->not_after_s = cert != NULL ? end_of(cert) : 0;
    X509_free(cert);
    return cert != NULL ? 0 : -EINVAL;
}

int cert_renewed(struct cert_files *f)
{
    uint64_t seen = look(f);
    int rc = -EAGAIN;
    EVP_PKEY *key;
    X509 *cert;

    if (seen == f->seen)
        return 0;
    cert = pki_load_cert(f->cert);
    key = pki_load_key(f->key);
    if (cert != NULL && key != NULL && X509_check_private_key(cert, key) == 1 &&
        X509_cmp_current_time(X509_get0_notAfter(cert)) > 0) {
        f->seen = seen;
        f->not_after_s = end_of(cert);
        rc = 1;
    }
    ERR_clear_error();
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}
