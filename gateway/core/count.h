/* From a change of mass to a number of pieces: which product of the plate, how many, how sure. */
#ifndef NOREN_CORE_COUNT_H
#define NOREN_CORE_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/plan.h"
#include "noren/event.h"

#define COUNT_PARTS_MAX 2

enum count_verdict {
    COUNT_SURE,      /**< one hypothesis explains the mass */
    COUNT_AMBIGUOUS, /**< several do */
    COUNT_UNKNOWN,   /**< none does */
};

/** So many of one facing's product. */
struct count_guess {
    uint8_t facing;
    int32_t quantity; /**< signed: negative left the shelf; never 0 */
    int32_t posterior_pm;
};

struct count {
    enum count_verdict verdict;
    struct count_guess guesses[EVENT_CANDIDATES_MAX]; /**< best first, one a facing */
    uint8_t guesses_n;
    struct count_guess parts[COUNT_PARTS_MAX]; /**< the best hypothesis: all that moved */
    uint8_t parts_n;
    bool poor;        /**< the mass is farther off than the product's stated variation explains */
    int32_t other_pm; /**< posterior of what is no product of the plate (count_evidence.others) */
};

/** What was seen of a change. */
struct count_evidence {
    int64_t delta_mg; /**< change of mass */
    int64_t sigma_mg; /**< noise of one thinned sample */
    double unsure_mg; /**< further standard deviation of the change: a swing, a neighbour's hand */
    /* Where it happened, by the shares of the cells: */
    bool placed;        /**< the plate's cells tell places, and knew theirs before the change */
    double moment_mgmm; /**< sum of the cells' changes x their places */
    double span_mm;     /**< distance of the outermost cells */
    int64_t on_shelf[PLATE_FACINGS_MAX];  /**< what the ledger has there; -1: not known */
    int64_t in_hand[PLATE_FACINGS_MAX];   /**< of each facing's product */
    int64_t unit_mg[PLATE_FACINGS_MAX];   /**< learnt mass of a piece; 0: as the plan says */
    double unit_sd_mg[PLATE_FACINGS_MAX]; /**< its variation; where unit_mg is 0, the plan's */
    double
        others; /**< prior x density (per mg, x sqrt(2 pi)) of all that is no product of the plate */
};

/** Judges a change on `plate`. */
struct count count_judge(const struct plan_plate *plate, const struct count_evidence *seen);
/** What the books will say of one facing, against everything else that the change may have been. */
struct count_doubt {
    int32_t
        right_pm; /**< how likely it is that this facing is booked right, whatever the others did */
    int32_t instead; /**< signed: what it most likely was if not */
};

/** Compares `booked` (n 0: nothing is, the load came back) with all hypotheses, facing by facing. */
void count_compare(const struct plan_plate *plate, const struct count_evidence *seen,
                   const struct count_guess *booked, uint8_t n,
                   struct count_doubt ret[PLATE_FACINGS_MAX]);
/** By mass alone. */
struct count count_change(const struct plan_plate *plate, int64_t delta_mg, int64_t sigma_mg);

#endif
