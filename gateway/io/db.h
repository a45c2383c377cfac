/* The durable state: one SQLite file with the records of the brain and the outbox of events.
 *
 * A step's records and events become durable in one transaction, so stock and event can never disagree.
 * What a batch brings waits in memory until its commit deadline (design section 10) and is written in one
 * short transaction: when that fails (disk full, I/O error) the batch is still here, sensing goes on, and
 * the commit is tried again. Keeping an SQL transaction open instead was rejected: SQLite rolls it back by
 * itself on SQLITE_FULL, and what was in it would be gone.
 *
 * One process, one connection, locking_mode=EXCLUSIVE: versions up to 3.51.2 can corrupt a WAL database
 * that has two (both Debian releases). WAL with synchronous=FULL: a commit is on the disk when it returns.
 *
 * Sequence numbers come from our own counter row: a plain rowid restarts at 1 once the outbox has drained,
 * and HQ would throw real events away as duplicates.
 */
#ifndef NOREN_IO_DB_H
#define NOREN_IO_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/event.h"

#define DB_ERROR_SIZE  2048
#define DB_EPOCH_SIZE  33 /* 128 random bits in hex */
#define DB_BOOTID_SIZE 40

/** How much is kept, and for how long. */
struct db_limits {
    int64_t quota_bytes; /**< of the whole file; from four fifths on, rows are given up */
    int64_t kept_bytes;  /**< of rows that HQ has acked, for an HQ that is restored from a backup */
    int64_t kept_us;     /**< and how long */
};

/** What db_open() sets: design section 10. */
#define DB_LIMITS_DEFAULT \
    ((struct db_limits){  \
        .quota_bytes = 512 << 20, .kept_bytes = 64 << 20, .kept_us = 24 * 3600 * NOREN_US_PER_S})

/** Who may be named by what is kept: refs in ascending order of bytes, borrowed. */
struct db_members {
    const char *const *refs;
    size_t n;
};

struct db;

/** Who this database belongs to, and where its numbering stands. */
struct db_identity {
    char epoch[DB_EPOCH_SIZE];
    char prev_epoch[DB_EPOCH_SIZE]; /**< of the file that was set aside, "" when there was none */
    char hq_id[NOREN_ID_SIZE];      /**< who sent the last ack, "" before the first */
    uint64_t opened;                /**< last number that the file knew when it was opened */
    uint64_t enqueued;              /**< last number given */
    uint64_t committed;             /**< last number that is on disk */
    uint64_t acked;                 /**< HQ has everything up to here */
};

struct db_counters {
    int64_t commits;
    int64_t commit_failures;
    int64_t events_committed; /**< since start */
    int64_t events_dropped;   /**< the disk took nothing for so long that memory ran out */
    int64_t outbox_rows;      /**< on disk, not yet acked */
    int64_t kept_bytes;       /**< of acked rows, estimated */
    int64_t events_shed;      /**< rows given up for a gap: quota, or their member was forgotten */
};

/** What time it was in one boot of the machine; `offset_us` is UTC minus boot time. */
struct db_boot {
    char bootid[DB_BOOTID_SIZE];
    int64_t offset_us;
    enum clock_quality quality;
};

/** One event on its way to HQ. `data` is borrowed until the next call on the database. */
struct db_row {
    uint64_t seq;
    enum event_class class;
    const char *type;
    int64_t t_us;
    const struct db_boot *boot;
    const char *data; /**< JSON */
    size_t data_n;
};

/** Opens or creates DIR/noren.db for `gateway` in the boot `bootid`. A corrupt file is moved aside and a
 * new one takes its place: `ret_note` then says so ("" otherwise). What HQ did not have and can still be read is in it,
 * under its old epoch, which ends when HQ has it; else a new epoch begins at once. Returns 0 or -errno
 * with a sentence and remedy in `ret_note`: -EBUSY another process has it; -EPERM it belongs to another
 * gateway; -ENOTSUP a newer version wrote it. */
int db_open(struct db **ret_db, const char *dir, const char *gateway, const char *bootid,
            char ret_note[DB_ERROR_SIZE]);

/** Commits what waits, as far as the disk allows, and closes. NULL is allowed. */
void db_close(struct db *d);

/** Calls `fn` for each stored record, oldest kinds first. `fn` returns 0 or -1 (not understood: the row is
 * kept). Returns how many were not understood, or -errno. */
