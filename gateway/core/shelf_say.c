/* Events of one plate as structures; see shelf_say.h. */
#include "core/shelf_say.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "core/shelf_ledger.h"
#include "core/shelf_piece.h"

const char *shelf_gtin(const struct shelf_at *at, uint8_t facing)
{
    return at->plan->products[at->plan_plate->facings[facing].product].gtin;
}

void shelf_dirty(const struct shelf_at *at)
{
    at->out->fixtures_dirty[at->plan_plate->fixture] = true;
}

/* A movement, or what became known or unknown, of one facing. `change` 0: none. */
void shelf_say_stock(const struct shelf_at *at, uint8_t facing, const char *cause, int64_t change,
                     int64_t delta)
{
    struct event_stock_changed *e = shelf_say_movement(
        at->s, at->plan, at->plan_plate->facings[facing].product, at->now_us, at->out);

    snprintf(e->plate, sizeof(e->plate), "%s", at->plan_plate->id);
    snprintf(e->cause, sizeof(e->cause), "%s", cause);
    if (change != 0)
        snprintf(e->change_id, sizeof(e->change_id), "c%" PRId64, change);
    e->delta = delta;
}

void shelf_suggest_instead(const struct shelf_at *at, uint8_t facing, int64_t ledger,
                           int64_t instead, const char *reason)
{
    struct event_stock_recount_suggested *e =
        &batch_event(at->out, EVENT_STOCK_RECOUNT_SUGGESTED, at->now_us)->u.stock_recount_suggested;

    snprintf(e->plate, sizeof(e->plate), "%s", at->plan_plate->id);
    snprintf(e->gtin, sizeof(e->gtin), "%s", shelf_gtin(at, facing));
    snprintf(e->reason, sizeof(e->reason), "%s", reason);
    e->ledger = ledger;
    e->by_weight = instead;
}

void shelf_suggest_recount(const struct shelf_at *at, uint8_t facing, int64_t ledger,
                           const char *reason)
{
    double unit_mg = (double)shelf_piece(at, facing).mass_mg, others_mg = 0;

    /* What is left for this product when the books are right about the others. */
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++)
        if (i != facing)
            others_mg +=
                (double)at->plate->facings[i].on_shelf * (double)shelf_piece(at, i).mass_mg;
    shelf_suggest_instead(at, facing, ledger,
                          llround(((double)at->plate->weigh.level_mg - others_mg) / unit_mg),
                          reason);
}

enum event_kind shelf_claim_event(enum shelf_claim_kind kind)
{
    switch (kind) {
    case CLAIM_PICK:
        return EVENT_SHELF_PICK;
    case CLAIM_PUT_BACK:
        return EVENT_SHELF_PUT_BACK;
    case CLAIM_RESTOCK:
        return EVENT_SHELF_RESTOCK;
    }
    return EVENT_SHELF_UNKNOWN;
}

/* The next event of the plate's change, which gets its number with the first one. Every kind of shelf event
 * is one struct shelf_change and nothing else, so the union's members coincide. */
struct shelf_change *shelf_say_change(const struct shelf_at *at, enum event_kind kind,
                                      enum shelf_stage stage, int64_t mass_mg)
{
    struct shelf_plate *p = at->plate;
    struct shelf_change *c;

    if (p->change == 0) {
        p->change = shelf_take_number(at->s, at->out);
        p->rev = 0;
    }
    c = &batch_event(at->out, kind, at->now_us)->u.shelf_pick.change;
    snprintf(c->change_id, sizeof(c->change_id), "c%" PRId64, p->change);
    snprintf(c->plate, sizeof(c->plate), "%s", at->plan_plate->id);
    c->stage = stage;
    c->rev = p->rev++;
    c->mass_mg = mass_mg;
    return c;
}

void shelf_add_candidates(const struct shelf_at *at, const struct count *count,
                          struct shelf_change *c)
{
    for (uint8_t i = 0; i < count->guesses_n; i++) {
        snprintf(c->candidates[i].gtin, NOREN_GTIN_SIZE, "%s",
                 shelf_gtin(at, count->guesses[i].facing));
        c->candidates[i].quantity = count->guesses[i].quantity;
        c->candidates[i].posterior_pm = count->guesses[i].posterior_pm;
    }
    c->candidates_n = count->guesses_n;
}
