/* Numbers that the kernel gives as files: load cells behind its IIO drivers, and thermometers.
 *
 * A read of such a file does the work: the hx711 driver waits up to a second for the converter, a 1-wire sensor
 * takes 0.75 s. So each file has a thread of its own, which also keeps a dead converter from stalling its
 * neighbours, and hands over through one bounded ring with an eventfd.
 *
 * The kernel's hx711 driver keeps PD_SCK short with interrupts off, which is its gain; it checks of the six
 * frame checks only that DOUT was low at the start, which is its price: full-scale codes are refused here, single
 * wild values are the scale's median filter's. It gives some ten values a second at any RATE. The buffer of
 * the driver was rejected: it puts error codes among the data. A folder without `name` = hx711 is another
 * converter (nau7802), whose raw value is signed already.
 */
#ifndef NOREN_IO_SYSFS_H
#define NOREN_IO_SYSFS_H

#include <stddef.h>

#include "core/obs.h"
#include "io/adc.h"
#include "io/board.h"

struct sysfs;

/** Starts to read one bank (BANK_IIO; `cells` are the plan's indices), or with `bank` NULL the board's
 * thermometers. A file that is not there is no error: its cell is absent until it comes. 0 or -errno. */
int sysfs_open(struct sysfs **ret, const struct board *board, const struct board_bank *bank,
               const uint16_t *cells);
/** Readable (EPOLLIN) when something waits. */
int sysfs_fd(const struct sysfs *s);
/** Takes up to `cap` waiting OBS_CELL or OBS_TEMPERATURE. Returns how many. */
int sysfs_read(struct sysfs *s, struct obs *ret, size_t cap);
/** What became of the cells' readings since sysfs_open, in the terms of a bank that is clocked here: DOUT high, or
 * no number, is a frame that was not ready; a converter that is not there gives no frames at all. */
struct adc_counters sysfs_counters(struct sysfs *s);
/** Stops the threads and frees; waits for a read that is going on. NULL is allowed. */
void sysfs_close(struct sysfs *s);

#endif
