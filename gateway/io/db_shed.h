/* What the outbox gives up when it is nearly full, and the rows of a member who was forgotten. Private to db*.c.
 *
 * From four fifths of the quota on, each commit gives up a bounded number of rows, the least needed kind first,
 * the oldest of a kind first: what HQ has already; health and kpi; presence; offers; then stock, where steps
 * collapse into the latest absolute count of each product and plate. Holds, tasks, alerts, recounts and gaps
 * stay. The rows of a run without holes become one gap event at the last of their numbers (db_keep.h says why
 * there); an HQ that got the original before takes the range all the same.
 */
#ifndef NOREN_IO_DB_SHED_H
#define NOREN_IO_DB_SHED_H

#include "io/db_keep.h"

/** Inside a transaction: gives up rows after `acked` if there is need. */
int db_shed(struct db_keep *k, uint64_t acked, const char *bootid, int64_t t_us);

/** Inside a transaction: a gap in place of each visit and offer, acked or not, of a member who is not listed. */
int db_shed_unlisted(struct db_keep *k, const struct db_members *members, const char *bootid,
                     int64_t t_us);

/** Inside a transaction: gives up the one event `seq`. */
int db_shed_one(struct db_keep *k, uint64_t seq, const char *reason, const char *bootid,
                int64_t t_us);

/** Inside a transaction: gaps in the place of all events that name this member, acked or not. */
int db_shed_member(struct db_keep *k, const char *member_ref, const char *bootid, int64_t t_us);

#endif
