/* SQLite behind db.h: opening, taking in, closing. */
#include "io/db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/db_private.h"
#include "io/db_salvage.h"

#define DB_RECORDS_US (5 * NOREN_US_PER_S) /* a step that only changed records */

static const char *const SQL[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_EVENT] = "INSERT INTO outbox(seq,class,type,tus,bootid,data) VALUES(?,?,?,?,?,?)",
    [ST_RECORD_PUT] = "INSERT INTO record(kind,key,value) VALUES(?,?,?) "
                      "ON CONFLICT(kind,key) DO UPDATE SET value=excluded.value",
    [ST_RECORD_DELETE] = "DELETE FROM record WHERE kind=? AND key=?",
    [ST_META] = "UPDATE meta SET seq=?,acked=?,hq_id=?,epoch=?,prev_epoch=?,copy_head=?,alert=?",
    [ST_COUNT_ACKED] = "SELECT count(*) FROM outbox WHERE seq>? AND seq<=?",
    [ST_BOOT] = "INSERT INTO boots(bootid,offset_us,quality) VALUES(?,?,?) ON CONFLICT(bootid) "
                "DO UPDATE SET offset_us=excluded.offset_us,quality=excluded.quality",
    [ST_NEXT] = "SELECT o.seq,o.class,o.type,o.tus,o.data,o.bootid,b.offset_us,b.quality "
                "FROM outbox o LEFT JOIN boots b ON b.bootid=o.bootid WHERE o.seq>? "
                "ORDER BY o.seq LIMIT 1",
};

int db_count_waiting(struct db *d)
{
    return db_read_int(d->file.sql,
                       "SELECT count(*) FROM outbox WHERE seq>(SELECT acked FROM meta)",
                       &d->counters.outbox_rows);
}

static void close_sql(struct db *d)
{
    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(d->st[i]);
    sqlite3_close(d->file.sql);
}

/* A backup was put in place. What it holds goes to HQ under its own numbers first; when HQ has it all, as the
 * backup itself may know, a new epoch begins. */
static void note_copy(struct db *d, char *ret_note)
{
    d->opened_head = d->keep.border = (uint64_t)d->copy_head;
    if (!d->file.set_aside)
        snprintf(
            ret_note, DB_ERROR_SIZE,
            "%s is a backup: a new epoch begins once headquarters has what was in it; holds and "
            "counts are those of that time, recount what has no sensor",
            d->file.path);
    if (d->id.acked >= d->opened_head)
        (void)db_begin_epoch(d, d->opened_head); /* no random numbers: at HQ's next ack */
}

