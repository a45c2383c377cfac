/* SQLite behind db.h. */
#include "io/db.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/db_shed.h"

/* Events kept in memory while the disk takes none: hours of a busy store, at most about 16 MB. */
#define DB_PENDING_MAX 16384
#define DB_RETRY_US    (1 * NOREN_US_PER_S)
#define DB_URGENT_US   (50 * NOREN_US_PER_MS)
#define DB_STOCK_US    (250 * NOREN_US_PER_MS)
#define DB_LAZY_US     (5 * NOREN_US_PER_S)

/* An event that waits for its commit. */
struct pending {
    struct pending *next;
    uint64_t seq;
    enum event_kind kind;
    int64_t t_us;
    size_t n;
    char data[];
};

enum statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_EVENT,
    ST_RECORD_PUT,
    ST_RECORD_DELETE,
    ST_META,
    ST_COUNT_ACKED,
    ST_BOOT,
    ST_NEXT,
    ST_COUNT
};

static const char *const SQL[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_EVENT] = "INSERT INTO outbox(seq,class,type,tus,bootid,data) VALUES(?,?,?,?,?,?)",
    [ST_RECORD_PUT] = "INSERT INTO record(kind,key,value) VALUES(?,?,?) "
                      "ON CONFLICT(kind,key) DO UPDATE SET value=excluded.value",
    [ST_RECORD_DELETE] = "DELETE FROM record WHERE kind=? AND key=?",
    [ST_META] = "UPDATE meta SET seq=?,acked=?,hq_id=?,epoch=?,prev_epoch=?",
    [ST_COUNT_ACKED] = "SELECT count(*) FROM outbox WHERE seq>? AND seq<=?",
    [ST_BOOT] = "INSERT INTO boots(bootid,offset_us,quality) VALUES(?,?,?) ON CONFLICT(bootid) "
                "DO UPDATE SET offset_us=excluded.offset_us,quality=excluded.quality",
    [ST_NEXT] = "SELECT o.seq,o.class,o.type,o.tus,o.data,o.bootid,b.offset_us,b.quality "
                "FROM outbox o LEFT JOIN boots b ON b.bootid=o.bootid WHERE o.seq>? "
                "ORDER BY o.seq LIMIT 1",
};

struct db {
    struct db_file file;
    sqlite3_stmt *st[ST_COUNT];
    struct db_identity id;
    struct db_counters counters;
    char bootid[DB_BOOTID_SIZE];
    struct db_boot boot;     /* of the current boot */
    struct db_boot row_boot; /* of the row that db_next gave last */
    bool boot_dirty, boot_known;
    struct pending *first, **last;
    int64_t pending_n;
    struct record *records;
    size_t records_n, records_cap;
    struct db_keep keep;
    uint64_t acked_disk;  /* the ack as the file has it */
    int64_t acked_rows;   /* rows that the transaction being written finds acked */
    int64_t removed_rows; /* keep.removed that outbox_rows reflects */
    uint64_t again_after; /* HQ wants everything after this again ... */
    bool again,
        new_epoch; /* ... with the next commit, until which nothing is sent; or starts anew */
    int64_t deadline_us;
    char problem[DB_ERROR_SIZE];
};

/* --- small helpers ------------------------------------------------------------------------------ */

/* Runs a statement that gives no rows, after its values were bound; ready for the next time. */
static int run(struct db *d, enum statement s)
{
    int rc = sqlite3_step(d->st[s]);

    sqlite3_reset(d->st[s]);
    sqlite3_clear_bindings(d->st[s]);
    return db_errno(rc);
}

static void bind_text(struct db *d, enum statement s, int i, const char *text)
{
    sqlite3_bind_text(d->st[s], i, text, -1, SQLITE_STATIC);
}

static void bind_int(struct db *d, enum statement s, int i, int64_t v)
{
    sqlite3_bind_int64(d->st[s], i, v);
}

static void close_sql(struct db *d)
{
    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(d->st[i]);
    sqlite3_close(d->file.sql);
}

static int count_waiting(struct db *d)
{
    return db_read_int(d->file.sql,
                       "SELECT count(*) FROM outbox WHERE seq>(SELECT acked FROM meta)",
                       &d->counters.outbox_rows);
}

