/* Dates and times in text: RFC 3339, as campaigns, --start and logs carry them. */
#ifndef NOREN_IO_RFC3339_H
#define NOREN_IO_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

/** Reads 2026-11-21T09:00:00[.fraction](Z|+hh:mm|-hh:mm) as microseconds since 1970, UTC; more than six
 * digits of a fraction are cut. False when it is none; `ret` is then untouched. Without an offset a time
 * means nothing to a computer elsewhere: refused. */
bool rfc3339_parse(const char *text, int64_t *ret_utc_us);

#endif
