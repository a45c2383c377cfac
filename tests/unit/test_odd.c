/* What is no ordinary pick: goods on the wrong plate, many at once, one product exchanged for another, and books
 * that the weight does not believe. Two plates side by side, each fed with its own mass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define GTIN_JAR "04012345000009"
#define TEA      440000
#define CAN      170000
#define JAR      182000

/* Plate 0 holds tea, plate 1 cans and, when `jars`, jars that weigh a little more. */
static struct rig *two_plates(bool jars)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct plan *p = &r->plan;

    if (r == NULL)
        abort();
    rig_plan(p);
    p->plates[0].facings[0].unit_mass_mg = TEA;
    p->plates_n = 2;
    p->cells_n = 2;
    p->cells[1] = p->cells[0];
    strcpy(p->cells[1].id, "c2");
    p->cells[1].plate = 1;
    p->plates[1] = p->plates[0];
    strcpy(p->plates[1].id, "p2");
    p->plates[1].cells[0] = 1;
    p->plates[1].facings[0] = (struct plan_facing){
        .product = 1, .unit_mass_mg = CAN, .unit_cv_pm = 5, .capacity = 30, .x_mm = 100};
    if (jars) {
        p->products_n = 3;
        strcpy(p->products[2].gtin, GTIN_JAR);
        p->plates[1].facings[1] = (struct plan_facing){
            .product = 2, .unit_mass_mg = JAR, .unit_cv_pm = 5, .capacity = 30, .x_mm = 400};
        p->plates[1].facings_n = 2;
    }
    r->commits_max = INT32_MAX;
    r->world.rng.state = RIG_SEED;
    rig_boot(r);
    return r;
}

/* Both plates at 20 SPS until `t_us`; a hand's push, if any, is on plate 1. */
static void feed(struct rig *r, int64_t t_us, double first_mg, double second_mg, double push_mg)
{
    while (r->now_us < t_us) {
        struct obs o = {.t_us = r->now_us + 50 * MS, .kind = OBS_MASS};
        double wave = sin((double)o.t_us / 40000.0);

        for (uint16_t i = 0; i < 2; i++) {
            o.u.mass.plate = i;
            o.u.mass.mass_mg = llround((i == 0 ? first_mg : second_mg + push_mg * (1 + wave / 4)) +
                                       400 * rng_gauss(&r->world.rng));
            rig_feed(r, &o);
        }
    }
}

static const struct event *find(const struct rig *r, int from, enum event_kind kind)
{
    for (int i = from; i < r->log_n; i++)
        if (r->log[i].kind == kind)
            return &r->log[i];
    return NULL;
}

static const struct event_stock_recount_suggested *suggested(const struct rig *r, int from,
                                                             const char *reason)
{
    for (int i = from; i < r->log_n; i++)
        if (r->log[i].kind == EVENT_STOCK_RECOUNT_SUGGESTED &&
            strcmp(r->log[i].u.stock_recount_suggested.reason, reason) == 0)
            return &r->log[i].u.stock_recount_suggested;
    return NULL;
}

static int64_t books(const struct rig *r, uint16_t plate, uint8_t facing)
{
    return shelf_facing(&r->shop.shelf, plate, facing)->on_shelf;
}

/* What rests on plate 0 bends plate 1 by 4 % of it, for as long as it rests there. */
static void feed_bent(struct rig *r, int64_t t_us, int teas, int cans)
{
    feed(r, t_us, (double)teas * TEA, (double)cans * CAN + (teas - 10) * 0.04 * TEA, 0);
}

static void goods_that_leave_bend_the_plate_beside_them_and_are_no_change_there(void **state)
{
    struct rig *r = two_plates(false);
    int64_t t_us = 20 * S;

    (void)state;
    feed_bent(r, t_us, 10, 20);
    for (int teas = 9; teas >= 4; teas--) /* 105 g in all, most of a can */
        feed_bent(r, t_us += 15 * S, teas, 20);
    assert_int_equal(books(r, 0, 0), 4);
    assert_int_equal(books(r, 1, 0), 20);
    for (int i = 0; i < r->log_n; i++)
        if (r->log[i].kind == EVENT_SHELF_PICK)
            assert_string_equal(r->log[i].u.shelf_pick.change.plate, "p1");

    feed_bent(r, t_us += 15 * S, 4, 19); /* a can goes all the same */
    assert_int_equal(books(r, 1, 0), 19);
    feed_bent(r, t_us += 15 * S, 7, 19); /* and the bend comes back, by three packs at once */
    feed_bent(r, t_us + 15 * S, 10, 19);
    assert_int_equal(books(r, 0, 0), 10);
    assert_int_equal(books(r, 1, 0), 19);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_UNKNOWN), 0);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_AMBIGUOUS), 0);
    assert_null(suggested(r, 0, "unknown_change"));
    free(r);
}

