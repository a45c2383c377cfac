/* Who was heard, and how strongly by whom: filtered signal strength per (identity, receiver).
 *
 * Strongest-receiver-wins flaps; what removes the flapping without cost is a light filter on event time
 * (here), a margin, and a challenger that must hold its lead for a moment (zone.h). Silence counts: a
 * receiver that stops hearing somebody loses its say by age.
 *
 * The table is bounded. Tracks live in lists ordered by the time they were last heard, so time-outs and
 * eviction look at list ends only. Unknown devices and tags never push out a member.
 */
#ifndef NOREN_CORE_LOCATE_H
#define NOREN_CORE_LOCATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/plan.h"
#include "core/track.h"
#include "core/zone.h"
#include "noren/event.h"

#define TRACKS_MAX    10000 /* identities followed at the same time */
#define TRACK_BUCKETS 16384 /* a power of two */

/** Two sightings this close are somebody; one is a stray packet. */
#define TRACK_ENTER_US (3 * NOREN_US_PER_S)
/** Nothing heard for this long: no longer in any zone. */
#define TRACK_LEAVE_US (15 * NOREN_US_PER_S)
/** Nothing heard for this long: gone, the visit is over. */
#define TRACK_GONE_US (120 * NOREN_US_PER_S)

/** Zone of a track whose announced zone is no longer on the map. */
#define ZONE_VANISHED (NO_INDEX - 1)

/** Lists of tracks, each ordered by time last heard. The order is the order of eviction. */
enum track_list {
    TRACK_TAG_NEW,       /**< a tag heard once */
    TRACK_TAG_SILENT,    /**< not heard for TRACK_LEAVE_US */
    TRACK_MEMBER_NEW,    /**< a member heard once */
    TRACK_TAG_HERE,      /**< heard lately */
    TRACK_MEMBER_SILENT, /**< visit still open */
    TRACK_MEMBER_HERE,
    TRACK_LISTS
};

struct locate {
    struct track tracks[TRACKS_MAX];
    uint16_t buckets[TRACK_BUCKETS];
    uint16_t oldest[TRACK_LISTS], newest[TRACK_LISTS];
    uint16_t free;   /**< chain of tracks that were given up, or NO_INDEX ... */
    uint16_t used_n; /**< ... and from here on none was ever used, nor its memory touched */
    uint16_t tracks_n;
    int64_t evicted; /**< tracks dropped to make room */
    int64_t refused; /**< identities not followed: nobody may be evicted for them */
    int64_t stale;   /**< sightings older than what is already known of that identity */
    struct zone_map map;
};

void locate_init(struct locate *l);

/** A new plan: works out the grid and carries receivers and zones of every track over by id. */
void locate_plan(struct locate *l, const struct plan *old_plan, const struct plan *plan);

/** Index of somebody's track, or NO_INDEX. */
uint16_t locate_find(const struct locate *l, const struct who *who);

/** Whom a new track of this kind would push out: NULL when there is room; `*ret_full` when there is no room
 * and nobody may be pushed out. The caller says good-bye and calls locate_drop(). */
struct track *locate_victim(struct locate *l, enum who_kind kind, bool *ret_full);

/** A new track, in the list of those heard once. There must be room (locate_victim). */
struct track *locate_add(struct locate *l, const struct who *who, int64_t t_us);

/** Takes one sighting into the filter. False when it is older than the last one of this identity; nothing
 * changes then. `rssi_dbm` -127..20. */
bool locate_hear(struct locate *l, struct track *t, uint16_t receiver, int rssi_dbm, int64_t t_us);

/** Moves a track to the newest end of a list. */
void locate_move(struct locate *l, struct track *t, enum track_list list);

/** The track of a list that was not heard for the longest time, or NULL. */
struct track *locate_oldest(struct locate *l, enum track_list list);

/** Forgets a track. */
void locate_drop(struct locate *l, struct track *t);

/** Who a track is. */
struct who track_who(const struct track *t);
bool track_is_member(const struct track *t);

#endif
