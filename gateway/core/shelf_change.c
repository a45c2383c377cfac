/* Changes and faults of one plate: events and rows together; see shelf_change.h. */
#include "core/shelf_change.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/count.h"
#include "core/shelf_ledger.h"
#include "core/shelf_rows.h"

#define CLAIM_US   (NOREN_US_PER_S / 2) /* provisional revisions are this far apart */
#define CLAIM_REVS 5                    /* and at most so many: a hand in the shelf is no news */
/* What no product explains has to stay this long before it is believed: a hand that rests is gone by then,
 * and a lean that is quiet by chance is rarely a whole number of pieces. */
#define UNKNOWN_US   (5 * NOREN_US_PER_S)
#define AMBIGUOUS_US (2 * NOREN_US_PER_S)
/* A plate bends its neighbours: 10..16 g were measured beside a pick, at both sides at most twice that. */
#define TOGETHER_US (NOREN_US_PER_S * 3 / 2) /* two plates feel one pick within this time */
#define BEND_MG     (40 * NOREN_MG_PER_G)
#define BEND_TIMES  8 /* what bends us is felt by the neighbour so many times stronger at least */
#define BEND_WAIT_US \
    (NOREN_US_PER_S / 8)    /* the neighbour's own quick path sees it as late as ours */
#define PLACE_SPAN_MM 100.0 /* cells nearer to each other tell no places */
#define BENT_MAX_US   (60 * NOREN_US_PER_S)
#define BEND_AFTER_US (NOREN_US_PER_S * 7 / 10)

static const char *gtin_of(const struct shelf_at *at, uint8_t facing)
{
    return at->plan->products[at->plan_plate->facings[facing].product].gtin;
}

static void fixture_changed(const struct shelf_at *at)
{
    at->out->fixtures_dirty[at->plan_plate->fixture] = true;
}

static int64_t new_number(const struct shelf_at *at)
{
    int64_t number = at->s->next_number++;

    shelf_save_numbers(at->s, at->out);
    return number;
}

/* ---- what leaves ------------------------------------------------------------------------------------ */

