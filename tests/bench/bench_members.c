/* What 30,000 members cost: the memory they touch, the work when a new table is taken (all at once, unless
 * the caller uses members_prepare), and the longest single call of an hour with one call a second.
 */
#include <stdbool.h>
#include <string.h>

#include "bench.h"
#include "core/members.h"

#define MEMBERS 30000
#define UTC_US  ((int64_t)NOREN_VECTOR_UNIX_S * NOREN_US_PER_S)

/* Resident anonymous memory of this process in bytes. */
static double resident(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[128];
    long kb = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kb = strtol(line + 8, NULL, 10);
    if (f != NULL)
        fclose(f);
    return (double)kb * 1024;
}

int main(void)
{
    double first[BENCH_ROUNDS], longest[BENCH_ROUNDS] = {0}, before = resident();
    static const uint32_t dates[] = {20261120, 20261121, 20261122};
    void *memory = calloc(1, members_size(MEMBERS));
    struct members filled, m;
    uint64_t seed = 20261121;

    if (memory == NULL)
        abort();
    members_init(&filled, memory, MEMBERS);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member in = {.consent = CONSENT_ALL, .days_n = MEMBERS_DATES_MAX};

        snprintf(in.ref, sizeof(in.ref), "m-%08x", i);
        for (int d = 0; d < MEMBERS_DATES_MAX; d++) {
            in.days[d].date = dates[d];
            for (size_t k = 0; k < sizeof(in.days[d].key); k++)
                in.days[d].key[k] = (uint8_t)bench_random(&seed);
        }
        if (members_add(&filled, &in) != NULL)
            abort();
    }
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        double start = bench_seconds();

        m = filled;
        members_clock(&m, UTC_US, CLOCK_HELD);
        first[i] = bench_seconds() - start;
        for (int64_t second = 1; second <= 3600; second++) {
            start = bench_seconds();
            members_clock(&m, UTC_US + second * NOREN_US_PER_S, CLOCK_HELD);
            start = bench_seconds() - start;
            longest[i] = start > longest[i] ? start : longest[i];
        }
    }
    bench_print("memory_30k", resident() - before, "bytes", "lower");
    bench_print("new_table_30k", 1e3 * bench_median(first, BENCH_ROUNDS), "ms", "lower");
    bench_print("longest_call_30k", 1e3 * bench_median(longest, BENCH_ROUNDS), "ms", "lower");
    free(memory);
    return 0;
}
