/* What a load cell still gives way after a change of its load.
 *
 * A loaded cell goes on giving way for minutes: A x change x (1 - exp(-t / tau)), measured A 0.05..0.2 %, tau
 * 60..300 s (reference shelf.md 3.6). Which cell one has is not known, so this is no forecast but a bound: how much
 * of a small, slow movement in that direction may be creep and is therefore no drift, no theft and no warmth.
 * Compensating by a learnt curve was rejected: it wants a week of undisturbed changes from every cell.
 */
#ifndef NOREN_CORE_CREEP_H
#define NOREN_CORE_CREEP_H

#include <stdbool.h>
#include <stdint.h>

/** Creep of one plate after its newest changes. All zero: none is expected. Masses are signed. */
struct creep {
    int64_t most_ug;  /**< the most there may be of it; 0: none is expected */
    int64_t taken_ug; /**< so much of it was seen, and is no drift */
    int64_t began_us; /**< stream time of the change */
    int64_t seen_us;  /**< when load and reference were last found to agree */
    bool dark; /**< nobody has looked since it was restored: all that is left may have come */
};

/** The load changed by `change_mg` at `t_us`; what was left of before comes on top. */
void creep_begin(struct creep *c, int64_t t_us, int64_t change_mg);
/** What was stored: so old was it when it was last looked at. */
void creep_restore(struct creep *c, int64_t most_mg, int64_t taken_mg, int64_t age_us);
/** Age when it was last looked at, in microseconds. */
int64_t creep_age_us(const struct creep *c);
/** The most that may come yet. */
int64_t creep_left_ug(const struct creep *c);
/** How much may have come since the load was last found at the reference. */
int64_t creep_since_ug(const struct creep *c, int64_t t_us);
/** The part of a distance that `creep` explains: in its direction, and no more than that. Same unit as both. */
int64_t creep_of(int64_t creep, int64_t off);
/** Load and reference were found to agree. */
void creep_see(struct creep *c, int64_t t_us);
/** So much of what the reference went just now was creep. */
void creep_take(struct creep *c, int64_t step_ug);

#endif
