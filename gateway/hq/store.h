/* HQ's database: one SQLite file, one connection, WAL with synchronous=FULL.
 *
 * What a gateway was told is stored must be stored: the ack is published only after the commit, so the
 * durability settings are those of the gateway's own outbox (reference: WAL-reset fault of SQLite < 3.51.3
 * needs two connections; HQ, too, opens exactly one, and tools ask HQ's API).
 * Several replicas on one machine may share the file (`shared`): then with a rollback journal, because exactly
 * that fault of the WAL needs two connections, and with a wait for the other's lock. Replicas on several
 * machines need a database server, which is not built in.
 * Statements are written where they are used and cached by the address of their text: a table of named
 * statements far from their use was rejected, because SQL is only readable next to its binding.
 */
#ifndef NOREN_HQ_STORE_H
#define NOREN_HQ_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <sqlite3.h>

#define STORE_STATEMENTS_MAX 96
#define STORE_HQ_ID_SIZE     37

struct store {
    sqlite3 *db;
    char hq_id[STORE_HQ_ID_SIZE]; /**< random UUID, made with the database */
    bool shared;
    bool in_transaction;
    int cached_n;
    struct {
        const char *sql; /**< compared by address */
        sqlite3_stmt *stmt;
    } cached[STORE_STATEMENTS_MAX];
};

/** Opens (and creates) `path`, for this process alone; ":memory:" for tests. Returns 0 or -errno (-ENOTSUP: the file was made by a
 * newer noren-hq, -EUCLEAN: not a database or damaged); `ret_error` says what SQLite said. */
int store_open(struct store *s, const char *path, char ret_error[256]);
/** The same, with other replicas on the same file. */
int store_open_shared(struct store *s, const char *path, char ret_error[256]);
void store_close(struct store *s);

/** What SQLite said last; valid until the next call. */
const char *store_error(const struct store *s);

/** Opens a transaction unless one is open. 0 or -errno. */
int store_begin(struct store *s);
/** Commits if one is open; on failure everything since store_begin() is rolled back. 0 or -errno
 * (-ENOSPC disk full, -EROFS, -EIO). */
int store_commit(struct store *s);
void store_rollback(struct store *s);

/* `sql` must be a string literal (it is the cache's key). `types` has a letter for each ?: i int64_t,
 * s const char * (NULL is SQL NULL), t const char * and int (so many bytes of it), j json_t * (string, integer, boolean; anything else is SQL NULL). */

/** Runs a statement to its end. Returns the number of rows it changed, or -errno. */
int store_run(struct store *s, const char *sql, const char *types, ...);
/** First column of the first row, or `otherwise` when there is none (or it is NULL). */
int64_t store_int(struct store *s, int64_t otherwise, const char *sql, const char *types, ...);
/** All rows as a JSON array of objects with the columns' names; a name that ends in ":json" is parsed, one
 * that ends in ":bool" becomes true or false (and the suffix is dropped). NULL on an error. */
json_t *store_rows(struct store *s, const char *sql, const char *types, ...);
/** Bound and ready to be stepped by the caller, who must sqlite3_reset() it; NULL on an error. */
sqlite3_stmt *store_bind(struct store *s, const char *sql, const char *types, ...);

#endif
