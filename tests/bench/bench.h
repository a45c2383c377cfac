/* What measurements share: a clock, a seeded generator, and the line that scripts/bench reads.
 *
 * Time is processor time of this process: what is measured is work, on machines that are never idle. A
 * figure is the median of several rounds; the fastest would be luck and the mean would be the neighbours.
 */
#ifndef NOREN_BENCH_H
#define NOREN_BENCH_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BENCH_ROUNDS 9

/** Processor time in seconds. */
static inline double bench_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/** xorshift64: the same numbers everywhere; `*state` starts as anything but 0. */
static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/** The middle of `n` values; sorts them. */
static inline double bench_median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), bench_compare);
    return v[n / 2];
}

/** One figure. `better` is "higher" or "lower". */
static inline void bench_print(const char *metric, double value, const char *unit,
                               const char *better)
{
    printf("{\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"better\":\"%s\"}\n", metric, value,
           unit, better);
}

#endif
