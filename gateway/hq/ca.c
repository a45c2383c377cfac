/* The issuing CA; see ca.h. */
#include "hq/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/pki.h"

#define CA_DAYS     3650
#define LEAF_DAYS   365
#define DAYS_MAX    36500
#define SERIAL_SIZE 16
#define DAY_S       86400
#define BACK_S      60 /* a board's clock may be a little behind */

struct ca_options {
    const char *name, *out, *names;
    long days;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "noren-hq ca: %s: %s\n", what, why);
    return 1;
}

/* --- certificates ------------------------------------------------------------------------------- */

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;
    bool good;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    good = e != NULL && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return good;
}

/* A certificate for `key` without extensions and signature, good for `until_s` seconds from now. */
static X509 *begin_cert(const X509_NAME *subject, const X509_NAME *issuer, EVP_PKEY *key,
                        int64_t until_s)
{
    unsigned char serial[SERIAL_SIZE];
    X509 *cert = X509_new();
    BIGNUM *number;

    if (cert == NULL || RAND_bytes(serial, sizeof(serial)) != 1) {
        X509_free(cert);
        return NULL;
    }
    serial[0] &= 0x7f; /* positive: RFC 5280, 4.1.2.2 */
    number = BN_bin2bn(serial, sizeof(serial), NULL);
    if (number == NULL || BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) == NULL ||
        X509_set_version(cert, X509_VERSION_3) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(cert), -BACK_S) == NULL ||
        X509_time_adj_ex(X509_getm_notAfter(cert), (int)(until_s / DAY_S), (long)(until_s % DAY_S),
                         NULL) == NULL ||
        X509_set_subject_name(cert, subject) != 1 || X509_set_issuer_name(cert, issuer) != 1 ||
        X509_set_pubkey(cert, key) != 1) {
        X509_free(cert);
        cert = NULL;
    }
    BN_free(number);
    return cert;
}

/* --- init --------------------------------------------------------------------------------------- */

static int init(const char *dir, const struct ca_options *o)
{
    char key_path[PKI_PATH_SIZE], cert_path[PKI_PATH_SIZE], error[PKI_ERROR_SIZE];
    X509_NAME *name = X509_NAME_new();
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    int rc;

    snprintf(key_path, sizeof(key_path), "%s/ca.key", dir);
    snprintf(cert_path, sizeof(cert_path), "%s/ca.crt", dir);
    (void)mkdir(dir, S_IRWXU);
    rc = pki_create_key(key_path, error);
    if (rc == -EEXIST)
        rc = fail(key_path, "there is a CA already; nothing was changed");
    else if (rc != 0)
        rc = fail("init", error);
    if (rc == 0) {
        key = pki_load_key(key_path);
        if (name != NULL && key != NULL &&
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                       (const unsigned char *)(o->name ? o->name : "Noren CA"), -1,
                                       -1, 0) == 1)
            cert = begin_cert(name, name, key, (o->days != 0 ? o->days : CA_DAYS) * DAY_S);
        rc = cert != NULL &&
                     add_extension(cert, cert, NID_basic_constraints,
                                   "critical,CA:TRUE,pathlen:0") &&
                     add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                     add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
                     X509_sign(cert, key, EVP_sha256()) > 0
                 ? pki_write_cert(cert_path, cert)
                 : fail("init", "the certificate could not be made");
        if (rc < 0)
            rc = fail(cert_path, strerror(-rc));
    }
    if (rc == 0)
        printf("%s: give it to the broker and to the gateways; %s stays here\n", cert_path,
               key_path);
    X509_free(cert);
    EVP_PKEY_free(key);
    X509_NAME_free(name);
    return rc;
}

/* --- approve ------------------------------------------------------------------------------------ */

