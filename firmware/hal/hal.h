/* What a board must be able to do: a dozen calls, resolved at link time (firmware/hal/<target>/).
 *
 * The host is just another target. No call allocates, and none but hal_sleep_until() waits for longer than
 * a few milliseconds: every wait on hardware has a limit, so a dead peripheral costs a count, not the
 * device.
 */
#ifndef NOREN_HAL_H
#define NOREN_HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Clocks, pins, UART. Called once, first. */
void hal_init(void);

/** Milliseconds since hal_init(), wraps after 49 days. */
uint32_t hal_now_ms(void);

/** Microseconds since hal_init(), for measuring short pulses. */
int64_t hal_now_us(void);

/** Sleeps until `due_ms` by hal_now_ms(); returns at once when that has passed. */
void hal_sleep_until(uint32_t due_ms);

/** The provisioning page; `*ret_n` is its readable size. */
const uint8_t *hal_provision(size_t *ret_n);

/** The counter that survives power cuts (core/counter.h), and storing a larger one. */
uint32_t hal_counter_load(void);
void hal_counter_store(uint32_t value);

/** Drives PD_SCK of all chips; reads DOUT of chip `i`. */
void hal_sck(bool high);
bool hal_dout(unsigned i);

/** Interrupts off around a PD_SCK pulse; nesting is not needed. */
void hal_irq_off(void);
void hal_irq_on(void);

/** Sends one advertisement (AD bytes, at most 31) on channels 37, 38 and 39, non-connectable. */
void hal_advertise(const uint8_t *ad, size_t n);

/** One line of trace, without newline, to whatever the board has (UART, stdout). */
void hal_trace(const char *line);

/** False when a simulated target has reached its end; hardware returns true for ever. */
bool hal_running(void);

#endif