/* One that a restart must not forget: it is told again, under the same id. */
static void read_alert(struct db *d)
{
    sqlite3_stmt *st = NULL;
    char text[sizeof(d->alert_kind) + sizeof(d->alert_id)] = "";

    if (sqlite3_prepare_v2(d->file.sql, "SELECT alert FROM meta", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        db_copy_column(st, 0, text, sizeof(text));
    sqlite3_finalize(st);
    if (sscanf(text, "%23s %23s", d->alert_kind, d->alert_id) == 2)
        d->alert_untold = true;
    else
        d->alert_kind[0] = d->alert_id[0] = '\0';
}

int db_open(struct db **ret_db, const char *dir, const char *gateway, const char *bootid,
            char ret_note[DB_ERROR_SIZE])
{
    struct db *d = calloc(1, sizeof(*d));
    int rc;

    ret_note[0] = '\0';
    if (d == NULL)
        return -ENOMEM;
    db_wait_init(&d->waiting);
    d->deadline_us = NOREN_NEVER_US;
    d->backup.fd = -1;
    snprintf(d->bootid, sizeof(d->bootid), "%s", bootid);
    rc = db_file_open(&d->file, dir, gateway, &d->id, ret_note);
    if (rc == 0 && d->file.set_aside)
        rc = db_salvage(&d->file, gateway, bootid, &d->id, ret_note);
    d->keep = (struct db_keep){.sql = d->file.sql, .limits = DB_LIMITS_DEFAULT};
    for (int i = 0; i < ST_COUNT && rc == 0; i++)
        rc = db_errno(sqlite3_prepare_v3(d->file.sql, SQL[i], -1, SQLITE_PREPARE_PERSISTENT,
                                         &d->st[i], NULL));
    if (rc == 0)
        rc = db_count_waiting(d);
    if (rc == 0)
        rc = db_read_int(d->file.sql, "SELECT copy_head FROM meta", &d->copy_head);
    if (rc == 0)
        rc = db_keep_read(&d->keep, &d->id);
    if (rc != 0) {
        close_sql(d);
        free(d);
        return rc;
    }
    read_alert(d);
    if (d->file.set_aside)
        db_raise_alert(d, "database_corrupt");
    d->acked_disk = d->id.acked;
    d->given = d->opened_head = d->id.opened = d->id.committed;
    if (d->copy_head >= 0)
        note_copy(d, ret_note);
    *ret_db = d;
    return 0;
}

void db_close(struct db *d)
{
    if (d == NULL)
        return;
    db_backup_end(d, d->backup.state.running ? -ECANCELED : d->backup.state.error);
    (void)db_commit(d, 0);
    close_sql(d);
    db_wait_free(&d->waiting);
    db_journal_clear(d);
    free(d->journal);
    free(d);
}

int db_pragma(struct db *d, const char *setting)
{
    char sql[96];

    snprintf(sql, sizeof(sql), "PRAGMA %s", setting);
    return db_exec(d->file.sql, sql);
}

int db_restore(struct db *d, int (*fn)(void *user, const struct record *r), void *user)
{
    sqlite3_stmt *st = NULL;
    int bad = 0;
    int rc = sqlite3_prepare_v2(d->file.sql, "SELECT kind,key,value FROM record ORDER BY kind,key",
                                -1, &st, NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct record r = {.kind = (enum record_kind)sqlite3_column_int(st, 0)};

        db_copy_column(st, 1, r.key, sizeof(r.key));
        db_copy_column(st, 2, r.value, sizeof(r.value));
        bad += fn(user, &r) != 0;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? bad : db_errno(rc);
}

/* --- taking in ---------------------------------------------------------------------------------- */

void db_apply(struct db *d, const struct batch *b, int64_t now_us)
{
    int64_t due_us = NOREN_NEVER_US;

    if (b->events_n == 0 && b->records_n == 0)
        return;
    for (size_t i = 0; i < b->events_n; i++) {
        int64_t delay_us = db_wait_delay_us(&b->events[i]);

        if (now_us + delay_us < due_us)
            due_us = now_us + delay_us;
        if (!db_wait_event(&d->waiting, &b->events[i], ++d->id.enqueued))
            d->counters.events_dropped++;
    }
    for (size_t i = 0; i < b->records_n; i++)
        db_wait_record(&d->waiting, &b->records[i]);
    if (due_us == NOREN_NEVER_US)
        due_us = now_us + DB_RECORDS_US;
    /* after a failure the retry's time stands: a full disk is not asked at every pick */
    if (due_us < d->deadline_us && (d->problem[0] == '\0' || d->deadline_us == NOREN_NEVER_US))
        d->deadline_us = due_us;
}

int64_t db_deadline(const struct db *d)
{
    return d->deadline_us;
}

void db_set_limits(struct db *d, const struct db_limits *limits)
{
    d->keep.limits = *limits;
}

void db_set_clock(struct db *d, int64_t offset_us, enum clock_quality quality)
{
    int64_t moved = offset_us - d->boot.offset_us;

    /* a disciplined clock wanders by microseconds all the time: that is no news worth a write */
    if (d->boot_known && quality == d->boot.quality && moved > -NOREN_US_PER_MS &&
        moved < NOREN_US_PER_MS)
        return;
    memcpy(d->boot.bootid, d->bootid, sizeof(d->boot.bootid));
    d->boot.offset_us = offset_us;
    d->boot.quality = quality;
    d->boot_known = true;
    d->boot_dirty = true;
}

void db_raise_alert(struct db *d, const char *kind)
{
    if (d->alert_kind[0] != '\0')
        return; /* a corrupt file's epoch ends as a copy's does: one matter, one alert */
    snprintf(d->alert_kind, sizeof(d->alert_kind), "%s", kind);
    snprintf(d->alert_id, sizeof(d->alert_id), "db-%.16s", d->id.epoch);
    d->alert_untold = true;
}

const char *db_take_alert(struct db *d)
{
    bool untold = d->alert_untold;

    d->alert_untold = false;
    return untold ? d->alert_kind : NULL;
}

const char *db_alert_id(const struct db *d)
{
    return d->alert_id;
}

const char *db_alert_kind(const struct db *d)
{
    return d->alert_kind;
}

bool db_alert_over(const struct db *d)
{
    return d->alert_kind[0] != '\0' && !d->alert_untold && d->copy_head < 0 && !d->new_epoch &&
           d->id.acked > 0;
}

void db_clear_alert(struct db *d)
{
    d->alert_kind[0] = d->alert_id[0] = '\0';
    d->deadline_us = 0;
}

const char *db_problem(const struct db *d)
{
    return d->problem;
}

const struct db_identity *db_identity(const struct db *d)
{
    return &d->id;
}

struct db_counters db_counters(const struct db *d)
{
    return d->counters;
}
