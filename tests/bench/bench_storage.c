/* Wear of the card: bytes that SQLite hands to the disk for one event, at ten and at one event a commit,
 * with the state record that goes with each and the acks behind them, through the shipped io/db.c (WAL,
 * synchronous=FULL). What a file system adds of its own (its journal) is not in the figure; what this
 * process wrote by the kernel's account is the other one.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "io/db.h"

#define EVENTS 4000

static int64_t written(const char *key)
{
    FILE *f = fopen("/proc/self/io", "re");
    char line[128];
    int64_t n = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            n = strtoll(line + strlen(key), NULL, 10);
    if (f != NULL)
        fclose(f);
    return n;
}

static void put(struct db *d, int i)
{
    static struct batch b;
    struct event *e;
    char key[RECORD_KEY_SIZE];

    batch_clear(&b);
    e = batch_event(&b, EVENT_STOCK_CHANGED, i);
    strcpy(e->u.stock_changed.gtin, "04901234567894");
    snprintf(e->u.stock_changed.plate, sizeof(e->u.stock_changed.plate), "p%d", i % 200);
    e->u.stock_changed.on_shelf = i % 20;
    snprintf(key, sizeof(key), "p%d/04901234567894", i % 200);
    snprintf(batch_record(&b, RECORD_FACING, key)->value, RECORD_VALUE_SIZE, "1 %d 0", i % 20);
    db_apply(d, &b, i);
}

/* HQ is given every row, and acks. */
static void ack_all(struct db *d)
{
    struct db_row row;

    for (uint64_t after = db_identity(d)->acked; db_next(d, after, &row) == 1; after = row.seq)
        ;
    (void)db_ack(d, "hq", db_identity(d)->epoch, db_identity(d)->committed);
}

static double measure(int per_commit, const char *key)
{
    char dir[] = "bench-storage-XXXXXX", note[DB_ERROR_SIZE], path[64];
    static const char *const files[] = {"noren.db", "noren.db-wal"};
    struct db *d = NULL;
    int64_t before;
    double bytes;

    if (mkdtemp(dir) == NULL || db_open(&d, dir, "gw1", "boot", note) != 0)
        exit(1);
    before = written(key);
    for (int i = 1; i <= EVENTS; i++) {
        put(d, i);
        if (i % per_commit == 0 && db_commit(d, i) != 0)
            exit(1);
        if (i % (10 * per_commit) == 0)
            ack_all(d);
    }
    bytes = (double)(written(key) - before) / EVENTS;
    db_close(d);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
    return bytes;
}

int main(void)
{
    bench_print("bytes_per_event_10", measure(10, "wchar:"), "B", "lower");
    bench_print("bytes_per_event_1", measure(1, "wchar:"), "B", "lower");
    bench_print("kernel_bytes_per_event_10", measure(10, "write_bytes:"), "B", "lower");
    return 0;
}
