/* Sealed files: what comes back, and that nothing comes back changed, torn, renamed or under another key. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/vault.h"

static char base[64], data[80], dir[96], keys[80], key_file[120], error[VAULT_ERROR_SIZE];

static int setup(void **state)
{
    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    strcpy(base, "/tmp/noren-test-vault-XXXXXX");
    assert_non_null(mkdtemp(base));
    snprintf(data, sizeof(data), "%s/data", base);
    snprintf(dir, sizeof(dir), "%s/members", data);
    snprintf(keys, sizeof(keys), "%s/keys", base);
    snprintf(key_file, sizeof(key_file), "%s/" VAULT_KEY_FILE, keys);
    assert_int_equal(mkdir(data, 0700), 0);
    error[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", base);
    return system(command);
}

static struct vault *open_good(void)
{
    struct vault *v = NULL;

    assert_int_equal(vault_open(&v, dir, keys, data, error), 0);
    assert_non_null(v);
    return v;
}

static void test_round_trip(void **state)
{
    static const char secret[] = "a member who wants to stay unknown";
    struct vault *v = open_good();
    char path[160], bytes[256];
    void *out;
    size_t n;
    int fd;

    (void)state;
    assert_int_equal(vault_put(v, "7.0.1", secret, sizeof(secret)), 0);
    assert_int_equal(vault_put(v, "empty", "", 0), 0);
    assert_int_equal(vault_sync(v), 0);
    vault_close(v);
    v = open_good(); /* the key was made once and is found again */
    assert_int_equal(vault_get(v, "7.0.1", &out, &n), 0);
    assert_int_equal(n, sizeof(secret));
    assert_memory_equal(out, secret, n);
    free(out);
    assert_int_equal(vault_get(v, "empty", &out, &n), 0);
    assert_int_equal(n, 0);
    free(out);
    assert_int_equal(vault_get(v, "8.0.1", &out, &n), -ENOENT);
    assert_int_equal(vault_put(v, "../x", secret, 1), -EINVAL);
    snprintf(path, sizeof(path), "%s/7.0.1", dir);
    fd = open(path, O_RDONLY);
    n = (size_t)read(fd, bytes, sizeof(bytes));
    close(fd);
    assert_null(memmem(bytes, n, "member", 6));
    vault_close(v);
}

/* Each byte of a file matters, and so does its name. */
static void test_changed(void **state)
{
    struct vault *v = open_good();
    char path[160], other[160];
    uint8_t bytes[64];
    ssize_t size;
    void *out;
    size_t n;
    int fd;

    (void)state;
    assert_int_equal(vault_put(v, "a", "0123456789", 10), 0);
    snprintf(path, sizeof(path), "%s/a", dir);
    snprintf(other, sizeof(other), "%s/b", dir);
    fd = open(path, O_RDWR);
    size = read(fd, bytes, sizeof(bytes));
    assert_int_equal(size, 4 + 12 + 10 + 16);
    for (ssize_t i = 0; i < size; i++) {
        uint8_t wrong = bytes[i] ^ 1;

        assert_int_equal(pwrite(fd, &wrong, 1, i), 1);
        assert_int_equal(vault_get(v, "a", &out, &n), -EBADMSG);
        assert_int_equal(pwrite(fd, &bytes[i], 1, i), 1);
    }
    assert_int_equal(vault_get(v, "a", &out, &n), 0);
    free(out);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(vault_get(v, "b", &out, &n), -EBADMSG);
    for (ssize_t i = size; i-- > 0;) {
        assert_int_equal(ftruncate(fd, i), 0);
        assert_int_equal(vault_get(v, "b", &out, &n), -EBADMSG);
    }
    close(fd);
    vault_close(v);
}

static bool drop_odd(void *user, const char *name)
{
    (*(int *)user)++;
    return name[0] != '1';
}

static void test_walk(void **state)
{
    struct vault *v = open_good();
    char draft[160];
    void *out;
    size_t n;
    int seen = 0;

    (void)state;
    snprintf(draft, sizeof(draft), "%s/.3", dir);
    close(open(draft, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(vault_put(v, "1", "x", 1), 0);
    assert_int_equal(vault_put(v, "2", "x", 1), 0);
    assert_int_equal(vault_walk(v, drop_odd, &seen), 0);
    assert_int_equal(seen, 2);
    assert_int_equal(vault_get(v, "1", &out, &n), -ENOENT);
    assert_int_equal(vault_get(v, "2", &out, &n), 0);
    free(out);
    assert_int_equal(access(draft, F_OK), -1); /* what a crash left */
    vault_close(v);
}

static void test_keys(void **state)
{
    struct vault *v = open_good(), *w = NULL;
    unsigned char one[VAULT_DIGEST_SIZE], two[VAULT_DIGEST_SIZE];
    struct stat st;
    void *out;
    size_t n;

    (void)state;
    assert_int_equal(vault_put(v, "a", "x", 1), 0);
    vault_digest(v, "m-1", one);
    vault_digest(v, "m-2", two);
    assert_memory_not_equal(one, two, sizeof(one));
    vault_close(v);
    assert_int_equal(stat(key_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* another key opens nothing */
    assert_int_equal(unlink(key_file), 0);
    v = open_good();
    assert_int_equal(vault_get(v, "a", &out, &n), -EBADMSG);
    vault_digest(v, "m-1", two);
    assert_memory_not_equal(one, two, sizeof(one));
    vault_close(v);
    /* a key that others may read, is too short, or goes along with the data, is none */
    assert_int_equal(chmod(key_file, 0640), 0);
    assert_int_equal(vault_open(&w, dir, keys, data, error), -EPERM);
    assert_non_null(strstr(error, "chmod 600"));
    assert_int_equal(chmod(key_file, 0600), 0);
    assert_int_equal(truncate(key_file, 31), 0);
    assert_int_equal(vault_open(&w, dir, keys, data, error), -EINVAL);
    assert_non_null(strstr(error, "32 bytes"));
    assert_int_equal(vault_open(&w, dir, data, data, error), -EINVAL);
    assert_non_null(strstr(error, "lies in data_dir"));
    assert_null(w);
    /* no key at all is an answer; a credential comes first */
    assert_int_equal(vault_open(&w, dir, "", data, error), 0);
    assert_null(w);
    assert_int_equal(unlink(key_file), 0);
    vault_close(open_good());
    setenv("CREDENTIALS_DIRECTORY", keys, 1);
    assert_int_equal(vault_open(&w, dir, "", data, error), 0);
    assert_non_null(w);
    vault_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_round_trip),
        TEST(test_changed),
        TEST(test_walk),
        TEST(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
