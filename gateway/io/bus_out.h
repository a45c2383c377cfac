/* What a receiver board has heard and weighed and not yet handed on. Bounded, whatever the broker does.
 *
 * Sightings wait in order; without room the oldest goes: where somebody was a minute ago is worth the least.
 * Of a cell only the newest reading matters to somebody who comes late, so while nobody listens one reading a
 * cell is kept; while somebody does, all go, for the filters of the store board live on every one of them.
 */
#ifndef NOREN_IO_BUS_OUT_H
#define NOREN_IO_BUS_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/obs.h"
#include "io/bus_json.h"

#define BUS_QUEUE_MAX 2048

/** Waiting this long is long enough: a batch goes that is not full. */
#define BUS_SIGHTINGS_WAIT_US (100 * NOREN_US_PER_MS)
#define BUS_CELLS_WAIT_US     (50 * NOREN_US_PER_MS)

struct bus_ring {
    size_t first, n;
    struct obs o[BUS_QUEUE_MAX];
};

struct bus_out {
    bool up; /**< somebody listens */
    struct bus_ring sightings, cells;
    int64_t sightings_dropped; /**< the oldest, for want of room */
    int64_t readings_replaced; /**< by newer ones of the same cell */
};

/** The receiver whose observation it is (sightings and counts); NO_INDEX of readings. */
uint16_t bus_out_receiver(const struct obs *o);

/** Takes in one observation. False: it is no sighting, count or reading. */
bool bus_out_push(struct bus_out *q, const struct obs *o);

/** Somebody listens from now on, or nobody does. */
void bus_out_up(struct bus_out *q, bool up);

/** The oldest batch of a ring, if it is full or was waited for: at most BUS_BATCH_MAX, all of one receiver
 * (sightings). It stays until bus_out_done(). False when nothing is due. */
bool bus_out_next(struct bus_out *q, struct bus_ring *ring, int64_t now_us, struct bus_batch *ret);

/** The batch that bus_out_next() gave was handed on. */
void bus_out_done(struct bus_ring *ring);

/** When bus_out_next() has something, NOREN_NEVER_US while nobody listens. */
int64_t bus_out_deadline(const struct bus_out *q);

#endif