static void goods_on_the_wrong_plate_are_misplaced(void **state)
{
    struct rig *r = two_plates(false);
    const struct event *e;

    (void)state;
    feed(r, 5 * S, 10 * TEA, 20 * CAN, 0);
    assert_int_equal(books(r, 0, 0), 10);
    feed(r, 10 * S, 9 * TEA, 20 * CAN, 0);
    feed(r, 20 * S, 9 * TEA, 20 * CAN + TEA, 0); /* 2.59 cans: no number of cans */
    e = find(r, 0, EVENT_SHELF_MISPLACED);
    assert_non_null(e);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_MISPLACED), 1);
    assert_string_equal(e->u.shelf_misplaced.change.gtin, GTIN_TEA);
    assert_string_equal(e->u.shelf_misplaced.change.plate, "p2");
    assert_int_equal(e->u.shelf_misplaced.change.quantity, 1);
    assert_int_equal(books(r, 0, 0), 9); /* nobody finds it where it belongs */
    assert_int_equal(books(r, 1, 0), 20);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_UNKNOWN), 0);

    feed(r, 30 * S, 9 * TEA, 20 * CAN, 0); /* tidied away */
    assert_int_equal(books(r, 1, 0), 20);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_UNKNOWN), 0);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_AMBIGUOUS), 0);
    free(r);
}

/* The same gain, but nobody has any tea in hand: then it is no product that is known. */
static void what_nobody_carries_is_not_misplaced(void **state)
{
    struct rig *r = two_plates(false);

    (void)state;
    feed(r, 5 * S, 10 * TEA, 20 * CAN, 0);
    feed(r, 20 * S, 10 * TEA, 20 * CAN + TEA, 0);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_MISPLACED), 0);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_UNKNOWN), 1);
    free(r);
}

static int sweeps(const struct rig *r, int from, enum shelf_stage stage)
{
    int n = 0;

    for (int i = from; i < r->log_n; i++)
        n += r->log[i].kind == EVENT_SHELF_SWEEP && r->log[i].u.shelf_sweep.change.stage == stage;
    return n;
}

static void many_at_once_are_a_sweep(void **state)
{
    struct rig *r = two_plates(false);
    const struct event *e;

    (void)state;
    feed(r, 5 * S, 10 * TEA, 24 * CAN, 0);
    feed(r, 9 * S, 10 * TEA, 18 * CAN, 0);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_SWEEP), 0); /* six of thirty are a party */
    feed(r, 13 * S, 10 * TEA, 11 * CAN, 0); /* thirteen within ten seconds are not */
    e = find(r, 0, EVENT_SHELF_SWEEP);
    assert_non_null(e);
    assert_string_equal(e->u.shelf_sweep.change.gtin, GTIN_CAN);
    assert_int_equal(e->u.shelf_sweep.change.quantity, 13);
    feed(r, 17 * S, 10 * TEA, 4 * CAN, 0);
    assert_int_equal(sweeps(r, 0, STAGE_SETTLED), 1); /* it was said a moment ago */
    free(r);
}