int db_restore(struct db *d, int (*fn)(void *user, const struct record *r), void *user);

/** Takes a step's records and events, gives the events their numbers, and notes the commit deadline.
 * Cannot fail: past its bound it counts and drops events (newest first); records are never dropped. */
void db_apply(struct db *d, const struct batch *b, int64_t now_us);

/** Boot time of the next commit, NOREN_NEVER_US when nothing waits. */
int64_t db_deadline(const struct db *d);

/** Writes everything that waits, and deletes what HQ has. Returns 0, or -errno: -ENOSPC, -EIO, ... with
 * everything kept and a new deadline; -EUCLEAN the file turned out corrupt: restart, it will be moved
 * aside. */
int db_commit(struct db *d, int64_t now_us);

/** What the last failed commit met, and the remedy. */
const char *db_problem(const struct db *d);

/** HQ has everything of this epoch up to `seq`. Returns
 * 0: noted (or known already: acks of one HQ only grow). An HQ with another id and less is given all that is
 *    still held, and a gap event for the rest, from the next commit on, which is then due at once;
 * 1: HQ has numbers that this process neither found in the file nor has given out: the file is an old copy, and
 *    what was in it is at HQ. A new epoch began; what came since the start was numbered anew;
 * -ESTALE: another epoch. -EIO: no random numbers for the new epoch. */
int db_ack(struct db *d, const char *hq_id, const char *epoch, uint64_t seq);

/** HQ has lost what came after `seq` (0 or more, below the ack): as for an HQ with another id. */
void db_give_again(struct db *d, uint64_t seq);

/** Commits, and puts gaps in the place of visits and offers of members who are not (or no longer) listed,
 * also of those that HQ has acked. 0 or -errno: nothing changed, ask again. */
int db_forget_unlisted(struct db *d, const struct db_members *members, int64_t now_us);

/** Commits, and puts a gap for `reason` in the place of one event, which the broker never takes. 0 or -errno:
 * nothing changed, ask again. */
int db_dead_letter(struct db *d, uint64_t seq, const char *reason, int64_t now_us);

/** Commits, removes every row that names the member (events become gaps, with their numbers), and writes the
 * file anew so that no page, free or not, nor the WAL has a byte of the name; set-aside files that have it
 * are removed. Takes as long as a copy of the file. 0 and the number of rows, or -errno: ask again. */
int db_forget_member(struct db *d, const char *member_ref, int64_t now_us, int64_t *ret_rows);

/** Other limits than DB_LIMITS_DEFAULT; they hold from the next commit on. */
void db_set_limits(struct db *d, const struct db_limits *limits);

/** The current boot's relation to UTC changed; rides on the next commit. */
void db_set_clock(struct db *d, int64_t offset_us, enum clock_quality quality);

/** The first committed row after `after`. Returns 1, 0 at the end, or -errno. */
int db_next(struct db *d, uint64_t after, struct db_row *ret);

const struct db_identity *db_identity(const struct db *d);
struct db_counters db_counters(const struct db *d);

/** How a backup is getting on. */
struct db_backup_state {
    bool running;
    int error;                /**< of the last one: 0 or -errno */
    int64_t pages, remaining; /**< of 4 KiB */
};

/** Begins a backup to the new file `path` (mode 0600). 0 or -errno with a sentence. */
int db_backup_start(struct db *d, const char *path, char ret_error[DB_ERROR_SIZE]);

/** The next portion: some milliseconds. 1 when there is more to do, 0 when it is done or none runs, -errno. */
int db_backup_step(struct db *d);

/** The state of the backup that runs, or of the last one. `ret_path` "" when there was none. */
struct db_backup_state db_backup_state(const struct db *d, const char **ret_path);

/** The kind of alert that this file calls for ("database_corrupt", "database_copy"), once a start and once when it
 * comes up; NULL. db_alert_id() is its id, the same until it is cleared. */
const char *db_take_alert(struct db *d);
const char *db_alert_id(const struct db *d);
const char *db_alert_kind(const struct db *d);

/** True when what the alert was about is over: a new epoch has begun and HQ follows it. Tell it, with db_alert_id(), and
 * then call db_clear_alert(): both become durable with the next commit. */
bool db_alert_over(const struct db *d);
void db_clear_alert(struct db *d);

/** For tests: another setting of the open file ("max_page_count=16": a full disk). 0 or -errno. */
int db_pragma(struct db *d, const char *setting);

#endif
