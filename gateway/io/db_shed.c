/* Shedding; see db_shed.h. */
#include "io/db_shed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"

#define CHUNK_ROWS  2000  /* given up by one commit: about 600 KB, some 20 ms on a Pi */
#define ENOUGH_ROWS 64    /* less than this does not count as a step: the next stage has its turn */
#define WINDOW_ROWS 20000 /* looked at by one commit to find what can collapse */
#define IS_GAP      "type='noren.gateway.gap'"

/* Numbers of rows to give up, ascending. */
struct victims {
    size_t n;
    uint64_t seq[CHUNK_ROWS];
};

/* ?1 = after this number; ?2 = up to this one, or what to look for. */
static const char *const FIND[DB_SHED_STAGES] = {
    [DB_SHED_HEALTH] = "SELECT seq FROM outbox WHERE seq>?1 AND seq<=?2 AND "
                       "type='noren.gateway.health' OR class=6 AND seq>?1 AND seq<=?2 ORDER BY seq",
    [DB_SHED_PRESENCE] = "SELECT seq FROM outbox WHERE seq>?1 AND seq<=?2 AND class=1 ORDER BY seq",
    [DB_SHED_OFFERS] = "SELECT seq FROM outbox WHERE seq>?1 AND seq<=?2 AND class=2 ORDER BY seq",
    /* absolute counts: what came before the last one of the window says nothing that it does not */
    [DB_SHED_STOCK] =
        "SELECT seq FROM outbox WHERE seq>?1 AND seq<=?2 AND (type GLOB 'noren.shelf.*' OR "
        "type='noren.stock.changed' AND seq NOT IN (SELECT max(seq) FROM outbox WHERE "
        "seq>?1 AND seq<=?2 AND type='noren.stock.changed' GROUP BY "
        "json_extract(data,'$.gtin'),json_extract(data,'$.plate'))) ORDER BY seq",
};

_Static_assert(CLASS_KPI == 6 && CLASS_VISIT == 1 && CLASS_OFFER == 2,
               "the statements above name classes as the rows on disk do");

/* The first column of the first row; 0 when there is none. */
static int find(struct db_keep *k, const char *sql, uint64_t seq, const char *reason, uint64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(k->sql, sql, -1, &st, NULL);

    *ret = 0;
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(st, 1, (int64_t)seq);
        sqlite3_bind_text(st, 2, reason, -1, SQLITE_STATIC);
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            *ret = (uint64_t)sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return db_errno(rc);
}

/* One gap for the numbers from `first` to `last`, together with gaps for the same reason on both sides. */
static int replace_run(struct db_keep *k, uint64_t first, uint64_t last, const char *reason,
                       const char *bootid, int64_t t_us)
{
    uint64_t before, after, from;
    char sql[96];
    int rc = find(k,
                  "SELECT json_extract(data,'$.first_seq') FROM outbox WHERE seq=?1-1 AND " IS_GAP
                  " AND json_extract(data,'$.reason')=?2",
                  first, reason, &before);

    if (rc == 0)
        rc = find(k,
                  "SELECT seq FROM (SELECT * FROM outbox WHERE seq>?1 ORDER BY seq LIMIT 1) "
                  "WHERE " IS_GAP " AND json_extract(data,'$.first_seq')=?1+1"
                  " AND json_extract(data,'$.reason')=?2",
                  last, reason, &after);
    if (rc != 0)
        return rc;
    before = first == k->border + 1 ? 0 : before;
    after = last == k->border ? 0 : after;
    from = before != 0 ? first - 1 : first; /* only rows of the run and of those two gaps */
    first = before != 0 ? before : first;
    last = after != 0 ? after : last;
    snprintf(sql, sizeof(sql), "DELETE FROM outbox WHERE seq BETWEEN %llu AND %llu",
             (unsigned long long)from, (unsigned long long)last);
    rc = db_exec(k->sql, sql);
    k->removed += rc == 0 ? sqlite3_changes(k->sql) - 1 : 0;
    return rc == 0 ? db_keep_gap(k, first, last, reason, bootid, t_us) : rc;
}

static int replace(struct db_keep *k, const struct victims *v, const char *reason,
                   const char *bootid, int64_t t_us)
{
    size_t from = 0;
    int rc = 0;

    for (size_t i = 1; i <= v->n && rc == 0; i++) {
        if (i < v->n && v->seq[i] == v->seq[i - 1] + 1 && v->seq[i - 1] != k->border)
            continue;
        rc = replace_run(k, v->seq[from], v->seq[i - 1], reason, bootid, t_us);
        from = i;
    }
    k->shed += rc == 0 ? (int64_t)v->n : 0;
    return rc;
}

/* Takes up to CHUNK_ROWS numbers from a statement that was bound, and ends it. */
static int collect(sqlite3_stmt *st, struct victims *ret)
{
    int rc = SQLITE_OK;

    ret->n = 0;
    while (ret->n < CHUNK_ROWS && (rc = sqlite3_step(st)) == SQLITE_ROW)
        ret->seq[ret->n++] = (uint64_t)sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return db_errno(rc);
}

