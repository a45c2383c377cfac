/* Cumulative acknowledgement; see ack.h. */
#include "hq/ack.h"

#include <errno.h>
#include <stdio.h>

#include "noren/topic.h"

#define FIND_EPOCH "SELECT id FROM epoch WHERE gateway_id = ? AND epoch = ?"
static const char find_epoch_sql[] = FIND_EPOCH;

int64_t ack_find_epoch(struct store *s, int64_t gateway_id, const char *epoch)
{
    int64_t id = store_int(s, -1, find_epoch_sql, "is", gateway_id, epoch);

    if (id >= 0)
        return id;
    if (store_run(s,
                  "INSERT INTO epoch(gateway_id, epoch, ordinal) SELECT ?1, ?2,"
                  " 1 + coalesce(max(ordinal), 0) FROM epoch WHERE gateway_id = ?1",
                  "is", gateway_id, epoch) < 0)
        return -EIO;
    return store_int(s, -EIO, find_epoch_sql, "is", gateway_id, epoch);
}

static int64_t ordinal_of(struct store *s, int64_t epoch_id)
{
    return store_int(s, -1, "SELECT ordinal FROM epoch WHERE id = ?", "i", epoch_id);
}

int ack_order_epochs(struct store *s, int64_t gateway_id, const char *prev_epoch, const char *epoch)
{
    int64_t prev = ack_find_epoch(s, gateway_id, prev_epoch);
    int64_t id = ack_find_epoch(s, gateway_id, epoch);

    if (prev < 0 || id < 0)
        return -EIO;
    int64_t prev_ordinal = ordinal_of(s, prev);
    if (prev_ordinal < ordinal_of(s, id))
        return 0;
    /* events of the new epoch came before anything of the old one: make room behind the old one */
    if (store_run(s, "UPDATE epoch SET ordinal = ordinal + 1 WHERE gateway_id = ? AND ordinal > ?",
                  "ii", gateway_id, prev_ordinal) < 0)
        return -EIO;
    return store_run(s, "UPDATE epoch SET ordinal = ? WHERE id = ?", "ii", prev_ordinal + 1, id) < 0
               ? -EIO
               : 0;
}

/* The last of the numbers after `acked` that follow each other without a hole. */
static int64_t run_of_events(struct store *s, int64_t epoch_id, int64_t acked)
{
    sqlite3_stmt *stmt =
        store_bind(s, "SELECT seq FROM event WHERE epoch_id = ? AND seq > ? ORDER BY seq", "ii",
                   epoch_id, acked);

    if (stmt == NULL)
        return -EIO;
    while (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int64(stmt, 0) == acked + 1)
        acked++;
    sqlite3_reset(stmt);
    return acked;
}

int64_t ack_advance(struct store *s, int64_t epoch_id)
{
    int64_t acked = store_int(s, -EIO, "SELECT acked FROM epoch WHERE id = ?", "i", epoch_id);
    int64_t before = acked, last;

    if (acked < 0)
        return acked;
    do {
        last = acked;
        acked = run_of_events(s, epoch_id, acked);
        if (acked < 0)
            return acked;
        acked = store_int(s, acked,
                          "SELECT max(last_seq) FROM covered WHERE epoch_id = ?1"
                          " AND first_seq <= ?2 + 1 AND last_seq > ?2",
                          "ii", epoch_id, acked);
    } while (acked > last);
    if (acked > before &&
        store_run(s, "UPDATE epoch SET acked = ? WHERE id = ?", "ii", acked, epoch_id) < 0)
        return -EIO;
    return acked;
}

int ack_print(struct store *s, int64_t epoch_id, char ret_topic[ACK_TOPIC_SIZE],
              char ret_payload[ACK_PAYLOAD_SIZE])
{
    sqlite3_stmt *stmt = store_bind(
        s,
        "SELECT tenant, store, gateway, epoch, acked, ordinal = (SELECT max(ordinal) FROM epoch AS"
        " other WHERE other.gateway_id = epoch.gateway_id)"
        " FROM epoch JOIN gateway ON gateway.id = gateway_id WHERE epoch.id = ?",
        "i", epoch_id);
    int r = -EIO;

    if (stmt == NULL)
        return r;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        snprintf(ret_topic, ACK_TOPIC_SIZE, NOREN_TOPIC_ROOT "/" NOREN_TOPIC_ACK,
                 (const char *)sqlite3_column_text(stmt, 0),
                 (const char *)sqlite3_column_text(stmt, 1),
                 (const char *)sqlite3_column_text(stmt, 2));
        snprintf(ret_payload, ACK_PAYLOAD_SIZE, "{\"hq_id\":\"%s\",\"epoch\":\"%s\",\"seq\":%lld}",
                 s->hq_id, (const char *)sqlite3_column_text(stmt, 3),
                 (long long)sqlite3_column_int64(stmt, 4));
        r = sqlite3_column_int64(stmt, 5) ? 0 : -ESTALE;
    }
    sqlite3_reset(stmt);
    return r;
}
