/* Hands: what one that leans on a plate hides of what follows, and what one beside a plate does to its books, because
 * plates of one rack bend each other. Two plates then, each fed with its own mass; the hand is on the first, and a share
 * of its force reaches the second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define HEAVY     1500000
#define SWEETS    14000 /* weighs what a hand bends */
#define BEND      0.045
#define BEND_MOST 16000.0

struct bend {
    struct rig *r;
    int64_t loads_mg[2];
    int64_t hand_from_us, hand_to_us;
    double hand_mg;
};

static struct rig *two_plates(int64_t first_mg, int64_t second_mg)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct plan *p = &r->plan;

    if (r == NULL)
        abort();
    rig_plan(p);
    p->plates[0].facings[0].unit_mass_mg = first_mg;
    p->plates_n = 2;
    p->cells_n = 2;
    p->cells[1] = p->cells[0];
    strcpy(p->cells[1].id, "c2");
    p->cells[1].plate = 1;
    p->plates[1] = p->plates[0];
    strcpy(p->plates[1].id, "p2");
    p->plates[1].cells[0] = 1;
    p->plates[1].facings[0].product = 1;
    p->plates[1].facings[0].unit_mass_mg = second_mg;
    r->commits_max = INT32_MAX;
    r->world.rng.state = RIG_SEED;
    rig_boot(r);
    return r;
}

/* A hand trembles and sways by some per cent of its force. */
static double hand_mg(const struct bend *b, int64_t t_us)
{
    double t_s = (double)(t_us - b->hand_from_us) / S;

    if (t_us < b->hand_from_us || t_us >= b->hand_to_us)
        return 0;
    return b->hand_mg * (1 + 0.03 * sin(56 * t_s) + 0.08 * sin(4 * t_s));
}

/* 40 SPS until `t_us`. */
static void feed(struct bend *b, int64_t t_us)
{
    while (b->r->now_us < t_us) {
        struct obs o = {.t_us = b->r->now_us + 25 * MS, .kind = OBS_MASS};
        double hand = hand_mg(b, o.t_us);

        for (uint16_t i = 0; i < 2; i++) {
            o.u.mass.plate = i;
            o.u.mass.mass_mg =
                b->loads_mg[i] + llround((i == 0 ? hand : fmin(BEND * hand, BEND_MOST)) +
                                         300 * rng_gauss(&b->r->world.rng));
            rig_feed(b->r, &o);
        }
    }
}

static int64_t books(const struct bend *b, uint16_t plate)
{
    return shelf_facing(&b->r->shop.shelf, plate, 0)->on_shelf;
}

static int events_of(const struct rig *r, const char *plate, int from, bool settled_only)
{
    int n = 0;

    for (int i = from; i < r->log_n; i++)
        n += rig_is_shelf(&r->log[i]) && strcmp(r->log[i].u.shelf_pick.change.plate, plate) == 0 &&
             (!settled_only || r->log[i].u.shelf_pick.change.stage == STAGE_SETTLED);
    return n;
}

/* 310 g are little beside goods of a kilogram and a half: that plate has not changed, but it bends the other one by
 * exactly one piece. */
static void a_hand_on_heavy_goods_is_no_change_beside_it(void **state)
{
    struct bend b = {.r = two_plates(HEAVY, SWEETS), .loads_mg = {6 * HEAVY, 10 * SWEETS}};
    int from;

    (void)state;
    feed(&b, 5 * S);
    from = b.r->log_n;
    b.hand_mg = SWEETS / BEND;
    b.hand_from_us = 6 * S;
    b.hand_to_us = 20 * S;
    feed(&b, 30 * S);
    assert_int_equal(events_of(b.r, "p1", from, true), 0);
    assert_int_equal(events_of(b.r, "p2", from, false), 0);
    assert_int_equal(books(&b, 1), 10);
    free(b.r);
}

/* The hand of somebody else stays: whoever takes something beside it is not kept waiting for it. `lead_us`: the hand
 * was there so long before. */
static void pick_beside_a_hand(int64_t lead_us)
{
    struct bend b = {.r = two_plates(100000, 30000), .loads_mg = {500000, 300000}};
    int from;

    feed(&b, 5 * S);
    b.hand_mg = 400000;
    b.hand_from_us = 6 * S;
    b.hand_to_us = 40 * S;
    feed(&b, 6 * S + lead_us);
    from = b.r->log_n;
    b.loads_mg[1] -= 30000;
    feed(&b, 10 * S + lead_us);
    assert_int_equal(books(&b, 1), 9);
    assert_int_equal(events_of(b.r, "p2", from, true), 1);
    feed(&b, 50 * S); /* without the hand nothing more comes to light */
    assert_int_equal(books(&b, 0), 5);
    assert_int_equal(books(&b, 1), 9);
    assert_int_equal(events_of(b.r, "p2", from, true), 1);
    free(b.r);
}

