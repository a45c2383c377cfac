/* What db_*.c share behind db.h: the open database. db.c opens, takes in and closes; db_commit.c writes;
 * db_stream.c is the side towards HQ: what it has and what goes to it next. */
#ifndef NOREN_IO_DB_PRIVATE_H
#define NOREN_IO_DB_PRIVATE_H

#include "io/db_journal.h"
#include "io/db_shed.h"
#include "io/db_wait.h"

/** A copy being made. */
struct db_backup {
    struct db_backup_state state;
    sqlite3 *to;
    sqlite3_backup *job;
    int fd; /**< of the same file, to sync it in portions */
    char path[DB_PATH_SIZE], part[DB_PATH_SIZE + 8];
};

/** Statements that are prepared once. */
enum db_statement {
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

struct db {
    struct db_file file;
    sqlite3_stmt *st[ST_COUNT];
    struct db_identity id;
    struct db_counters counters;
    char bootid[DB_BOOTID_SIZE];
    struct db_boot boot;     /**< of the current boot */
    struct db_boot row_boot; /**< of the row that db_next gave last */
    bool boot_dirty, boot_known;
    struct db_waiting waiting;
    struct db_keep keep;
    struct db_backup backup;
    int64_t copy_head; /**< the file is a backup: last number of the file it was copied from; -1 */
    char alert_kind[24]; /**< about this file, not yet cleared; "" none */
    char alert_id[24];
    bool alert_untold; /**< db_take_alert() has to say it */
    struct journal_row
        *journal; /**< commands whose rows wait for a commit; room for JOURNAL_WAITING_MAX */
    size_t journal_n;
    uint64_t opened_head; /**< last number that the file knew when it was opened */
    uint64_t given;       /**< highest number that this process found there, or has given out */
    uint64_t acked_disk;  /**< the ack as the file has it */
    int64_t acked_rows;   /**< rows that the transaction being written finds acked */
    int64_t removed_rows; /**< keep.removed that outbox_rows reflects */
    uint64_t again_after; /**< HQ wants everything after this again ... */
    bool again;           /**< ... with the next commit, until which nothing is sent; */
    bool new_epoch;       /**< or starts anew */
    int64_t deadline_us;
    char problem[DB_ERROR_SIZE];
};

/** Ends a backup, finished or not; what is there of an unfinished one goes. */
void db_backup_end(struct db *d, int error);

/** Another epoch from the next commit on: rows after `cut` are its beginning, the others are HQ's. 1, or
 * -EIO. */
int db_begin_epoch(struct db *d, uint64_t cut);
/** Inside a transaction: the journal's rows that wait; `utc_us` lets expired ones go (0: unknown). */
int db_journal_write(struct db *d, int64_t utc_us);

/** They are on the disk. */
void db_journal_clear(struct db *d);

/** Something to tell people about this file, unless there is something already. */
void db_raise_alert(struct db *d, const char *kind);

/** Counts the rows that HQ has not acked. */
int db_count_waiting(struct db *d);

#endif
