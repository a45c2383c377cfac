/* The ledger balances whatever happens, and pieces are counted by weight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/count.h"
#include "shop_rig.h"

static int64_t sum_of(const struct stock *s)
{
    return s->shelf + s->backroom + s->in_hand + s->sold + s->adjust;
}

static void movements_are_double_entries(void **state)
{
    struct stock s = stock_open(20);
    struct stock_gain g;
    int64_t on_shelf = 0;

    (void)state;
    assert_int_equal(s.backroom, 20);
    g = stock_gain(&s, &on_shelf, 12); /* filled from the backroom */
    assert_int_equal(g.restocked, 12);
    assert_int_equal(s.backroom, 8);
    assert_int_equal(stock_pick(&s, &on_shelf, 2), 0);
    assert_int_equal(s.in_hand, 2);
    g = stock_gain(&s, &on_shelf, 5); /* two come back, three are new */
    assert_int_equal(g.put_back, 2);
    assert_int_equal(g.restocked, 3);
    assert_int_equal(on_shelf, 15);
    g = stock_gain(&s, &on_shelf, 10); /* more than the backroom ever had */
    assert_int_equal(g.restocked, 5);
    assert_int_equal(g.found, 5);
    assert_int_equal(stock_pick(&s, &on_shelf, 27), 2); /* two more than the ledger knew */
    assert_int_equal(on_shelf, 0);
    assert_int_equal(s.in_hand, 27);
    assert_int_equal(stock_count(&s, &on_shelf, 4), 4);
    assert_int_equal(stock_atp(&s, on_shelf, 1, 2), 4 + 0 - 1 - 2);
    assert_int_equal(sum_of(&s), 0);
}

static void any_sequence_balances_and_nothing_is_negative(void **state)
{
    struct rng rng = {.state = RIG_SEED};
    struct stock s = stock_open(30);
    int64_t facings[3] = {0, 0, 0};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t *on_shelf = &facings[(int)(rng_uniform(&rng) * 3)];
        int64_t n = (int64_t)(rng_uniform(&rng) * 9);
        int what = (int)(rng_uniform(&rng) * 3);

        if (what == 0)
            stock_pick(&s, on_shelf, n);
        else if (what == 1)
            stock_gain(&s, on_shelf, n);
        else
            stock_count(&s, on_shelf, n);
        assert_int_equal(sum_of(&s), 0);
        assert_int_equal(s.shelf, facings[0] + facings[1] + facings[2]);
        assert_true(*on_shelf >= 0 && s.backroom >= 0 && s.in_hand >= 0 && s.sold >= 0);
    }
}

static void pieces_are_counted(void **state)
{
    static const struct {
        int64_t delta_mg, sigma_mg;
        int32_t cv_pm;
        enum count_verdict verdict;
        int32_t quantity;
        int32_t confidence_pm; /* at least */
    } rows[] = {
        {-500000, 1000, 10, COUNT_SURE, -1, 999},
        {1012000, 1000, 10, COUNT_SURE, 2, 999},
        {-548000, 1000, 10, COUNT_SURE, -1, 990}, /* a heavy one: within a tenth */
        {-610000, 1000, 10, COUNT_UNKNOWN, -1, 0},
        {240000, 1000, 10, COUNT_UNKNOWN, 1, 0}, /* half a bottle */
        {-750000, 1000, 10, COUNT_UNKNOWN, -2, 0},
        {6050000, 1000, 10, COUNT_SURE, 12, 990},
        {20150000, 1000, 30, COUNT_SURE, 40, 500},   /* a crate of forty: probably */
        {-1844000, 70000, 10, COUNT_UNKNOWN, -4, 0}, /* trembling like a hand */
    };
    struct plan_plate plate = {.facings_n = 1};

    (void)state;
    plate.facings[0].unit_mass_mg = 500000;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct count c;

        plate.facings[0].unit_cv_pm = rows[i].cv_pm;
        c = count_change(&plate, rows[i].delta_mg, rows[i].sigma_mg);
        assert_int_equal(c.verdict, rows[i].verdict);
        assert_int_equal(c.guesses[0].quantity, rows[i].quantity);
        assert_true(c.guesses[0].posterior_pm >= rows[i].confidence_pm);
    }
}

static void products_are_told_apart_by_mass(void **state)
{
    struct plan_plate plate = {.facings_n = 4};
    static const int64_t masses_mg[] = {500000, 330000, 335000, 120000};
    struct count c;

    (void)state;
    for (int i = 0; i < 4; i++) {
        plate.facings[i].unit_mass_mg = masses_mg[i];
        plate.facings[i].unit_cv_pm = 10;
    }
    c = count_change(&plate, -500000, 1000);
    assert_int_equal(c.verdict, COUNT_SURE);
    assert_int_equal(c.guesses[0].facing, 0);
    assert_int_equal(c.guesses_n, EVENT_CANDIDATES_MAX);
    c = count_change(&plate, -332000, 1000);
    assert_int_equal(c.verdict, COUNT_AMBIGUOUS);
    assert_int_equal(c.guesses[0].facing + c.guesses[1].facing, 3);
    assert_in_range(c.guesses[0].posterior_pm + c.guesses[1].posterior_pm, 990, 1000);
    plate.facings_n = 0;
    assert_int_equal(count_change(&plate, -500000, 1000).verdict, COUNT_UNKNOWN);
}

/* The same mass at two places of a plate with two cells, and two products in one movement. */
static void places_and_pairs_are_told_apart(void **state)
{
    struct plan_plate plate = {.facings_n = 2};
    struct count_evidence seen = {
        .delta_mg = -300000, .sigma_mg = 1000, .on_shelf = {-1, -1}, .span_mm = 600};
    struct count c;

    (void)state;
    for (int i = 0; i < 2; i++)
        plate.facings[i] = (struct plan_facing){
            .unit_mass_mg = 300000, .unit_cv_pm = 10, .x_mm = i == 0 ? 150 : 450};
    assert_int_equal(count_judge(&plate, &seen).verdict, COUNT_AMBIGUOUS);
    seen.placed = true;
    for (int i = 0; i < 2; i++) {
        seen.moment_mgmm = (double)seen.delta_mg * (plate.facings[i].x_mm + 20);
        c = count_judge(&plate, &seen);
        assert_int_equal(c.verdict, COUNT_SURE);
        assert_int_equal(c.parts_n, 1);
        assert_int_equal(c.parts[0].facing, i);
    }
    seen.placed = false;
    plate.facings[1].unit_mass_mg = 110000;
    seen.delta_mg = -410000;
    c = count_judge(&plate, &seen);
    assert_int_equal(c.verdict, COUNT_SURE);
    assert_int_equal(c.parts_n, 2);
    assert_int_equal(c.parts[0].quantity + c.parts[1].quantity, -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(movements_are_double_entries),
        cmocka_unit_test(any_sequence_balances_and_nothing_is_negative),
        cmocka_unit_test(pieces_are_counted),
        cmocka_unit_test(products_are_told_apart_by_mass),
        cmocka_unit_test(places_and_pairs_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