/* A movement, or what became known or unknown, of one facing. `change` 0: none. */
static void say_stock(const struct shelf_at *at, uint8_t facing, const char *cause, int64_t change,
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

void shelf_suggest_recount(const struct shelf_at *at, uint8_t facing, int64_t ledger,
                           const char *reason)
{
    struct event_stock_recount_suggested *e =
        &batch_event(at->out, EVENT_STOCK_RECOUNT_SUGGESTED, at->now_us)->u.stock_recount_suggested;
    double unit_mg = (double)at->plan_plate->facings[facing].unit_mass_mg;

    snprintf(e->plate, sizeof(e->plate), "%s", at->plan_plate->id);
    snprintf(e->gtin, sizeof(e->gtin), "%s", gtin_of(at, facing));
    snprintf(e->reason, sizeof(e->reason), "%s", reason);
    e->ledger = ledger;
    e->by_weight = llround((double)at->plate->weigh.level_mg / unit_mg);
}

static enum event_kind claim_event(enum shelf_claim_kind kind)
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
static struct shelf_change *say_change(const struct shelf_at *at, enum event_kind kind,
                                       enum shelf_stage stage, int64_t mass_mg)
{
    struct shelf_plate *p = at->plate;
    struct shelf_change *c;

    if (p->change == 0) {
        p->change = new_number(at);
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

static void add_candidates(const struct shelf_at *at, const struct count *count,
                           struct shelf_change *c)
{
    for (uint8_t i = 0; i < count->guesses_n; i++) {
        snprintf(c->candidates[i].gtin, NOREN_GTIN_SIZE, "%s",
                 gtin_of(at, count->guesses[i].facing));
        c->candidates[i].quantity = count->guesses[i].quantity;
        c->candidates[i].posterior_pm = count->guesses[i].posterior_pm;
    }
    c->candidates_n = count->guesses_n;
}

/* ---- evidence --------------------------------------------------------------------------------------- */

/* The plate's reference was taken from the load that rests now. */
static void mark_cells(const struct shelf_at *at)
{
    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++) {
        struct shelf_cell *c = &at->s->cells[at->plan_plate->cells[i]];

        c->ref_mg = c->level_mg;
        c->placed = c->seen_us != 0;
    }
}

static void find_place(const struct shelf_at *at, struct count_evidence *seen)
{
    double low = 1e9, high = -1e9;

    for (uint8_t i = 0; i < at->plan_plate->cells_n; i++) {
        uint16_t cell = at->plan_plate->cells[i];
        const struct shelf_cell *c = &at->s->cells[cell];
        double x_mm = at->plan->cells[cell].x_mm;

        if (!c->placed)
            return;
        seen->moment_mgmm += (c->level_mg - c->ref_mg) * x_mm;
        low = x_mm < low ? x_mm : low;
        high = x_mm > high ? x_mm : high;
    }
    seen->span_mm = high - low;
    seen->placed = seen->span_mm >= PLACE_SPAN_MM;
}

/* What counts for a change of `delta_mg`; its place only counts when it rests. */
static struct count judge_change(const struct shelf_at *at, int64_t delta_mg, bool rests)
{
    struct count_evidence seen = {.delta_mg = delta_mg, .sigma_mg = at->plate->weigh.sigma_mg};

    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        const struct shelf_facing *f = &at->plate->facings[i];

        seen.on_shelf[i] = f->counted ? f->on_shelf : -1;
        seen.in_hand[i] = shelf_stock(at->s, at->plan_plate->facings[i].product)->in_hand;
    }
    if (rests && at->plan_plate->facings_n > 1)
        find_place(at, &seen);
    return count_judge(at->plan_plate, &seen);
}

/* ---- changes ---------------------------------------------------------------------------------------- */

static struct shelf_claim claim_of(const struct shelf_at *at, const struct count_guess *g)
{
    uint16_t product = at->plan_plate->facings[g->facing].product;
    struct shelf_claim claim = {.quantity = g->quantity < 0 ? -g->quantity : g->quantity};

    snprintf(claim.gtin, sizeof(claim.gtin), "%s", gtin_of(at, g->facing));
    if (g->quantity < 0)
        claim.kind = CLAIM_PICK;
    else if (g->quantity <= shelf_stock(at->s, product)->in_hand)
        claim.kind = CLAIM_PUT_BACK;
    else
        claim.kind = CLAIM_RESTOCK;
    return claim;
}

static bool same_claim(const struct shelf_claim *a, const struct shelf_claim *b)
{
    return a->kind == b->kind && a->quantity == b->quantity && strcmp(a->gtin, b->gtin) == 0;
}

static bool bends_us(const struct shelf_at *at, uint16_t index, int64_t delta_mg)
{
    const struct shelf_plate *p = &at->s->plates[at->s->plate_slots[index]];
    const struct weigh *w = &p->weigh;
    int64_t force_mg = w->moved_mg < 0 ? -w->moved_mg : w->moved_mg;

    if (!w->settled || !w->has_ref || p->alert != 0 || at->now_us - p->seen_us > NOREN_US_PER_S)
        return false;
    if (w->away)
        return !w->calm || (delta_mg > 0 && force_mg >= BEND_TIMES * delta_mg);
    return !w->resting || at->now_us - w->rest_since_us < BEND_AFTER_US;
}

/* A plan that names no neighbours lists plates side by side. */
static bool neighbour_bends(const struct shelf_at *at, int64_t size_mg)
{
    const struct plan_plate *p = at->plan_plate, *all = at->plan->plates;
    uint16_t i = at->index;

    for (uint8_t k = 0; k < p->neighbours_n; k++)
        if (bends_us(at, p->neighbours[k], size_mg))
            return true;
    if (p->neighbours_n > 0)
        return false;
    return (i > 0 && all[i - 1].fixture == p->fixture &&
            bends_us(at, (uint16_t)(i - 1), size_mg)) ||
           (i + 1 < at->plan->plates_n && all[i + 1].fixture == p->fixture &&
            bends_us(at, (uint16_t)(i + 1), size_mg));
}

/* Is this small change perhaps only a neighbour that bends under somebody's hand? Then it is over when the
 * neighbour rests. */
static bool may_be_bent(const struct shelf_at *at, int64_t delta_mg)
{
    int64_t size_mg = delta_mg < 0 ? -delta_mg : delta_mg;

    return size_mg <= BEND_MG &&
           (at->now_us - at->plate->weigh.away_us < BEND_WAIT_US || neighbour_bends(at, size_mg));
}

/* The bend itself is as far from the reference as goods would be; without it nothing moved. */
static bool is_bend_alone(const struct shelf_at *at, int64_t delta_mg)
{
    return weigh_same(&at->plate->weigh, at->unit_mg,
                      weigh_reference_mg(&at->plate->weigh) + delta_mg);
}

void shelf_learn_bend(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    int64_t off_mg = p->weigh.level_mg - weigh_reference_mg(&p->weigh);
    int64_t size_mg = off_mg < 0 ? -off_mg : off_mg;

    if (!p->weigh.has_ref || (p->bend_mg == 0 && size_mg < 2 * NOREN_MG_PER_G))
        return;
    if (!neighbour_bends(at, 0))
        p->bend_mg = 0;
    else if (p->weigh.calm && p->change == 0 && size_mg <= BEND_MG)
        p->bend_mg = off_mg;
}

/* The load left its reference and moves: say so at once, as well as it can be told. */
void shelf_claim(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    struct shelf_claim claim;
    struct shelf_change *c;
    struct count count;

    if (at->plan_plate->facings_n == 0 || p->tare_wanted)
        return;
    if (p->change == 0 && may_be_bent(at, p->weigh.moved_mg))
        return;
    if (p->change != 0 && (at->now_us - p->claim_us < CLAIM_US || p->rev >= CLAIM_REVS))
        return;
    count = judge_change(at, p->weigh.moved_mg, false);
    claim = claim_of(at, &count.guesses[0]);
    if (p->change != 0 && same_claim(&claim, &p->claim))
        return;
    c = say_change(at, claim_event(claim.kind), STAGE_PROVISIONAL, p->weigh.moved_mg);
    snprintf(c->gtin, sizeof(c->gtin), "%s", claim.gtin);
    c->quantity = claim.quantity;
    c->confidence_pm = count.verdict == COUNT_SURE ? count.guesses[0].posterior_pm : 0;
    add_candidates(at, &count, c);
    p->claim = claim;
    p->claim_us = at->now_us;
    shelf_save_plate(at);
}

/* It was nothing: the mass came back, or a person says what is there. */
void shelf_retract(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    struct shelf_change *c;

    if (p->change == 0)
        return;
    c = say_change(at, claim_event(p->claim.kind), STAGE_RETRACTED,
                   p->weigh.level_mg - weigh_reference_mg(&p->weigh));
    snprintf(c->gtin, sizeof(c->gtin), "%s", p->claim.gtin);
    c->quantity = p->claim.quantity;
    p->change = 0;
    shelf_save_plate(at);
}

/* The resting load becomes the reference and the change is over. */
static void close_change(const struct shelf_at *at)
{
    weigh_set_reference(&at->plate->weigh, at->plate->weigh.level_mg - at->plate->bend_mg, 0);
    mark_cells(at);
    at->plate->change = 0;
    at->plate->drift_told = false;
    shelf_save_plate(at);
}

/* One product's part of what moved. */
static void settle_part(const struct shelf_at *at, const struct count *count,
                        const struct count_guess *g, int64_t delta_mg)
{
    struct shelf_facing *f = &at->plate->facings[g->facing];
    struct stock *stock = shelf_stock(at->s, at->plan_plate->facings[g->facing].product);
    struct shelf_claim claim = claim_of(at, g);
    int64_t ledger = f->on_shelf, short_of;
    struct stock_gain gain;
    struct shelf_change *c = say_change(at, claim_event(claim.kind), STAGE_SETTLED, delta_mg);

    snprintf(c->gtin, sizeof(c->gtin), "%s", claim.gtin);
    c->quantity = claim.quantity;
    c->confidence_pm = g->posterior_pm;
    add_candidates(at, count, c);
    if (g->posterior_pm < f->confidence_pm)
        f->confidence_pm = g->posterior_pm;
    if (claim.kind == CLAIM_PICK) {
        short_of = stock_pick(stock, &f->on_shelf, claim.quantity);
        say_stock(at, g->facing, "pick", at->plate->change, -claim.quantity);
        if (short_of > 0)
            shelf_suggest_recount(at, g->facing, ledger, "shortfall");
    } else {
        /* Two movements, each complete, so that whoever adds up the deltas is right after each. */
        gain.put_back = claim.quantity < stock->in_hand ? claim.quantity : stock->in_hand;
        gain = stock_gain(stock, &f->on_shelf, gain.put_back);
        if (gain.put_back > 0)
            say_stock(at, g->facing, "put_back", at->plate->change, gain.put_back);
        if (claim.quantity > gain.put_back) {
            stock_gain(stock, &f->on_shelf, claim.quantity - gain.put_back);
            say_stock(at, g->facing, "restock", at->plate->change, claim.quantity - gain.put_back);
        }
    }
    shelf_save_facing(at, g->facing);
    at->plate->change = 0;
}

/* Each product that moved is a change of its own: a change_id is settled once, with one product. */
static void settle_count(const struct shelf_at *at, const struct count *count, int64_t delta_mg)
{
    for (uint8_t i = 0; i < count->parts_n; i++) {
        const struct count_guess *g = &count->parts[i];
        int64_t part_mg = g->quantity * at->plan_plate->facings[g->facing].unit_mass_mg;

        settle_part(at, count, g, i + 1 < count->parts_n ? part_mg : delta_mg);
        delta_mg -= part_mg;
    }
    close_change(at);
}

/* Something else happened. The ledger stays, everybody is told that it may be wrong. */
static void settle_doubt(const struct shelf_at *at, const struct count *count, int64_t delta_mg)
{
    bool ambiguous = count->verdict == COUNT_AMBIGUOUS;
    struct shelf_change *c = say_change(at, ambiguous ? EVENT_SHELF_AMBIGUOUS : EVENT_SHELF_UNKNOWN,
                                        STAGE_SETTLED, delta_mg);

    if (ambiguous) {
        c->quantity = count->guesses[0].quantity < 0 ? -count->guesses[0].quantity
                                                     : count->guesses[0].quantity;
        c->confidence_pm = count->guesses[0].posterior_pm;
    }
    add_candidates(at, count, c);
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        at->plate->facings[i].confidence_pm /= 2;
        shelf_save_facing(at, i);
    }
    if (at->plan_plate->facings_n == 1)
        shelf_suggest_recount(at, 0, at->plate->facings[0].on_shelf, "unknown_change");
    fixture_changed(at);
    close_change(at);
}

