/* Keys and certificates of the board: made here, certified elsewhere, put in place together.
 *
 * A private key never leaves the machine it was made on and is never readable to others: it is created with
 * mode 0600 before a byte is in it. A renewal makes a new pair beside the old one, `KEY.next`, and the old one
 * works on until pki_install() has checked the new certificate against that key, the CA, the name and the
 * time. Two files cannot be renamed at once: the certificate goes first, and pki_settle() finishes what a power
 * cut left half done. The pair before is kept as `KEY.old` and `CERT.old`.
 *
 * EC P-256: every TLS stack a broker may have takes it, and its handshake is cheap on a board.
 */
#ifndef NOREN_IO_PKI_H
#define NOREN_IO_PKI_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>

#define PKI_PATH_SIZE  320
#define PKI_ERROR_SIZE 1024
#define PKI_NAME_SIZE  65   /* a common name: RFC 5280, ub-common-name */
#define PKI_PRINT_SIZE 96   /* SHA-256 in hex with colons */
#define PKI_PROOF_SIZE 1025 /* a signature in hex, of RSA with 4096 bits too */

/** What a certificate or a request says. */
struct pki_info {
    char name[PKI_NAME_SIZE];         /**< subject's common name */
    char fingerprint[PKI_PRINT_SIZE]; /**< of the public key, to compare by voice */
    int64_t from_s, until_s;          /**< UTC seconds; 0 for a request */
};

/** Files of one identity, and who it is. */
struct pki_files {
    const char *key, *cert, *ca; /**< PEM; `ca` may be NULL: not checked */
    const char *name;
};

/** Creates a key at `path`, mode 0600. -EEXIST: there is one, it stays. */
int pki_create_key(const char *path, char ret_error[PKI_ERROR_SIZE]);

/** Writes a request for `name`, signed by the key, to `csr_path` (0644). */
int pki_write_request(const char *key_path, const char *name, const char *csr_path,
                      struct pki_info *ret_info, char ret_error[PKI_ERROR_SIZE]);

/** Reads a certificate. -ENOENT, -EINVAL with a sentence. */
int pki_read_cert(const char *path, struct pki_info *ret_info, char ret_error[PKI_ERROR_SIZE]);

/** Checks `cert` for use with `files`: the key's, the CA's, for the name, and valid at `now_s`. */
int pki_check(const struct pki_files *files, const char *key, const char *cert, int64_t now_s,
              struct pki_info *ret_info, char ret_error[PKI_ERROR_SIZE]);

/** Checks the certificate at `from` and puts it in place, with KEY.next when it is that key's. */
int pki_install(const struct pki_files *files, const char *from, int64_t now_s,
                struct pki_info *ret_info, char ret_error[PKI_ERROR_SIZE]);

/** Finishes an installation that was cut. Cheap; call before the files are used. */
void pki_settle(const struct pki_files *files);

/** When a certificate is to be renewed: at 60 % of its life. */
int64_t pki_renew_at_s(const struct pki_info *info);

/** Signs `text` with the key at `key_path`, as hex: who asks for the next certificate shows that the one in use is
 * his. 0, or -EINVAL. */
int pki_prove(const char *key_path, const char *text, char ret_proof[PKI_PROOF_SIZE]);

/** True when the key that `cert` certifies signed `text`. */
bool pki_proved(X509 *cert, const char *text, const char *proof);

/** What is in a PEM file, or NULL. Never asks for a passphrase. The caller frees. */
EVP_PKEY *pki_load_key(const char *path);
X509 *pki_load_cert(const char *path);
X509_REQ *pki_load_request(const char *path);

/** The same, of a text. */
X509 *pki_parse_cert(const char *pem);
X509_REQ *pki_parse_request(const char *pem);

/** What a certificate says. */
void pki_cert_info(X509 *cert, struct pki_info *ret);

/** True when the certificate is signed by the CA `ca`. */
bool pki_is_signed_by(X509 *cert, X509 *ca);

/** Writes a certificate (0644), synced: whole or not at all. 0 or -errno. */
int pki_write_cert(const char *path, X509 *cert);

#endif
