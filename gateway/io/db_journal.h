/* The journal of commands: which id was done, and what the answer was.
 *
 * A row goes to the disk in the transaction that makes the command's effect durable, so after a power cut either
 * both are there or neither: the command is done once, and asked again it is answered the same. (Remembering the
 * ids in the brain alone was rejected: it has room for few of them, and none for the answers.)
 *
 * The journal is bounded. A row is let go when its command has expired, and, beyond JOURNAL_ROWS_MAX of a source,
 * the one that was issued first; headquarters' commands that were issued up to then are refused from then on, so what was forgotten
 * cannot be done a second time.
 */
#ifndef NOREN_IO_DB_JOURNAL_H
#define NOREN_IO_DB_JOURNAL_H

#include "io/db.h"

#define JOURNAL_ROWS_MAX    2000
#define JOURNAL_WAITING_MAX 256 /* rows that a disk which takes nothing keeps in memory */
#define JOURNAL_DIGEST_SIZE 33
/** How much longer than the command's own time a row is kept: clocks differ. */
#define JOURNAL_MARGIN_US (3600 * NOREN_US_PER_S)

/** One command that was done. */
struct journal_row {
    int source; /**< enum control_rights: ids of different sources have nothing to do with each other */
    char id[NOREN_ID_SIZE];
    char digest[JOURNAL_DIGEST_SIZE]; /**< of what was asked */
    int64_t issued_us, expires_us;    /**< UTC */
    char *answer;                     /**< JSON */
};

/** The row of a command. 1 (the caller frees ret->answer), 0: there is none, or -errno. */
int db_journal_find(struct db *d, int source, const char *id, struct journal_row *ret);

/** Takes a row (copied) for the next commit, which is then due at once. 0, -ENOMEM, or -ENOBUFS: too many wait. */
int db_journal_put(struct db *d, const struct journal_row *row);

/** How many rows wait for a commit. */
size_t db_journal_waiting(const struct db *d);

/** Commands of this source that were issued up to this moment (UTC) may have been done and forgotten. */
int64_t db_journal_floor(struct db *d, int source);

#endif
