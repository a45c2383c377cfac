/* What can happen to one plate: a change is claimed, settled or retracted; a sensor fails and comes back; a
 * person tares or counts. Private to shelf*.c.
 *
 * Each function says what happened and stores what follows from it in the same batch; none does one without
 * the other.
 */
#ifndef NOREN_CORE_SHELF_CHANGE_H
#define NOREN_CORE_SHELF_CHANGE_H

#include "core/shelf_rows.h"

/* The most that one plate says in one observation (recovery with a retraction and a tare: two movements a
 * facing), and the rows of it. */
#define SHELF_PLATE_EVENTS  (6 + 2 * PLATE_FACINGS_MAX)
#define SHELF_PLATE_RECORDS (3 + 2 * PLATE_FACINGS_MAX)

/** Learns how far a hand that rests on a neighbour bends this plate, and forgets it when the hand is gone. */
void shelf_learn_bend(const struct shelf_at *at);
/** The load left its reference and moves: says so at once, as well as it can be told. */
void shelf_claim(const struct shelf_at *at);
/** The load rests away from its reference: settles the change as soon as it is plausible. */
void shelf_settle(const struct shelf_at *at);
/** It was nothing: ends an open change, if there is one. */
void shelf_retract(const struct shelf_at *at);

/** First quiet value since the start, or since the sensor came back. */
void shelf_first_value(const struct shelf_at *at);
/** The plate cannot be weighed: `cell` (NO_INDEX: all) is at fault. Said once until it recovers. */
void shelf_begin_fault(const struct shelf_at *at, uint16_t cell, const char *reason);

/** What rests on the plate now is zero, and the count is 0. */
void shelf_tare(const struct shelf_at *at);
/** A person counted `quantity` >= 0 units on a facing. */
void shelf_recount(const struct shelf_at *at, uint8_t facing, int64_t quantity);
/** Asks for a count; `ledger` is what the books say. */
void shelf_suggest_recount(const struct shelf_at *at, uint8_t facing, int64_t ledger,
                           const char *reason);

#endif
