/* What speaks for and against a change: where the cells felt it, and whether a neighbour only bends. Private to
 * shelf*.c.
 *
 * Plates of one rack are no islands: a hand on one bends those beside it by 10..16 g, which is as much as a
 * light product weighs.
 */
#ifndef NOREN_CORE_SHELF_EVIDENCE_H
#define NOREN_CORE_SHELF_EVIDENCE_H

#include "core/count.h"
#include "core/shelf_rows.h"

/* A plate bends its neighbours: 10..16 g were measured beside a pick, at both sides at most twice that. */
#define SHELF_BEND_MG (40 * NOREN_MG_PER_G)

/** The plate's reference was taken from the load that rests now. */
void shelf_mark_cells(const struct shelf_at *at);
/** What is known of a change of `delta_mg`; its place, and goods from elsewhere, only count when it rests. */
struct count_evidence shelf_evidence(const struct shelf_at *at, int64_t delta_mg, bool rests);
/** What that makes of it. */
struct count shelf_judge(const struct shelf_at *at, int64_t delta_mg, bool rests);

/** Is a neighbour being touched? */
bool shelf_neighbour_bends(const struct shelf_at *at);
/** Is this small change perhaps only a neighbour that bends under somebody's hand? Then it is over when the
 * neighbour rests. */
bool shelf_may_be_bent(const struct shelf_at *at, int64_t delta_mg);
/** The load rests `delta_mg` from where it is expected: can hands on the neighbours explain all of that? Not when
 * it is known how far they bend this plate: that is expected. */
bool shelf_rests_bent(const struct shelf_at *at, int64_t delta_mg);
/** A change was counted beside somebody's hand: what is left over is the bend, as far as that can be. */
void shelf_guess_bend(const struct shelf_at *at, int64_t left_mg);
/** May this step have come with goods that came or went beside us? A frame that bends under a hand bends under
 * goods, and stays so until they go. */
bool shelf_bent_by_goods(const struct shelf_at *at, int64_t step_mg);
/** Such a step: learns the share of the goods beside it that this plate feels. Doubt about its later changes at the
 * same time as theirs grows by it. True when the step is more than noise. */
bool shelf_learn_share(const struct shelf_at *at, int64_t step_mg);
/** Learns how far a hand that rests on a neighbour bends this plate, and forgets it when the hand is gone. */
void shelf_learn_bend(const struct shelf_at *at);

#endif
