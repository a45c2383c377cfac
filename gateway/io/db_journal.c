/* The journal of commands in SQLite; see db_journal.h. */
#include "io/db_journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/db_private.h"

static void row_free(struct journal_row *r)
{
    free(r->answer);
    r->answer = NULL;
}

static int copy_row(struct journal_row *ret, const struct journal_row *r)
{
    *ret = *r;
    ret->answer = strdup(r->answer);
    return ret->answer != NULL ? 1 : -ENOMEM;
}

int db_journal_find(struct db *d, int source, const char *id, struct journal_row *ret)
{
    sqlite3_stmt *st = NULL;
    int rc;

    for (size_t i = 0; i < d->journal_n; i++)
        if (d->journal[i].source == source && strcmp(d->journal[i].id, id) == 0)
            return copy_row(ret, &d->journal[i]);
    rc = sqlite3_prepare_v2(d->file.sql,
                            "SELECT digest,issued_us,expires_us,answer FROM command "
                            "WHERE source=? AND id=?",
                            -1, &st, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int(st, 1, source);
        sqlite3_bind_text(st, 2, id, -1, SQLITE_STATIC);
        rc = sqlite3_step(st);
    }
    if (rc == SQLITE_ROW) {
        const char *answer = (const char *)sqlite3_column_text(st, 3);
        struct journal_row r = {.source = source,
                                .issued_us = sqlite3_column_int64(st, 1),
                                .expires_us = sqlite3_column_int64(st, 2),
                                .answer = strdup(answer != NULL ? answer : "{}")};

        snprintf(r.id, sizeof(r.id), "%s", id);
        db_copy_column(st, 0, r.digest, sizeof(r.digest));
        sqlite3_finalize(st);
        if (r.answer == NULL)
            return -ENOMEM;
        *ret = r;
        return 1;
    }
    sqlite3_finalize(st);
    return db_errno(rc);
}

int db_journal_put(struct db *d, const struct journal_row *row)
{
    int rc;

    if (d->journal_n == JOURNAL_WAITING_MAX)
        return -ENOBUFS;
    if (d->journal == NULL) {
        d->journal = calloc(JOURNAL_WAITING_MAX, sizeof(*d->journal));
        if (d->journal == NULL)
            return -ENOMEM;
    }
    rc = copy_row(&d->journal[d->journal_n], row);
    if (rc < 0)
        return rc;
    d->journal_n++;
    d->deadline_us = 0;
    return 0;
}

size_t db_journal_waiting(const struct db *d)
{
    return d->journal_n;
}

int64_t db_journal_floor(struct db *d, int source)
{
    sqlite3_stmt *st = NULL;
    int64_t floor_us = 0;

    if (sqlite3_prepare_v2(d->file.sql, "SELECT issued_us FROM command_floor WHERE source=?", -1,
                           &st, NULL) == SQLITE_OK) {
        sqlite3_bind_int(st, 1, source);
        if (sqlite3_step(st) == SQLITE_ROW)
            floor_us = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return floor_us;
}

/* --- inside a commit ---------------------------------------------------------------------------- */

/* Runs a statement whose parameters are integers. */
static int run(sqlite3 *sql, const char *text, const int64_t *args, int n)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(sql, text, -1, &st, NULL);

    for (int i = 0; rc == SQLITE_OK && i < n; i++)
        rc = sqlite3_bind_int64(st, i + 1, args[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    sqlite3_finalize(st);
    return db_errno(rc);
}

/* What expired goes; then the oldest of too many, whose time stays as a floor. */
static int prune(struct db *d, int source, int64_t utc_us)
{
    /* rows beyond the newest JOURNAL_ROWS_MAX, by the index over source and time */
    static const char floor_sql[] =
        "INSERT INTO command_floor(source,issued_us) SELECT ?1,issued_us FROM command WHERE "
        "source=?1 ORDER BY issued_us DESC LIMIT 1 OFFSET ?2 ON CONFLICT(source) DO UPDATE SET "
        "issued_us=max(issued_us,excluded.issued_us)";
    static const char delete_sql[] =
        "DELETE FROM command WHERE source=?1 AND issued_us<=(SELECT issued_us FROM command WHERE "
        "source=?1 ORDER BY issued_us DESC LIMIT 1 OFFSET ?2)";
    int64_t bound[2] = {source, JOURNAL_ROWS_MAX};
    int rc = 0;

    if (utc_us > 0) {
        int64_t expired[2] = {source, utc_us - JOURNAL_MARGIN_US};

        rc = run(d->file.sql, "DELETE FROM command WHERE source=?1 AND expires_us<?2", expired, 2);
    }
    if (rc == 0)
        rc = run(d->file.sql, floor_sql, bound, 2);
    return rc == 0 ? run(d->file.sql, delete_sql, bound, 2) : rc;
}

int db_journal_write(struct db *d, int64_t utc_us)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;

    if (d->journal_n == 0)
        return 0;
    rc = sqlite3_prepare_v2(
        d->file.sql,
        "INSERT INTO command(source,id,digest,issued_us,expires_us,answer) VALUES(?,?,?,?,?,?) "
        "ON CONFLICT(source,id) DO UPDATE SET answer=excluded.answer",
        -1, &st, NULL);
    for (size_t i = 0; i < d->journal_n && rc == SQLITE_OK; i++) {
        const struct journal_row *r = &d->journal[i];

        sqlite3_bind_int(st, 1, r->source);
        sqlite3_bind_text(st, 2, r->id, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 3, r->digest, -1, SQLITE_STATIC);
        sqlite3_bind_int64(st, 4, r->issued_us);
        sqlite3_bind_int64(st, 5, r->expires_us);
        sqlite3_bind_text(st, 6, r->answer, -1, SQLITE_STATIC);
        rc = sqlite3_step(st);
        rc = rc == SQLITE_DONE ? sqlite3_reset(st) : rc;
    }
    sqlite3_finalize(st);
    if (rc != SQLITE_OK)
        return db_errno(rc);
    for (size_t i = 0; i < d->journal_n; i++) {
        size_t k = 0;

        while (d->journal[k].source != d->journal[i].source)
            k++;
        if (k == i) /* once a source */
            rc = prune(d, d->journal[i].source, utc_us);
        if (rc != 0)
            return rc;
    }
    return 0;
}

void db_journal_clear(struct db *d)
{
    for (size_t i = 0; i < d->journal_n; i++)
        row_free(&d->journal[i]);
    d->journal_n = 0;
}
