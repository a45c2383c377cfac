/* The database file: opening, checking, creating, setting aside. See db.h for what is in it. */
#include "io/db_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define DB_SCHEMA_VERSION 5
#define DB_MAX_PAGES      131072    /* of 4 KiB = 512 MB: the offline bound of design section 10 */
#define DB_JOURNAL_SIZE   "4194304" /* what the WAL shrinks to after a burst */
/* Rows are written once and read once, in order: pages that were used are worth little, and two megabytes of them,
 * SQLite's default, are a third of what the daemon may have. A transaction may still change as many pages as
 * with the default before it has to write some of them twice. */
#define DB_PAGE_CACHE "PRAGMA cache_size=-256;PRAGMA cache_spill=500"

static const char SCHEMA[] =
    "CREATE TABLE meta(gateway TEXT NOT NULL,epoch TEXT NOT NULL,prev_epoch TEXT NOT NULL,"
    " hq_id TEXT NOT NULL,seq INTEGER NOT NULL,acked INTEGER NOT NULL);"
    "CREATE TABLE record(kind INTEGER NOT NULL,key TEXT NOT NULL,value TEXT NOT NULL,"
    " PRIMARY KEY(kind,key)) WITHOUT ROWID;"
    "CREATE TABLE outbox(seq INTEGER PRIMARY KEY,class INTEGER NOT NULL,type TEXT NOT NULL,"
    " tus INTEGER NOT NULL,bootid TEXT NOT NULL,data TEXT NOT NULL);"
    "CREATE TABLE boots(bootid TEXT PRIMARY KEY,offset_us INTEGER NOT NULL,quality INTEGER NOT "
    "NULL)"
    " WITHOUT ROWID;";

/* Version 2: when rows up to a number had been acked, so that they can be kept for a day. */
static const char SCHEMA_2[] =
    "CREATE TABLE ack_mark(seq INTEGER PRIMARY KEY,utc_us INTEGER NOT NULL);"
    "PRAGMA user_version=2;";

/* Version 3: a backup says how far the file went that it was copied from. */
static const char SCHEMA_3[] =
    "ALTER TABLE meta ADD COLUMN copy_head INTEGER NOT NULL DEFAULT -1;PRAGMA user_version=3;";

/* Version 4: the journal of commands. */
static const char SCHEMA_4[] =
    "CREATE TABLE command(source INTEGER NOT NULL,id TEXT NOT NULL,digest TEXT NOT NULL,"
    " issued_us INTEGER NOT NULL,expires_us INTEGER NOT NULL,answer TEXT NOT NULL,"
    " PRIMARY KEY(source,id));"
    "CREATE INDEX command_issued ON command(source,issued_us);"
    "CREATE TABLE command_floor(source INTEGER PRIMARY KEY,issued_us INTEGER NOT NULL);"
    "PRAGMA user_version=4;";

/* Version 5: an alert about this file that was raised and not cleared, "kind id". */
static const char SCHEMA_5[] =
    "ALTER TABLE meta ADD COLUMN alert TEXT NOT NULL DEFAULT '';PRAGMA user_version=5;";

int db_errno(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return -EACCES;
    default:
        return -EIO;
    }
}

int db_exec(sqlite3 *sql, const char *text)
{
    return db_errno(sqlite3_exec(sql, text, NULL, NULL, NULL));
}

void db_copy_column(sqlite3_stmt *st, int i, char *ret, size_t size)
{
    const unsigned char *text = sqlite3_column_text(st, i);

    snprintf(ret, size, "%s", text != NULL ? (const char *)text : "");
}