/* ---- goods on two plates ------------------------------------------------------------------------------ */

/* What a neighbour felt at the same time and cannot explain either; 0: nothing. */
static int64_t other_part(const struct shelf_at *at, const struct shelf_at *other, int64_t delta_mg)
{
    const struct weigh *w = &other->plate->weigh;
    int64_t off_mg = w->level_mg - weigh_reference_mg(w), apart_us = w->away_us;
    int64_t size_mg = off_mg < 0 ? -off_mg : off_mg;

    apart_us -= at->plate->weigh.away_us;
    if (!w->settled || !w->has_ref || other->plate->alert != 0 || !w->resting ||
        (off_mg > 0) != (delta_mg > 0) || (off_mg > 0 && !w->calm))
        return 0;
    if (w->away ? apart_us > TOGETHER_US || apart_us < -TOGETHER_US
                : size_mg < at->unit_mg / 10 || size_mg < 4 * w->sigma_mg)
        return 0;
    if (w->away && judge_change(other, off_mg, true).verdict == COUNT_SURE)
        return 0;
    return off_mg;
}

/* Wide facings reach over two plates, and a pick lightens both by a share. Settled on the plate whose product
 * it is; the other one only gets a new reference. */
static bool settle_together(const struct shelf_at *at, int64_t delta_mg)
{
    for (uint8_t i = 0; i < at->plan_plate->neighbours_n; i++) {
        struct shelf_at other = *at;
        struct count here, there;
        int64_t off_mg;

        other.index = at->plan_plate->neighbours[i];
        other.plan_plate = &at->plan->plates[other.index];
        other.plate = &at->s->plates[at->s->plate_slots[other.index]];
        off_mg = other_part(at, &other, delta_mg);
        if (off_mg == 0)
            continue;
        here = judge_change(at, delta_mg + off_mg, false);
        there = judge_change(&other, delta_mg + off_mg, false);
        if (here.verdict != COUNT_SURE ||
            (there.verdict == COUNT_SURE && (off_mg < 0 ? off_mg < delta_mg : off_mg > delta_mg)))
            continue;
        settle_count(at, &here, delta_mg + off_mg);
        shelf_retract(&other);
        close_change(&other);
        return true;
    }
    return false;
}

