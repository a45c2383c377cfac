/* What warmth does to one load cell, learnt while nothing moves and taken off its mass.
 *
 * A cell's zero moves by a gram or so a degree, and with it everything that rests on it. With a sensor near by
 * the share that follows the temperature can be told from what happens to the goods: while a cell rests, each
 * half degree gives a pair (change of temperature, change of mass), and a line through the origin is fitted to
 * the pairs of about a week (reference 3.6). Differences were preferred to absolute values, because goods come
 * and go between two nights.
 *
 * It must not be a way to carry goods away unnoticed. So the line holds only when warming and cooling, each for
 * itself, say nearly the same: whoever takes grams all evening pulls the two apart. Line and sum are bounded, and
 * only a change of temperature moves a mass: time alone never does.
 *
 * What is taken off is a sum over changes of temperature, not a product of the newest line and a distance from
 * the calibration's temperature: a line that is learnt better must not make a jump.
 */
#ifndef NOREN_CORE_THERMAL_H
#define NOREN_CORE_THERMAL_H

#include <stdbool.h>
#include <stdint.h>

#define THERMAL_NONE INT32_MIN /**< no temperature */
/** A good cell of 50 kg moves by less than this. */
#define THERMAL_MAX_MG_PER_K 5000.0
#define THERMAL_MAX_SHIFT_MG 100e3

/** One cell; zero memory with `now_mc` = THERMAL_NONE has learnt nothing. */
struct thermal {
    int32_t now_mc;     /**< newest temperature */
    int32_t odd_mc;     /**< a jump that nobody has confirmed, or THERMAL_NONE */
    int64_t told_us;    /**< when it came */
    uint8_t rank;       /**< how near its sensor is; the caller's */
    double mg_per_k;    /**< the line in force; 0: none */
    double shift_mg;    /**< what to subtract from the cell's mass */
    double stored_mg;   /**< the shift in its row */
    double stored_line; /**< the line in its row */
    bool marked;        /**< it rested at mark_mg at mark_mc */
    int32_t mark_mc;
    int64_t mark_us;
    double mark_mg;
    struct thermal_sums {
        double tt, tm, mm;
    } up, down; /**< of the pairs while it got warmer, colder */
};

void thermal_init(struct thermal *t);

/** A temperature that a sensor in a shop may tell. */
bool thermal_is_possible(int64_t mc);

/** The sensor tells `mc`. False when that is not believed (yet): a temperature that no shop has, or a jump of
 * more than 5 K that the next reading does not confirm. Moves shift_mg. */
bool thermal_take(struct thermal *t, int64_t t_us, int32_t mc);

/** Right after thermal_take(): the cell rests at `mass_mg`, nothing taken off; or it does not `rest`. */
void thermal_learn(struct thermal *t, int64_t t_us, bool rests, double mass_mg);

/** The cell was calibrated at the present temperature; `same`: it is the same cell as before, as far as its
 * sensitivity tells, so that what was learnt of it holds. */
void thermal_calibrated(struct thermal *t, bool same);

#endif
