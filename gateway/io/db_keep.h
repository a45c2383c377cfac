/* What the database holds on to besides what waits for HQ, and what it gives up. Private to db*.c.
 *
 * Rows that HQ has acked stay for a day (64 MB at most), so that an HQ restored from a backup can be given
 * them again. When they rather than the marks of a whole day went (size, a full disk), or the day is over,
 * what is missing to such an HQ is told as a gap.
 *
 * A gap event stands at the last number of the range that it names, in the place of that row: the stream
 * stays in order and without holes, and HQ's contiguous ack never waits for an event at the far end of a
 * backlog that it does not let come. (A gap appended as a new event was rejected for exactly that: the window of
 * unacked rows fills before its turn comes.)
 */
#ifndef NOREN_IO_DB_KEEP_H
#define NOREN_IO_DB_KEEP_H

#include "io/db_file.h"

/** What is given up, in this order; design section 10. */
enum db_shed_stage {
    DB_SHED_HEALTH,
    DB_SHED_PRESENCE,
    DB_SHED_OFFERS,
    DB_SHED_STOCK,
    DB_SHED_STAGES
};

struct db_keep {
    sqlite3 *sql;
    struct db_limits limits;
    uint64_t
        first; /**< oldest number held, or named by a gap that is; one more than the last given when nothing is */
    uint64_t border;    /**< no gap spans it: last number that a backup was copied with, 0: none */
    uint64_t counted;   /**< kept_bytes counts rows up to here */
    int64_t kept_bytes; /**< of acked rows */
    int64_t mark_us;    /**< UTC of the newest mark, 0: none */
    uint64_t shed_from[DB_SHED_STAGES]; /**< looked at up to here */
    int64_t removed;                    /**< unacked rows fewer, since start */
    int64_t shed;                       /**< rows given up, since start */
};

/** Reads where the file stands. Also after a transaction that was rolled back. */
int db_keep_read(struct db_keep *k, const struct db_identity *id);

/** Inside a transaction: forgets acked rows that are too old (`utc_us`; 0: unknown) or too many, or, when
 * `room` is needed, all of them. */
int db_keep_prune(struct db_keep *k, uint64_t acked, int64_t utc_us, bool room);

/** Inside a transaction: the gap event for numbers `first` to `last`, of which no row is left. */
int db_keep_gap(struct db_keep *k, uint64_t first, uint64_t last, const char *reason,
                const char *bootid, int64_t t_us);

#endif
