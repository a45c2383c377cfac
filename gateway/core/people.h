/* People: sightings become presence in zones, presence becomes one visit per member.
 *
 * The composition of locate (levels), zone (where) and visit (what it means). Consent is checked here: of a
 * member who did not agree to presence nothing is kept, not even a track. Tags are things; they have zones
 * but no visits.
 *
 * Everything that is told is a difference between what is known and what was announced. So when a batch is
 * full nothing is queued: the track is marked, and told later as it then is.
 */
#ifndef NOREN_CORE_PEOPLE_H
#define NOREN_CORE_PEOPLE_H

#include "core/batch.h"
#include "core/locate.h"
#include "core/mount.h"
#include "core/obs.h"
#include "core/visit.h"

/** About 1.6 MB. */
struct people {
    struct locate locate;
    struct visits visits;
    struct mounts mounts;
    uint16_t dirty_n; /**< tracks with `dirty` set */
    int64_t
        refused; /**< sightings that name no receiver of the plan, nobody, or an impossible level */
    int64_t no_consent; /**< sightings of members who did not agree to presence */
    bool clock_known;
    int64_t local_offset_us; /**< the store's own time - boot time, by the last OBS_CLOCK */
};

void people_init(struct people *p);
/** A new plan is in force: zones and receivers may have moved; visits go on. */
void people_plan(struct people *p, const struct plan *old_plan, const struct plan *plan);
/** Takes back a RECORD_VISIT row, or the RECORD_SHOP row "visit". 0, or -1 when not understood. */
int people_restore(struct people *p, const struct plan *plan, const struct record *r);
/** One observation (sighting, tick; others only let time pass). Returns the next deadline. */
int64_t people_step(struct people *p, const struct plan *plan, const struct obs *o,
                    struct batch *out);
/** Walks those present: start with *cursor = 0; NULL at the end. */
const struct presence *people_next(const struct people *p, size_t *cursor);
/** The presence in a slot (struct presence), or NULL when nobody is in it. */
const struct presence *people_in_slot(const struct people *p, uint16_t slot);
/** The presence of a member, or NULL when there is none. */
const struct presence *people_find(const struct people *p, const struct who *who);

#endif
