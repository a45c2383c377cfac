/* Replay: recordings, captures and tables through the real core, as fast as it goes (design section 15).
 *
 * Inputs are merged by time, then by the order in which they were given; rows of one input that are not
 * in order are sorted. Time starts at the beginning of the earliest input; captures are put beside each
 * other by their stamps. The timers that the core asks for run in between, and for REPLAY_TAIL_US after
 * the last input. An own recording holds its timers and is followed
 * to the letter instead.
 */
#ifndef NOREN_IO_REPLAY_H
#define NOREN_IO_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "core/event.h"
#include "core/shop.h"
#include "io/source.h"

/* Enough for what a batch or a filter still holds. Not longer: that a recording ended is no silent sensor
 * and no visitor who left, which is what the brain would have to conclude. */
#define REPLAY_TAIL_US (1 * NOREN_US_PER_S)

struct replay_options {
    const char *map, *planogram, *campaigns, *members; /**< files; NULL: none */
    int64_t start_utc_us; /**< wall time of the start; 0: the captures' stamps, else unknown */
    /** Each event; `plan` is the one in force, `utc_us` is 0 while the time is unknown. */
    void (*event)(void *arg, const struct event *e, const struct plan *plan, int64_t utc_us,
                  enum clock_quality quality);
    /** A sentence about something that was refused; the first few only. */
    void (*say)(void *arg, const char *sentence);
    void *arg;
};

struct replay_summary {
    int64_t items;        /**< rows, packets and lines that were read */
    int64_t observations; /**< that entered the brain, ticks not counted */
    int64_t ticks;
    int64_t events;
    int64_t events_by_kind[EVENT_KINDS];
    int64_t unresolved; /**< packets in which nobody known to us was heard */
    struct refusals refusals;
};

/** Runs over `n` files. Returns 0; -EINVAL with a sentence that begins with the file's name; or -errno with
 * `ret_error` naming the file. The summary is filled as far as it went. */
int replay_run(const char *const *paths, size_t n, const struct replay_options *options,
               struct replay_summary *ret_summary, char *ret_error, size_t error_size);

#endif
