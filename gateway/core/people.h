/* People: sightings become presence in zones, presence becomes one visit per member. */
#ifndef NOREN_CORE_PEOPLE_H
#define NOREN_CORE_PEOPLE_H

#include "core/batch.h"
#include "core/obs.h"

struct people {
    int unused;
};

/** Somebody who is in the store now. */
struct presence {
    struct who who;
    uint8_t consent;
    uint16_t bucket;
    uint16_t zone; /**< NO_INDEX: in the store, zone unknown */
    int64_t zone_since_us;
    char visit_id[NOREN_ID_SIZE];
};

void people_init(struct people *p);
/** A new plan is in force: zones and receivers may have moved; visits go on. */
void people_plan(struct people *p, const struct plan *old_plan, const struct plan *plan);
/** Takes back one RECORD_VISIT row. 0, or -1 when not understood. */
int people_restore(struct people *p, const struct plan *plan, const struct record *r);
/** One observation (sighting, tick). Returns the next deadline. */
int64_t people_step(struct people *p, const struct plan *plan, const struct obs *o,
                    struct batch *out);
/** Walks those present: start with *cursor = 0; NULL at the end. */
const struct presence *people_next(const struct people *p, size_t *cursor);

#endif
