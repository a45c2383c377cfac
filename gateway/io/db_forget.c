/* Forgetting a member: rows, free pages, WAL, and files that were set aside; see db.h.
 *
 * secure_delete zeroes what is deleted from now on; what an older Noren deleted is in free pages and in the
 * slack of others, and the WAL has the pages as they were. So the file is written anew (VACUUM) and the WAL
 * cut to nothing. It is done a few times a year.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/db_private.h"
#include "io/file.h"

static int exec_named(sqlite3 *sql, const char *text, const char *ref, int64_t *rows)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(sql, text, -1, &st, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_bind_text(st, 1, ref, -1, SQLITE_STATIC);
        rc = sqlite3_step(st);
    }
    if (db_errno(rc) == 0)
        *rows += sqlite3_changes(sql);
    sqlite3_finalize(st);
    return db_errno(rc);
}

static int remove_rows(struct db *d, const char *ref, int64_t now_us, int64_t *rows)
{
    int64_t shed = d->keep.shed;
    int rc = db_shed_member(&d->keep, ref, d->bootid, now_us);

    *rows += d->keep.shed - shed;
    /* fields of a row are separated by tabs; a name is never the first field, which is the version */
    if (rc == 0)
        rc = exec_named(d->file.sql,
                        "DELETE FROM record WHERE instr(value||char(9),char(9)||?1||char(9))>0",
                        ref, rows);
    return rc;
}

/* Corrupt databases that were set aside for a person to look at. What names somebody who wants to be forgotten
 * is looked at no more. */
static int clean_set_aside(const char *db_path, const char *ref)
{
    char dir[DB_PATH_SIZE], path[2 * DB_PATH_SIZE];
    const char *slash = strrchr(db_path, '/'), *name = slash + 1;
    const struct dirent *e;
    DIR *d;
    int rc = 0;

    snprintf(dir, sizeof(dir), "%.*s", (int)(slash - db_path), db_path);
    d = opendir(dir);
    if (d == NULL)
        return -errno;
    while ((e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, name, strlen(name)) != 0 ||
            strstr(e->d_name, ".quarantine-") == NULL)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (file_has(path, ref) && unlink(path) != 0)
            rc = -errno;
    }
    closedir(d);
    return rc;
}

int db_forget_member(struct db *d, const char *member_ref, int64_t now_us, int64_t *ret_rows)
{
    struct db_keep before;
    int64_t rows = 0;
    int rc = db_commit(d, now_us);

    sqlite3_reset(d->st[ST_NEXT]);
    before = d->keep;
    if (rc == 0)
        rc = db_exec(d->file.sql, "BEGIN IMMEDIATE");
    if (rc == 0)
        rc = remove_rows(d, member_ref, now_us, &rows);
    if (rc == 0)
        rc = db_exec(d->file.sql, "COMMIT");
    if (rc != 0) {
        if (!sqlite3_get_autocommit(d->file.sql))
            (void)db_exec(d->file.sql, "ROLLBACK");
        d->keep = before;
        return rc;
    }
    d->counters.events_shed = d->keep.shed;
    d->removed_rows = d->keep.removed;
    rc = db_count_waiting(d);
    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_reset(d->st[i]); /* VACUUM wants nobody else at work */
    if (rc == 0)
        rc = db_exec(d->file.sql, "VACUUM");
    if (rc == 0)
        rc = db_exec(d->file.sql, "PRAGMA wal_checkpoint(TRUNCATE)");
    if (rc == 0)
        rc = clean_set_aside(d->file.path, member_ref);
    if (rc == 0)
        *ret_rows = rows;
    return rc;
}
