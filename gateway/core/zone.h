/* Which zone explains the levels best; the geometry of a plan and the rule of commitment.
 *
 * Zones that are lists of receivers are compared by their strongest receiver, each measured against how far it
 * was ahead when the same track was deep inside: the border is in the middle of what that track showed, not at
 * equal levels. Only differences enter, so what shifts all levels (a phone, a pocket, a car) cancels, and what
 * shifts one side (unequal mounting, metal behind the tag) is learnt by being heard on both. Means over the
 * receivers of a zone instead of the strongest were tried: no better, and a zone with a far receiver loses.
 *
 * One receiver says that somebody is here, and whether near or far (a list that is `near`), and no more: zones that
 * stand for the same receivers are never claimed by it, and a place on a plane takes three.
 *
 * Zones that are polygons are compared by how well the points inside them explain all levels at once, silence
 * included: what a power-law path loss predicts for a grid of points is worked out once per plan; the
 * transmitter's own power is estimated away, so the phone's model and a pocket do not matter. A weighted
 * centroid was rejected: it pulls everybody to the middle of the room, which is where the borders are. The best
 * point alone was rejected too: summing the likelihood over each zone was right more often on the recorded walks
 * it was tried on, and gives a confidence for nothing. Rejected after trials on the same walks, with packets
 * lost and noise added: a filter over positions (what is wrong stays wrong while somebody stands), and receiver
 * offsets learnt from whoever walks by (they come out right after an hour of walks only; beacons at known places
 * teach them in a minute, core/mount.h). What a walk does teach is its transmitter's power: levels alone leave
 * "near and weak" and "far and strong" open, and the middle of the room wins; a power remembered over half a
 * minute closes that. It gained seven percent of the time in the right zone over 24 ways of cutting the hall.
 *
 * Commitment is a sequential test (Page's CUSUM): a challenger collects its lead over the incumbent, less a
 * drift, over time, and wins when it has enough. A clear lead is believed within a second, a small one must
 * last, and a walk along a border collects little. A fixed margin with a fixed dwell is the special case that
 * was tried first: fewer switches, but later, so right less often. tests/quality/zone_quality.c prints both figures
 * for the recordings, also harmed ones.
 *
 * All sums are integers over tables, so every machine commits at the same sample.
 */
#ifndef NOREN_CORE_ZONE_H
#define NOREN_CORE_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/plan.h"
#include "core/track.h"

#define ZONE_POINTS  400 /* grid points over the map */
#define ZONE_WEIGHTS 192 /* beyond 12 nats a point has no say */

/** What the map says, worked out once per plan. */
struct zone_map {
    uint16_t points_n;
    uint16_t zone[ZONE_POINTS];               /**< of each grid point; NO_INDEX: outside all */
    int16_t gain[RECEIVERS_MAX][ZONE_POINTS]; /**< path gain in 1/16 dB, up to a constant */
    uint32_t placed;                          /**< receivers with coordinates, by index */
    uint32_t listed;                          /**< receivers that stand for a zone, by index */
    uint32_t weight[ZONE_WEIGHTS]; /**< 2^16 exp(-i/16): likelihood of i sixteenths of a nat */
};

void zone_map_build(struct zone_map *m, const struct plan *plan);

/** Looks where the track is now, by the levels it holds at `t_us`, less what is known of each receiver
 * (core/mount.h, 1/16 dB); true when it committed to another zone. Cheap to call on every sighting: it looks
 * again only after a while. */
bool zone_decide(const struct zone_map *m, const struct plan *plan,
                 const int16_t offset[RECEIVERS_MAX], struct track *t, int64_t t_us);

/** Path gain over a distance, given as its square in m2 (nearer than 1 m counts as 1 m): 1/16 dB. */
int zone_gain(double square_m2);

/** Zone of a point: the first zone listed whose polygon holds it, edges included, or NO_INDEX. */
uint16_t zone_at(const struct plan *plan, double x_m, double y_m);

/** What may be told about a zone: NO_INDEX for one where nobody is tracked. */
uint16_t zone_public(const struct plan *plan, uint16_t zone);

#endif
