/* Writing: one short transaction a commit; see db.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/db_private.h"

#define RETRY_US (1 * NOREN_US_PER_S)

/* Runs a statement that gives no rows, after its values were bound; ready for the next time. */
static int run(struct db *d, enum db_statement s)
{
    int rc = sqlite3_step(d->st[s]);

    sqlite3_reset(d->st[s]);
    sqlite3_clear_bindings(d->st[s]);
    return db_errno(rc);
}

static void bind_text(struct db *d, enum db_statement s, int i, const char *text)
{
    sqlite3_bind_text(d->st[s], i, text, -1, SQLITE_STATIC);
}

static void bind_int(struct db *d, enum db_statement s, int i, int64_t v)
{
    sqlite3_bind_int64(d->st[s], i, v);
}

/* 0: unknown. */
static int64_t utc_now(const struct db *d, int64_t now_us)
{
    return d->boot_known && d->boot.quality != CLOCK_FLOOR ? now_us + d->boot.offset_us : 0;
}

static int write_records(struct db *d)
{
    int rc = 0;

    for (size_t i = 0; i < d->waiting.records_n && rc == 0; i++) {
        const struct record *r = &d->waiting.records[i];
        enum db_statement s = r->value[0] == '\0' ? ST_RECORD_DELETE : ST_RECORD_PUT;

        bind_int(d, s, 1, r->kind);
        bind_text(d, s, 2, r->key);
        if (s == ST_RECORD_PUT)
            bind_text(d, s, 3, r->value);
        rc = run(d, s);
    }
    return rc;
}

static int write_events(struct db *d, int64_t now_us)
{
    int rc = 0;

    for (const struct db_pending *p = d->waiting.first; p != NULL && rc == 0; p = p->next) {
        bind_int(d, ST_EVENT, 1, (int64_t)p->seq);
        bind_int(d, ST_EVENT, 2, event_class(p->kind));
        bind_text(d, ST_EVENT, 3, event_type(p->kind));
        bind_int(d, ST_EVENT, 4, p->t_us);
        bind_text(d, ST_EVENT, 5, d->bootid);
        sqlite3_bind_text(d->st[ST_EVENT], 6, p->data, (int)p->n, SQLITE_STATIC);
        rc = run(d, ST_EVENT);
    }
    if (rc == 0 && d->waiting.lost_last != 0)
        rc = db_keep_gap(&d->keep, d->waiting.lost_first, d->waiting.lost_last, "no memory",
                         d->bootid, now_us);
    return rc;
}

/* What the old copy brought is at HQ. What was added to it before anybody knew is at HQ under no number: it
 * is the beginning of the new epoch. Gaps among it name rows that went before HQ could have them. */
static int write_new_epoch(struct db *d)
{
    unsigned long long n = d->opened_head;
    char sql[400];

    d->keep = (struct db_keep){.sql = d->file.sql,
                               .limits = d->keep.limits,
                               .first = 1,
                               .removed = d->keep.removed,
                               .shed = d->keep.shed};
    snprintf(sql, sizeof(sql),
             "DELETE FROM ack_mark;DELETE FROM outbox WHERE seq<=%llu;UPDATE outbox SET "
             "data=json_set(data,'$.first_seq',max(json_extract(data,'$.first_seq')-%llu,1),"
             "'$.last_seq',seq-%llu) WHERE type='noren.gateway.gap';UPDATE outbox SET seq=seq-%llu",
             n, n, n, n);
    return db_exec(d->file.sql, sql);
}

/* What became of rows that are there: acked, forgotten, wanted again, left behind in an old epoch. */
static int write_kept(struct db *d, int64_t now_us, bool only_deletes)
{
    int64_t utc_us = utc_now(d, now_us);
    int rc = 0;

    d->acked_rows = 0;
    if (d->new_epoch)
        return write_new_epoch(d);
    if (d->acked_disk < d->id.acked) {
        bind_int(d, ST_COUNT_ACKED, 1, (int64_t)d->acked_disk);
        bind_int(d, ST_COUNT_ACKED, 2, (int64_t)d->id.acked);
        rc = sqlite3_step(d->st[ST_COUNT_ACKED]);
        d->acked_rows = sqlite3_column_int64(d->st[ST_COUNT_ACKED], 0);
        sqlite3_reset(d->st[ST_COUNT_ACKED]);
        rc = db_errno(rc);
    }
    if (rc == 0)
        rc = db_keep_prune(&d->keep, d->id.acked, utc_us, only_deletes);
    if (rc == 0 && d->again && d->again_after + 1 < d->keep.first)
        rc = db_keep_gap(&d->keep, d->again_after + 1, d->keep.first - 1, "no longer held",
                         d->bootid, now_us);
    if (rc == 0)
        rc = db_shed(&d->keep, d->id.acked, d->bootid, now_us);
    return rc;
}

