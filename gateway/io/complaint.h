/* Complaints about what others send, for the log, without a flood: a few at once, then one in five seconds, and
 * the same one once a minute. Whoever sends rubbish a thousand times a second decides neither how much is written
 * nor what else is heard. What is not said is counted where it happened. No clock, no log: the caller has both.
 */
#ifndef NOREN_IO_COMPLAINT_H
#define NOREN_IO_COMPLAINT_H

#include <stddef.h>
#include <stdint.h>

#include "noren/units.h"

#define COMPLAINT_SIZE     400
#define COMPLAINT_AGAIN_US (60 * NOREN_US_PER_S)
#define COMPLAINTS_PENDING 8
#define COMPLAINTS_SAID    16

/** A sentence, and when it was said. */
struct complaint {
    char text[COMPLAINT_SIZE];
    int64_t at_us;
};

/** All zero: nothing was ever complained about. */
struct complaints {
    char pending[COMPLAINTS_PENDING][COMPLAINT_SIZE]; /**< not yet said */
    size_t pending_n;
    struct complaint said[COMPLAINTS_SAID];
    unsigned said_n;
    int64_t paced_us; /**< paid up to here */
};

/** Keeps a sentence until it can be said; without room, or when it waits already, it is dropped. */
void complaints_add(struct complaints *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** The next sentence that may be said now, valid until the next call; NULL: none. */
const char *complaints_next(struct complaints *c, int64_t now_us);

#endif
