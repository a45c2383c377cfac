/* Salvage; see db_salvage.h. */
#include "io/db_salvage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/db_keep.h"

#define UNSENT_MAX 100000000 /* more can be in no file: the head itself is damaged */

struct salvage {
    sqlite3 *from;
    sqlite3_stmt *read, *write;
    struct db_keep to;
    const char *bootid;
    uint64_t last; /**< number that the old file gave */
    uint64_t next; /**< first one that is neither saved nor in a gap */
    uint64_t saved;
};

/* A row that is one, or NULL as its first number: a gap names several. */
static const char READ[] =
    "SELECT seq,class,type,tus,bootid,data,CASE WHEN NOT json_valid(data) OR typeof(type)<>'text' "
    "OR type NOT GLOB 'noren.*' OR typeof(tus)<>'integer' OR typeof(bootid)<>'text' OR class NOT "
    "BETWEEN 0 AND ?3 THEN NULL WHEN type='noren.gateway.gap' THEN "
    "json_extract(data,'$.first_seq') ELSE seq END "
    "FROM outbox WHERE seq>?1 AND seq<=?2 ORDER BY seq LIMIT 1";

static const char WRITE[] =
    "INSERT INTO outbox(seq,class,type,tus,bootid,data) VALUES(?,?,?,?,?,?)";

/* The first row after `after`: 1, 0 none, or -errno: what is there cannot be read. */
static int read_after(struct salvage *s, uint64_t after)
{
    int rc;

    sqlite3_reset(s->read);
    sqlite3_bind_int64(s->read, 1, (int64_t)after);
    sqlite3_bind_int64(s->read, 2, (int64_t)s->last);
    sqlite3_bind_int(s->read, 3, CLASS_COUNT - 1);
    rc = sqlite3_step(s->read);
    return rc == SQLITE_ROW ? 1 : db_errno(rc);
}

/* The least number beyond `at`, behind which there is something readable again; 0: there is none. A page that cannot
 * be read is jumped over in growing steps, then its end is found by halving. */
static uint64_t find_readable(struct salvage *s, uint64_t at)
{
    uint64_t bad = at, good, step = 1;

    while (at + step < s->last && read_after(s, at + step) < 0) {
        bad = at + step;
        step *= 2;
    }
    if (at + step >= s->last)
        return 0;
    good = at + step;
    while (good - bad > 1) {
        uint64_t middle = bad + (good - bad) / 2;

        if (read_after(s, middle) < 0)
            bad = middle;
        else
            good = middle;
    }
    return good;
}

static int write_gap(struct salvage *s, uint64_t first, uint64_t last)
{
    return db_keep_gap(&s->to, first, last, "database corrupt", s->bootid, 0);
}

/* The row that was read, and a gap for what should have been before it. */
static int save_row(struct salvage *s)
{
    uint64_t seq = (uint64_t)sqlite3_column_int64(s->read, 0);
    uint64_t first = (uint64_t)sqlite3_column_int64(s->read, 6);
    int rc = 0;

    if (sqlite3_column_type(s->read, 6) != SQLITE_INTEGER || first == 0 || first > seq)
        return 0; /* no event: it falls into the next gap */
    if (first > s->next)
        rc = write_gap(s, s->next, first - 1);
    if (rc != 0)
        return rc;
    sqlite3_reset(s->write);
    for (int i = 0; i < 6; i++)
        sqlite3_bind_value(s->write, i + 1, sqlite3_column_value(s->read, i));
    rc = db_errno(sqlite3_step(s->write));
    s->next = seq + 1;
    s->saved++;
    return rc;
}

static int save_rows(struct salvage *s)
{
    uint64_t at = s->next - 1;
    int rc = 0, got = 1;

    while (rc == 0 && at < s->last && got != 0) {
        got = read_after(s, at);
        if (got == 1) {
            at = (uint64_t)sqlite3_column_int64(s->read, 0);
            rc = save_row(s);
        } else if (got < 0) {
            at = find_readable(s, at);
            got = at != 0 ? 1 : 0;
        }
    }
    sqlite3_reset(s->read);
    return rc == 0 && s->next <= s->last ? write_gap(s, s->next, s->last) : rc;
}

