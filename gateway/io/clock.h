/* Clocks: boot time for everything that is measured, UTC with its quality for everything that is shown.
 *
 * Nothing is ordered or expired by wall clock: a board without an RTC starts somewhere, and NTP steps it.
 * CLOCK_BOOTTIME, unlike CLOCK_MONOTONIC, also counts while the machine sleeps.
 */
#ifndef NOREN_IO_CLOCK_H
#define NOREN_IO_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "core/obs.h"

#define CLOCK_BOOTID_SIZE 37

/** Microseconds since the machine booted. */
int64_t clock_boot_us(void);

/** UTC in microseconds, and how far to trust it: synced = the kernel says that NTP disciplines it; held =
 * it does not (no network yet, a container), but the time is not before this program was built; floor =
 * it is, so only "not before the build" is known, and that is what is returned. */
int64_t clock_utc_us(enum clock_quality *ret_quality);

/** Puts the store's time zone ("Asia/Tokyo") in force; "" is UTC. First before threads start: it is a
 * variable of the process, of which later calls only change the text. -ENOENT: this machine knows no such zone. */
int clock_set_zone(const char *zone);

/** What the zone adds to UTC at that moment, in microseconds. */
int64_t clock_local_us(int64_t utc_us);

/** The kernel's random id of this boot, the scope of boot time. 0 or -errno. */
int clock_bootid(char ret[CLOCK_BOOTID_SIZE]);

#endif