int db_random_epoch(char ret[DB_EPOCH_SIZE])
{
    uint8_t bytes[16];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -EIO;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int db_read_int(sqlite3 *sql, const char *text, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(sql, text, -1, &st, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            *ret = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return db_errno(rc);
}

/* 0 when the file passes SQLite's own check. */
static int check_integrity(struct db_file *f)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(f->sql, "PRAGMA quick_check(1)", -1, &st, NULL);

    if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
        char verdict[64];

        db_copy_column(st, 0, verdict, sizeof(verdict));
        rc = strcmp(verdict, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
    } else {
        rc = sqlite3_errcode(f->sql);
    }
    sqlite3_finalize(st);
    return db_errno(rc);
}

static int create(struct db_file *f, const char *gateway, const char *prev_epoch)
{
    sqlite3_stmt *st = NULL;
    char epoch[DB_EPOCH_SIZE];
    int rc = db_random_epoch(epoch);

    if (rc == 0)
        rc = db_exec(f->sql, "BEGIN IMMEDIATE");
    if (rc == 0)
        rc = db_exec(f->sql, SCHEMA);
    if (rc == 0)
        rc = db_errno(
            sqlite3_prepare_v2(f->sql, "INSERT INTO meta VALUES(?,?,?,'',0,0)", -1, &st, NULL));
    if (rc == 0) {
        sqlite3_bind_text(st, 1, gateway, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 2, epoch, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 3, prev_epoch, -1, SQLITE_STATIC);
        rc = db_errno(sqlite3_step(st));
    }
    sqlite3_finalize(st);
    if (rc == 0)
        rc = db_exec(f->sql, SCHEMA_2);
    if (rc == 0)
        rc = db_exec(f->sql, SCHEMA_3);
    if (rc == 0)
        rc = db_exec(f->sql, SCHEMA_4);
    if (rc == 0)
        rc = db_exec(f->sql, SCHEMA_5); /* leaves DB_SCHEMA_VERSION */
    return rc == 0 ? db_exec(f->sql, "COMMIT") : rc;
}

/* Takes the file of an older version over, in one transaction. */
static int migrate(struct db_file *f, int64_t version)
{
    int rc = db_exec(f->sql, "BEGIN IMMEDIATE");

    if (rc == 0 && version < 2)
        rc = db_exec(f->sql, SCHEMA_2);
    if (rc == 0 && version < 3)
        rc = db_exec(f->sql, SCHEMA_3);
    if (rc == 0 && version < 4)
        rc = db_exec(f->sql, SCHEMA_4);
    if (rc == 0)
        rc = db_exec(f->sql, SCHEMA_5);
    return rc == 0 ? db_exec(f->sql, "COMMIT") : rc;
}

static int read_meta(struct db_file *f, struct db_identity *ret_id, char *ret_gateway, size_t size)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(f->sql, "SELECT gateway,epoch,prev_epoch,hq_id,seq,acked FROM meta",
                                -1, &st, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW) {
            db_copy_column(st, 0, ret_gateway, size);
            db_copy_column(st, 1, ret_id->epoch, sizeof(ret_id->epoch));
            db_copy_column(st, 2, ret_id->prev_epoch, sizeof(ret_id->prev_epoch));
            db_copy_column(st, 3, ret_id->hq_id, sizeof(ret_id->hq_id));
            ret_id->enqueued = (uint64_t)sqlite3_column_int64(st, 4);
            ret_id->acked = (uint64_t)sqlite3_column_int64(st, 5);
            ret_id->committed = ret_id->enqueued;
        } else if (rc == SQLITE_DONE) {
            rc = SQLITE_CORRUPT; /* a database without an identity cannot number events */
        }
    }
    sqlite3_finalize(st);
    return db_errno(rc);
}

/* Opens the file, checks it and reads where it stands. */
static int open_checked(struct db_file *f, const char *gateway, const char *prev_epoch,
                        struct db_identity *ret_id, char *note)
{
    char owner[NOREN_ID_SIZE] = "", pages[64];
    int64_t version = 0;
    int rc = db_errno(sqlite3_open_v2(
        f->path, &f->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));

