/* What should not be on the air: one identity at two places, one token from two radios, a board whose clock is off.
 *
 * Each finding is a strike; a few of them within a minute raise an alert, and a quiet quarter of an hour clears
 * it, so a stray packet says nothing and a copy that comes and goes is one alert.
 *
 * Two places: a level bounds the distance from above, because nothing is louder than free space makes of a loud
 * transmitter. When two receivers heard the same identity within two seconds, and are farther apart than both
 * bounds and a run between them together, there were two transmitters. Typical powers instead of the loudest
 * would see copies from farther away, and every phone of a stronger make. Receivers without coordinates know
 * of no distance.
 *
 * Two radios: whoever rotates the address does not go back to the one before (core/radio.h counts returns). A
 * member with two phones does the same; that alert is for information.
 *
 * Nobody is refused for it: which one is the copy cannot be told, and the visit has other evidence.
 */
#ifndef NOREN_CORE_WATCH_H
#define NOREN_CORE_WATCH_H

#include "core/batch.h"
#include "core/people.h"
#include "core/shelf.h"

#define WATCH_MAX      64 /* things under suspicion at one time */
#define WATCH_TIGHT_US (60 * NOREN_US_PER_S)
#define WATCH_CLEAR_US (900 * NOREN_US_PER_S)

enum watch_kind {
    WATCH_FAR,   /**< alert identity_far: one identity at two far places at once */
    WATCH_TWIN,  /**< alert identity_twin: one token from two addresses in turn */
    WATCH_CLOCK, /**< alert receiver_clock: what a board hears is refused, its time is off */
    WATCH_KINDS
};

/** Something under suspicion. */
struct watch_case {
    bool used;
    enum watch_kind kind;
    char subject[NOREN_ID_SIZE];    /**< the receiver, or the tag */
    char member_ref[NOREN_ID_SIZE]; /**< "" = no member's */
    uint8_t strikes;                /**< since from_us */
    int64_t from_us, last_us;
    int64_t number; /**< of the alert; 0 = not raised */
};

struct watch {
    struct watch_case cases[WATCH_MAX];
    bool restored;   /**< some case is from disk: its quiet time begins now */
    int64_t refused; /**< strikes for want of a place: that many alerts are open */
};

void watch_init(struct watch *w);
/** Takes back the RECORD_SHOP row "watch<number>" of an open alert. 0, or -1 when not understood. */
int watch_restore(struct watch *w, const struct record *r);
/** One observation, before people_step() has it. Returns the next deadline. */
int64_t watch_step(struct watch *w, const struct plan *plan, const struct people *people,
                   struct shelf *shelf, const struct obs *o, struct batch *out);
/** Alerts that are open. */
int32_t watch_alerts(const struct watch *w);

#endif
