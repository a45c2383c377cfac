/* One visit per member: opened, zones with dwell, qualified, closed, each with its evidence.
 *
 * A visit is a row on disk from its first event to its last, so a restart neither opens it twice nor
 * forgets to close it. The row is written with events only, not with each sighting: a card's life is
 * measured in bytes.
 */
#ifndef NOREN_CORE_VISIT_H
#define NOREN_CORE_VISIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/obs.h"
#include "core/plan.h"

#define VISITS_MAX 1024 /* members in the store at one time */

/** A visit counts (for stamps and points) once a day, in opening hours, from this dwell on ... */
#define VISIT_QUALIFY_US (60 * NOREN_US_PER_S)
/** ... with two kinds of evidence, or heard about every five seconds. */
#define VISIT_QUALIFY_EVIDENCE  2
#define VISIT_QUALIFY_SIGHTINGS 12

#define ID_PATHS (PATH_LINE + 1)

/** Members whose visit has counted today. */
#define VISITS_COUNTED_MAX 2048
struct visit_counted {
    uint64_t member; /**< hash of the ref: only compared */
    int64_t day;     /**< days since 1970 in the store's own time */
};

/** What the store's clock says; `known` false: it counts from the boot, and opening hours are unknown. */
struct visit_clock {
    bool known;
    int64_t local_us; /**< the store's own time as microseconds since 1970 */
};

/** Somebody who is in the store now. */
struct presence {
    struct who who;
    uint8_t consent;
    uint16_t bucket;
    uint16_t slot; /**< 0..VISITS_MAX-1, stable while the visit is open */
    uint16_t zone; /**< NO_INDEX: in the store, zone unknown (or not to be told) */
    int64_t zone_since_us;
    char visit_id[NOREN_ID_SIZE];
};

struct visit {
    struct presence presence;
    int64_t opened_us;
    int64_t heard_us;              /**< last sighting; dwell is heard - opened */
    int64_t until_us;              /**< evidence that our radios cannot repeat is good until then */
    int64_t evidence_us[ID_PATHS]; /**< first evidence by each path; EVENT_NULL: none */
    uint16_t sightings;            /**< saturates */
    uint16_t next;                 /**< free list */
    bool used, told, qualified;
    bool restored; /**< read from disk, not yet heard again nor given a track */
};

struct visits {
    struct visit v[VISITS_MAX];
    uint16_t free;
    uint16_t used_n;
    int64_t next_number; /**< of the next visit id, never used before */
    bool restored;       /**< some visit is `restored` */
    int64_t refused;     /**< members for whom there was no slot */
    struct visit_counted counted[VISITS_COUNTED_MAX];
    uint16_t counted_n;
};

void visits_init(struct visits *s);

/** Opens a visit; NULL (and counted) when the table is full. Nothing is told yet. */
struct visit *visit_open(struct visits *s, const struct who *who, int64_t t_us);

/** Takes one sighting as evidence. */
void visit_evidence(struct visit *v, enum id_path path, int64_t t_us);

/** Takes evidence that came by other ways than our radios: a visit stays open for as long as it is good,
 * counted from when it arose. */
void visit_checkin(struct visit *v, enum id_path path, int64_t at_us);

/** Events and record slots that visit_tell() and visit_close() need at most. */
#define VISIT_ROOM_EVENTS  3
#define VISIT_ROOM_RECORDS 3

/** Emits what happened since the last call: opened, the zone (`announced` -> presence.zone), qualified; and
 * saves the row when something did. There must be room. */
void visit_tell(struct visits *s, struct visit *v, const struct plan *plan,
                const struct visit_clock *clock, uint16_t announced, int32_t confidence_pm,
                int64_t now_us, struct batch *out);

/** Emits the end of a visit that was told, deletes its row and frees the slot. There must be room. */
void visit_close(struct visits *s, struct visit *v, const char *reason, int64_t now_us,
                 struct batch *out);

/** Removes a visit and what is kept about its member, and says nothing. There must be room for a record. */
void visit_erase(struct visits *s, struct visit *v, struct batch *out);
/** The same for what is kept beyond visits: that one has counted today. */
void visit_erase_counted(struct visits *s, const char *member_ref, struct batch *out);

/** Zone event of a member or a tag. `zone`, `previous`: indices, NO_INDEX is null. */
void visit_emit_zone(const struct plan *plan, const struct who *who, uint16_t zone,
                     uint16_t previous, int64_t since_us, int32_t confidence_pm, int64_t now_us,
                     struct batch *out);

/** Takes back a RECORD_VISIT row, or the RECORD_SHOP row "visit". 0, or -1 when not understood or there is no slot; no change then. */
int visit_restore(struct visits *s, const struct plan *plan, const struct record *r);

/** First look at a restored visit: after a reboot boot time starts again, so times that would lie in the
 * future are moved back as a whole, which keeps every duration. */
void visit_rebase(struct visit *v, int64_t now_us);

#endif
