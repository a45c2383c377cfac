/* Phones that are nobody's: how many different ones each receiver heard, and nothing else about them.
 *
 * An address becomes a keyed hash at once; the key is random, never leaves memory, and is thrown away every
 * quarter of an hour with all hashes, so nothing can be followed for longer than phones themselves keep an
 * address. A device counts once in five minutes, for the receiver that heard it best. Below five the number
 * itself would point at people: it is not told.
 *
 * Bounded: beyond CROWD_DEVICES_MAX in five minutes (a flood of made-up addresses) the rest is a counter.
 */
#ifndef NOREN_CORE_CROWD_H
#define NOREN_CORE_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "noren/units.h"

#define CROWD_DEVICES_MAX 4096
#define CROWD_SLOTS       8192 /* a power of two */
#define CROWD_WINDOW_US   (300 * NOREN_US_PER_S)
#define CROWD_SALT_US     (900 * NOREN_US_PER_S)
#define CROWD_K           5
#define CROWD_SALT_SIZE   16

struct crowd_device {
    uint32_t hash; /**< 0 = free */
    int8_t rssi_dbm;
    uint8_t receiver;
};

/** About 64 KB. */
struct crowd {
    uint64_t salt[2];
    bool salted;                /**< without a salt nobody is counted */
    bool fresh;                 /**< five minutes ended since crowd_second() */
    int64_t salted_us, from_us; /**< when the salt came, and the five minutes began */
    struct crowd_device seen[CROWD_SLOTS];
    uint32_t seen_n;
    uint32_t before[RECEIVERS_MAX]; /**< of the five minutes before */
    uint32_t told;                  /**< receivers that had anybody when it was last told */
    int64_t overflow;               /**< adverts of devices beyond the bound */
};

/** A new random salt, from then on every CROWD_SALT_US (crowd_wants_salt). All hashes are wiped. */
void crowd_salt(struct crowd *c, const uint8_t salt[CROWD_SALT_SIZE], int64_t now_us);

/** The salt is used up, or there was none. */
bool crowd_wants_salt(const struct crowd *c, int64_t now_us);

/** An advertisement of somebody unknown. */
void crowd_hear(struct crowd *c, const uint8_t address[6], uint16_t receiver, int16_t rssi_dbm,
                int64_t t_us);

/** Ends the five minutes when they are over, whether anything is heard or not; about once a second, and before
 * crowd_salt(). True: there are new counts, to be told once (crowd_next). */
bool crowd_second(struct crowd *c, int64_t now_us);

/** Walks the receivers whose count is to be told: start with *cursor = 0. A receiver that had somebody and has
 * nobody now is told of once more. False at the end. The counts are as they are, not cut at CROWD_K: only the
 * sum over a zone decides what may be published (core/tally.h). */
bool crowd_next(struct crowd *c, uint16_t *cursor, uint16_t *ret_receiver, uint32_t *ret_devices);

/** How many a receiver had in the last whole five minutes; 0 when they were fewer than CROWD_K. */
uint32_t crowd_count(const struct crowd *c, uint16_t receiver);

#endif
