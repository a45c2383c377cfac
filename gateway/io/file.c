/* Whole files; see file.h. */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 512

static int read_open(int fd, size_t max, char **ret_text, size_t *ret_n)
{
    struct stat st;
    char *text;
    size_t n = 0;

    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((size_t)st.st_size > max)
        return -EFBIG;
    text = malloc((size_t)st.st_size + 1);
    if (text == NULL)
        return -ENOMEM;
    while (n < (size_t)st.st_size) {
        ssize_t got = read(fd, text + n, (size_t)st.st_size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) { /* shorter than it was a moment ago: somebody writes it */
            free(text);
            return got < 0 ? -errno : -EAGAIN;
        }
        n += (size_t)got;
    }
    text[n] = '\0';
    *ret_text = text;
    *ret_n = n;
    return 0;
}

int file_read(const char *path, size_t max, char **ret_text, size_t *ret_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0)
        return -errno;
    rc = read_open(fd, max, ret_text, ret_n);
    close(fd);
    return rc;
}

static int write_open(int fd, const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t put = write(fd, bytes + at, n - at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        at += (size_t)put;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

/* A rename is durable when its folder is. */
static int sync_folder(const char *path)
{
    char dir[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    int fd, rc;

    snprintf(dir, sizeof(dir), "%.*s", slash != NULL ? (int)(slash - path) : 1,
             slash != NULL ? path : ".");
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

int file_write(const char *path, const void *bytes, size_t n)
{
    char fresh[PATH_SIZE];
    int fd, rc;

    if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
        return -ENAMETOOLONG;
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    rc = write_open(fd, bytes, n);
    close(fd);
    if (rc == 0 && rename(fresh, path) != 0)
        rc = -errno;
    if (rc != 0) {
        unlink(fresh);
        return rc;
    }
    return sync_folder(path);
}

/* Blocks overlap by one byte less than the text. */
bool file_has(const char *path, const char *text)
{
    size_t n = strlen(text), kept = 0, got;
    char block[65536];
    FILE *f = fopen(path, "re");
    bool found = false;

    while (f != NULL && !found && (got = fread(block + kept, 1, sizeof(block) - kept, f)) > 0) {
        got += kept;
        found = memmem(block, got, text, n) != NULL;
        kept = got < n ? got : n - 1;
        memmove(block, block + got - kept, kept);
    }
    if (f != NULL)
        fclose(f);
    return found;
}
