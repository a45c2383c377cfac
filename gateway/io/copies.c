/* The list of recordings and backups; see copies.h. One a line: kind, tab, absolute path. */
#include "io/copies.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "io/record.h"

#define LIST_NAME "copies"
#define LIST_MAX  (1 << 20)

static int list_path(const char *data_dir, char ret[COPIES_PATH_SIZE])
{
    int n = snprintf(ret, COPIES_PATH_SIZE, "%s/" LIST_NAME, data_dir);

    return n < COPIES_PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* The list, "" when there is none yet. */
static int read_list(const char *data_dir, char **ret_text, size_t *ret_n)
{
    char path[COPIES_PATH_SIZE];
    int rc = list_path(data_dir, path);

    if (rc == 0)
        rc = file_read(path, LIST_MAX, ret_text, ret_n);
    if (rc != -ENOENT)
        return rc;
    *ret_text = calloc(1, 1);
    *ret_n = 0;
    return *ret_text != NULL ? 0 : -ENOMEM;
}

static int write_list(const char *data_dir, const char *text)
{
    char path[COPIES_PATH_SIZE];
    int rc = list_path(data_dir, path);

    return rc != 0 ? rc : file_write(path, text, strlen(text));
}

int copies_note(const char *data_dir, const char *kind, const char *path)
{
    char full[PATH_MAX], line[PATH_MAX + 32], *old = NULL, *all;
    size_t n;
    int rc;

    if (realpath(path, full) == NULL) { /* a backup that has just begun has another name */
        if (path[0] != '/')
            return -errno;
        snprintf(full, sizeof(full), "%s", path);
    }
    if (strchr(full, '\n') != NULL)
        return -EINVAL;
    snprintf(line, sizeof(line), "%s\t%s\n", kind, full);
    rc = read_list(data_dir, &old, &n);
    if (rc != 0 || strstr(old, line) != NULL) {
        free(old);
        return rc;
    }
    all = malloc(n + strlen(line) + 1);
    if (all != NULL) {
        snprintf(all, n + strlen(line) + 1, "%s%s", old, line);
        rc = write_list(data_dir, all);
    }
    free(old);
    free(all);
    return all != NULL ? rc : -ENOMEM;
}

/* The file, or what is to become it. */
static bool exists(const char *path, char ret_part[PATH_MAX])
{
    snprintf(ret_part, PATH_MAX, "%s.part", path);
    return access(path, F_OK) == 0 || access(ret_part, F_OK) == 0;
}

static void leave(struct copies_left *left, const char *path)
{
    if (left->n < COPIES_LEFT_MAX)
        snprintf(left->path[left->n], COPIES_PATH_SIZE, "%s", path);
    left->n++;
}

int copies_forget(const char *data_dir, const char *member_ref, const char *open,
                  struct copies_left *ret_left)
{
    char *list, *rest, *line, *kept, full[PATH_MAX] = "", part[PATH_MAX];
    struct copies_left left = {.n = 0};
    size_t n, kept_n = 0;
    int rc = read_list(data_dir, &list, &n);

    if (rc != 0)
        return rc;
    if (open != NULL && realpath(open, full) == NULL)
        full[0] = '\0';
    kept = calloc(1, n + 2); /* the last line may lack its end */
    rest = list;
    while (kept != NULL && (line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        char *path = strchr(line, '\t');

        if (path == NULL || !exists(path + 1, part))
            continue; /* it is gone */
        kept_n += (size_t)snprintf(kept + kept_n, n + 2 - kept_n, "%s\n", line);
        path++;
        if (strcmp(path, full) == 0 || (!file_has(path, member_ref) && !file_has(part, member_ref)))
            continue;
        if (strncmp(line, "recording\t", 10) != 0 || record_forget(path, member_ref) != 0)
            leave(&left, path);
    }
    rc = kept == NULL ? -ENOMEM : kept_n != n ? write_list(data_dir, kept) : 0;
    free(kept);
    free(list);
    if (rc == 0)
        *ret_left = left;
    return rc;
}