/* The load rests away from its reference: is it a number of pieces? */
void shelf_settle(const struct shelf_at *at)
{
    struct weigh *w = &at->plate->weigh;
    int64_t delta_mg = w->level_mg - weigh_reference_mg(w) - at->plate->bend_mg;
    int64_t rest_us = at->now_us - w->rest_since_us;
    struct count count = judge_change(at, delta_mg, true);
    /* A hand weighs something, it never makes a plate lighter: what was lost is believed sooner. */
    bool still = w->calm || delta_mg < 0;

    if (at->plate->tare_wanted || may_be_bent(at, delta_mg) ||
        (at->plate->bend_mg != 0 && is_bend_alone(at, delta_mg)))
        return;
    /* Beside a hand that rests, light goods cannot be told from the bend, however well the sum fits. */
    if (at->unit_mg <= BEND_MG && at->plate->bend_mg == 0 && neighbour_bends(at, 0) &&
        at->now_us - w->away_us < BENT_MAX_US) {
        shelf_claim(at);
        return;
    }
    if (w->calm && at->now_us - w->calm_since_us < rest_us)
        rest_us = at->now_us - w->calm_since_us;
    if (count.verdict == COUNT_SURE && still)
        settle_count(at, &count, delta_mg);
    else if (count.verdict == COUNT_UNKNOWN && still && settle_together(at, delta_mg))
        return;
    else if (count.verdict != COUNT_SURE && neighbour_bends(at, 0) &&
             at->now_us - w->away_us < BENT_MAX_US)
        shelf_claim(at); /* perhaps a pick, and somebody holds on to the plate beside it */
    else if (count.verdict != COUNT_SURE && w->calm &&
             rest_us >= (count.verdict == COUNT_UNKNOWN ? UNKNOWN_US : AMBIGUOUS_US))
        settle_doubt(at, &count, delta_mg);
    else
        shelf_claim(at);
}

