/* Durable rows of the shelves: what is written, and how it is read back. Private to shelf*.c.
 *
 * Decimal integers in the form of core/row.h, the first one the version: a row can be read by a person with
 * sqlite3 at a broken shelf, and a later version can read an earlier row.
 *
 * A restart loses, on purpose: the noise of a plate, a lesson and strays (learnt anew, or said in core/shelf.h), and
 * of warmth the pairs that a line was fitted to. The line itself and what it has shifted are kept, so it holds as it is
 * until there are ten new pairs each way. The first temperature after a long outage moves the shift at once by line x
 * change; a plate that has found its first value before that (seconds) can show it as drift, or on goods of
 * some tens of grams as a change. Creep is kept: without it plates with heavy goods beside light ones asked for counts.
 */
#ifndef NOREN_CORE_SHELF_ROWS_H
#define NOREN_CORE_SHELF_ROWS_H

#include "core/shelf.h"

/** One plate in the middle of a step: what every function here and in shelf.c needs. */
struct shelf_at {
    struct shelf *s;
    const struct plan *plan;
    struct batch *out;
    int64_t now_us;
    uint16_t index; /**< of the plate in the plan */
    const struct plan_plate *plan_plate;
    struct shelf_plate *plate;
    int64_t unit_mg; /**< lightest product, 0: no facing */
};

struct shelf_at shelf_at(struct shelf *s, const struct plan *plan, uint16_t plate, int64_t now_us,
                         struct batch *out);
/** A load cell by its index in the plan. */
struct cell *shelf_meter(struct shelf *s, uint16_t cell);
struct stock *shelf_stock(struct shelf *s, uint16_t product);
/** Each of the n entries of a new plan keeps its slot (`old[i]` is its index in the old plan) or gets one that is
 * free. */
void shelf_assign_slots(uint16_t *slots, const uint16_t *old, uint16_t n);

void shelf_save_numbers(struct shelf *s, struct batch *out);
void shelf_save_command(struct shelf *s, struct batch *out);
void shelf_save_sale(struct shelf *s, struct batch *out);
void shelf_save_plate(const struct shelf_at *at);
void shelf_save_cell(const struct shelf_at *at, uint16_t cell);
void shelf_save_product(struct shelf *s, const struct plan *plan, uint16_t product,
                        struct batch *out);
void shelf_save_piece(struct shelf *s, const struct plan *plan, uint16_t product,
                      struct batch *out);
/** The facing and its product's ledger. */
void shelf_save_facing(const struct shelf_at *at, uint8_t facing);

#endif
