/* One plate's scale: a stream of masses becomes "it moved", "it rests at", "it went back".
 *
 * Knows nothing of products, counts or events: only a reference (what rested on the plate when it was last
 * agreed upon), the noise, and how long the load has been quiet. All windows are in time, never in samples,
 * because the same code sees 8 to 80 samples a second, and shelf nodes that report once a second.
 */
#ifndef NOREN_CORE_WEIGH_H
#define NOREN_CORE_WEIGH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/creep.h"
#include "core/swing.h"

/** Thinned samples that are kept: 25 ms apart or more, so at least 1.2 s. */
#define WEIGH_RING 48

enum weigh_signal {
    WEIGH_NOTHING, /**< nothing new, or not enough samples yet */
    WEIGH_FIRST,   /**< first quiet value since the start or a fault: level_mg */
    WEIGH_MOVED,   /**< away from the reference and not (yet) quiet: moved_mg */
    WEIGH_REST, /**< away from the reference, and quiet since rest_since_us or `swings`: level_mg */
    WEIGH_BACK, /**< was away, is quiet at the reference again, or swings about it */
};

struct weigh {
    /* Entry: median of three against single spikes, then mean over at least 25 ms. */
    int32_t spike[2];
    uint8_t spike_n;
    uint8_t ring_head, ring_n;
    uint16_t bin_n;
    int64_t bin_sum_mg;
    int64_t bin_closed_us;
    struct {
        uint32_t t_ms; /**< wraps; only differences are used */
        int32_t mass_mg;
    } ring[WEIGH_RING];

    bool has_ref;     /**< a reference is set */
    bool settled;     /**< a quiet value was seen since the start or the last weigh_restart() */
    bool away;        /**< the load left the reference */
    bool drifted;     /**< slow tracking reached its limit and stopped */
    bool resting;     /**< quiet now */
    bool calm;        /**< as still as goods alone are, for longer: no hand is there */
    bool sigma_known; /**< sigma_mg was learnt, not guessed */
    bool swings;   /**< not quiet, but the middle of its swing is known: level_mg +- level_sd_mg */
    bool swinging; /**< the reference was taken from a swinging load that has not come to rest */
    bool slow_new; /**< `slow` has a new bin */
    struct swing_ring slow;
    struct swing swing;
    int64_t swing_us; /**< when it was looked at last */
    int64_t
        ref_ug; /**< reference in micrograms: tracking moves it by less than a milligram at a time */
    struct creep creep;
    int64_t tracked_ug;  /**< how far tracking moved it since the last agreed count, signed */
    int64_t sigma_mg;    /**< learnt noise of thinned samples */
    int64_t level_mg;    /**< mean over the newest half second, or the middle of the swing */
    int64_t level_sd_mg; /**< what the swing leaves unsure of it; 0 at rest */
    int64_t moved_mg;    /**< newest quick estimate of the distance from what is expected */
    int64_t
        bend_mg; /**< what hands beside the plate do to it now, as far as that is known: the load is
                            expected at the reference and this */
    int64_t rest_anchor_mg;
    int64_t rest_since_us;
    int64_t calm_since_us;
    int64_t quiet_us;   /**< when a window was quiet last */
    int64_t began_us;   /**< when the stream began; 0: not yet */
    int64_t away_us;    /**< when it left */
    int64_t learnt_us;  /**< when the noise was last learnt */
    int64_t tracked_us; /**< when tracking last ran */
};

void weigh_init(struct weigh *w);

/** Forgets the stream (not the reference): after a fault, or when the scale is another one now. */
void weigh_restart(struct weigh *w);

/** Sets the reference; nothing is away any more. `tracked_mg` is what drift tracking has already used up
 * (0 when a count was agreed upon). */
void weigh_set_reference(struct weigh *w, int64_t mass_mg, int64_t tracked_mg);
/** A change was agreed upon: `mass_mg` is the reference from now on, and the plate is expected to creep after it. */
void weigh_change_reference(struct weigh *w, int64_t mass_mg);
int64_t weigh_reference_mg(const struct weigh *w);

/** A count was agreed upon: drift tracking starts afresh from here. */
void weigh_agree(struct weigh *w);

/** What rests on the plate now (level_mg; `resting` must hold) is zero from now on and the reference. The
 * caller subtracts level_mg from later samples. */
void weigh_tare(struct weigh *w);

/** A quiet load at `mass_mg` this near what is expected is the same load. */
bool weigh_same(const struct weigh *w, int64_t unit_mg, int64_t mass_mg);

/** One sample. `unit_mg` is the mass of the lightest product on the plate, 0 when there is none. */
enum weigh_signal weigh_sample(struct weigh *w, int64_t unit_mg, int64_t t_us, int64_t mass_mg);

#endif
