/* Units and sizes that both worlds (gateway and firmware) share.
 *
 * There is one rule: a quantity carries its unit in its name. Time is int64_t microseconds (_us) on
 * Linux and uint32_t milliseconds (_ms) on a microcontroller; mass is milligrams (_mg), signal strength
 * decibel-milliwatts (_dbm), length millimetres (_mm), probability a permille (_pm): integers
 * everywhere, because a replayed day must give the same bytes on every machine and floating point in an
 * event would not.
 */
#ifndef NOREN_UNITS_H
#define NOREN_UNITS_H

#include <stdint.h>

#define NOREN_US_PER_MS ((int64_t)1000)
#define NOREN_US_PER_S  ((int64_t)1000000)
#define NOREN_MG_PER_G  1000

/* Ids that cross the wire (plate, zone, receiver, member_ref, ...): UTF-8 without control characters,
 * at most 39 bytes and the terminating NUL. */
#define NOREN_ID_SIZE 40

/* A GTIN is stored as 14 digits and a NUL (GS1 General Specifications, 3.2: shorter ones padded left). */
#define NOREN_GTIN_SIZE 15

/* "No deadline": later than any time that can occur. */
#define NOREN_NEVER_US INT64_MAX

/* Token and beacon minor rotate on this step of UTC (design section 6). */
#define NOREN_STEP_S 900

#endif
