/* How receivers differ: offsets learnt from beacons that hang at known places.
 *
 * The same radio hears 7 dB less low beside a shelf than under a free ceiling, and it stays so. Beacons whose
 * place is on the map tell: what a receiver hears of a beacon, less what the distance predicts, is the beacon's
 * power plus the receiver's offset plus what is particular to that one path. Powers and offsets come from all
 * pairs together, by alternating means. A path's particular part is as large as an offset (about 5 dB), so an
 * offset is drawn towards zero as if one more beacon had said zero.
 *
 * Only fixed beacons teach. Offsets from whoever walks by are not told apart from where people walk, and were
 * right only after an hour. Nothing is stored: a minute after a start everything is learnt again.
 */
#ifndef NOREN_CORE_MOUNT_H
#define NOREN_CORE_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/plan.h"

/** Sightings of one beacon by one receiver before they count. */
#define MOUNT_SIGHTINGS_MIN 16
/** No offset is larger than this; what says so is a wrong place on the map. */
#define MOUNT_MAX_DB 15

struct mounts {
    struct {
        int16_t level[RECEIVERS_MAX]; /**< slow mean, 1/16 dB */
        uint16_t n[RECEIVERS_MAX];    /**< sightings so far, saturating */
    } beacons[BEACONS_MAX];
    int16_t offset[RECEIVERS_MAX]; /**< 1/16 dB by which it hears more than others; 0: not known */
    int64_t solved_us;
    int64_t heard; /**< sightings of fixed beacons */
};

/** A new plan is in force: forgets all. */
void mounts_init(struct mounts *m);

/** The plan's fixed beacon of this identity, or NO_INDEX. */
uint16_t mounts_find(const struct plan *plan, const char *ref);

/** Takes in one sighting of a fixed beacon; works offsets out anew every few seconds. */
void mounts_hear(struct mounts *m, const struct plan *plan, uint16_t beacon, uint16_t receiver,
                 int rssi_dbm, int64_t t_us);

#endif