/* Why a request is refused, or NULL: it must be signed by its own key, and name one thing. */
static const char *find_fault(X509_REQ *req, const char *expected, char ret_name[PKI_NAME_SIZE])
{
    X509_NAME *subject;

    if (req == NULL)
        return "not a certificate request in PEM (norenctl enroll makes one)";
    subject = X509_REQ_get_subject_name(req);
    if (X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) != 1)
        return "not signed by its own key; it was changed on the way";
    if (X509_NAME_entry_count(subject) < 1 ||
        X509_NAME_get_text_by_NID(subject, NID_commonName, ret_name, PKI_NAME_SIZE) < 1 ||
        strpbrk(ret_name, "/+# ") != NULL)
        return "its common name cannot be a gateway's (empty, or with one of / + # and space)";
    if (expected != NULL && strcmp(expected, ret_name) != 0)
        return "its common name is not the one given with --name; nothing was signed";
    return NULL;
}

/* The folder's certificate and key. */
static bool load_ca(const char *dir, X509 **ret_ca, EVP_PKEY **ret_key)
{
    char path[PKI_PATH_SIZE];

    snprintf(path, sizeof(path), "%s/ca.crt", dir);
    *ret_ca = pki_load_cert(path);
    snprintf(path, sizeof(path), "%s/ca.key", dir);
    *ret_key = pki_load_key(path);
    if (*ret_ca != NULL && *ret_key != NULL)
        return true;
    X509_free(*ret_ca);
    EVP_PKEY_free(*ret_key);
    return false;
}

