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

/** Is a neighbour being touched, so that `size_mg` here may come from there? */
bool shelf_neighbour_bends(const struct shelf_at *at, int64_t size_mg);
/** How much of a change at rest hands on the neighbours can explain: 0 to this. */
int64_t shelf_bend_room_mg(const struct shelf_at *at);
/** Is this small change perhaps only a neighbour that bends under somebody's hand? Then it is over when the
 * neighbour rests. */
bool shelf_may_be_bent(const struct shelf_at *at, int64_t delta_mg);
/** The load rests `off_mg` from its reference: can hands on the neighbours explain all of that? */
bool shelf_rests_bent(const struct shelf_at *at, int64_t off_mg);
/** The bend itself is as far from the reference as goods would be; without it nothing moved. */
bool shelf_is_bend_alone(const struct shelf_at *at, int64_t delta_mg);
/** Learns how far a hand that rests on a neighbour bends this plate, and forgets it when the hand is gone. */
void shelf_learn_bend(const struct shelf_at *at);

#endif
