/* The side towards HQ: what it has, what goes to it next, and when numbering starts anew. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/db_private.h"

int db_begin_epoch(struct db *d, uint64_t cut)
{
    char epoch[DB_EPOCH_SIZE];
    int rc = db_random_epoch(epoch);
    uint64_t added = d->id.committed - cut;

    if (rc != 0)
        return rc;
    memcpy(d->id.prev_epoch, d->id.epoch, sizeof(d->id.prev_epoch));
    memcpy(d->id.epoch, epoch, sizeof(d->id.epoch));
    d->id.enqueued = db_wait_renumber(&d->waiting, added);
    d->id.committed = added;
    d->id.acked = d->given = 0;
    d->opened_head = cut;
    d->again = false;
    d->new_epoch = true;
    db_raise_alert(d, "database_copy");
    d->deadline_us = 0;
    return 1;
}

/* True when HQ's ack shows that this file is an older copy, and that all it brought along is at HQ. Rows that
 * are sent from a marked backup are the same events under the same numbers, so they may be; what came later may
 * not. Without a mark (somebody copied the file) numbers that HQ has, and this process neither found nor
 * gave out, tell. Model: tests/model/outbox.pml, take_ack. */
static bool is_old_copy(const struct db *d, uint64_t seq)
{
    return d->copy_head >= 0 ? seq >= (uint64_t)d->copy_head : seq > d->given;
}

void db_give_again(struct db *d, uint64_t seq)
{
    if (seq >= d->id.acked)
        return;
    if (!d->again || seq < d->again_after)
        d->again_after = seq;
    d->id.acked = seq;
    d->again = true;
    d->deadline_us = 0;
}

int db_ack(struct db *d, const char *hq_id, const char *epoch, uint64_t seq)
{
    if (strcmp(epoch, d->id.epoch) != 0 || d->new_epoch) /* nobody knows one before the disk does */
        return -ESTALE;
    if (is_old_copy(d, seq))
        return db_begin_epoch(d, d->opened_head);
    if (seq < d->id.acked && strcmp(hq_id, d->id.hq_id) != 0)
        db_give_again(d, seq);
    else if (seq > d->id.acked)
        d->id.acked = seq;
    else
        return 0;
    snprintf(d->id.hq_id, sizeof(d->id.hq_id), "%s", hq_id);
    return 0;
}

int db_next(struct db *d, uint64_t after, struct db_row *ret)
{
    sqlite3_stmt *st = d->st[ST_NEXT];
    int rc;

    sqlite3_reset(st); /* the last row's text was borrowed until now */
    if (d->again || d->new_epoch)
        return 0; /* first the disk has to say where the stream begins */
    sqlite3_bind_int64(st, 1, (int64_t)after);
    rc = sqlite3_step(st);
    if (rc != SQLITE_ROW) {
        sqlite3_reset(st);
        return db_errno(rc);
    }
    db_copy_column(st, 5, d->row_boot.bootid, sizeof(d->row_boot.bootid));
    d->row_boot.offset_us = sqlite3_column_int64(st, 6);
    d->row_boot.quality = (enum clock_quality)sqlite3_column_int(st, 7);
    if (strcmp(d->row_boot.bootid, d->bootid) == 0 && d->boot_known)
        d->row_boot = d->boot; /* fresher than the row */
    else if (sqlite3_column_type(st, 6) == SQLITE_NULL)
        d->row_boot.quality = CLOCK_FLOOR;
    if (d->copy_head >= 0 && sqlite3_column_int64(st, 0) > d->copy_head) {
        sqlite3_reset(st);
        return 0; /* its number may be used already */
    }
    if (d->given < (uint64_t)sqlite3_column_int64(st, 0))
        d->given = (uint64_t)sqlite3_column_int64(st, 0);
    *ret = (struct db_row){
        .seq = (uint64_t)sqlite3_column_int64(st, 0),
        .class = (enum event_class)sqlite3_column_int(st, 1),
        .type = (const char *)sqlite3_column_text(st, 2),
        .t_us = sqlite3_column_int64(st, 3),
        .boot = &d->row_boot,
        .data = (const char *)sqlite3_column_text(st, 4),
        .data_n = (size_t)sqlite3_column_bytes(st, 4),
    };
    return 1;
}
