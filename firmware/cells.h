/* The load cells of a device: clocks the HX711s of one bank through the hal and keeps what passes the six
 * checks (adc/hx711.h). All chips share PD_SCK, as on the cheap modules that are wired this way. */
#ifndef NOREN_FW_CELLS_H
#define NOREN_FW_CELLS_H

#include "adc/hx711.h"
#include "core/device.h"

/** One chip of the bank. */
struct cell {
    struct hx711_stream stream;
    struct hx711_frame frame;
    int64_t seen_high_us; /**< when DOUT was last seen high */
    int64_t ready_us;     /**< when it was first seen low after that; 0: it is high */
    int64_t alive_us;     /**< last ready edge: a chip that is silent for long is not waited for */
};

struct cells {
    struct cell cell[PROVISION_CELLS_MAX];
    uint8_t n;
    int64_t period_us; /**< nominal conversion time */
};

/** `n` chips at BOARD_RATE_SPS; nothing is known about them yet. */
void cells_init(struct cells *c, uint8_t n);

/** Looks at the chips, clocks them when all that are alive are ready, and fills sampled and counts.
 * Returns when to look again, in ms. */
uint32_t cells_read(struct cells *c, struct device_in *in);

#endif
