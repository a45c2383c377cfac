/* What waits in memory for its commit. Private to db*.c.
 *
 * Events keep their order and have their numbers from the moment they are taken in; records are a small table
 * in which the latest value of a row wins. While the disk takes nothing the list is bounded. From the first
 * event on that finds no room all are given up until the next commit that succeeds: their numbers are
 * used, and that commit writes one gap for them, so nothing is missing silently. (Giving up the oldest was
 * rejected: records say what those led to, and the newest stand nearest to the gap that people look at.)
 */
#ifndef NOREN_IO_DB_WAIT_H
#define NOREN_IO_DB_WAIT_H

#include "io/db.h"

/** An event that waits. */
struct db_pending {
    struct db_pending *next;
    uint64_t seq;
    enum event_kind kind;
    int64_t t_us;
    size_t n;
    char data[]; /**< JSON, NUL-terminated */
};

struct db_waiting {
    struct db_pending *first, **last;
    int64_t n;
    uint64_t lost_first, lost_last; /**< numbers of events that found no room; 0: none */
    struct record *records;
    size_t records_n, records_cap;
};

void db_wait_init(struct db_waiting *w);

/** Takes an event in under the number `seq`, one more than the last. False: there was no room for it. */
bool db_wait_event(struct db_waiting *w, const struct event *e, uint64_t seq);

/** Takes a record in; it replaces one with the same kind and key. */
void db_wait_record(struct db_waiting *w, const struct record *r);

/** Another epoch: numbers events anew, after `seq`. Returns the last number given. */
uint64_t db_wait_renumber(struct db_waiting *w, uint64_t seq);

/** How long an event may wait for its commit (design section 10). */
int64_t db_wait_delay_us(const struct event *e);

/** True when nothing waits. */
bool db_wait_empty(const struct db_waiting *w);

/** Everything is on the disk. */
void db_wait_clear(struct db_waiting *w);

void db_wait_free(struct db_waiting *w);

#endif
