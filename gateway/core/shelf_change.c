/* A change is claimed, settled or retracted; see shelf_change.h. */
#include "core/shelf_change.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/shelf_evidence.h"
#include "core/shelf_odd.h"
#include "core/shelf_piece.h"
#include "core/shelf_say.h"

#define CLAIM_US   (NOREN_US_PER_S / 2) /* provisional revisions are this far apart */
#define CLAIM_REVS 5 /* after so many only what is news: a hand in the shelf sways */
/* What no product explains has to stay this long before it is believed: a hand that rests is gone by then,
 * and a lean that is quiet by chance is rarely a whole number of pieces. */
#define UNKNOWN_US     (5 * NOREN_US_PER_S)
#define ODD_US         (5 * NOREN_US_PER_S / 2)
#define ODD_PIECES     4
#define AMBIGUOUS_US   (2 * NOREN_US_PER_S)
#define OTHER_SURE_PM  900
#define DOUBT_ONE_PM   990 /* a facing is booked less surely than this: say so */
#define DOUBT_SUM_PM   900 /* the same for all changes since the last count */
#define HAND_SWAY_PM   150 /* of its force: no hand that rests sways so much */
#define STILL_US       (NOREN_US_PER_S * 7 / 10)
#define SWAP_UNSURE_MG 1500.0 /* creep under the hand */
#define SWAP_SURE_PM   500
#define SWAP_DOUBT_PM  900
#define TOGETHER_US    (NOREN_US_PER_S * 3 / 2) /* two plates feel one pick within this time */
#define BENT_MAX_US    (60 * NOREN_US_PER_S)    /* longer than this nobody leans on a neighbour */

static struct shelf_claim claim_of(const struct shelf_at *at, const struct count_guess *g)
{
    uint16_t product = at->plan_plate->facings[g->facing].product;
    struct shelf_claim claim = {.quantity = g->quantity < 0 ? -g->quantity : g->quantity};

