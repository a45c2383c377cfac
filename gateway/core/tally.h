/* Unknown devices by zone: what the receivers' counts of five minutes (core/crowd.h) add up to.
 *
 * A phone is placed where it is heard best, so its zone is that of the receiver: the first zone listed that
 * names the receiver, or whose polygon it hangs in. One board's receivers share a salt, each of their phones
 * counts once and they may be added. Another board has another salt and may have heard the same phones: of
 * several boards the largest count stands for the zone. Adding would make five of three; the largest says "at
 * least", which is also what the k of k-anonymity needs.
 *
 * Nothing is told of fewer than CROWD_K, and nothing of a zone where nobody is tracked. There is no stored row:
 * after a restart the next five minutes say it.
 */
#ifndef NOREN_CORE_TALLY_H
#define NOREN_CORE_TALLY_H

#include "core/batch.h"
#include "core/crowd.h"
#include "core/obs.h"
#include "core/plan.h"

/** A count that was not renewed for this long is of a board that is gone. */
#define TALLY_STALE_US (CROWD_WINDOW_US + 60 * NOREN_US_PER_S)

/** By receiver of the plan in force. */
struct tally {
    struct tally_count {
        uint32_t devices;
        bool other;
        int64_t at_us;
    } receivers[RECEIVERS_MAX];
};

/** Another plan is in force: places have other numbers, the next five minutes begin anew. */
void tally_plan(struct tally *t);

/** Takes an OBS_CROWD; the store's state is to be told again when that changes what may be told. */
void tally_take(struct tally *t, const struct plan *plan, const struct obs *o, struct batch *out);

/** How many unknown devices each zone had; 0: fewer than CROWD_K, or nothing may be told. */
void tally_zones(const struct tally *t, const struct plan *plan, int64_t now_us,
                 uint32_t ret[ZONES_MAX]);

#endif