int db_open(struct db **ret_db, const char *dir, const char *gateway, const char *bootid,
            char ret_note[DB_ERROR_SIZE])
{
    struct db *d = calloc(1, sizeof(*d));
    int rc;

    ret_note[0] = '\0';
    if (d == NULL)
        return -ENOMEM;
    d->last = &d->first;
    d->deadline_us = NOREN_NEVER_US;
    snprintf(d->bootid, sizeof(d->bootid), "%s", bootid);
    rc = db_file_open(&d->file, dir, gateway, &d->id, ret_note);
    d->keep = (struct db_keep){.sql = d->file.sql, .limits = DB_LIMITS_DEFAULT};
    for (int i = 0; i < ST_COUNT && rc == 0; i++)
        rc = db_errno(sqlite3_prepare_v3(d->file.sql, SQL[i], -1, SQLITE_PREPARE_PERSISTENT,
                                         &d->st[i], NULL));
    if (rc == 0)
        rc = count_waiting(d);
    if (rc == 0)
        rc = db_keep_read(&d->keep, &d->id);
    if (rc != 0) {
        close_sql(d);
        free(d);
        return rc;
    }
    d->acked_disk = d->id.acked;
    *ret_db = d;
    return 0;
}

void db_close(struct db *d)
{
    if (d == NULL)
        return;
    (void)db_commit(d, 0);
    close_sql(d);
    while (d->first != NULL) {
        struct pending *p = d->first;

        d->first = p->next;
        free(p);
    }
    free(d->records);
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

/* How long an event may wait for its commit (design section 10). */
static int64_t commit_delay_us(const struct event *e)
{
    switch (event_class(e->kind)) {
    case CLASS_OFFER:
    case CLASS_HOLD:
    case CLASS_ALERT:
    case CLASS_TASK:
        return DB_URGENT_US;
    case CLASS_STOCK:
        /* the shelf's events share struct shelf_change as their first member */
        return e->kind == EVENT_SHELF_PICK && e->u.shelf_pick.change.stage == STAGE_PROVISIONAL
                   ? DB_URGENT_US
                   : DB_STOCK_US;
    case CLASS_VISIT:
    case CLASS_KPI:
    case CLASS_GATEWAY:
    case CLASS_COUNT:
        break;
    }
    return DB_LAZY_US;
}

static void take_event(struct db *d, const struct event *e)
{
    char data[EVENT_DATA_SIZE];
    int n = event_print_data(e, data, sizeof(data));
    struct pending *p;

    assert(n >= 0); /* EVENT_DATA_SIZE holds the data of any event */
    p = d->pending_n < DB_PENDING_MAX ? malloc(sizeof(*p) + (size_t)n + 1) : NULL;
    if (p == NULL) {
        d->counters.events_dropped++;
        return;
    }
    p->next = NULL;
    p->seq = ++d->id.enqueued;
    p->kind = e->kind;
    p->t_us = e->t_us;
    p->n = (size_t)n;
    memcpy(p->data, data, (size_t)n + 1);
    *d->last = p;
    d->last = &p->next;
    d->pending_n++;
}

/* The same row again replaces the one that waits: its number is bounded by the brain's state. */
static void take_record(struct db *d, const struct record *r)
{
    for (size_t i = 0; i < d->records_n; i++) {
        if (d->records[i].kind == r->kind && strcmp(d->records[i].key, r->key) == 0) {
            d->records[i] = *r;
            return;
        }
    }
    if (d->records_n == d->records_cap) {
        size_t cap = d->records_cap == 0 ? 64 : 2 * d->records_cap;
        struct record *grown = realloc(d->records, cap * sizeof(*grown));

        if (grown == NULL)
            abort(); /* state without memory for it: a restart brings back what is on disk */
        d->records = grown;
        d->records_cap = cap;
    }
    d->records[d->records_n++] = *r;
}

void db_apply(struct db *d, const struct batch *b, int64_t now_us)
{
    int64_t delay_us = DB_LAZY_US;

    if (b->events_n == 0 && b->records_n == 0)
        return;
    for (size_t i = 0; i < b->events_n; i++) {
        if (commit_delay_us(&b->events[i]) < delay_us)
            delay_us = commit_delay_us(&b->events[i]);
        take_event(d, &b->events[i]);
    }
    for (size_t i = 0; i < b->records_n; i++)
        take_record(d, &b->records[i]);
    /* after a failure the retry's time stands: a full disk is not asked at every pick */
    if (now_us + delay_us < d->deadline_us && d->problem[0] == '\0')
        d->deadline_us = now_us + delay_us;
    else if (d->deadline_us == NOREN_NEVER_US)
        d->deadline_us = now_us + delay_us;
}

int64_t db_deadline(const struct db *d)
{
    return d->deadline_us;
}

/* This file is an older copy of one whose later numbers HQ has seen. */
static int begin_epoch(struct db *d)
{
    char epoch[DB_EPOCH_SIZE];
    int rc = db_random_epoch(epoch);
    uint64_t seq = 0;

    if (rc != 0)
        return rc;
    memcpy(d->id.prev_epoch, d->id.epoch, sizeof(d->id.prev_epoch));
    memcpy(d->id.epoch, epoch, sizeof(d->id.epoch));
    for (struct pending *p = d->first; p != NULL; p = p->next)
        p->seq = ++seq;
    d->id.enqueued = seq;
    d->id.committed = d->id.acked = 0;
    d->again = false;
    d->new_epoch = true;
    d->deadline_us = 0;
    return 1;
}

void db_give_again(struct db *d, uint64_t seq)
{
    if (seq >= d->id.acked)
        return;
    if (!d->again || seq < d->again_after)
        d->again_after = seq;
    d->id.acked = seq;
    d->again = true;
    d->deadline_us = 0;
}

int db_ack(struct db *d, const char *hq_id, const char *epoch, uint64_t seq)
{
    if (strcmp(epoch, d->id.epoch) != 0)
        return -ESTALE;
    if (seq > d->id.committed)
        return begin_epoch(d);
    if (seq < d->id.acked && strcmp(hq_id, d->id.hq_id) != 0)
        db_give_again(d, seq);
    else if (seq > d->id.acked)
        d->id.acked = seq;
    else
        return 0;
    snprintf(d->id.hq_id, sizeof(d->id.hq_id), "%s", hq_id);
    return 0;
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

/* --- commit ------------------------------------------------------------------------------------- */

static int write_records(struct db *d)
{
    int rc = 0;

    for (size_t i = 0; i < d->records_n && rc == 0; i++) {
        const struct record *r = &d->records[i];
        enum statement s = r->value[0] == '\0' ? ST_RECORD_DELETE : ST_RECORD_PUT;

        bind_int(d, s, 1, r->kind);
        bind_text(d, s, 2, r->key);
        if (s == ST_RECORD_PUT)
            bind_text(d, s, 3, r->value);
        rc = run(d, s);
    }
    return rc;
}

static int write_events(struct db *d)
{
    int rc = 0;

    for (const struct pending *p = d->first; p != NULL && rc == 0; p = p->next) {
        bind_int(d, ST_EVENT, 1, (int64_t)p->seq);
        bind_int(d, ST_EVENT, 2, event_class(p->kind));
        bind_text(d, ST_EVENT, 3, event_type(p->kind));
        bind_int(d, ST_EVENT, 4, p->t_us);
        bind_text(d, ST_EVENT, 5, d->bootid);
        sqlite3_bind_text(d->st[ST_EVENT], 6, p->data, (int)p->n, SQLITE_STATIC);
        rc = run(d, ST_EVENT);
    }
    return rc;
}

/* What became of rows that are there: acked, forgotten, wanted again, left behind in an old epoch. */
static int write_kept(struct db *d, int64_t now_us, bool only_deletes)
{
    int64_t utc_us =
        d->boot_known && d->boot.quality != CLOCK_FLOOR ? now_us + d->boot.offset_us : 0;
    int rc = 0;

    d->acked_rows = 0;
    if (d->new_epoch) {
        d->keep = (struct db_keep){.sql = d->file.sql,
                                   .limits = d->keep.limits,
                                   .first = 1,
                                   .removed = d->keep.removed,
                                   .shed = d->keep.shed};
        return db_exec(d->file.sql, "DELETE FROM outbox;DELETE FROM ack_mark");
    }
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
        rc = write_events(d);
    if (rc == 0) {
        bind_int(d, ST_META, 1, (int64_t)(only_deletes ? d->id.committed : d->id.enqueued));
        bind_int(d, ST_META, 2, (int64_t)d->id.acked);
        bind_text(d, ST_META, 3, d->id.hq_id);
        bind_text(d, ST_META, 4, d->id.epoch);
        bind_text(d, ST_META, 5, d->id.prev_epoch);
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
    d->again = d->new_epoch = false;
    if (recount)
        (void)count_waiting(d); /* a figure for people; the next restart counts again */
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

    if (d->first == NULL && d->records_n == 0 && d->acked_disk == d->id.acked && !d->again &&
        !d->new_epoch) {
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
        d->deadline_us = now_us + DB_RETRY_US;
        return rc;
    }
    note_kept(d, d->pending_n);
    d->counters.events_committed += d->pending_n;
    while (d->first != NULL) {
        struct pending *p = d->first;

        d->first = p->next;
        free(p);
    }
    d->last = &d->first;
    d->pending_n = 0;
    d->records_n = 0;
    d->id.committed = d->id.enqueued;
    d->deadline_us = NOREN_NEVER_US;
    d->problem[0] = '\0';
    d->counters.commits++;
    return 0;
}

int db_forget_unlisted(struct db *d, const struct db_members *members, int64_t now_us)
{
    struct db_keep before;
    int rc = db_commit(d, now_us);

    sqlite3_reset(d->st[ST_NEXT]);
    before = d->keep;
    if (rc == 0)
        rc = run(d, ST_BEGIN);
    if (rc == 0)
        rc = db_shed_unlisted(&d->keep, members, d->bootid, now_us);
    if (rc == 0)
        rc = run(d, ST_COMMIT);
    if (rc == 0) {
        d->counters.events_shed = d->keep.shed;
        d->removed_rows = d->keep.removed;
        return count_waiting(d);
    }
    if (!sqlite3_get_autocommit(d->file.sql))
        (void)run(d, ST_ROLLBACK);
    d->keep = before;
    return rc;
}

const char *db_problem(const struct db *d)
{
    return d->problem;
}

/* --- sending ------------------------------------------------------------------------------------ */

int db_next(struct db *d, uint64_t after, struct db_row *ret)
{
    sqlite3_stmt *st = d->st[ST_NEXT];
    int rc;

    sqlite3_reset(st); /* the last row's text was borrowed until now */
    if (d->again || d->new_epoch)
        return 0; /* first the disk has to say where the stream begins */
    bind_int(d, ST_NEXT, 1, (int64_t)after);
    rc = sqlite3_step(st);
    if (rc != SQLITE_ROW) {
        sqlite3_reset(st);
        return db_errno(rc);
    }
    db_copy_column(st, 5, d->row_boot.bootid, sizeof(d->row_boot.bootid));
    d->row_boot.offset_us = sqlite3_column_int64(st, 6);
    d->row_boot.quality = (enum clock_quality)sqlite3_column_int(st, 7);
    if (strcmp(d->row_boot.bootid, d->bootid) == 0 && d->boot_known)
        d->row_boot = d->boot; /* fresher than the row */
    else if (sqlite3_column_type(st, 6) == SQLITE_NULL)
        d->row_boot.quality = CLOCK_FLOOR;
    *ret = (struct db_row){
        .seq = (uint64_t)sqlite3_column_int64(st, 0),
        .class = (enum event_class)sqlite3_column_int(st, 1),
        .type = (const char *)sqlite3_column_text(st, 2),
        .t_us = sqlite3_column_int64(st, 3),
        .boot = &d->row_boot,
        .data = (const char *)sqlite3_column_text(st, 4),
        .data_n = (size_t)sqlite3_column_bytes(st, 4),
    };
    return 1;
}

const struct db_identity *db_identity(const struct db *d)
{
    return &d->id;
}

struct db_counters db_counters(const struct db *d)
{
    return d->counters;
}
