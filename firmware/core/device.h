/* The brain of a battery device: a shelf node or a store beacon, as a pure step.
 *
 * device_step(state, in, now_ms, &out) returns when it wants to be called next; the main loop sleeps until
 * then. Time is uint32_t milliseconds and wraps after 49 days: times are compared by subtraction. No heap,
 * no floating point: the target is a Cortex-M0 with 16 KiB of RAM.
 */
#ifndef NOREN_FW_DEVICE_H
#define NOREN_FW_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/provision.h"
#include "noren/wire.h"

#define DEVICE_SAMPLES 15 /* samples behind one report; odd, because the median is reported */

/** What the hal read since the last step. */
struct device_in {
    uint32_t counter;                  /**< the value that is safe in flash (counter_latest) */
    bool sampled[PROVISION_CELLS_MAX]; /**< a frame that passed all checks is in counts[] */
    int32_t counts[PROVISION_CELLS_MAX];
};

/** What the hal shall do, in this order: store the counter, send the advertisement. */
struct device_out {
    bool store;
    uint32_t counter;
    uint8_t ad[NOREN_NODE_AD_SIZE];
    uint8_t ad_n; /**< 0: nothing to send */
};

/** Samples of one cell since the last report. */
struct device_cell {
    int32_t counts[DEVICE_SAMPLES];
    uint8_t n;
    int32_t last_dg; /**< what was reported last */
};

struct device {
    struct provision config;
    uint32_t next_counter; /**< shelf node: of the next frame */
    uint32_t due_ms;       /**< next advertisement */
    uint32_t next_step_ms; /**< beacon: when the minor rotates */
    uint32_t step;         /**< beacon */
    uint16_t minor;
    uint8_t cell; /**< shelf node: whose turn it is */
    struct device_cell cells[PROVISION_CELLS_MAX];
};

/** `counter` is what flash holds: frames go on above it, a beacon goes on from that step. */
void device_init(struct device *d, const struct provision *config, uint32_t counter,
                 uint32_t now_ms);

/** One turn. `ret_out` is filled anew. Returns the time of the next turn. */
uint32_t device_step(struct device *d, const struct device_in *in, uint32_t now_ms,
                     struct device_out *ret_out);

#endif
