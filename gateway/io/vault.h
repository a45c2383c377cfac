/* The vault: small files sealed under a key that is kept elsewhere.
 *
 * Day keys and refs of members must survive a power cut, so that a gateway that boots without a network
 * knows its members; and must be worth nothing to whoever takes the card out of the board. Each file is
 * AES-256-GCM with its own name as associated data, so a torn, changed or renamed one is as if it were not
 * there, which is also what makes fsync for each file unnecessary. In the database they were rejected: its
 * pages are copied to WAL, free pages and backups.
 */
#ifndef NOREN_IO_VAULT_H
#define NOREN_IO_VAULT_H

#include <stdbool.h>
#include <stddef.h>

#define VAULT_ERROR_SIZE 512
#define VAULT_NAME_SIZE  80
/** The credential (systemd) or the file in `key_dir` that holds the key. */
#define VAULT_KEY_FILE "noren-vault.key"

struct vault;

/** Opens the folder `dir` (made if need be). The key is the systemd credential VAULT_KEY_FILE, else that file
 * of `key_dir`, which is made with 32 random bytes when it is not there. `key_dir` "" and no credential:
 * *ret_vault is NULL, and 0. Negative errno with a sentence in `ret_error`: a key that others may read, is
 * not 32 bytes, or lies under `data_dir`. */
int vault_open(struct vault **ret_vault, const char *dir, const char *key_dir, const char *data_dir,
               char ret_error[VAULT_ERROR_SIZE]);
void vault_close(struct vault *v);

/** Seals `n` bytes under `name` (no slash), replacing what was there. 0 or -errno. */
int vault_put(struct vault *v, const char *name, const void *data, size_t n);

/** What is sealed under `name`; the caller wipes and frees *ret_data. -EBADMSG: not by our key, torn or
 * changed. */
int vault_get(struct vault *v, const char *name, void **ret_data, size_t *ret_n);

/** Whatever was put before is on the disk when this returns. 0 or -errno. */
int vault_sync(struct vault *v);

/** Calls `fn` for each name; removes the file when it returns false. 0 or -errno. */
int vault_walk(struct vault *v, bool (*fn)(void *user, const char *name), void *user);

/** A keyed digest of a text: says whether it is the same text again, and nothing else about it. */
#define VAULT_DIGEST_SIZE 16
void vault_digest(const struct vault *v, const char *text, unsigned char ret[VAULT_DIGEST_SIZE]);

#endif