/* ---- faults, first values, commands ----------------------------------------------------------------- */

void shelf_begin_fault(const struct shelf_at *at, uint16_t cell, const char *reason)
{
    struct shelf_plate *p = at->plate;
    struct event_sensor_fault *fault;
    struct event_alert_raised *alert;

    weigh_restart(&p->weigh);
    p->fresh = 0;
    if (p->alert != 0)
        return;
    p->alert = new_number(at);
    fault = &batch_event(at->out, EVENT_SENSOR_FAULT, at->now_us)->u.sensor_fault;
    snprintf(fault->plate, sizeof(fault->plate), "%s", at->plan_plate->id);
    if (cell != NO_INDEX)
        snprintf(fault->cell, sizeof(fault->cell), "%s", at->plan->cells[cell].id);
    snprintf(fault->reason, sizeof(fault->reason), "%s", reason);
    alert = &batch_event(at->out, EVENT_ALERT_RAISED, at->now_us)->u.alert_raised;
    snprintf(alert->alert_id, sizeof(alert->alert_id), "a%" PRId64, p->alert);
    snprintf(alert->kind, sizeof(alert->kind), "sensor_fault");
    snprintf(alert->severity, sizeof(alert->severity), "warning");
    snprintf(alert->subject, sizeof(alert->subject), "%s", at->plan_plate->id);
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++)
        say_stock(at, i, "sensor", 0, 0);
    shelf_save_plate(at);
    fixture_changed(at);
    at->out->store_dirty = true;
}