    snprintf(claim.gtin, sizeof(claim.gtin), "%s", shelf_gtin(at, g->facing));
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

/* For the moment it is where it was before: soon retracted, or more is to come. */
static bool is_back(const struct shelf_plate *p, int64_t unit_mg)
{
    const struct weigh *w = &p->weigh;

    return weigh_same(w, unit_mg, weigh_reference_mg(w) + w->bend_mg + w->moved_mg);
}

/* The hand that was claimed is gone, or goods went the other way. No hand sways by half of its force. */
static bool is_news(const struct shelf_claim *now, const struct shelf_claim *was)
{
    bool halved = 2 * now->quantity<was->quantity, doubled = now->quantity> 2 * was->quantity;

    return (now->kind == CLAIM_PICK) != (was->kind == CLAIM_PICK) ||
           (strcmp(now->gtin, was->gtin) == 0 && (halved || doubled));
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
    shelf_foresee_sweep(at);
    if (p->change == 0 && shelf_may_be_bent(at, p->weigh.moved_mg))
        return;
    if (p->change != 0 && (at->now_us - p->claim_us < CLAIM_US || is_back(p, at->unit_mg)))
        return;
    count = shelf_judge(at, p->weigh.moved_mg, false);
    claim = claim_of(at, &count.guesses[0]);
    if (p->change != 0 &&
        (same_claim(&claim, &p->claim) || (p->rev >= CLAIM_REVS && !is_news(&claim, &p->claim))))
        return;
    c = shelf_say_change(at, shelf_claim_event(claim.kind), STAGE_PROVISIONAL, p->weigh.moved_mg);
    snprintf(c->gtin, sizeof(c->gtin), "%s", claim.gtin);
    c->quantity = claim.quantity;
    c->confidence_pm = count.verdict == COUNT_SURE ? count.guesses[0].posterior_pm : 0;
    shelf_add_candidates(at, &count, c);
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
    c = shelf_say_change(at, shelf_claim_event(p->claim.kind), STAGE_RETRACTED,
                         p->weigh.level_mg - weigh_reference_mg(&p->weigh));
    snprintf(c->gtin, sizeof(c->gtin), "%s", p->claim.gtin);
    c->quantity = p->claim.quantity;
    p->change = 0;
    shelf_close_sweep(at, 0);
    shelf_save_plate(at);
}

/* The resting load becomes the reference and the change is over. */
static void close_change(const struct shelf_at *at)
{
    struct weigh *w = &at->plate->weigh;

    at->plate->agreed_us = at->now_us;
    at->plate->agreed_mg = w->level_mg - w->bend_mg - weigh_reference_mg(w);
    shelf_close_sweep(at, -at->plate->agreed_mg);
    weigh_change_reference(w, w->level_mg - w->bend_mg);
    shelf_mark_cells(at);
    at->plate->change = 0;
    at->plate->still_mg = w->level_mg - w->bend_mg;
    at->plate->still_known = true;
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
    struct shelf_change *c =
        shelf_say_change(at, shelf_claim_event(claim.kind), STAGE_SETTLED, delta_mg);

    snprintf(c->gtin, sizeof(c->gtin), "%s", claim.gtin);
    c->quantity = claim.quantity;
    c->confidence_pm = g->posterior_pm;
    shelf_add_candidates(at, count, c);
    if (claim.kind == CLAIM_PICK) {
        short_of = stock_pick(stock, &f->on_shelf, claim.quantity);
        shelf_say_stock(at, g->facing, "pick", at->plate->change, -claim.quantity);
        if (short_of > 0)
            shelf_suggest_recount(at, g->facing, ledger, "shortfall");
        shelf_watch_sweep(at, g->facing, claim.quantity);
    } else {
        /* Two movements, each complete, so that whoever adds up the deltas is right after each. */
        gain.put_back = claim.quantity < stock->in_hand ? claim.quantity : stock->in_hand;
        gain = stock_gain(stock, &f->on_shelf, gain.put_back);
        if (gain.put_back > 0)
            shelf_say_stock(at, g->facing, "put_back", at->plate->change, gain.put_back);
        if (claim.quantity > gain.put_back) {
            stock_gain(stock, &f->on_shelf, claim.quantity - gain.put_back);
            shelf_say_stock(at, g->facing, "restock", at->plate->change,
                            claim.quantity - gain.put_back);
        }
    }
    shelf_save_facing(at, g->facing);
    at->plate->change = 0;
}

/* What is booked is the likeliest, not the only thing that the change may have been. Each facing keeps how likely
 * its count still is; a change that is doubtful by itself, or one too many of those that hardly are, asks for a
 * count and names both numbers. The books stay as they are. */
static void doubt_books(const struct shelf_at *at, const struct count_guess *booked, uint8_t n,
                        const struct count_doubt *doubts)
{
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        struct shelf_facing *f = &at->plate->facings[i];
        int32_t was_pm = f->confidence_pm, right_pm = doubts[i].right_pm;
        int64_t after = f->on_shelf;

        for (uint8_t k = 0; k < n; k++)
            after += booked[k].facing == i ? booked[k].quantity : 0;
        f->confidence_pm = (int32_t)((int64_t)was_pm * right_pm / 1000);
        if (right_pm < DOUBT_ONE_PM || (was_pm >= DOUBT_SUM_PM && f->confidence_pm < DOUBT_SUM_PM))
            shelf_suggest_instead(at, i, after, f->on_shelf + doubts[i].instead, "doubtful");
        if (f->confidence_pm != was_pm)
            shelf_save_facing(at, i);
    }
}

/* Each product that moved is a change of its own: a change_id is settled once, with one product. */
static void settle_count(const struct shelf_at *at, const struct count *count, int64_t delta_mg)
{
    struct count_evidence seen = shelf_evidence(at, delta_mg, true);
    struct count_doubt doubts[PLATE_FACINGS_MAX];

    count_compare(at->plan_plate, &seen, count->parts, count->parts_n, doubts);
    doubt_books(at, count->parts, count->parts_n, doubts);
    for (uint8_t i = 0; i < count->parts_n; i++) {
        const struct count_guess *g = &count->parts[i];
        int64_t part_mg = g->quantity * shelf_piece(at, g->facing).mass_mg;

        settle_part(at, count, g, i + 1 < count->parts_n ? part_mg : delta_mg);
        if (count->parts_n > 1) /* many sums of two products are nearly alike */
            shelf_suggest_recount(at, g->facing, at->plate->facings[g->facing].on_shelf,
                                  "two_products");
        delta_mg -= part_mg;
    }
    shelf_close_sweep(at, 0); /* what was counted was no sweep, or has ended it already */
    shelf_guess_bend(at, delta_mg);
    close_change(at);
}

