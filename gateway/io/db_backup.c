/* A copy of the database while the shop goes on; see db.h.
 *
 * SQLite's own backup, from the one connection that there is, in small steps between turns of the loop: commits
 * in between go into the copy too. What a step wrote is synced with it, so that no turn has to wait for the
 * whole file in the end (VACUUM INTO was rejected for that). The copy carries a mark, the last number it
 * knows: opened as a gateway's database it sends what it holds under the old numbers, which are those of
 * the same events, and begins a new epoch for all that comes after. tests/model/outbox.pml says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/db_private.h"

#define STEP_PAGES 64 /* 256 KB a turn */

int db_backup_start(struct db *d, const char *path, char ret_error[DB_ERROR_SIZE])
{
    struct db_backup *b = &d->backup;
    int rc = 0;

    if (b->state.running) {
        snprintf(ret_error, DB_ERROR_SIZE, "a backup to %s is under way; wait for it", b->path);
        return -EBUSY;
    }
    memset(b, 0, sizeof(*b));
    b->fd = -1;
    snprintf(b->path, sizeof(b->path), "%s", path);
    snprintf(b->part, sizeof(b->part), "%s.part", b->path);
    if (access(path, F_OK) == 0) {
        rc = -EEXIST;
    } else {
        (void)unlink(b->part); /* of a backup that did not end */
        b->fd = open(b->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
        rc = b->fd < 0 ? -errno : 0;
    }
    if (rc == 0)
        rc = db_errno(
            sqlite3_open_v2(b->part, &b->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
    if (rc == 0)
        rc = db_exec(b->to, "PRAGMA locking_mode=EXCLUSIVE;PRAGMA synchronous=OFF");
    if (rc == 0) {
        b->job = sqlite3_backup_init(b->to, "main", d->file.sql, "main");
        rc = b->job != NULL ? 0 : db_errno(sqlite3_errcode(b->to));
    }
    b->state.running = rc == 0;
    if (rc != 0) {
        snprintf(ret_error, DB_ERROR_SIZE, "%s: %s; %s", path, strerror(-rc),
                 rc == -EEXIST ? "give another name"
                               : "norend writes it, so name a folder that norend may write to, "
                                 "its data_dir for instance");
        if (rc != -EEXIST)
            db_backup_end(d, rc);
    }
    return rc;
}

/* The copy is whole: one file, with its mark. */
static int finish(struct db_backup *b, uint64_t head)
{
    char sql[80];
    int rc;

    snprintf(sql, sizeof(sql), "UPDATE meta SET copy_head=%llu", (unsigned long long)head);
    rc = db_exec(b->to, sql);
    if (rc == 0)
        rc = db_exec(b->to, "PRAGMA journal_mode=DELETE");
    if (rc == 0 && fdatasync(b->fd) != 0)
        rc = -errno;
    if (rc == 0 && rename(b->part, b->path) != 0)
        rc = -errno;
    return rc;
}

int db_backup_step(struct db *d)
{
    struct db_backup *b = &d->backup;
    int rc, done;

    if (!b->state.running)
        return 0;
    done = sqlite3_backup_step(b->job, STEP_PAGES);
    b->state.pages = sqlite3_backup_pagecount(b->job);
    b->state.remaining = sqlite3_backup_remaining(b->job);
    rc = db_errno(done);
    if (rc == 0 && fdatasync(b->fd) != 0)
        rc = -errno;
    if (rc == 0 && done != SQLITE_DONE)
        return 1;
    if (rc == 0) {
        rc = db_errno(sqlite3_backup_finish(b->job));
        b->job = NULL;
    }
    if (rc == 0)
        rc = finish(b, d->id.committed);
    db_backup_end(d, rc);
    return rc;
}

void db_backup_end(struct db *d, int error)
{
    struct db_backup *b = &d->backup;

    if (b->job != NULL)
        (void)sqlite3_backup_finish(b->job);
    b->job = NULL;
    sqlite3_close(b->to);
    b->to = NULL;
    if (b->fd >= 0)
        close(b->fd);
    b->fd = -1;
    if (error != 0 && b->part[0] != '\0')
        (void)unlink(b->part);
    b->state.running = false;
    b->state.error = error;
}

struct db_backup_state db_backup_state(const struct db *d, const char **ret_path)
{
    *ret_path = d->backup.path;
    return d->backup.state;
}
