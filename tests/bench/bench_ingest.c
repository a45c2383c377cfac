/* Headquarters' share of a drain, alone: batches as a gateway sends them through the shipped hq/ingest.c into a
 * database of its own, with the commits and the advance of the ack that a running noren-hq makes. No broker, no TLS.
 * Half are stock changes, half visits that closed, in runs of a thousand as in tests/faults/drain.
 */
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "hq/ingest.h"

#define EVENTS 20000
#define BATCH  130 /* about 64 KB */

static const char EPOCH[] = "00000000000000000000000000000001";

static size_t print_event(char *buf, size_t size, int seq, int stock)
{
    int n = snprintf(
        buf, size,
        "{\"specversion\":\"1.0\",\"id\":\"%s:%d\",\"source\":\"/noren/t1/s1/gw1\",\"type\":\"%s\","
        "\"time\":\"2026-11-22T03:04:05.%06dZ\",\"epoch\":\"%s\",\"seq\":\"%d\","
        "\"bootid\":\"0a1b2c3d-0000-4000-8000-000000000001\",\"tus\":\"%d\",\"clock\":\"synced\","
        "\"datacontenttype\":\"application/json\",\"data\":",
        EPOCH, seq, stock ? "noren.stock.changed" : "noren.visit.closed", seq % 1000000, EPOCH, seq,
        seq * 1000);

    n +=
        snprintf(buf + n, size - (size_t)n,
                 stock ? "{\"gtin\":\"04901234500013\",\"plate\":\"p1\",\"cause\":\"pick\","
                         "\"change_id\":\"x%d\",\"document\":null,\"delta\":-1,\"on_shelf\":3,"
                         "\"backroom\":0,\"in_hand\":1,\"sold\":0,\"held\":0,\"safety\":0,"
                         "\"atp\":1,\"atp_lower_bound\":false}}"
                       : "{\"visit_id\":\"v%d\",\"tag\":\"t1\",\"reason\":\"left\",\"opened_us\":1,"
                         "\"dwell_us\":5}}",
                 seq);
    return (size_t)n;
}

static void ingest_batch(struct ingest *in, int first, int n, int stock)
{
    static char text[BATCH * 1024];
    size_t at = 0;

    for (int i = 0; i < n; i++) {
        text[at++] = i == 0 ? '[' : ',';
        at += print_event(text + at, sizeof(text) - at, first + i, stock);
    }
    text[at++] = ']';
    if (ingest_message(in, stock ? "noren/1/t1/s1/gw1/evt/stock" : "noren/1/t1/s1/gw1/evt/visit",
                       text, at, false, 1795316645000000) != REFUSAL_NONE)
        exit(1);
}

/* Processor seconds for one event. */
static double measure(void)
{
    char dir[] = "bench-ingest-XXXXXX", path[64], error[256];
    static const char *const files[] = {"hq.db", "hq.db-wal"};
    struct ingest_result result;
    struct ingest in;
    struct store s;
    double began;

    if (mkdtemp(dir) == NULL)
        exit(1);
    snprintf(path, sizeof(path), "%s/hq.db", dir);
    if (store_open(&s, path, error) < 0)
        exit(1);
    ingest_init(&in, &s);
    began = bench_seconds();
    for (int seq = 1; seq <= EVENTS; seq += BATCH) {
        ingest_batch(&in, seq, seq + BATCH <= EVENTS ? BATCH : EVENTS - seq + 1, seq / 1000 % 2);
        if (in.events >= INGEST_EVENTS_MAX && ingest_commit(&in, &result) != 0)
            exit(1);
    }
    if (ingest_commit(&in, &result) != 0 || in.counters.events != EVENTS)
        exit(1);
    began = bench_seconds() - began;
    store_close(&s);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    return began / EVENTS;
}

int main(void)
{
    double cost[BENCH_ROUNDS], middle;

    for (int i = 0; i < BENCH_ROUNDS; i++)
        cost[i] = measure();
    middle = bench_median(cost, BENCH_ROUNDS);
    bench_print("ingest", 1 / middle, "events/s", "higher");
    bench_print("ingest cost", middle * 1e6, "us/event", "lower");
    return 0;
}