static void end_fault(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    struct event_sensor_recovered *recovered =
        &batch_event(at->out, EVENT_SENSOR_RECOVERED, at->now_us)->u.sensor_recovered;
    struct event_alert_cleared *alert =
        &batch_event(at->out, EVENT_ALERT_CLEARED, at->now_us)->u.alert_cleared;

    snprintf(recovered->plate, sizeof(recovered->plate), "%s", at->plan_plate->id);
    snprintf(alert->alert_id, sizeof(alert->alert_id), "a%" PRId64, p->alert);
    snprintf(alert->kind, sizeof(alert->kind), "sensor_fault");
    snprintf(alert->subject, sizeof(alert->subject), "%s", at->plan_plate->id);
    p->alert = 0;
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++)
        say_stock(at, i, "sensor", 0, 0);
    at->out->store_dirty = true;
}

/* No reference was ever stored: what lies there now is the opening balance. On a plate with several products
 * only emptiness can be told; they stay unknown until somebody counts. */
static void open_balance(const struct shelf_at *at)
{
    struct weigh *w = &at->plate->weigh;
    uint8_t n = at->plan_plate->facings_n;
    int64_t units, delta;

    weigh_set_reference(w, 0, 0);
    if (n > 1 && !weigh_same(w, at->unit_mg, w->level_mg))
        n = 0;
    for (uint8_t i = 0; i < n; i++) {
        struct shelf_facing *f = &at->plate->facings[i];

        if (f->counted)
            continue;
        units = llround((double)w->level_mg / (double)at->plan_plate->facings[i].unit_mass_mg);
        f->counted = true;
        f->confidence_pm = 1000;
        delta = stock_count(shelf_stock(at->s, at->plan_plate->facings[i].product), &f->on_shelf,
                            units > 0 && at->plan_plate->facings_n == 1 ? units : 0);
        if (delta != 0)
            say_stock(at, i, "opening", 0, delta);
        shelf_save_facing(at, i);
    }
    weigh_set_reference(w, w->level_mg, 0);
    mark_cells(at);
    shelf_save_plate(at);
}

/* First quiet value since the start, or since the sensor came back. */
void shelf_first_value(const struct shelf_at *at)
{
    struct weigh *w = &at->plate->weigh;
    bool recovered = at->plate->alert != 0;
    int64_t tracked_mg;

    if (recovered)
        end_fault(at);
    fixture_changed(at);
    if (!w->has_ref) {
        open_balance(at);
        shelf_retract(at);
        return;
    }
    if (w->away) { /* taken or added while we could not see: shelf_settle() is next */
        if (recovered)
            shelf_save_plate(at);
        return;
    }
    shelf_retract(at);
    /* Drift while we were off is taken over at once, within the same limit as any other. */
    tracked_mg = w->tracked_ug / 1000 + w->level_mg - weigh_reference_mg(w);
    if (5 * (tracked_mg < 0 ? -tracked_mg : tracked_mg) <= 2 * at->unit_mg)
        weigh_set_reference(w, w->level_mg, tracked_mg);
    shelf_save_plate(at);
}

void shelf_tare(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    int64_t delta;

    shelf_retract(at);
    p->tare_mg += p->weigh.level_mg;
    p->tare_wanted = false;
    p->drift_told = false;
    weigh_tare(&p->weigh);
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        struct shelf_facing *f = &p->facings[i];

        delta =
            stock_count(shelf_stock(at->s, at->plan_plate->facings[i].product), &f->on_shelf, 0);
        f->counted = true;
        f->confidence_pm = 1000;
        say_stock(at, i, "tare", 0, delta);
        shelf_save_facing(at, i);
    }
    fixture_changed(at);
    shelf_save_plate(at);
}

void shelf_recount(const struct shelf_at *at, uint8_t facing, int64_t quantity)
{
    struct shelf_facing *f = &at->plate->facings[facing];
    int64_t delta = stock_count(shelf_stock(at->s, at->plan_plate->facings[facing].product),
                                &f->on_shelf, quantity);

    f->counted = true;
    f->confidence_pm = 1000;
    weigh_agree(&at->plate->weigh);
    at->plate->drift_told = false;
    say_stock(at, facing, "recount", 0, delta);
    shelf_save_facing(at, facing);
    shelf_save_plate(at);
}
