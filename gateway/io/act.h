/* What the gateway does in the shop: the lights that show people where something is.
 *
 * A request blinks one LED for one plate. Plates may share an LED (one a fixture is common): then requests
 * take turns, in the order in which they came, so that a light always means one plate. The queue is bounded;
 * asked again for a plate that blinks or waits, it blinks longer and does not wait twice.
 *
 * LEDs are held as outputs for as long as norend runs and are off unless somebody asked. That a killed
 * process leaves one on until the next start is the price of no second process; the start switches it off.
 */
#ifndef NOREN_IO_ACT_H
#define NOREN_IO_ACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/board.h"

#define ACT_REQUESTS_MAX  16 /**< blinking and waiting together */
#define ACT_SECONDS_MAX   600
#define ACT_SECONDS_USUAL 30
#define ACT_PROBLEM_SIZE  256
#define ACT_BLINK_HALF_US INT64_C(250000) /**< on, then off, as long */

struct act;
struct sim;

/** How a request stands. */
struct act_light {
    const char *led, *plate; /**< valid until the next call that may change the queue */
    bool blinks;             /**< else it waits for its turn */
    int64_t left_us;         /**< how long it will still blink; while it waits: will blink */
};

/** Takes the LEDs of the board. `sim` is the simulated board, NULL when nothing is simulated; both outlive
 * this. An LED that cannot be had leaves a problem; the others work. 0 or -ENOMEM. */
int act_open(struct act **ret_act, const struct board *board, struct sim *sim);

/** Blinks `led` for `plate` from now, or when the requests before it on that LED have ended. Returns 0;
 * -ENOENT the board has no such LED; -ENOSPC the queue is full; or what the line said (-EBUSY, -ENODEV..),
 * then act_problem() has the sentence. */
int act_locate(struct act *a, const char *led, const char *plate, int64_t duration_us,
               int64_t now_us);

/** Switches what is due. Returns when it wants to be called next, INT64_MAX while all is dark. */
int64_t act_tick(struct act *a, int64_t now_us);

/** Request number `i` in the order of the queue; false after the last. */
bool act_light(const struct act *a, size_t i, int64_t now_us, struct act_light *ret);

/** NULL, or a sentence with its remedy about LED number `i` of the board. */
const char *act_problem(const struct act *a, size_t i);

/** All off, lines given back; NULL is allowed. */
void act_close(struct act *a);

#endif