/* The name alone is taken from a request: what else it asks for is not the board's to say. */
static X509 *issue(X509 *ca, EVP_PKEY *key, X509_REQ *req, const char *name, const char *alt_names,
                   int64_t until_s)
{
    X509_NAME *subject = X509_NAME_new();
    X509 *cert = NULL;

    if (subject != NULL && X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                                      (const unsigned char *)name, -1, -1, 0) == 1)
        cert = begin_cert(subject, X509_get_subject_name(ca), X509_REQ_get0_pubkey(req), until_s);
    X509_NAME_free(subject);
    if (cert != NULL && add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
        add_extension(cert, ca, NID_ext_key_usage,
                      alt_names != NULL ? "serverAuth" : "clientAuth") &&
        (alt_names == NULL || add_extension(cert, ca, NID_subject_alt_name, alt_names)) &&
        add_extension(cert, ca, NID_authority_key_identifier, "keyid") &&
        X509_sign(cert, key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

static int sign(const char *dir, X509_REQ *req, const char *name, const struct ca_options *o)
{
    char beside[PKI_PATH_SIZE];
    const char *out = o->out != NULL ? o->out : beside;
    struct pki_info info;
    EVP_PKEY *key;
    X509 *ca, *cert;
    int rc = 0;

    if (!load_ca(dir, &ca, &key))
        return fail(dir, "no CA there; noren-hq ca init makes one");
    snprintf(beside, sizeof(beside), "%s.crt", name);
    cert = issue(ca, key, req, name, o->names, (o->days != 0 ? o->days : LEAF_DAYS) * DAY_S);
    if (cert == NULL)
        rc = fail(name, "the certificate could not be made; are --alt-names like "
                        "DNS:mq.example.com,IP:192.0.2.1?");
    else if ((rc = pki_write_cert(out, cert)) != 0)
        rc = fail(out, strerror(-rc));
    if (rc == 0) {
        pki_cert_info(cert, &info);
        printf("%s: for %s, key %s\n", out, info.name, info.fingerprint);
    }
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    return rc;
}

static int approve(const char *dir, const char *csr_path, const struct ca_options *o)
{
    char name[PKI_NAME_SIZE];
    X509_REQ *req = pki_load_request(csr_path);
    const char *fault = find_fault(req, o->name, name);
    int rc = fault != NULL ? fail(csr_path, fault) : sign(dir, req, name, o);

    X509_REQ_free(req);
    return rc;
}

/* --- renewal ------------------------------------------------------------------------------------ */

static char *print_cert(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL, *copy = NULL;
    long n = bio != NULL && PEM_write_bio_X509(bio, cert) == 1 ? BIO_get_mem_data(bio, &text) : 0;

    if (n > 0)
        copy = strndup(text, (size_t)n);
    BIO_free(bio);
    return copy;
}

/* Why `old` entitles nobody to a successor, or NULL. */
static const char *find_claim_fault(X509 *old, X509 *ca, const char *gateway,
                                    const struct ca_claim *claim)
{
    struct pki_info info;

    if (old == NULL)
        return "the certificate in use is none";
    pki_cert_info(old, &info);
    if (!pki_is_signed_by(old, ca))
        return "the certificate in use is not of this CA";
    if (strcmp(info.name, gateway) != 0)
        return "the certificate in use is another gateway's";
    if (X509_cmp_current_time(X509_get0_notAfter(old)) <= 0)
        return "the certificate in use has expired; approve the board's request by hand";
    if (!pki_proved(old, claim->request, claim->proof))
        return "not signed by the key in use";
    return NULL;
}

const char *ca_renew(const char *dir, const char *gateway, const struct ca_claim *claim,
                     char **ret_pem)
{
    char name[PKI_NAME_SIZE];
    X509_REQ *req = pki_parse_request(claim->request);
    X509 *old = pki_parse_cert(claim->certificate), *ca, *cert = NULL;
    const char *fault = "there is no CA in the folder";
    struct pki_info info;
    EVP_PKEY *key;

    if (load_ca(dir, &ca, &key)) {
        fault = find_fault(req, gateway, name);
        if (fault == NULL)
            fault = find_claim_fault(old, ca, gateway, claim);
        if (fault == NULL) {
            pki_cert_info(old, &info);
            /* as long as the one before, which began a little earlier than it was made, too */
            cert = issue(ca, key, req, name, NULL, info.until_s - info.from_s - BACK_S);
            *ret_pem = cert != NULL ? print_cert(cert) : NULL;
            fault = *ret_pem == NULL ? "the certificate could not be made" : NULL;
        }
        X509_free(ca);
        EVP_PKEY_free(key);
    }
    X509_free(cert);
    X509_free(old);
    X509_REQ_free(req);
    return fault;
}

/* --- command line ------------------------------------------------------------------------------- */

static int usage(FILE *to)
{
    fputs(
        "usage: noren-hq ca init DIR [--name NAME] [--days N]\n"
        "       noren-hq ca approve DIR REQUEST [--name NAME] [--out FILE] [--days N]\n"
        "                                       [--alt-names LIST]\n\n"
        "The issuing certificate authority of the gateways, for those who have no other.\n\n"
        "init makes a key and a certificate in the folder DIR (3650 days).\n"
        "approve signs what `norenctl enroll` made on a board. Compare the fingerprint first: it\n"
        "prints the one that enroll printed.\n\n"
        "  --name NAME       init: the CA's name; approve: refuse a request for another gateway\n"
        "  --out FILE        the certificate (default: the gateway's name and .crt)\n"
        "  --days N          how long it is valid (default 365); boards renew at 60 % of it\n"
        "  --alt-names LIST  for a broker, not a gateway: DNS:mq.example.com,IP:192.0.2.1\n",
        to);
    return to == stdout ? 0 : 2;
}

int ca_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'}, {"out", required_argument, NULL, 'o'},
        {"days", required_argument, NULL, 'd'}, {"alt-names", required_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},       {0}};
    struct ca_options o = {0};
    char *end;
    int c;

    optind = 1;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'n')
            o.name = optarg;
        else if (c == 'o')
            o.out = optarg;
        else if (c == 'a')
            o.names = optarg;
        else if (c == 'h')
            return usage(stdout);
        else if (c != 'd')
            return usage(stderr);
        if (c != 'd')
            continue;
        o.days = strtol(optarg, &end, 10);
        if (*end != '\0' || o.days < 1 || o.days > DAYS_MAX)
            return fail("--days", "wants 1 to 36500");
    }
    argv += optind;
    argc -= optind;
    if (argc == 2 && strcmp(argv[0], "init") == 0)
        return init(argv[1], &o);
    if (argc == 3 && strcmp(argv[0], "approve") == 0)
        return approve(argv[1], argv[2], &o);
    return usage(stderr);
}