    if (rc != 0)
        return rc;
    sqlite3_extended_result_codes(f->sql, 1);
    snprintf(pages, sizeof(pages), "PRAGMA max_page_count=%d", DB_MAX_PAGES);
    if ((rc = db_exec(f->sql, "PRAGMA locking_mode=EXCLUSIVE")) != 0 ||
        (rc = db_exec(f->sql, "PRAGMA journal_mode=WAL")) != 0 ||
        (rc = db_exec(f->sql, "PRAGMA synchronous=FULL")) != 0 ||
        (rc = db_exec(f->sql, "PRAGMA secure_delete=ON")) != 0 ||
        (rc = db_exec(f->sql, DB_PAGE_CACHE)) != 0 ||
        (rc = db_exec(f->sql, "PRAGMA journal_size_limit=" DB_JOURNAL_SIZE)) != 0 ||
        (rc = db_exec(f->sql, pages)) != 0 || (rc = check_integrity(f)) != 0 ||
        (rc = db_read_int(f->sql, "PRAGMA user_version", &version)) != 0)
        return rc;
    if (version > DB_SCHEMA_VERSION) {
        snprintf(note, DB_ERROR_SIZE,
                 "%s was written by a newer Noren (schema %lld, ours is %d); install that version",
                 f->path, (long long)version, DB_SCHEMA_VERSION);
        return -ENOTSUP;
    }
    if (version == 0 && (rc = create(f, gateway, prev_epoch)) != 0)
        return rc;
    if (version != 0 && version < DB_SCHEMA_VERSION && (rc = migrate(f, version)) != 0)
        return rc;
    rc = read_meta(f, ret_id, owner, sizeof(owner));
    if (rc != 0)
        return rc;
    if (strcmp(owner, gateway) != 0) {
        snprintf(
            note, DB_ERROR_SIZE,
            "%s belongs to gateway \"%s\", noren.conf says \"%s\"; use another data_dir, or move "
            "the file away",
            f->path, owner, gateway);
        return -EPERM;
    }
    return 0;
}

/* Moves a corrupt file and its WAL out of the way; nothing is deleted, a person may want to look. */
static int quarantine(struct db_file *f, char *note)
{
    char to[DB_PATH_SIZE + 32], from_wal[DB_PATH_SIZE + 8], to_wal[DB_PATH_SIZE + 40];
    int i = 1;

    do {
        snprintf(to, sizeof(to), "%s.quarantine-%d", f->path, i);
    } while (access(to, F_OK) == 0 && i++ < 1000);
    if (rename(f->path, to) != 0)
        return -errno;
    snprintf(from_wal, sizeof(from_wal), "%s-wal", f->path);
    snprintf(to_wal, sizeof(to_wal), "%s-wal", to);
    if (rename(from_wal, to_wal) != 0 && errno != ENOENT)
        return -errno;
    memcpy(f->aside, to, sizeof(to));
    snprintf(
        note, DB_ERROR_SIZE,
        "%s was corrupt and is now %s; a new database with a new epoch was started, counts come "
        "back from the sensors; recount what has none",
        f->path, to);
    return 0;
}

static void explain_open(const struct db_file *f, int rc, char *note)
{
    const char *remedy = rc == -EBUSY    ? "another process has it open; stop the other norend"
                         : rc == -ENOSPC ? "the disk is full; free some space"
                         : rc == -EACCES ? "no permission, or the folder does not exist; create it "
                                           "and give it to the user norend runs as"
                         : rc == -EROFS  ? "it is read-only; remount or change its owner"
                                         : "look at the kernel log for disk errors";

    snprintf(note, DB_ERROR_SIZE, "%s: cannot be opened (%s): %s", f->path,
             f->sql != NULL ? sqlite3_errmsg(f->sql) : strerror(-rc), remedy);
}

int db_file_open(struct db_file *f, const char *dir, const char *gateway,
                 struct db_identity *ret_id, char ret_note[DB_ERROR_SIZE])
{
    int rc;

    snprintf(f->path, sizeof(f->path), "%s/noren.db", dir);
    rc = open_checked(f, gateway, "", ret_id, ret_note);
    if (rc == -EUCLEAN) {
        struct db_identity lost = {0};
        char owner[NOREN_ID_SIZE];

        if (read_meta(f, &lost, owner, sizeof(owner)) !=
            0) /* often its first pages are still good */
            lost.epoch[0] = '\0';
        sqlite3_close(f->sql);
        f->sql = NULL;
        memset(ret_id, 0, sizeof(*ret_id));
        rc = quarantine(f, ret_note);
        f->set_aside = rc == 0;
        if (rc == 0)
            rc = open_checked(f, gateway, lost.epoch, ret_id, ret_note);
    }
    if (rc != 0 && rc != -ENOTSUP && rc != -EPERM)
        explain_open(f, rc, ret_note);
    return rc;
}
