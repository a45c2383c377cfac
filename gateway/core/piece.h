/* What one piece of a product really weighs: learnt from single pieces that were taken beyond doubt.
 *
 * The planogram's mass is what somebody once put on a kitchen scale, or copied from a label. A packer's machine runs
 * some per cent above or below it, the same for a whole batch, and that error is multiplied by every piece of a
 * crate (reference shelf.md 3.3). What is learnt stays inside bounds that no sequence of picks can move: see
 * piece_room_mg().
 */
#ifndef NOREN_CORE_PIECE_H
#define NOREN_CORE_PIECE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/plan.h"

/** Pieces after which old ones are forgotten as fast as new ones come: batches change. */
#define PIECE_MEMORY 64

/** A stated variation below this share is a promise no packer keeps. */
#define PIECE_CV_MIN 0.01

/** What was learnt of one GTIN; holds only where the plan still says `planned_mg`. */
struct piece {
    int64_t planned_mg; /**< the plan's mass that it was learnt under */
    int32_t n;          /**< pieces that taught it, PIECE_MEMORY at most; 0: nothing is known */
    double mean_mg;
    double variance; /**< mg squared, of pieces alone: the scale's noise is taken out */
};

/** One piece on one facing, as counting believes it. */
struct piece_mass {
    int64_t mass_mg;
    double sd_mg; /**< variation between pieces */
};

/** Variation between pieces of `mass_mg` as the plan states it, standard deviation. */
double piece_planned_sd_mg(const struct plan_facing *f, double mass_mg);

/** How far from the plan the mass of this facing may be learnt: 5 %, and a quarter of the way to the nearest count
 * of another product of the plate, so that two that learn towards each other keep half their distance. 0 where the
 * plan's masses coincide. */
int64_t piece_room_mg(const struct plan_plate *plate, uint8_t facing);

/** The plan's mass and variation, moved as far as what was learnt is worth against them. */
struct piece_mass piece_mass(const struct piece *p, const struct plan_plate *plate, uint8_t facing);

/** One piece of `mass_mg` was weighed with standard deviation `noise_mg`. False: it teaches nothing here. */
bool piece_learn(struct piece *p, const struct plan_plate *plate, uint8_t facing, double mass_mg,
                 double noise_mg);

#endif