/* Something else happened. The ledger stays, everybody is told that it may be wrong. */
static void settle_doubt(const struct shelf_at *at, const struct count *count, int64_t delta_mg)
{
    bool ambiguous = count->verdict == COUNT_AMBIGUOUS;
    struct shelf_change *c = shelf_say_change(
        at, ambiguous ? EVENT_SHELF_AMBIGUOUS : EVENT_SHELF_UNKNOWN, STAGE_SETTLED, delta_mg);

    if (ambiguous) {
        c->quantity = count->guesses[0].quantity < 0 ? -count->guesses[0].quantity
                                                     : count->guesses[0].quantity;
        c->confidence_pm = count->guesses[0].posterior_pm;
    }
    shelf_add_candidates(at, count, c);
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        at->plate->facings[i].confidence_pm /= 2;
        shelf_save_facing(at, i);
    }
    if (at->plan_plate->facings_n == 1)
        shelf_suggest_recount(at, 0, at->plate->facings[0].on_shelf, "unknown_change");
    shelf_dirty(at);
    close_change(at);
}

/* Somebody's hand is gone and the plate weighs about what it did. One product may have been taken and another put
 * meanwhile (reference 3.4): then some grams are left over that no drift brings in so short a time, or the cells
 * share the load otherwise. */
static void look_for_swap(const struct shelf_at *at)
{
    struct weigh *w = &at->plate->weigh;
    int64_t step_mg = w->level_mg - at->plate->still_mg;
    struct count_evidence seen = shelf_evidence(at, step_mg, true);
    struct count_doubt doubts[PLATE_FACINGS_MAX];
    bool exchanged = false, doubtful = false;
    struct count count;

    seen.unsure_mg = hypot(seen.unsure_mg, SWAP_UNSURE_MG);
    count_compare(at->plan_plate, &seen, NULL, 0, doubts);
    for (uint8_t i = 0; i < at->plan_plate->facings_n; i++) {
        exchanged = exchanged || doubts[i].right_pm < SWAP_SURE_PM;
        doubtful = doubtful || doubts[i].right_pm < SWAP_DOUBT_PM;
    }
    if (!exchanged) {
        if (doubtful)
            doubt_books(at, NULL, 0, doubts);
        return;
    }
    count = count_judge(at->plan_plate, &seen);
    count.verdict = COUNT_AMBIGUOUS;
    settle_doubt(at, &count, step_mg);
}

/* The frame bends otherwise than before, under what came or went beside us: nothing moved here. */
static void take_bend(const struct shelf_at *at, int64_t step_mg)
{
    struct weigh *w = &at->plate->weigh;

    if (!shelf_learn_share(at, step_mg))
        return;
    shelf_retract(at);
    weigh_set_reference(w, weigh_reference_mg(w) + step_mg, w->tracked_ug / 1000);
    shelf_mark_cells(at);
    shelf_save_plate(at);
}

