/* What load cells under shelf plates feel: goods that come and go, hands, swinging, bumps, creep, warmth.
 *
 * A plate is a sum of effects, each a closed formula of time, so any sampling rate sees the same world and a
 * day of it costs no more than its samples; integrating springs in small steps was rejected for that. Forces
 * on one plate bend its neighbours a little (cross-talk): 10..16 g were measured next to a pick.
 */
#ifndef NOREN_SIM_PHYSICS_H
#define NOREN_SIM_PHYSICS_H

#include <stdint.h>

#define PHYSICS_EFFECTS_MAX 48
#define PHYSICS_CELLS_MAX   4

enum effect_kind {
    EFFECT_RING,     /**< after a step of size_mg: the plate is a mass on a spring */
    EFFECT_PUSH,     /**< a hand comes down and goes: half a sine of span_s */
    EFFECT_LEAN,     /**< a hand or an elbow rests for span_s, with tremor and sway */
    EFFECT_BUMP,     /**< a trolley, a knee: a short decaying oscillation */
    EFFECT_PENDULUM, /**< a load that was hung on swings */
};

/** One disturbance. Times in seconds since the start of the trial. */
struct effect {
    enum effect_kind kind;
    double at_s, span_s;
    double size_mg;
    double hz, decay_s, phase;
    double x; /**< where on the plate, 0 (left) .. 1 */
};

/** One plate with its cells in a row from left to right. */
struct physics_plate {
    double load_mg;   /**< what stands on it */
    double moment_mg; /**< sum of mass x place, place 0..1 */
    struct effect effects[PHYSICS_EFFECTS_MAX];
    int effects_n;
    double creep_mg, creep_pm,
        creep_s;                /**< creep follows load x creep_pm / 1000 with this constant */
    double warm_mg, warm_phase; /**< amplitude of the daily wave of the zero */
    double noise_mg;            /**< of the sum of the cells, standard deviation */
    double walk_mg;             /**< slow random walk, an hour's standard deviation is 1 g */
    double at_s;                /**< time of the newest sample */
};

/** splitmix64: one seed, one world. */
struct chance {
    uint64_t state;
};
double chance_uniform(struct chance *c, double low, double high);
double chance_normal(struct chance *c);

/** Goods of `mg` (signed) at place `x` arrive or leave; rings as a mass on a spring. */
void physics_step(struct physics_plate *p, struct chance *c, double at_s, double mg, double x);
/** Adds an effect; the oldest gives way when there are too many. */
void physics_add(struct physics_plate *p, struct effect e);
/** Takes effects away that have died down. */
void physics_tidy(struct physics_plate *p, double now_s);
/** Force of hands and swinging alone, which bends the neighbours. `ret_moment` is force x place. */
double physics_force_mg(const struct physics_plate *p, double now_s, double *ret_moment);
/** What each of `cells` cells feels; `bend_mg` is what neighbours do to this plate. Times must not go back. */
void physics_sample(struct physics_plate *p, struct chance *c, double now_s, double bend_mg,
                    int cells, double ret_mg[PHYSICS_CELLS_MAX]);

#endif
