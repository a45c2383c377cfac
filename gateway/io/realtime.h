/* Asking the kernel for what a sampling thread would like: priority before ordinary threads, and memory that is
 * never paged out.
 *
 * Both are wishes. RTPRIO and MEMLOCK are limits of the unit, no capabilities; where they are not granted the
 * thread runs as any other, and more frames are refused. What is missing is said with its remedy.
 */
#ifndef NOREN_IO_REALTIME_H
#define NOREN_IO_REALTIME_H

#include <pthread.h>
#include <stdbool.h>

#define REALTIME_PRIORITY 50 /**< of SCHED_FIFO */

/** What was granted. */
struct realtime {
    bool priority, memory;
};

/** Asks for both. Pages are locked as they are touched: whole thread stacks would cost megabytes. */
struct realtime realtime_ask(pthread_t thread);
/** NULL, or what is missing and the remedy. Static. */
const char *realtime_missing(struct realtime granted);
/** "real-time priority, memory locked", ... Static. */
const char *realtime_name(struct realtime granted);

#endif