/* The alarm does not wait for the load to rest, and goes out by itself; a power cut in between changes nothing. */
static void a_sweep_is_alarmed_at_once(void **state)
{
    for (int cut = 0; cut < 2; cut++) {
        struct rig *r = two_plates(false);
        const struct event *sweep, *alert;

        (void)state;
        feed(r, 5 * S, 10 * TEA, 24 * CAN, 0);
        feed(r, 6 * S, 10 * TEA, 11 * CAN, 60000); /* still ringing by 15 g */
        assert_int_equal(sweeps(r, 0, STAGE_SETTLED), 0);
        assert_int_equal(sweeps(r, 0, STAGE_PROVISIONAL), 1);
        sweep = find(r, 0, EVENT_SHELF_SWEEP);
        alert = find(r, 0, EVENT_ALERT_RAISED);
        assert_true(alert->t_us <= 6 * S);
        assert_string_equal(alert->u.alert_raised.kind, "sweep");
        assert_string_equal(alert->u.alert_raised.subject, "p2");
        assert_string_equal(alert->u.alert_raised.gtin, GTIN_CAN);
        assert_int_equal(shelf_alerts(&r->shop.shelf, &r->plan), 1);
        if (cut)
            rig_boot(r);
        feed(r, 12 * S, 10 * TEA, 11 * CAN, 0);
        assert_int_equal(books(r, 1, 0), 11);
        assert_int_equal(sweeps(r, 0, STAGE_SETTLED), 1);
        assert_int_equal(sweeps(r, 0, STAGE_RETRACTED), 0);
        for (int i = r->log_n - 1; i >= 0; i--)
            if (r->log[i].kind == EVENT_SHELF_SWEEP) {
                assert_int_equal(r->log[i].u.shelf_sweep.change.rev, 1);
                assert_string_equal(r->log[i].u.shelf_sweep.change.change_id,
                                    sweep->u.shelf_sweep.change.change_id);
                break;
            }
        if (cut)
            rig_boot(r);
        feed(r, 40 * S, 10 * TEA, 11 * CAN, 0);
        assert_int_equal(rig_kind_count(r, 0, EVENT_ALERT_CLEARED), 0);
        feed(r, 75 * S, 10 * TEA, 11 * CAN, 0);
        assert_int_equal(rig_kind_count(r, 0, EVENT_ALERT_CLEARED), 1);
        assert_string_equal(find(r, 0, EVENT_ALERT_CLEARED)->u.alert_cleared.alert_id,
                            alert->u.alert_raised.alert_id);
        assert_int_equal(shelf_alerts(&r->shop.shelf, &r->plan), 0);
        free(r);
    }
}

/* The goods are lifted a little and set down again, or fewer were taken than it looked. */
static void a_sweep_that_was_none_is_taken_back(void **state)
{
    for (int taken = 0; taken < 3; taken += 2) {
        struct rig *r = two_plates(false);

        (void)state;
        feed(r, 5 * S, 10 * TEA, 24 * CAN, 0);
        feed(r, 6 * S, 10 * TEA, 11 * CAN, 60000);
        assert_int_equal(sweeps(r, 0, STAGE_PROVISIONAL), 1);
        feed(r, 12 * S, 10 * TEA, (24 - taken) * CAN, 0);
        assert_int_equal(books(r, 1, 0), 24 - taken);
        assert_int_equal(sweeps(r, 0, STAGE_RETRACTED), 1);
        assert_int_equal(sweeps(r, 0, STAGE_SETTLED), 0);
        assert_int_equal(rig_kind_count(r, 0, EVENT_ALERT_CLEARED), 1);
        free(r);
    }
}

static void slow_shopping_is_no_sweep(void **state)
{
    struct rig *r = two_plates(false);

    (void)state;
    feed(r, 5 * S, 10 * TEA, 24 * CAN, 0);
    for (int i = 1; i <= 18; i++)
        feed(r, (5 + 6 * i) * S, 10 * TEA, (24 - i) * CAN, 0);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_PICK) > 18, true);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SHELF_SWEEP), 0);
    free(r);
}

static void the_last_ones_at_once_are_a_sweep(void **state)
{
    struct rig *r = two_plates(false);

    (void)state;
    feed(r, 5 * S, 10 * TEA, 4 * CAN, 0);
    feed(r, 10 * S, 10 * TEA, 0, 0);
    assert_int_equal(sweeps(r, 0, STAGE_SETTLED), 1);
    free(r);
}

/* Somebody counts wrongly. The books are believed, the weight says otherwise for ten minutes: both numbers are
 * told, once, and nothing is corrected. */
static void books_that_the_weight_does_not_believe_are_told(void **state)
{
    struct rig *r = two_plates(false);
    const struct event_stock_recount_suggested *e;
    int from;

    (void)state;
    feed(r, 5 * S, 10 * TEA, 20 * CAN, 0);
    rig_command(r, COMMAND_RECOUNT, "wrong", GTIN_TEA, 7);
    from = r->log_n;
    feed(r, 300 * S, 10 * TEA, 20 * CAN, 0);
    assert_null(suggested(r, from, "weight_disagrees"));
    feed(r, 700 * S, 10 * TEA, 20 * CAN, 0);
    e = suggested(r, from, "weight_disagrees");
    assert_non_null(e);
    assert_string_equal(e->gtin, GTIN_TEA);
    assert_int_equal(e->ledger, 7);
    assert_int_equal(e->by_weight, 10);
    assert_int_equal(rig_kind_count(r, from, EVENT_STOCK_RECOUNT_SUGGESTED), 1);
    assert_int_equal(books(r, 0, 0), 7);
    feed(r, 1400 * S, 10 * TEA, 20 * CAN, 0);
    assert_int_equal(rig_kind_count(r, from, EVENT_STOCK_RECOUNT_SUGGESTED), 1);
    free(r);
}