/* The kept rows first: on a file at its limit they make the room that the rest needs. */
static int write_all(struct db *d, int64_t now_us, bool only_deletes)
{
    struct db_keep before = d->keep;
    char alert[sizeof(d->alert_kind) + sizeof(d->alert_id)];
    int rc = d->again ? db_keep_read(&d->keep, &d->id) : 0;

    if (rc == 0)
        rc = run(d, ST_BEGIN);
    if (rc == 0)
        rc = write_kept(d, now_us, only_deletes);
    if (rc == 0 && d->boot_dirty) {
        bind_text(d, ST_BOOT, 1, d->boot.bootid);
        bind_int(d, ST_BOOT, 2, d->boot.offset_us);
        bind_int(d, ST_BOOT, 3, d->boot.quality);
        rc = run(d, ST_BOOT);
    }
    if (rc == 0 && !only_deletes)
        rc = write_records(d);
    if (rc == 0 && !only_deletes)
        rc = write_events(d, now_us);
    if (rc == 0 && !only_deletes)
        rc = db_journal_write(d, utc_now(d, now_us));
    if (rc == 0) {
        bind_int(d, ST_META, 1, (int64_t)(only_deletes ? d->id.committed : d->id.enqueued));
        bind_int(d, ST_META, 2, (int64_t)d->id.acked);
        bind_text(d, ST_META, 3, d->id.hq_id);
        bind_text(d, ST_META, 4, d->id.epoch);
        bind_text(d, ST_META, 5, d->id.prev_epoch);
        bind_int(d, ST_META, 6, d->new_epoch ? -1 : d->copy_head);
        snprintf(alert, sizeof(alert), "%s%s%s", d->alert_kind, d->alert_kind[0] != '\0' ? " " : "",
                 d->alert_id);
        bind_text(d, ST_META, 7, alert);
        rc = run(d, ST_META);
    }
    if (rc == 0)
        rc = run(d, ST_COMMIT);
    if (rc != 0 && !sqlite3_get_autocommit(d->file.sql))
        (void)run(d, ST_ROLLBACK);
    if (rc != 0)
        d->keep = before;
    return rc;
}

/* After a transaction that reached the disk. */
static void note_kept(struct db *d, int64_t new_rows)
{
    bool recount = d->again || d->new_epoch;

    d->counters.outbox_rows += new_rows - d->acked_rows - (d->keep.removed - d->removed_rows);
    d->removed_rows = d->keep.removed;
    d->counters.events_shed = d->keep.shed;
    d->counters.kept_bytes = d->keep.kept_bytes;
    d->acked_disk = d->id.acked;
    d->boot_dirty = false;
    if (d->new_epoch) {
        d->opened_head = 0;
        d->copy_head = -1;
    }
    d->again = d->new_epoch = false;
    if (recount)
        (void)db_count_waiting(d); /* a figure for people; the next restart counts again */
}

static void note_problem(struct db *d, int rc)
{
    const char *remedy =
        rc == -ENOSPC ? "the disk is full: free space on it; sensing goes on and everything is kept"
        : rc == -EUCLEAN
            ? "the file is corrupt: norend restarts and moves it aside"
            : "disk error: look at the kernel log; sensing goes on and everything is kept";

    snprintf(d->problem, sizeof(d->problem), "%s: commit failed (%s): %s", d->file.path,
             sqlite3_errmsg(d->file.sql), remedy);
    d->counters.commit_failures++;
}

int db_commit(struct db *d, int64_t now_us)
{
    int rc;

    if (db_wait_empty(&d->waiting) && d->journal_n == 0 && d->acked_disk == d->id.acked &&
        !d->again && !d->new_epoch) {
        d->deadline_us = NOREN_NEVER_US;
        return 0;
    }
    sqlite3_reset(d->st[ST_NEXT]); /* an open read would keep the WAL from starting over */
    rc = write_all(d, now_us, false);
    if (rc == -ENOSPC && d->id.acked > 0 && write_all(d, now_us, true) == 0) {
        note_kept(d, 0); /* what HQ has makes room for what it has not */
        rc = write_all(d, now_us, false);
    }
    if (rc != 0) {
        note_problem(d, rc);
        d->deadline_us = now_us + RETRY_US;
        return rc;
    }
    note_kept(d, d->waiting.n + (d->waiting.lost_last != 0));
    d->counters.events_committed += d->waiting.n;
    db_wait_clear(&d->waiting);
    db_journal_clear(d);
    d->id.committed = d->id.enqueued;
    d->deadline_us = NOREN_NEVER_US;
    d->problem[0] = '\0';
    d->counters.commits++;
    return 0;
}

/* Before and after giving rows up outside a commit of the brain's. */
static int begin_giving_up(struct db *d, int64_t now_us)
{
    int rc = db_commit(d, now_us);

    sqlite3_reset(d->st[ST_NEXT]);
    return rc == 0 ? run(d, ST_BEGIN) : rc;
}

static int end_giving_up(struct db *d, int rc, struct db_keep before)
{
    if (rc == 0)
        rc = run(d, ST_COMMIT);
    if (rc == 0) {
        d->counters.events_shed = d->keep.shed;
        d->removed_rows = d->keep.removed;
        /* deleted bytes are zeroed in the file (secure_delete), and here the old pages leave the WAL; when this
         * fails the next checkpoint does it */
        (void)db_exec(d->file.sql, "PRAGMA wal_checkpoint(TRUNCATE)");
        return db_count_waiting(d);
    }
    if (!sqlite3_get_autocommit(d->file.sql))
        (void)run(d, ST_ROLLBACK);
    d->keep = before;
    return rc;
}

int db_forget_unlisted(struct db *d, const struct db_members *members, int64_t now_us)
{
    int rc = begin_giving_up(d, now_us);
    struct db_keep before = d->keep;

    if (rc == 0)
        rc = db_shed_unlisted(&d->keep, members, d->bootid, now_us);
    return end_giving_up(d, rc, before);
}

int db_dead_letter(struct db *d, uint64_t seq, const char *reason, int64_t now_us)
{
    int rc = begin_giving_up(d, now_us);
    struct db_keep before = d->keep;

    if (rc == 0)
        rc = db_shed_one(&d->keep, seq, reason, d->bootid, now_us);
    return end_giving_up(d, rc, before);
}
