/* A trial: one kind of trouble on a rack of plates, made from a seed, with the truth beside it.
 *
 * Trials are what detection is judged by (tests/quality) and what `noren-sim --trial` writes as a recording
 * for `norenctl replay`. Each name is a class of failure that published systems report, or one of our own.
 */
#ifndef NOREN_SIM_TRIAL_H
#define NOREN_SIM_TRIAL_H

#include <stdbool.h>

#include "core/plan.h"
#include "sim/physics.h"

#define TRIAL_PLATES_MAX  24
#define TRIAL_TRUTH_MAX   8192
#define TRIAL_PENDING_MAX 64

/** What a trial is made of. Shares are of the visits to a plate. */
struct trial_kind {
    const char *name, *what;
    double visit_s; /**< mean time between visits to the rack; 0: nobody comes */
    double lean, hold, bump, swing, both, misplace, straddle; /**< shares */
    double rapid_s;     /**< time between the picks of one visit; 0: one change a visit */
    double wild;        /**< share of frames that are corrupted and pass for good */
    double same_weight; /**< share of plates whose products weigh the same */
    int plates, facings;
    int cells;  /**< 0: one to four, by plate */
    int people; /**< who act at the same instant on neighbouring plates */
    bool books; /**< no count may be wrong in the end without a flag */
    bool named; /**< every product can be told by weight: the targets hold */
};

/** What really happened. */
struct trial_truth {
    int64_t t_us;
    uint16_t plate;
    uint8_t facing;   /**< of `owner`'s plate */
    uint16_t owner;   /**< plate whose facing it is; another one when misplaced */
    int32_t quantity; /**< signed */
    uint16_t also;    /**< plate that carries the rest of it, or NO_INDEX */
    double swing_s;   /**< how long the load swings afterwards */
};

struct trial {
    const struct trial_kind *kind;
    struct chance chance;
    struct plan plan;
    struct physics_plate plates[TRIAL_PLATES_MAX];
    int32_t count[TRIAL_PLATES_MAX][PLATE_FACINGS_MAX];
    double busy_s[TRIAL_PLATES_MAX]; /**< nobody else touches the plate until then */
    double visit_s;                  /**< when the next visit begins */
    struct trial_pending {
        double at_s;
        struct trial_truth truth;
        double x, mg;
    } pending[TRIAL_PENDING_MAX]; /**< goods that are about to move */
    int pending_n;
    struct trial_truth truth[TRIAL_TRUTH_MAX];
    int truth_n;
    int sps;
    int64_t sample; /**< number of the newest */
    double bend[TRIAL_PLATES_MAX];
};

extern const struct trial_kind TRIAL_KINDS[];
extern const int TRIAL_KINDS_N;
const struct trial_kind *trial_find(const char *name);

void trial_init(struct trial *t, const struct trial_kind *kind, uint64_t seed, int sps);
/** Goes on by one sample period; returns its time. Visits begin only before `last_visit_us`. */
int64_t trial_next(struct trial *t, int64_t last_visit_us);
/** Counts of one plate's cells at that time. */
void trial_counts(struct trial *t, uint16_t plate, int32_t ret_counts[PHYSICS_CELLS_MAX]);

#endif
