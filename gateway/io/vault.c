/* Sealed files; see vault.h. Layout: "NRV1" ‖ nonce x12 ‖ ciphertext ‖ tag x16. */
#include "io/vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "noren/crypto.h"

#define KEY_SIZE   32
#define MAGIC      "NRV1"
#define MAGIC_SIZE 4
#define NONCE_SIZE 12
#define TAG_SIZE   16
#define HEAD_SIZE  (MAGIC_SIZE + NONCE_SIZE)
#define FILE_MAX   (32 << 20)
#define PATH_SIZE  512

struct vault {
    int dir; /* descriptor of the folder */
    uint8_t key[KEY_SIZE];
};

/* --- the key ------------------------------------------------------------------------------------ */

/* The file gets its name only when it is whole: a power cut leaves no half of a key behind, and of two that
 * make one in the same folder the second finds the first's (-EEXIST). */
static int make_key(const char *path, uint8_t key[KEY_SIZE])
{
    char whole[PATH_SIZE + 16];
    int fd, rc = 0;

    if (getrandom(key, KEY_SIZE, 0) != KEY_SIZE)
        return -EIO;
    if (snprintf(whole, sizeof(whole), "%s.%ld", path, (long)getpid()) >= (int)sizeof(whole))
        return -ENAMETOOLONG;
    (void)unlink(whole);
    fd = open(whole, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (write(fd, key, KEY_SIZE) != KEY_SIZE || fsync(fd) != 0)
        rc = errno != 0 ? -errno : -EIO;
    close(fd);
    if (rc == 0 && link(whole, path) != 0)
        rc = -errno;
    (void)unlink(whole);
    return rc;
}

/* 0, -ENOENT, -EPERM: others may read it, -EINVAL: not 32 bytes, or what the system says. */
static int read_key(const char *path, uint8_t key[KEY_SIZE])
{
    uint8_t bytes[KEY_SIZE + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if ((st.st_mode & 077) != 0)
        rc = -EPERM;
    else if (read(fd, bytes, sizeof(bytes)) != KEY_SIZE)
        rc = -EINVAL;
    close(fd);
    if (rc == 0)
        memcpy(key, bytes, KEY_SIZE);
    explicit_bzero(bytes, sizeof(bytes));
    return rc;
}

static bool lies_under(const char *path, const char *dir)
{
    char real_path[PATH_MAX], real_dir[PATH_MAX];
    size_t n;

    if (realpath(path, real_path) == NULL || realpath(dir, real_dir) == NULL)
        return false;
    n = strlen(real_dir);
    return strncmp(real_path, real_dir, n) == 0 && (real_path[n] == '/' || real_path[n] == '\0');
}

static int find_key(uint8_t key[KEY_SIZE], const char *key_dir, const char *data_dir,
                    char ret_error[VAULT_ERROR_SIZE])
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_SIZE];
    int rc = -ENOENT;

    if (credentials != NULL) {
        snprintf(path, sizeof(path), "%s/" VAULT_KEY_FILE, credentials);
        rc = read_key(path, key);
    }
    if (rc == -ENOENT && key_dir[0] != '\0') {
        (void)mkdir(key_dir, 0700); /* usually there; what follows says if it is not */
        snprintf(path, sizeof(path), "%s/" VAULT_KEY_FILE, key_dir);
        if (lies_under(key_dir, data_dir)) {
            snprintf(
                ret_error, VAULT_ERROR_SIZE,
                "key_dir = %s: lies in data_dir, where a copy of the data takes the key along; "
                "name a folder elsewhere",
                key_dir);
            return -EINVAL;
        }
        rc = read_key(path, key);
        if (rc == -ENOENT)
            rc = make_key(path, key);
        if (rc == -EEXIST)
            rc = read_key(path, key);
    } else if (rc == -ENOENT) {
        return rc;
    }
    if (rc != 0)
        snprintf(ret_error, VAULT_ERROR_SIZE, "%s: %s", path,
                 rc == -EPERM    ? "others may read this key: chmod 600"
                 : rc == -EINVAL ? "no key of 32 bytes; remove it and a new one is made"
                                 : strerror(-rc));
    return rc == -ENOENT ? -EACCES : rc;
}

int vault_open(struct vault **ret_vault, const char *dir, const char *key_dir, const char *data_dir,
               char ret_error[VAULT_ERROR_SIZE])
{
    struct vault *v = calloc(1, sizeof(*v));
    int rc = v != NULL ? find_key(v->key, key_dir, data_dir, ret_error) : -ENOMEM;

    if (rc == 0 && mkdir(dir, 0700) != 0 && errno != EEXIST)
        rc = -errno;
    if (rc == 0) {
        v->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (v->dir < 0)
            rc = -errno;
        if (rc != 0)
            snprintf(ret_error, VAULT_ERROR_SIZE, "%s: %s", dir, strerror(-rc));
    }
    if (rc != 0) {
        if (v != NULL)
            explicit_bzero(v, sizeof(*v));
        free(v);
        v = NULL;
    }
    if (rc == 0 || rc == -ENOENT)
        *ret_vault = v;
    return rc == -ENOENT ? 0 : rc;
}

void vault_close(struct vault *v)
{
    if (v == NULL)
        return;
    close(v->dir);
    explicit_bzero(v, sizeof(*v));
    free(v);
}

