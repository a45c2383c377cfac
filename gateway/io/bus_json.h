/* What the boards of a store tell each other, as JSON: local/sighting/{receiver} and local/cells/{receiver}.
 *
 * Observations of one receiver in a batch, with the sender's clock and how far to trust it. Times are UTC,
 * because two boards have nothing else in common; turning them into this board's time, and judging clocks,
 * is for the reader (bus.c). There is no place in here for a hardware address.
 */
#ifndef NOREN_IO_BUS_JSON_H
#define NOREN_IO_BUS_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "core/obs.h"

#define BUS_BATCH_MAX    64          /* observations in one message */
#define BUS_MESSAGE_SIZE (32 * 1024) /* enough to print as many */
#define BUS_ERROR_SIZE   256

/** One message. */
struct bus_batch {
    enum clock_quality quality; /**< of the sender's clock */
    int64_t sent_us;            /**< UTC when it was sent */
    size_t n;
    size_t unknown_cells;          /**< readings left out: the plan has no such cell */
    struct obs obs[BUS_BATCH_MAX]; /**< t_us is UTC */
};

/** Prints observations of one kind: OBS_SIGHTING and OBS_CROWD with bus_print_sightings(), OBS_CELL, OBS_NODE and
 * OBS_TEMPERATURE with bus_print_cells(); others are left out. Their t_us is boot time, `utc_offset_us` more is UTC. Returns the
 * length. `size` must be BUS_MESSAGE_SIZE for b->n observations of any content; -1 when it does not fit. */
int bus_print_sightings(const struct bus_batch *b, int64_t utc_offset_us, char *buf, size_t size);
int bus_print_cells(const struct bus_batch *b, const struct plan *plan, int64_t utc_offset_us,
                    char *buf, size_t size);

/** Reads a message. 0, or -EINVAL with a sentence that names the place; `ret` is then undefined. Receivers of
 * sightings are left as NO_INDEX: the topic says who heard them. */
int bus_read_sightings(const char *json, size_t n, struct bus_batch *ret,
                       char ret_error[BUS_ERROR_SIZE]);
int bus_read_cells(const char *json, size_t n, const struct plan *plan, struct bus_batch *ret,
                   char ret_error[BUS_ERROR_SIZE]);

#endif