/* What time it was in the boots that the rows are of: without it they have no time, but they are still events. */
static void save_boots(struct salvage *s)
{
    sqlite3_stmt *read = NULL, *write = NULL;

    if (sqlite3_prepare_v2(s->from, "SELECT bootid,offset_us,quality FROM boots", -1, &read,
                           NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(s->to.sql, "INSERT OR IGNORE INTO boots VALUES(?,?,?)", -1, &write,
                           NULL) == SQLITE_OK) {
        while (sqlite3_step(read) == SQLITE_ROW) {
            for (int i = 0; i < 3; i++)
                sqlite3_bind_value(write, i + 1, sqlite3_column_value(read, i));
            (void)sqlite3_step(write);
            sqlite3_reset(write);
        }
    }
    sqlite3_finalize(read);
    sqlite3_finalize(write);
}

/* Who the old file was. False: not known well enough to speak in its name. */
static bool read_identity(sqlite3 *from, const char *gateway, struct db_identity *ret)
{
    static const char text[] =
        "SELECT gateway,epoch,prev_epoch,hq_id,seq,acked FROM meta WHERE length(epoch)=32 AND "
        "epoch NOT GLOB '*[^0-9a-f]*' AND typeof(seq)='integer' AND typeof(acked)='integer' AND "
        "acked>=0 AND acked<=seq";
    sqlite3_stmt *st = NULL;
    char owner[NOREN_ID_SIZE] = "";
    bool good = sqlite3_prepare_v2(from, text, -1, &st, NULL) == SQLITE_OK &&
                sqlite3_step(st) == SQLITE_ROW;

    if (good) {
        db_copy_column(st, 0, owner, sizeof(owner));
        db_copy_column(st, 1, ret->epoch, sizeof(ret->epoch));
        db_copy_column(st, 2, ret->prev_epoch, sizeof(ret->prev_epoch));
        db_copy_column(st, 3, ret->hq_id, sizeof(ret->hq_id));
        ret->enqueued = ret->committed = (uint64_t)sqlite3_column_int64(st, 4);
        ret->acked = (uint64_t)sqlite3_column_int64(st, 5);
    }
    sqlite3_finalize(st);
    return good && strcmp(owner, gateway) == 0 && ret->enqueued - ret->acked < UNSENT_MAX;
}

static int write_identity(sqlite3 *to, const struct db_identity *id)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(
        to, "UPDATE meta SET epoch=?,prev_epoch=?,hq_id=?,seq=?4,acked=?5,copy_head=?4", -1, &st,
        NULL);

    if (rc == SQLITE_OK) {
        sqlite3_bind_text(st, 1, id->epoch, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 2, id->prev_epoch, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 3, id->hq_id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(st, 4, (int64_t)id->committed);
        sqlite3_bind_int64(st, 5, (int64_t)id->acked);
        rc = sqlite3_step(st);
    }
    sqlite3_finalize(st);
    return db_errno(rc);
}

/* Nothing is written to it, not even when it is closed: a person may want to look. */
static int open_aside(const struct db_file *f, sqlite3 **ret)
{
    int rc = sqlite3_open_v2(f->aside, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK) {
        (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        rc = sqlite3_exec(*ret,
                          "PRAGMA locking_mode=EXCLUSIVE;PRAGMA cell_size_check=ON;"
                          "PRAGMA query_only=ON",
                          NULL, NULL, NULL);
    }
    return db_errno(rc);
}

static int save_all(struct salvage *s, const struct db_identity *old)
{
    int rc = db_errno(sqlite3_prepare_v2(s->from, READ, -1, &s->read, NULL));

    if (rc == 0)
        rc = db_errno(sqlite3_prepare_v2(s->to.sql, WRITE, -1, &s->write, NULL));
    if (rc == 0)
        rc = db_exec(s->to.sql, "BEGIN IMMEDIATE");
    if (rc == 0)
        rc = save_rows(s);
    if (rc == 0) {
        save_boots(s);
        rc = write_identity(s->to.sql, old);
    }
    sqlite3_finalize(s->read);
    sqlite3_finalize(s->write);
    if (rc == 0)
        rc = db_exec(s->to.sql, "COMMIT");
    if (rc != 0 && !sqlite3_get_autocommit(s->to.sql))
        (void)db_exec(s->to.sql, "ROLLBACK");
    return rc;
}

int db_salvage(struct db_file *f, const char *gateway, const char *bootid, struct db_identity *id,
               char note[DB_ERROR_SIZE])
{
    struct db_identity old = {.acked = 0};
    struct salvage s = {.to = {.sql = f->sql}, .bootid = bootid};
    size_t n = strlen(note);
    int rc = open_aside(f, &s.from);

    if (rc == 0 && read_identity(s.from, gateway, &old) && old.acked < old.committed) {
        s.last = old.committed;
        s.next = s.to.first = old.acked + 1;
        rc = save_all(&s, &old);
        if (rc == 0)
            *id = old;
        snprintf(note + n, DB_ERROR_SIZE - n,
                 rc == 0 ? "; %llu of %llu numbers that headquarters does not have were saved, the "
                           "rest is reported as a gap"
                         : "; %llu of %llu unsent events were read and could not be saved",
                 (unsigned long long)s.saved, (unsigned long long)(old.committed - old.acked));
    }
    sqlite3_close(s.from);
    return rc == -EUCLEAN ? 0 : rc; /* so little can be read that there is nothing to say */
}
