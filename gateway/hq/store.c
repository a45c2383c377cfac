/* HQ's database; see store.h. The schema is in this file, whole, so that it can be read in one go. */
#include "hq/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/rand.h>

#define SCHEMA_VERSION 3

/* Raw history: gateway, epoch, event, covered. Everything else is derived from it in the same transaction
 * and could be rebuilt. Derived rows remember (epoch_id, seq) of the event they reflect: an epoch's ordinal
 * may be corrected by a late birth, so it is looked up and never copied. */
static const char SCHEMA[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "CREATE TABLE gateway(id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, store TEXT NOT NULL,"
    " gateway TEXT NOT NULL, online INTEGER, session TEXT, birth TEXT, occupancy TEXT,"
    " online_changed_us INTEGER, seen_us INTEGER, UNIQUE(tenant, store, gateway)) STRICT;"
    "CREATE TABLE epoch(id INTEGER PRIMARY KEY, gateway_id INTEGER NOT NULL REFERENCES gateway,"
    " epoch TEXT NOT NULL, ordinal INTEGER NOT NULL, acked INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE(gateway_id, epoch)) STRICT;"
    /* id is HQ's own order of arrival: the cursor of the event stream */
    "CREATE TABLE event(id INTEGER PRIMARY KEY AUTOINCREMENT, epoch_id INTEGER NOT NULL"
    " REFERENCES epoch, seq INTEGER NOT NULL, class TEXT NOT NULL, type TEXT NOT NULL,"
    " utc_us INTEGER, bootid TEXT, tus INTEGER, clock TEXT, received_us INTEGER NOT NULL,"
    " body TEXT NOT NULL, UNIQUE(epoch_id, seq)) STRICT;"
    /* numbers that will never come (gap events) or came unusable (refused): the ack may pass them */
    "CREATE TABLE covered(epoch_id INTEGER NOT NULL REFERENCES epoch, first_seq INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL, reason TEXT NOT NULL, body TEXT,"
    " PRIMARY KEY(epoch_id, first_seq, last_seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE bundle(gateway_id INTEGER NOT NULL REFERENCES gateway, name TEXT NOT NULL,"
    " revision INTEGER NOT NULL, digest TEXT NOT NULL, PRIMARY KEY(gateway_id, name))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE fixture(gateway_id INTEGER NOT NULL REFERENCES gateway, fixture TEXT NOT NULL,"
    " body TEXT NOT NULL, received_us INTEGER NOT NULL, PRIMARY KEY(gateway_id, fixture))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE product(gateway_id INTEGER NOT NULL REFERENCES gateway, gtin TEXT NOT NULL,"
    " name TEXT NOT NULL, PRIMARY KEY(gateway_id, gtin)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE stock(gateway_id INTEGER NOT NULL REFERENCES gateway, gtin TEXT NOT NULL,"
    " plate TEXT NOT NULL, epoch_id INTEGER NOT NULL, seq INTEGER NOT NULL, on_shelf INTEGER,"
    " atp INTEGER, atp_lower_bound INTEGER, cause TEXT, utc_us INTEGER NOT NULL,"
    " PRIMARY KEY(gateway_id, gtin, plate)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE change(gateway_id INTEGER NOT NULL REFERENCES gateway, change_id TEXT NOT NULL,"
    " epoch_id INTEGER NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL, stage TEXT NOT NULL,"
    " rev INTEGER, plate TEXT, gtin TEXT, quantity INTEGER, utc_us INTEGER NOT NULL,"
    " PRIMARY KEY(gateway_id, change_id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE presence(gateway_id INTEGER NOT NULL REFERENCES gateway, who TEXT NOT NULL,"
    " member INTEGER NOT NULL, epoch_id INTEGER NOT NULL, seq INTEGER NOT NULL, visit_id TEXT,"
    " zone TEXT, opened_us INTEGER, zone_since_us INTEGER, closed_us INTEGER,"
    " PRIMARY KEY(gateway_id, who)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE offer(gateway_id INTEGER NOT NULL REFERENCES gateway, offer_id TEXT NOT NULL,"
    " epoch_id INTEGER NOT NULL, seq INTEGER NOT NULL, status TEXT NOT NULL, campaign TEXT,"
    " who TEXT, zone TEXT, gtin TEXT, template TEXT, reason TEXT, utc_us INTEGER NOT NULL,"
    " PRIMARY KEY(gateway_id, offer_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX offer_time ON offer(utc_us);"
    "CREATE INDEX offer_who ON offer(who, utc_us);"
    "CREATE TABLE alert(gateway_id INTEGER NOT NULL REFERENCES gateway, alert_id TEXT NOT NULL,"
    " epoch_id INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT, severity TEXT, subject TEXT,"
    " raised_us INTEGER, cleared_us INTEGER, PRIMARY KEY(gateway_id, alert_id))"
    " STRICT, WITHOUT ROWID;"
    /* for people and tests with the sqlite3 shell on a copy */
    "CREATE VIEW events AS SELECT event.id, tenant, store, gateway, epoch, ordinal, seq, class, "
    "type,"
    " utc_us, received_us, body FROM event JOIN epoch ON epoch.id = epoch_id"
    " JOIN gateway ON gateway.id = gateway_id;"
    "PRAGMA user_version = 1;";

/* Version 2: commands with their answers, and which bundles a gateway says are in force. */
static const char SCHEMA_2[] =
    "CREATE TABLE IF NOT EXISTS command(id TEXT PRIMARY KEY, gateway_id INTEGER NOT NULL REFERENCES"
    " gateway, envelope TEXT NOT NULL, issued_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"
    " sent_us INTEGER NOT NULL, answered_us INTEGER, answer TEXT) STRICT;"
    "CREATE INDEX IF NOT EXISTS command_issued ON command(issued_us);"
    "CREATE INDEX IF NOT EXISTS command_waiting ON command(expires_us) WHERE answer IS NULL;"
    "CREATE TABLE IF NOT EXISTS desired(gateway_id INTEGER PRIMARY KEY REFERENCES gateway,"
    " body TEXT NOT NULL, received_us INTEGER NOT NULL) STRICT;"
    "PRAGMA user_version = 2;";

/* Version 3: gateways that ask for their next certificate. */
static const char SCHEMA_3[] =
    "CREATE TABLE IF NOT EXISTS claim(gateway_id INTEGER PRIMARY KEY REFERENCES gateway,"
    " body TEXT NOT NULL) STRICT;"
    "PRAGMA user_version = 3;";

static int store_errno(const struct store *s)
{
    switch (sqlite3_errcode(s->db) & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CANTOPEN:
        return -ENOENT;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return -EUCLEAN;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
        return -EBUSY;
    default:
        return -EIO;
    }
}

const char *store_error(const struct store *s)
{
    return sqlite3_errmsg(s->db);
}

static sqlite3_stmt *store_cached(struct store *s, const char *sql)
{
    for (int i = 0; i < s->cached_n; i++)
        if (s->cached[i].sql == sql)
            return s->cached[i].stmt;
    if (s->cached_n == STORE_STATEMENTS_MAX)
        return NULL;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        return NULL;
    s->cached[s->cached_n].sql = sql;
    s->cached[s->cached_n++].stmt = stmt;
    return stmt;
}

static void bind_part(sqlite3_stmt *stmt, int at, sqlite3_destructor_type lives, va_list *ap)
{
    const char *text = va_arg(*ap, const char *);

    sqlite3_bind_text(stmt, at, text, va_arg(*ap, int), lives);
}

static void bind_json(sqlite3_stmt *stmt, int at, const json_t *j, sqlite3_destructor_type lives)
{
    if (json_is_string(j))
        sqlite3_bind_text(stmt, at, json_string_value(j), (int)json_string_length(j), lives);
    else if (json_is_integer(j))
        sqlite3_bind_int64(stmt, at, json_integer_value(j));
    else if (json_is_boolean(j))
        sqlite3_bind_int64(stmt, at, json_is_true(j));
    else
        sqlite3_bind_null(stmt, at);
}

/* `lives` of texts: SQLITE_STATIC when the statement is done with before the caller goes on. */
static sqlite3_stmt *store_vbind(struct store *s, const char *sql, const char *types,
                                 sqlite3_destructor_type lives, va_list *ap)
{
    sqlite3_stmt *stmt = store_cached(s, sql);

    if (stmt == NULL)
        return NULL;
    sqlite3_reset(stmt);
    /* clang-tidy 14 forgets va_start() when it reads several files in one run
     * NOLINTBEGIN(clang-analyzer-valist.Uninitialized) */
    for (int at = 1; types[at - 1] != '\0'; at++) {
        if (types[at - 1] == 'i')
            sqlite3_bind_int64(stmt, at, va_arg(*ap, int64_t));
        else if (types[at - 1] == 's')
            sqlite3_bind_text(stmt, at, va_arg(*ap, const char *), -1, lives);
        else if (types[at - 1] == 't')
            bind_part(stmt, at, lives, ap);
        else
            bind_json(stmt, at, va_arg(*ap, const json_t *), lives);
    }
    /* NOLINTEND(clang-analyzer-valist.Uninitialized) */
    return stmt;
}

sqlite3_stmt *store_bind(struct store *s, const char *sql, const char *types, ...)
{
    va_list ap;

    va_start(ap, types);
    sqlite3_stmt *stmt = store_vbind(s, sql, types, SQLITE_TRANSIENT, &ap);
    va_end(ap);
    return stmt;
}

int store_run(struct store *s, const char *sql, const char *types, ...)
{
    va_list ap;

    va_start(ap, types);
    sqlite3_stmt *stmt = store_vbind(s, sql, types, SQLITE_STATIC, &ap);
    va_end(ap);
    if (stmt == NULL)
        return store_errno(s);
    int step;
    do
        step = sqlite3_step(stmt);
    while (step == SQLITE_ROW);
    int r = step == SQLITE_DONE ? sqlite3_changes(s->db) : store_errno(s);
    sqlite3_reset(stmt);
    return r;
}

int64_t store_int(struct store *s, int64_t otherwise, const char *sql, const char *types, ...)
{
    va_list ap;

    va_start(ap, types);
    sqlite3_stmt *stmt = store_vbind(s, sql, types, SQLITE_STATIC, &ap);
    va_end(ap);
    if (stmt == NULL)
        return otherwise;
    if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
        otherwise = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return otherwise;
}

/* One cell as JSON; see store_rows() for the suffixes. */
static json_t *column_json(sqlite3_stmt *stmt, int column, const char *suffix)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
        return json_null();
    if (strcmp(suffix, ":bool") == 0)
        return json_boolean(sqlite3_column_int64(stmt, column));
    if (sqlite3_column_type(stmt, column) == SQLITE_INTEGER)
        return json_integer(sqlite3_column_int64(stmt, column));
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    if (strcmp(suffix, ":json") == 0) {
        json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
        return j != NULL ? j : json_null();
    }
    return json_string(text);
}