static struct rig *cans_and_jars(void)
{
    struct rig *r = two_plates(true);

    feed(r, 5 * S, 10 * TEA, 10 * CAN + 10 * JAR, 0);
    rig_command(r, COMMAND_RECOUNT, "c", GTIN_CAN, 10);
    rig_command(r, COMMAND_RECOUNT, "j", GTIN_JAR, 10);
    feed(r, 6 * S, 10 * TEA, 10 * CAN + 10 * JAR, 0);
    return r;
}

/* A can leaves, a jar comes: the load is back within 12 g, which is no change, but no nothing either. */
static void an_exchange_is_doubted(void **state)
{
    struct rig *r = cans_and_jars();
    int from = r->log_n;

    (void)state;
    feed(r, 6 * S + 800 * MS, 10 * TEA, 10 * CAN + 10 * JAR, 300000);
    feed(r, 12 * S, 10 * TEA, 9 * CAN + 11 * JAR, 0);
    assert_int_equal(rig_kind_count(r, from, EVENT_SHELF_AMBIGUOUS), 1);
    assert_int_equal(books(r, 1, 0), 10);
    assert_int_equal(books(r, 1, 1), 10);
    assert_true(shelf_facing(&r->shop.shelf, 1, 0)->confidence_pm <= 500);
    free(r);
}

static void a_hand_that_leaves_nothing_is_not_doubted(void **state)
{
    struct rig *r = cans_and_jars();
    int from = r->log_n;

    (void)state;
    for (int i = 0; i < 5; i++) {
        feed(r, r->now_us + 800 * MS, 10 * TEA, 10 * CAN + 10 * JAR, 300000);
        feed(r, r->now_us + 5 * S, 10 * TEA, 10 * CAN + 10 * JAR, 0);
    }
    assert_int_equal(rig_count(r, from, STAGE_SETTLED), 0);
    assert_int_equal(rig_kind_count(r, from, EVENT_STOCK_RECOUNT_SUGGESTED), 0);
    assert_int_equal(shelf_facing(&r->shop.shelf, 1, 0)->confidence_pm, 1000);
    free(r);
}

/* Two grams nearer to a jar than to a can: a jar is booked, and the other hypothesis is told. */
static void what_is_booked_with_doubt_is_told_with_both_numbers(void **state)
{
    struct rig *r = cans_and_jars();
    const struct event_stock_recount_suggested *e;
    int from = r->log_n;

    (void)state;
    feed(r, 12 * S, 10 * TEA, 10 * CAN + 9 * JAR + 5000, 0);
    assert_int_equal(books(r, 1, 0), 10);
    assert_int_equal(books(r, 1, 1), 9);
    e = suggested(r, from, "doubtful");
    assert_non_null(e);
    assert_string_equal(e->gtin, GTIN_CAN);
    assert_int_equal(e->ledger, 10);
    assert_int_equal(e->by_weight, 9);
    assert_true(shelf_facing(&r->shop.shelf, 1, 0)->confidence_pm < 990);
    free(r);
}

static void a_plain_pick_is_not_doubted(void **state)
{
    struct rig *r = cans_and_jars();
    int from = r->log_n;

    (void)state;
    feed(r, 12 * S, 10 * TEA, 9 * CAN + 10 * JAR, 0);
    assert_int_equal(books(r, 1, 0), 9);
    assert_int_equal(rig_kind_count(r, from, EVENT_STOCK_RECOUNT_SUGGESTED), 0);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goods_on_the_wrong_plate_are_misplaced),
        cmocka_unit_test(goods_that_leave_bend_the_plate_beside_them_and_are_no_change_there),
        cmocka_unit_test(what_nobody_carries_is_not_misplaced),
        cmocka_unit_test(many_at_once_are_a_sweep),
        cmocka_unit_test(a_sweep_is_alarmed_at_once),
        cmocka_unit_test(a_sweep_that_was_none_is_taken_back),
        cmocka_unit_test(slow_shopping_is_no_sweep),
        cmocka_unit_test(the_last_ones_at_once_are_a_sweep),
        cmocka_unit_test(books_that_the_weight_does_not_believe_are_told),
        cmocka_unit_test(an_exchange_is_doubted),
        cmocka_unit_test(a_hand_that_leaves_nothing_is_not_doubted),
        cmocka_unit_test(what_is_booked_with_doubt_is_told_with_both_numbers),
        cmocka_unit_test(a_plain_pick_is_not_doubted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
