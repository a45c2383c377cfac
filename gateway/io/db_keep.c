/* Kept and forgotten rows; see db_keep.h. */
#include "io/db_keep.h"

#include <stdio.h>
#include <string.h>

#include "core/event.h"

#define MARK_EVERY_US (NOREN_US_PER_S * 3600)
#define ROW_BYTES     "96+length(data)" /* with the columns around it and its share of the tree */
#define PRUNE_SLACK   16 /* one in so many bytes goes beside what must: fewer prunings */

/* Runs a statement with up to three integers bound. The value of the first column of its first row, or
 * `*ret` untouched; NULL for a statement without rows. */
static int run(sqlite3 *sql, const char *text, int64_t a, int64_t b, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(sql, text, -1, &st, NULL);

    if (rc != SQLITE_OK)
        return db_errno(rc);
    if (sqlite3_bind_parameter_count(st) > 0)
        sqlite3_bind_int64(st, 1, a);
    if (sqlite3_bind_parameter_count(st) > 1)
        sqlite3_bind_int64(st, 2, b);
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW && ret != NULL && sqlite3_column_type(st, 0) != SQLITE_NULL)
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return db_errno(rc);
}

static int count_kept(struct db_keep *k, uint64_t acked)
{
    int64_t bytes = 0;
    int rc = run(k->sql, "SELECT sum(" ROW_BYTES ") FROM outbox WHERE seq>? AND seq<=?",
                 (int64_t)k->counted, (int64_t)acked, &bytes);

    if (rc == 0) {
        k->kept_bytes += bytes;
        k->counted = acked;
    }
    return rc;
}

int db_keep_read(struct db_keep *k, const struct db_identity *id)
{
    int64_t first = (int64_t)id->committed + 1;
    int rc = run(k->sql,
                 "SELECT CASE WHEN type='noren.gateway.gap' THEN json_extract(data,'$.first_seq') "
                 "ELSE seq END FROM outbox ORDER BY seq LIMIT 1",
                 0, 0, &first);

    k->first = (uint64_t)first;
    k->counted = 0;
    k->kept_bytes = 0;
    k->mark_us = 0;
    if (rc == 0)
        rc = run(k->sql, "SELECT max(utc_us) FROM ack_mark", 0, 0, &k->mark_us);
    return rc == 0 ? count_kept(k, id->acked) : rc;
}

/* Forgets everything up to `seq`. */
static int forget(struct db_keep *k, uint64_t seq)
{
    int64_t bytes = 0;
    int rc;

    if (seq < k->first)
        return 0;
    rc = run(k->sql, "SELECT sum(" ROW_BYTES ") FROM outbox WHERE seq<=?", (int64_t)seq, 0, &bytes);
    if (rc == 0)
        rc = run(k->sql, "DELETE FROM outbox WHERE seq<=?", (int64_t)seq, 0, NULL);
    if (rc == 0)
        rc = run(k->sql, "DELETE FROM ack_mark WHERE seq<=?", (int64_t)seq, 0, NULL);
    if (rc != 0)
        return rc;
    k->kept_bytes -= bytes;
    k->first = seq + 1;
    return 0;
}

/* The number up to which acked rows must go to be within the bound again; 0: none. */
static int find_excess(struct db_keep *k, uint64_t acked, uint64_t *ret)
{
    int64_t excess = k->kept_bytes - k->limits.kept_bytes;
    sqlite3_stmt *st = NULL;
    int rc;

    *ret = 0;
    if (excess <= 0)
        return 0;
    excess += k->limits.kept_bytes / PRUNE_SLACK;
    rc = sqlite3_prepare_v2(k->sql, "SELECT seq," ROW_BYTES " FROM outbox ORDER BY seq", -1, &st,
                            NULL);
    while (rc == SQLITE_OK && excess > 0 && (rc = sqlite3_step(st)) == SQLITE_ROW &&
           (uint64_t)sqlite3_column_int64(st, 0) <= acked) {
        *ret = (uint64_t)sqlite3_column_int64(st, 0);
        excess -= sqlite3_column_int64(st, 1);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return db_errno(rc);
}

/* A mark says: these were acked by then. One an hour is exact enough and costs nothing. */
static int keep_marks(struct db_keep *k, uint64_t acked, int64_t utc_us, uint64_t *ret_old)
{
    int64_t old = 0;
    int rc = 0;

    /* a clock that was set back must not keep rows for ever: such a mark is written anew */
    if (k->mark_us == 0 || utc_us >= k->mark_us + MARK_EVERY_US || utc_us < k->mark_us) {
        rc = run(k->sql, "DELETE FROM ack_mark WHERE utc_us>?", utc_us, 0, NULL);
        if (rc == 0)
            rc = run(k->sql, "INSERT OR REPLACE INTO ack_mark(seq,utc_us) VALUES(?,?)",
                     (int64_t)acked, utc_us, NULL);
        if (rc == 0)
            k->mark_us = utc_us;
        if (rc == 0)
            rc = run(k->sql, "SELECT max(seq) FROM ack_mark WHERE utc_us<=?",
                     utc_us - k->limits.kept_us, 0, &old);
    }
    *ret_old = (uint64_t)old < acked ? (uint64_t)old : acked;
    return rc;
}

int db_keep_prune(struct db_keep *k, uint64_t acked, int64_t utc_us, bool room)
{
    uint64_t old = 0, excess = 0;
    int rc = k->counted < acked ? count_kept(k, acked) : 0;

    if (room)
        return rc == 0 ? forget(k, acked) : rc;
    if (rc == 0 && utc_us != 0 && acked >= k->first)
        rc = keep_marks(k, acked, utc_us, &old);
    if (rc == 0)
        rc = find_excess(k, acked, &excess);
    return rc == 0 ? forget(k, old > excess ? old : excess) : rc;
}

int db_keep_gap(struct db_keep *k, uint64_t first, uint64_t last, const char *reason,
                const char *bootid, int64_t t_us)
{
    struct event e = {.kind = EVENT_GATEWAY_GAP, .t_us = t_us};
    char data[EVENT_DATA_SIZE];
    sqlite3_stmt *st = NULL;
    int n, rc;

    e.u.gateway_gap.first_seq = (int64_t)first;
    e.u.gateway_gap.last_seq = (int64_t)last;
    snprintf(e.u.gateway_gap.reason, sizeof(e.u.gateway_gap.reason), "%s", reason);
    n = event_print_data(&e, data, sizeof(data));
    rc = sqlite3_prepare_v2(k->sql,
                            "INSERT OR REPLACE INTO outbox(seq,class,type,tus,bootid,data) "
                            "VALUES(?,?,?,?,?,?)",
                            -1, &st, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(st, 1, (int64_t)last);
        sqlite3_bind_int(st, 2, CLASS_GATEWAY);
        sqlite3_bind_text(st, 3, event_type(EVENT_GATEWAY_GAP), -1, SQLITE_STATIC);
        sqlite3_bind_int64(st, 4, t_us);
        sqlite3_bind_text(st, 5, bootid, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 6, data, n, SQLITE_STATIC);
        rc = sqlite3_step(st);
    }
    sqlite3_finalize(st);
    if (db_errno(rc) == 0 && last < k->first)
        k->first = last;
    return db_errno(rc);
}