json_t *store_rows(struct store *s, const char *sql, const char *types, ...)
{
    va_list ap;

    va_start(ap, types);
    sqlite3_stmt *stmt = store_vbind(s, sql, types, SQLITE_STATIC, &ap);
    va_end(ap);
    if (stmt == NULL)
        return NULL;
    json_t *rows = json_array();
    int step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        json_t *row = json_object();

        for (int c = 0; c < sqlite3_column_count(stmt); c++) {
            char name[64];
            snprintf(name, sizeof(name), "%s", sqlite3_column_name(stmt, c));
            char *suffix = strchrnul(name, ':');
            json_t *value = column_json(stmt, c, suffix);
            *suffix = '\0';
            json_object_set_new(row, name, value);
        }
        json_array_append_new(rows, row);
    }
    sqlite3_reset(stmt);
    if (step != SQLITE_DONE) {
        json_decref(rows);
        return NULL;
    }
    return rows;
}

int store_begin(struct store *s)
{
    if (s->in_transaction)
        return 0;
    int r = store_run(s, "BEGIN IMMEDIATE", "");
    s->in_transaction = r >= 0;
    return r < 0 ? r : 0;
}

int store_commit(struct store *s)
{
    if (!s->in_transaction)
        return 0;
    int r = store_run(s, "COMMIT", "");
    if (r < 0)
        store_rollback(s);
    s->in_transaction = false;
    return r < 0 ? r : 0;
}