/* One stage's part of this commit: a chunk, or a look at one window. */
static int shed_stage(struct db_keep *k, enum db_shed_stage stage, uint64_t acked, uint64_t end,
                      const char *bootid, int64_t t_us, bool *ret_more)
{
    uint64_t from = k->shed_from[stage] > acked ? k->shed_from[stage] : acked;
    uint64_t to = from + WINDOW_ROWS < end ? from + WINDOW_ROWS : end;
    struct victims *v = malloc(sizeof(*v));
    sqlite3_stmt *st = NULL;
    int rc = v == NULL ? -ENOMEM : 0;

    *ret_more = from < end;
    if (rc == 0 && *ret_more) {
        rc = db_errno(sqlite3_prepare_v2(k->sql, FIND[stage], -1, &st, NULL));
        if (rc == 0) {
            sqlite3_bind_int64(st, 1, (int64_t)from);
            sqlite3_bind_int64(st, 2, (int64_t)to);
            rc = collect(st, v);
        }
        if (rc == 0)
            rc = replace(k, v, "quota", bootid, t_us);
        if (rc == 0) {
            k->shed_from[stage] = v->n == CHUNK_ROWS ? v->seq[v->n - 1] : to;
            *ret_more = to < end || v->n >= ENOUGH_ROWS;
        }
    }
    free(v);
    return rc;
}

static int used_bytes(struct db_keep *k, int64_t *ret)
{
    int64_t pages = 0, unused = 0;
    int rc = db_read_int(k->sql, "PRAGMA page_count", &pages);

    if (rc == 0)
        rc = db_read_int(k->sql, "PRAGMA freelist_count", &unused);
    *ret = (pages - unused) * 4096;
    return rc;
}

int db_shed(struct db_keep *k, uint64_t acked, const char *bootid, int64_t t_us)
{
    int64_t used, end = 0;
    bool more = false;
    int rc = used_bytes(k, &used);

    if (rc != 0 || used < k->limits.quota_bytes / 5 * 4)
        return rc;
    if (k->first <= acked)
        return db_keep_prune(k, acked, 0, true);
    rc = db_read_int(k->sql, "SELECT max(seq) FROM outbox", &end);
    for (int stage = 0; stage < DB_SHED_STAGES && rc == 0 && !more; stage++)
        rc = shed_stage(k, (enum db_shed_stage)stage, acked, (uint64_t)end, bootid, t_us, &more);
    return rc;
}

static int compare_refs(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Like collect(), but only numbers whose second column is a member who is not listed. */
static int collect_unlisted(sqlite3_stmt *st, const struct db_members *members, struct victims *ret)
{
    int rc = SQLITE_OK;

    ret->n = 0;
    while (ret->n < CHUNK_ROWS && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *ref = (const char *)sqlite3_column_text(st, 1);

        if (ref != NULL && (members->n == 0 || bsearch(&ref, members->refs, members->n, sizeof(ref),
                                                       compare_refs) == NULL))
            ret->seq[ret->n++] = (uint64_t)sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return db_errno(rc);
}

int db_shed_unlisted(struct db_keep *k, const struct db_members *members, const char *bootid,
                     int64_t t_us)
{
    struct victims *v = malloc(sizeof(*v));
    uint64_t from = 0;
    int rc = v == NULL ? -ENOMEM : 0;

    while (rc == 0) {
        sqlite3_stmt *st = NULL;

        rc = db_errno(sqlite3_prepare_v2(k->sql,
                                         "SELECT seq,json_extract(data,'$.member_ref') FROM outbox "
                                         "WHERE seq>? AND class IN(1,2) "
                                         "ORDER BY seq",
                                         -1, &st, NULL));
        if (rc != 0)
            break;
        sqlite3_bind_int64(st, 1, (int64_t)from);
        rc = collect_unlisted(st, members, v);
        if (rc == 0)
            rc = replace(k, v, "forgotten", bootid, t_us);
        if (v->n < CHUNK_ROWS)
            break;
        from = v->seq[v->n - 1];
    }
    free(v);
    return rc;
}

int db_shed_one(struct db_keep *k, uint64_t seq, const char *reason, const char *bootid,
                int64_t t_us)
{
    const struct victims v = {.n = 1, .seq = {seq}};

    return replace(k, &v, reason, bootid, t_us);
}

int db_shed_member(struct db_keep *k, const char *member_ref, const char *bootid, int64_t t_us)
{
    struct victims *v = malloc(sizeof(*v));
    int rc = v == NULL ? -ENOMEM : 0;

    do { /* what was found is gone the next time */
        sqlite3_stmt *st = NULL;

        if (rc == 0)
            rc = db_errno(sqlite3_prepare_v2(
                k->sql, "SELECT seq FROM outbox WHERE instr(data,json_quote(?))>0 ORDER BY seq", -1,
                &st, NULL));
        if (rc != 0)
            break;
        sqlite3_bind_text(st, 1, member_ref, -1, SQLITE_STATIC);
        rc = collect(st, v);
        if (rc == 0)
            rc = replace(k, v, "forgotten", bootid, t_us);
    } while (rc == 0 && v->n == CHUNK_ROWS);
    free(v);
    return rc;
}