void shelf_watch_still(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    const struct weigh *w = &p->weigh;

    if (!w->settled || !w->has_ref) {
        p->still_known = false;
        p->lesson.until_us = 0;
        return;
    }
    if (w->away || !w->calm || !w->resting || p->weigh.bend_mg != 0 || shelf_neighbour_bends(at)) {
        p->disturbed = true;
        if (w->away)
            p->lesson.until_us = 0;
        return;
    }
    if (at->now_us - w->calm_since_us < STILL_US)
        return;
    if (p->disturbed && p->still_known && at->plan_plate->facings_n > 1)
        look_for_swap(at);
    else if (p->disturbed && p->still_known && shelf_bent_by_goods(at, w->level_mg - p->still_mg))
        take_bend(at, w->level_mg - p->still_mg);
    if (p->lesson.until_us != 0)
        shelf_end_lesson(at);
    p->disturbed = false;
    p->still_known = true;
    p->still_mg = w->level_mg;
}

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
    if (w->away && shelf_judge(other, off_mg, true).verdict == COUNT_SURE)
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
        here = shelf_judge(at, delta_mg + off_mg, false);
        there = shelf_judge(&other, delta_mg + off_mg, false);
        if (here.verdict != COUNT_SURE ||
            (there.verdict == COUNT_SURE && (off_mg < 0 ? off_mg < delta_mg : off_mg > delta_mg)))
            continue;
        settle_count(at, &here, delta_mg + off_mg);
        shelf_retract(&other);
        close_change(&other);
        /* A guess, whose it was: it may as well have been the other plate's. */
        shelf_suggest_recount(at, here.parts[0].facing,
                              at->plate->facings[here.parts[0].facing].on_shelf, "two_plates");
        if (other.plan_plate->facings_n > 0)
            shelf_suggest_recount(&other, 0, other.plate->facings[0].on_shelf, "two_plates");
        return true;
    }
    return false;
}

/* A gain that is hardly that product, or as much as only staff bring: perhaps a hand, and nobody waits for it. */
static bool is_odd_gain(const struct shelf_at *at, const struct count *count)
{
    const struct count_guess *g = &count->parts[0];

    return count->poor || (count->parts_n == 1 && g->quantity >= ODD_PIECES &&
                           claim_of(at, g).kind == CLAIM_RESTOCK);
}

/* A swing that dies down is goods and no hand. But a hand sways and trembles at once, and sampled ten times a second
 * the two beat: for seconds that looks like one swing that dies down. It is a small part of its force, and leaves more
 * beside the sine than noise. */
static bool hangs(const struct weigh *w, int64_t delta_mg)
{
    return w->swings && w->swing.decays &&
           (w->swing.clean || w->swing.began_mg * INT64_C(1000) > HAND_SWAY_PM * delta_mg);
}

/* The load rests away from its reference: is it a number of pieces? */
void shelf_settle(const struct shelf_at *at)
{
    struct weigh *w = &at->plate->weigh;
    int64_t delta_mg = w->level_mg - weigh_reference_mg(w) - w->bend_mg;
    int64_t rest_us = at->now_us - w->rest_since_us;
    struct count count = shelf_judge(at, delta_mg, true);
    /* A hand weighs something, it never makes a plate lighter: what was lost is believed sooner. */
    bool still = w->calm || hangs(w, delta_mg) || delta_mg < 0;

    if (at->plate->tare_wanted || shelf_rests_bent(at, delta_mg))
        return;
    /* Goods as light as what goods beside them do to the plate: nobody can tell which it was. */
    if (count.verdict == COUNT_SURE && shelf_bent_by_goods(at, delta_mg))
        count.verdict = COUNT_AMBIGUOUS;
    if (w->calm && at->now_us - w->calm_since_us < rest_us)
        rest_us = at->now_us - w->calm_since_us;
    if (count.verdict == COUNT_SURE && still &&
        (delta_mg < 0 || !is_odd_gain(at, &count) || (w->calm && rest_us >= ODD_US))) {
        shelf_begin_lesson(at, &count);
        settle_count(at, &count, delta_mg);
    } else if (count.verdict == COUNT_UNKNOWN && still && settle_together(at, delta_mg))
        return;
    else if (count.verdict == COUNT_UNKNOWN && w->calm && shelf_bent_by_goods(at, delta_mg))
        take_bend(at, delta_mg);
    else if ((count.verdict == COUNT_UNKNOWN || count.other_pm >= OTHER_SURE_PM) && still &&
             rest_us >= ODD_US && shelf_settle_stray(at, delta_mg))
        close_change(at);
    else if (count.verdict != COUNT_SURE && shelf_neighbour_bends(at) &&
             at->now_us - w->away_us < BENT_MAX_US)
        shelf_claim(at); /* perhaps a pick, and somebody holds on to the plate beside it */
    else if (count.verdict != COUNT_SURE && w->calm &&
             rest_us >= (count.verdict == COUNT_UNKNOWN ? UNKNOWN_US : AMBIGUOUS_US))
        settle_doubt(at, &count, delta_mg);
    else
        shelf_claim(at);
}
