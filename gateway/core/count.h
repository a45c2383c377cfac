/* From a change of mass to a number of pieces: which product of the plate, how many, how sure. */
#ifndef NOREN_CORE_COUNT_H
#define NOREN_CORE_COUNT_H

#include <stdint.h>

#include "core/plan.h"
#include "noren/event.h"

enum count_verdict {
    COUNT_SURE,      /**< one product explains the mass */
    COUNT_AMBIGUOUS, /**< several products do */
    COUNT_UNKNOWN,   /**< none does */
};

/** One hypothesis. */
struct count_guess {
    uint8_t facing;
    int32_t quantity; /**< signed: negative left the shelf; never 0 */
    int32_t posterior_pm;
};

struct count {
    enum count_verdict verdict;
    struct count_guess guesses[EVENT_CANDIDATES_MAX]; /**< best first, one a facing */
    uint8_t guesses_n;
};

/** Judges a change of `delta_mg` on `plate`, weighed with noise `sigma_mg`. */
struct count count_change(const struct plan_plate *plate, int64_t delta_mg, int64_t sigma_mg);

#endif
