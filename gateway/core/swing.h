/* A load that swings: where would it come to rest?
 *
 * Goods that are hung on swing for many seconds, and waiting for quiet is far too late. But a swing is one
 * frequency that dies down, and whatever its phase its mean over whole periods is the load (momentum cannot
 * grow); so a damped sine is fitted to the newest seconds, and its middle is the load, with an honest error.
 */
#ifndef NOREN_CORE_SWING_H
#define NOREN_CORE_SWING_H

#include <stdbool.h>
#include <stdint.h>

/** Bins of about a tenth of a second: nearly five seconds. */
#define SWING_RING 48

/** Masses in bins, newest last by index head. */
struct swing_ring {
    uint32_t t_ms[SWING_RING]; /**< wraps; only differences are used */
    int32_t mass_mg[SWING_RING];
    uint8_t head, n;
    uint16_t bin_n;
    int64_t bin_sum_mg;
    int64_t closed_us;
};

struct swing {
    int32_t level_mg;     /**< the middle */
    int32_t level_sd_mg;  /**< its standard error */
    int32_t amplitude_mg; /**< now */
    int32_t period_ms;
    int32_t began_mg; /**< at the start of the window */
    bool clean;       /**< one sine, and nothing beside it but noise */
    bool decays;      /**< plainly dies down, as no hand does */
};

/** Takes a mass; true when a bin was closed. */
bool swing_take(struct swing_ring *r, int64_t t_us, int32_t mass_mg);
/** The load changed by what nobody weighed (a tare): shifts all by `by_mg`. */
void swing_shift(struct swing_ring *r, int32_t by_mg);
/** Fits the newest `span_ms`, or less. False: that is no swing, or not long enough to tell. `fast`: a rack that
 * was hit (3 to 16 Hz) instead of hung goods (0.3 to 3 Hz). `noise_mg`: what the bins scatter anyway, standard
 * deviation. */
bool swing_fit(const struct swing_ring *r, uint32_t span_ms, bool fast, int64_t noise_mg,
               struct swing *ret);
/** Mean of the newest `span_ms`. */
int32_t swing_mean(const struct swing_ring *r, uint32_t span_ms);

#endif
