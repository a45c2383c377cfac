/* Weight ADC banks: one sampling thread each, a bounded ring with an eventfd towards the main loop.
 *
 * The thread clocks the chips (real lines by libgpiod, or simulated chips), runs the six frame checks of
 * firmware/adc, and hands over values or typed refusals. It never waits for the main loop: a full ring
 * drops the newest reading and counts it.
 */
#ifndef NOREN_IO_ADC_H
#define NOREN_IO_ADC_H

#include <stddef.h>
#include <stdint.h>

#include "adc/hx711.h"
#include "core/obs.h"
#include "io/board.h"

struct adc;
struct sim;

/** What became of the frames of a bank since adc_open. */
struct adc_counters {
    int64_t frames_good;
    int64_t frames_refused;
    int64_t by_reason[HX711_REASONS]; /**< enum hx711_reason; HX711_GOOD is frames_good */
    int64_t ring_overflows;
};

/** Starts the sampling thread of a bank. `cells` gives the plan's index for each of the bank's cells
 * (NO_INDEX: read and ignore). `sim` is needed for BANK_SIM, else NULL. Returns 0 or -errno: -ENODEV no
 * chip with that label, -EBUSY a line is taken, -EACCES no permission. */
int adc_open(struct adc **ret_adc, const struct board_bank *bank, const uint16_t *cells,
             struct sim *sim);

/** Readable (EPOLLIN) when readings wait. */
int adc_fd(const struct adc *a);

/** Takes up to `cap` waiting OBS_CELL observations, each cell's in order. Their t_us is the end of the
 * conversion, one to two conversions ago: the caller feeds them in step with its other sources. Returns how
 * many, or -errno. */
int adc_read(struct adc *a, struct obs *ret, size_t cap);

/** NULL, or a sentence saying what is missing and the remedy. Reading is correct all the same: a thread that
 * is preempted more often has more frames refused. */
const char *adc_degraded(const struct adc *a);

/** How the bank is sampled, for people: "real-time priority, memory locked", ... Static. */
const char *adc_mode(const struct adc *a);

/** Monotonic counts; may be called while the thread runs. */
struct adc_counters adc_counters(const struct adc *a);

/** Grows, several times a second, while the sampling thread lives. */
uint32_t adc_turns(const struct adc *a);

/** Stops the thread and frees; NULL is allowed. */
void adc_close(struct adc *a);

#endif