static void a_pick_beside_a_hand_is_settled(void **state)
{
    (void)state;
    pick_beside_a_hand(5 * S);
}

static void a_pick_as_the_hand_comes_is_settled(void **state)
{
    (void)state;
    pick_beside_a_hand(100 * MS);
}

static int64_t reference_mg(const struct rig *r)
{
    return weigh_reference_mg(&r->shop.shelf.plates[0].weigh);
}

/* What the neighbour's hand did had to be guessed when a pick was counted. When it is gone, the guess is put right;
 * but not by a bag of 300 g that stands there meanwhile, which is more than any bend. */
static void a_bag_is_no_correction_of_a_guess(void **state)
{
    struct rig *r = two_plates(HEAVY, 100000);
    struct obs o = {.kind = OBS_MASS};

    (void)state;
    while (r->now_us < 40 * S) {
        double hand = r->now_us >= 6 * S && r->now_us < 12 * S ? 400000 : 0;
        double bag = r->now_us >= 9 * S && r->now_us < 25 * S ? 300000 : 0;
        int64_t left = r->now_us < 6200 * MS ? 6 : r->now_us < 30 * S ? 5 : 4;

        if (r->now_us == 20 * S)
            assert_in_range(reference_mg(r), 5 * HEAVY - 20000, 5 * HEAVY + 20000);
        o.t_us = r->now_us + 25 * MS;
        o.u.mass.plate = 0;
        o.u.mass.mass_mg = left * HEAVY + llround(bag + fmin(BEND * hand, BEND_MOST) +
                                                  300 * rng_gauss(&r->world.rng));
        rig_feed(r, &o);
        o.u.mass.plate = 1;
        o.u.mass.mass_mg = 1000000 + llround(hand * (1 + 0.08 * sin((double)o.t_us / 250000.0)) +
                                             300 * rng_gauss(&r->world.rng));
        rig_feed(r, &o);
    }
    assert_int_equal(shelf_facing(&r->shop.shelf, 0, 0)->on_shelf, 4);
    assert_int_equal(events_of(r, "p1", 0, true), 2);
    assert_in_range(reference_mg(r), 4 * HEAVY - 5000, 4 * HEAVY + 5000);
    free(r);
}

/* A hand sways, and each of its revisions is worth less than the one before; but when it is gone and goods move, that
 * is said at once and not only when the load has come to rest. */
static void a_pick_after_leaning_is_claimed_at_once(void **state)
{
    struct rig *r = rig_new(80);
    int claim = 0;

    (void)state;
    world_step(&r->world, 0, 10 * 500000);
    world_hand(&r->world, 5 * S, 12 * S, 6000000);
    world_step(&r->world, 12500 * MS, -500000);
    rig_run(r, 20 * S);
    for (int i = r->log_n - 1; i >= 0; i--)
        if (r->log[i].kind == EVENT_SHELF_PICK && r->log[i].t_us >= 12500 * MS &&
            r->log[i].u.shelf_pick.change.stage == STAGE_PROVISIONAL)
            claim = i;
    assert_true(claim > 0);
    assert_in_range(r->log[claim].t_us, 12500 * MS, 13300 * MS);
    assert_int_equal(r->log[claim].u.shelf_pick.change.quantity, 1);
    assert_int_equal(shelf_facing(&r->shop.shelf, 0, 0)->on_shelf, 9);
    free(r);
}

/* What stood on both plates is counted where the sum is a number of pieces. That is a guess, and both are told. */
static void goods_over_two_plates_are_told_on_both(void **state)
{
    struct bend b = {.r = two_plates(100000, 80000), .loads_mg = {500000, 800000}};

    (void)state;
    for (uint16_t i = 0; i < 2; i++) {
        b.r->plan.plates[i].neighbours_n = 1;
        b.r->plan.plates[i].neighbours[0] = (uint16_t)(1 - i);
    }
    rig_boot(b.r);
    feed(&b, 5 * S);
    b.loads_mg[0] -= 60000;
    b.loads_mg[1] -= 40000;
    feed(&b, 15 * S);
    assert_int_equal(books(&b, 0), 4);
    assert_int_equal(books(&b, 1), 10);
    assert_int_equal(rig_kind_count(b.r, 0, EVENT_STOCK_RECOUNT_SUGGESTED), 2);
    free(b.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pick_after_leaning_is_claimed_at_once),
        cmocka_unit_test(a_hand_on_heavy_goods_is_no_change_beside_it),
        cmocka_unit_test(a_pick_beside_a_hand_is_settled),
        cmocka_unit_test(a_pick_as_the_hand_comes_is_settled),
        cmocka_unit_test(goods_over_two_plates_are_told_on_both),
        cmocka_unit_test(a_bag_is_no_correction_of_a_guess),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