void store_rollback(struct store *s)
{
    if (s->in_transaction && !sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->in_transaction = false;
}

/* A version 4 UUID (RFC 9562, 5.4). */
static int make_uuid(char ret[STORE_HQ_ID_SIZE])
{
    unsigned char b[16];

    if (RAND_bytes(b, sizeof(b)) != 1)
        return -EIO;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    int n = 0;
    for (int i = 0; i < 16; i++)
        n += snprintf(ret + n, (size_t)(STORE_HQ_ID_SIZE - n), "%s%02x",
                      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
    return 0;
}

static int store_create(struct store *s)
{
    int r = make_uuid(s->hq_id);

    if (r < 0)
        return r;
    r = store_begin(s);
    if (r < 0)
        return r;
    if (store_int(s, 0, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", "") > 0) {
        store_rollback(s); /* another replica was faster */
        return 0;
    }
    if (sqlite3_exec(s->db, SCHEMA, NULL, NULL, NULL) != SQLITE_OK)
        r = store_errno(s);
    else
        r = store_run(s, "INSERT INTO meta VALUES('hq_id', ?)", "s", s->hq_id);
    if (r < 0) {
        store_rollback(s);
        return r;
    }
    return store_commit(s);
}

/* Each step may have been taken by another replica meanwhile. */
static int store_upgrade(struct store *s)
{
    int r = store_begin(s);

    if (r == 0 && (sqlite3_exec(s->db, SCHEMA_2, NULL, NULL, NULL) != SQLITE_OK ||
                   sqlite3_exec(s->db, SCHEMA_3, NULL, NULL, NULL) != SQLITE_OK))
        r = store_errno(s);
    if (r == 0)
        r = store_commit(s);
    if (r < 0)
        store_rollback(s);
    return r;
}

/* Settings, then the schema of a new file or the identity of an old one. */
static int store_prepare_file(struct store *s)
{
    static const char SETTINGS[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                                   "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                                   "PRAGMA journal_size_limit=8388608;";
    /* TRUNCATE with FULL syncs the emptied journal too: a commit that was acked cannot come undone */
    static const char SHARED[] = "PRAGMA busy_timeout=5000; PRAGMA locking_mode=NORMAL;"
                                 "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL;"
                                 "PRAGMA foreign_keys=ON;";

    if (sqlite3_exec(s->db, s->shared ? SHARED : SETTINGS, NULL, NULL, NULL) != SQLITE_OK)
        return store_errno(s);
    int64_t version = store_int(s, -1, "PRAGMA user_version", "");
    if (version < 0)
        return store_errno(s);
    if (version > SCHEMA_VERSION)
        return -ENOTSUP;
    if (version == 0) {
        int r = store_create(s);

        if (r < 0)
            return r;
    }
    /* by digest only: who was forgotten is in no row */
    if (sqlite3_exec(s->db,
                     "CREATE TABLE IF NOT EXISTS forgotten(receipt TEXT PRIMARY KEY,"
                     " digest TEXT NOT NULL, utc_us INTEGER NOT NULL) STRICT, WITHOUT ROWID",
                     NULL, NULL, NULL) != SQLITE_OK)
        return store_errno(s);
    if (version < SCHEMA_VERSION) {
        int r = store_upgrade(s);

        if (r < 0)
            return r;
    }
    sqlite3_stmt *stmt = store_bind(s, "SELECT value FROM meta WHERE key = 'hq_id'", "");
    if (stmt == NULL || sqlite3_step(stmt) != SQLITE_ROW)
        return -EUCLEAN;
    snprintf(s->hq_id, sizeof(s->hq_id), "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_reset(stmt);
    return 0;
}

static int open_file(struct store *s, const char *path, bool shared, char ret_error[256])
{
    int r = 0;

    memset(s, 0, sizeof(*s));
    s->shared = shared;
    if (sqlite3_open(path, &s->db) != SQLITE_OK)
        r = store_errno(s);
    else
        r = store_prepare_file(s);
    if (r < 0) {
        snprintf(ret_error, 256, "%s", r == -ENOTSUP ? "made by a newer noren-hq" : store_error(s));
        store_close(s);
    }
    return r;
}

int store_open(struct store *s, const char *path, char ret_error[256])
{
    return open_file(s, path, false, ret_error);
}

int store_open_shared(struct store *s, const char *path, char ret_error[256])
{
    return open_file(s, path, true, ret_error);
}

void store_close(struct store *s)
{
    store_rollback(s);
    for (int i = 0; i < s->cached_n; i++)
        sqlite3_finalize(s->cached[i].stmt);
    sqlite3_close(s->db);
    memset(s, 0, sizeof(*s));
}
