/* The sources of a board: radios, ADC banks and the simulated board, opened together and read alike.
 *
 * A source that cannot be opened does not keep the others from working: a store whose Bluetooth is broken
 * still counts its shelves. What is missing is said once with its remedy, and stays in `norenctl status`.
 */
#ifndef NOREN_IO_SOURCES_H
#define NOREN_IO_SOURCES_H

#include "io/adc.h"
#include "io/ble.h"
#include "io/config.h"
#include "io/engine.h"
#include "io/serial.h"
#include "io/sim.h"
#include "io/sysfs.h"

#define SOURCES_PROBLEM_SIZE 512

struct sources {
    const struct config *config; /**< borrowed */
    int epoll_fd;
    struct ble *ble; /**< NULL: no real radio, or not open */
    struct sim *sim; /**< NULL: nothing on this board is simulated */
    struct adc *adc[BOARD_BANKS_MAX];
    struct sysfs *iio[BOARD_BANKS_MAX];     /**< banks that the kernel reads */
    struct serial *serial[BOARD_BANKS_MAX]; /**< banks of shelf nodes at a wire */
    struct sysfs *thermometers;             /**< NULL: none */
    uint16_t receivers[BOARD_RADIOS_MAX];   /**< the plan's index of each radio of the board */
    char problems[BOARD_BANKS_MAX + 2][SOURCES_PROBLEM_SIZE]; /**< "" = fine: banks, ble, sim */
    char ble_said[SOURCES_PROBLEM_SIZE]; /**< the complaint that sources_tick returned last */
    uint32_t turns[BOARD_BANKS_MAX]; /**< of the sampling threads, when one of them last moved */
    int64_t moved_us[BOARD_BANKS_MAX];
    int64_t unknown_receiver; /**< packets of a radio that the map does not have */
};

/** Opens what the board has, with the places of `plan`. Failures of a source go to `problems`; returns 0,
 * or -errno when there is no descriptor to wait on. */
int sources_open(struct sources *s, const struct config *config, const struct plan *plan);

/** Another plan is in force: the same hardware has other places. A receiver's places are its own board's, for
 * good. */
void sources_set_plan(struct sources *s, const struct plan *plan);

/** An epoll descriptor: readable when anything waits. It stays the same when the plan changes. */
int sources_fd(const struct sources *s);

/** Feeds everything that waits to the engine. */
void sources_read(struct sources *s, struct engine *e);

/** About once a second. What the radio's scan keeper complains about goes to `problems`, and away again.
 * Returns a complaint that has lasted for two ticks and was not returned before, else NULL: a busy
 * adapter is not worth a line in a log, one that is not there is. */
const char *sources_tick(struct sources *s, int64_t now_us);

/** Frames of the board's bank `i`; all 0 when it is not open, or is one of shelf nodes. */
struct adc_counters sources_bank_counters(const struct sources *s, int i);
/** Sum over all banks. */
struct adc_counters sources_adc_counters(const struct sources *s);

/** False when a sampling thread has stood still for some seconds. A chip that does not answer is not that: its
 * frames are refused and reported. Call about once a second. */
bool sources_alive(struct sources *s, int64_t now_us);

void sources_close(struct sources *s);

#endif
