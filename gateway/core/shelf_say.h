/* What leaves when something happens to a plate: events as structures, filled in one place. Private to shelf*.c. */
#ifndef NOREN_CORE_SHELF_SAY_H
#define NOREN_CORE_SHELF_SAY_H

#include "core/count.h"
#include "core/shelf_rows.h"

const char *shelf_gtin(const struct shelf_at *at, uint8_t facing);
/** The retained state of the plate's fixture must be told again. */
void shelf_dirty(const struct shelf_at *at);

/** A movement, or what became known or unknown, of one facing. `change` 0: none. */
void shelf_say_stock(const struct shelf_at *at, uint8_t facing, const char *cause, int64_t change,
                     int64_t delta);
/** Asks for a count; `ledger` is what the books say, the other hypothesis what the absolute weight leaves for this
 * product. */
void shelf_suggest_recount(const struct shelf_at *at, uint8_t facing, int64_t ledger,
                           const char *reason);
/** The same, with a hypothesis of the caller's: `instead` pieces. */
void shelf_suggest_instead(const struct shelf_at *at, uint8_t facing, int64_t ledger,
                           int64_t instead, const char *reason);

enum event_kind shelf_claim_event(enum shelf_claim_kind kind);
/** The next event of the plate's change, which gets its number with the first one. */
struct shelf_change *shelf_say_change(const struct shelf_at *at, enum event_kind kind,
                                      enum shelf_stage stage, int64_t mass_mg);
void shelf_add_candidates(const struct shelf_at *at, const struct count *count,
                          struct shelf_change *c);

#endif