/* --- files -------------------------------------------------------------------------------------- */

/* Seals or opens; `tag` is written or checked. 0 or -EBADMSG. */
static int gcm(const struct vault *v, int encrypt, const char *name, const uint8_t *nonce,
               const uint8_t *in, size_t n, uint8_t *out, uint8_t tag[TAG_SIZE])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int len = 0, ok = c != NULL;

    ok = ok && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, v->key, nonce, encrypt) > 0;
    ok = ok && EVP_CipherUpdate(c, NULL, &len, (const uint8_t *)name, (int)strlen(name)) > 0;
    ok = ok && EVP_CipherUpdate(c, out, &len, in, (int)n) > 0;
    if (!encrypt)
        ok = ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) > 0;
    ok = ok && EVP_CipherFinal_ex(c, out + len, &len) > 0;
    if (encrypt)
        ok = ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) > 0;
    EVP_CIPHER_CTX_free(c);
    return ok ? 0 : -EBADMSG;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t did = write(fd, p, n);

        if (did < 0 && errno == EINTR)
            continue;
        if (did <= 0)
            return did < 0 ? -errno : -EIO;
        p += did;
        n -= (size_t)did;
    }
    return 0;
}

int vault_put(struct vault *v, const char *name, const void *data, size_t n)
{
    char draft[VAULT_NAME_SIZE + 8];
    uint8_t *file;
    int fd, rc;

    if (strlen(name) >= VAULT_NAME_SIZE || strchr(name, '/') != NULL || n > FILE_MAX)
        return -EINVAL;
    file = malloc(HEAD_SIZE + n + TAG_SIZE);
    if (file == NULL)
        return -ENOMEM;
    memcpy(file, MAGIC, MAGIC_SIZE);
    rc = getrandom(file + MAGIC_SIZE, NONCE_SIZE, 0) == NONCE_SIZE ? 0 : -EIO;
    if (rc == 0)
        rc = gcm(v, 1, name, file + MAGIC_SIZE, data, n, file + HEAD_SIZE, file + HEAD_SIZE + n);
    snprintf(draft, sizeof(draft), ".%s", name);
    fd = rc == 0 ? openat(v->dir, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (rc == 0 && fd < 0)
        rc = -errno;
    if (rc == 0)
        rc = write_all(fd, file, HEAD_SIZE + n + TAG_SIZE);
    if (fd >= 0)
        close(fd);
    if (rc == 0 && renameat(v->dir, draft, v->dir, name) != 0)
        rc = -errno;
    if (rc != 0 && fd >= 0)
        (void)unlinkat(v->dir, draft, 0);
    free(file);
    return rc;
}

/* The whole file; the caller frees it. */
static int read_file(int dir, const char *name, uint8_t **ret, size_t *ret_n)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), rc = 0;
    struct stat st = {.st_size = 0};
    uint8_t *p = NULL;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if (st.st_size < HEAD_SIZE + TAG_SIZE || st.st_size > FILE_MAX)
        rc = -EBADMSG;
    if (rc == 0 && (p = malloc((size_t)st.st_size)) == NULL)
        rc = -ENOMEM;
    if (rc == 0 && read(fd, p, (size_t)st.st_size) != st.st_size)
        rc = -EIO;
    close(fd);
    if (rc != 0) {
        free(p);
        return rc;
    }
    *ret = p;
    *ret_n = (size_t)st.st_size;
    return 0;
}

int vault_get(struct vault *v, const char *name, void **ret_data, size_t *ret_n)
{
    uint8_t *file = NULL, *plain;
    size_t n = 0;
    int rc = read_file(v->dir, name, &file, &n);

    if (rc != 0 || file == NULL)
        return rc;
    n -= HEAD_SIZE + TAG_SIZE;
    plain = malloc(n + 1);
    if (plain == NULL)
        rc = -ENOMEM;
    else if (memcmp(file, MAGIC, MAGIC_SIZE) != 0)
        rc = -EBADMSG;
    else
        rc = gcm(v, 0, name, file + MAGIC_SIZE, file + HEAD_SIZE, n, plain, file + HEAD_SIZE + n);
    free(file);
    if (rc != 0) {
        free(plain);
        return rc;
    }
    *ret_data = plain;
    *ret_n = n;
    return 0;
}

int vault_sync(struct vault *v)
{
    return syncfs(v->dir) == 0 ? 0 : -errno;
}

int vault_walk(struct vault *v, bool (*fn)(void *user, const char *name), void *user)
{
    int fd = openat(v->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;

    if (d == NULL) {
        int rc = -errno;

        if (fd >= 0)
            close(fd);
        return rc;
    }
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        /* drafts are what a crash left behind */
        if (e->d_name[0] == '.' || !fn(user, e->d_name))
            (void)unlinkat(v->dir, e->d_name, 0);
    }
    closedir(d);
    return 0;
}

void vault_digest(const struct vault *v, const char *text, unsigned char ret[VAULT_DIGEST_SIZE])
{
    uint8_t mac[32];

    noren_hmac_sha256(v->key, KEY_SIZE, (const uint8_t *)text, strlen(text), mac);
    memcpy(ret, mac, VAULT_DIGEST_SIZE);
}
