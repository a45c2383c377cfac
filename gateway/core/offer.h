/* Offers: who gets which campaign now, and why not.
 *
 * A member who dwells in a campaign's zone is a case. Constraints are a table of rows in a fixed order; the
 * first that fails is the reason that is recorded, so "why did I not get this?" has one answer. Each answer
 * is given once per visit, campaign and reason; an offer that failed for a passing reason (no stock, no
 * clock) is looked at again when that changes.
 *
 * Nothing is scanned per observation. What happened is read from the events that shelf and people have just
 * put into the batch; what will happen is a deadline per visit. A list of listeners between the modules was
 * rejected: the batch already says everything, once, in order.
 *
 * What was answered is kept for half a day, in records too, so caps survive a restart.
 */
#ifndef NOREN_CORE_OFFER_H
#define NOREN_CORE_OFFER_H

#include "core/people.h"
#include "core/shelf.h"

/** At most this many promotional offers a visit: a second one makes people delete the app. */
#define OFFER_CAP_VISIT 1
/** The same campaign comes to the same member again only after this. */
#define OFFER_COOLDOWN_S ((int64_t)4 * 3600)
/** Answers are kept this long, longer than a cooldown and than any visit. */
#define OFFER_KEEP_S    ((int64_t)12 * 3600)
#define OFFERS_PAST_MAX 4096
/** Stock and clock may come back without an event (a scale that settles where it was): while somebody
 * waits, this often. */
#define OFFER_RETRY_US NOREN_US_PER_S

/** An answer that was given. Refs are kept as 64-bit hashes: they are only compared. */
struct offer_past {
    int64_t number; /**< of the offer id */
    uint64_t member, visit;
    int64_t at_us, utc_s; /**< utc_s 0: the time was unknown */
    uint16_t campaign;    /**< NO_INDEX: no longer in the plan */
    uint8_t reason;       /**< row of the table of constraints; one past the last: decided */
};

/** What was said in one visit; bits are campaigns. */
struct offer_slot {
    uint64_t visit;   /**< hash of the visit id these belong to */
    uint64_t done;    /**< never again in this visit */
    uint64_t tried;   /**< looked at in this dwell */
    uint64_t waiting; /**< tried, and a change of stock or clock is worth another look */
    uint8_t reasons[CAMPAIGNS_MAX]; /**< reasons already told, by bit */
    uint8_t decided_n;
};

/** About 300 kB. */
struct offers {
    int64_t due_us[VISITS_MAX]; /**< when to look at a visit again */
    int64_t next_us;            /**< not later than the earliest of them */
    struct offer_slot slots[VISITS_MAX];
    struct offer_past past[OFFERS_PAST_MAX];
    uint16_t past_n;
    int64_t next_number;
    int64_t wake_us;   /**< when to see whether what they wait for has come */
    uint64_t waiting;  /**< campaigns somebody waits for; may have too many bits, never too few */
    bool rescan;       /**< look at everybody at the next step: after start or a new plan */
    bool restored;     /**< rows were read whose times may be of another boot */
    int64_t forgotten; /**< answers dropped before OFFER_KEEP_S for want of room */
};

void offers_init(struct offers *f);

/** A new plan is in force: what was said about campaigns that are still there is kept. */
void offers_plan(struct offers *f, const struct plan *old_plan, const struct plan *plan);

/** Takes back a RECORD_OFFER row, or the RECORD_SHOP row "offer". 0, or -1 when not understood. */
int offers_restore(struct offers *f, const struct plan *plan, const struct record *r);

/** Forgets what was answered about a member. The rows, of which there may be more than fit into a batch, are
 * found by name and removed by the shell (io/db.h). */
void offers_forget(struct offers *f, const char *member_ref);

/** Reacts to what this observation put into `out`, and to deadlines. `utc_s` is 0 while the time is
 * unknown. Returns the next deadline; `now_us` when the batch was full. */
int64_t offers_step(struct offers *f, const struct plan *plan, const struct people *people,
                    const struct shelf *shelf, int64_t now_us, int64_t utc_s, struct batch *out);

#endif
