/* Shelves through the whole brain: from ADC counts of a simulated plate to events, stock and rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define UNIT 500000.0

/* An empty plate that is tared, and twelve packs on it. */
static struct rig *stocked(int sps)
{
    struct rig *r = rig_new(sps);

    rig_run(r, 2 * S);
    rig_command(r, COMMAND_TARE, "cmd-1", "p1", 0);
    world_step(&r->world, 3 * S, 12 * UNIT);
    rig_run(r, 8 * S);
    return r;
}

static void check_moves(int sps)
{
    static const int moves[] = {-1, -2, -3, 1, 2, 3, -1, -1, 1};
    struct rig *r = stocked(sps);
    int64_t on_shelf = 12;
    int from = r->log_n;

    assert_int_equal(rig_on_shelf(r), 12);
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        int64_t at = r->now_us + S / 3;
        const struct event *first, *last;

        world_step(&r->world, at, moves[i] * UNIT);
        rig_run(r, at + 4 * S);
        on_shelf += moves[i];
        first = rig_find(r, from, STAGE_PROVISIONAL);
        last = rig_find(r, from, STAGE_SETTLED);
        if (first == NULL || last == NULL) {
            rig_dump(r);
            fail_msg("move %zu of %d at %d SPS was not seen", i, moves[i], sps);
            return;
        }
        assert_in_range(first->t_us - at, 0, 800 * MS);
        assert_in_range(last->t_us - at, 0, 2 * S);
        assert_int_equal(last->kind, moves[i] < 0 ? EVENT_SHELF_PICK : EVENT_SHELF_PUT_BACK);
        assert_int_equal(last->u.shelf_pick.change.quantity, abs(moves[i]));
        assert_string_equal(last->u.shelf_pick.change.gtin, GTIN_TEA);
        assert_string_equal(last->u.shelf_pick.change.change_id,
                            first->u.shelf_pick.change.change_id);
        assert_int_equal(rig_count(r, from, STAGE_SETTLED), 1);
        assert_int_equal(rig_count(r, from, STAGE_RETRACTED), 0);
        assert_int_equal(rig_on_shelf(r), on_shelf);
        assert_int_equal(rig_last_stock(r)->delta, moves[i]);
        assert_int_equal(rig_last_stock(r)->on_shelf, on_shelf);
        from = r->log_n;
    }
    free(r);
}

static void picks_and_put_backs_are_counted(void **state)
{
    (void)state;
    check_moves(80);
    check_moves(10);
}

static void first_packs_are_a_restock_from_the_backroom(void **state)
{
    struct rig *r = stocked(80);
    const struct event *settled = rig_find(r, 0, STAGE_SETTLED);
    const struct event_stock_changed *stock = rig_last_stock(r);

    (void)state;
    assert_int_equal(settled->kind, EVENT_SHELF_RESTOCK);
    assert_int_equal(settled->u.shelf_restock.change.quantity, 12);
    assert_string_equal(stock->cause, "restock");
    assert_string_equal(stock->change_id, settled->u.shelf_restock.change.change_id);
    assert_int_equal(stock->delta, 12);
    assert_int_equal(stock->on_shelf, 12);
    assert_int_equal(stock->backroom, 12);
    assert_int_equal(stock->atp, 12 + 12 - 1);
    assert_false(stock->atp_lower_bound);
    assert_int_equal(rig_kind_count(r, 0, EVENT_STOCK_CHANGED), 2); /* tare, restock */
    free(r);
}

static void a_resting_hand_changes_nothing(void **state)
{
    static const double forces[] = {300000, 1500000, 3000000, -200000};
    static const int rates[] = {80, 10};

    (void)state;
    for (size_t rate = 0; rate < 2; rate++)
        for (size_t i = 0; i < sizeof(forces) / sizeof(forces[0]); i++) {
            struct rig *r = stocked(rates[rate]);
            int from = r->log_n;

            world_hand(&r->world, r->now_us + S, r->now_us + 5 * S, forces[i]);
            rig_run(r, r->now_us + 10 * S);
            if (rig_count(r, from, STAGE_SETTLED) != 0)
                rig_dump(r);
            assert_int_equal(rig_count(r, from, STAGE_SETTLED), 0);
            assert_int_equal(rig_count(r, from, STAGE_RETRACTED),
                             rig_count(r, from, STAGE_PROVISIONAL) > 0);
            assert_int_equal(rig_on_shelf(r), 12);
            free(r);
        }
}

static void bumps_and_swings_change_nothing(void **state)
{
    struct rig *r = stocked(80);
    int from = r->log_n;

    (void)state;
    world_hand(&r->world, r->now_us + S, r->now_us + S + 60 * MS, 4000000);
    world_hand(&r->world, r->now_us + 2 * S, r->now_us + 2 * S + 150 * MS, -900000);
    r->world.swing_from_us = r->now_us + 4 * S;
    r->world.swing_to_us = r->now_us + 12 * S;
    r->world.swing_mg = 400000;
    rig_run(r, r->now_us + 15 * S);
    assert_int_equal(rig_count(r, from, STAGE_SETTLED), 0);
    assert_int_equal(rig_on_shelf(r), 12);
    free(r);
}

static void a_pick_while_swinging_is_one_event(void **state)
{
    struct rig *r = stocked(80);
    int from = r->log_n;

    (void)state;
    r->world.swing_from_us = r->now_us + S;
    r->world.swing_to_us = r->now_us + 4 * S;
    r->world.swing_mg = 150000;
    world_step(&r->world, r->now_us + S, -2 * UNIT);
    rig_run(r, r->now_us + 8 * S);
    assert_int_equal(rig_count(r, from, STAGE_SETTLED), 1);
    assert_int_equal(rig_find(r, from, STAGE_SETTLED)->u.shelf_pick.change.quantity, 2);
    assert_int_equal(rig_on_shelf(r), 10);
    free(r);
}

static void a_quiet_day_is_quiet(void **state)
{
    static const struct {
        int sps;
        int64_t hours;
        double drift_mg;
        int told; /* 0.4 of a unit is followed in silence, what is more is told once */
    } days[] = {{10, 24, 15000, 0}, {10, 24, 250000, 1}, {80, 1, 100000, 0}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct rig *r = stocked(days[i].sps);
        int from = r->log_n, told;

        r->world.drift_mg = days[i].drift_mg;
        rig_run(r, r->now_us + days[i].hours * 3600 * S);
        told = r->log_n - from - rig_kind_count(r, from, EVENT_KPI_HOUR);
        if (told != days[i].told)
            rig_dump(r);
        assert_int_equal(told, days[i].told);
        assert_int_equal(rig_kind_count(r, from, EVENT_STOCK_RECOUNT_SUGGESTED), days[i].told);
        assert_int_equal(rig_count(r, from, STAGE_SETTLED), 0);
        assert_int_equal(rig_count(r, from, STAGE_PROVISIONAL), 0);
        assert_int_equal(rig_on_shelf(r), 12);
        free(r);
    }
}

static void what_is_no_product_is_unknown_once(void **state)
{
    struct rig *r = stocked(80);
    int from = r->log_n;

    (void)state;
    world_step(&r->world, r->now_us + S, 0.45 * UNIT + UNIT); /* somebody's bag */
    rig_run(r, r->now_us + 12 * S);
    assert_int_equal(rig_count(r, from, STAGE_SETTLED), 1);
    assert_int_equal(rig_find(r, from, STAGE_SETTLED)->kind, EVENT_SHELF_UNKNOWN);
    assert_int_equal(rig_kind_count(r, from, EVENT_STOCK_RECOUNT_SUGGESTED), 1);
    assert_int_equal(rig_on_shelf(r), 12);
    assert_true(shelf_facing(&r->shop.shelf, 0, 0)->confidence_pm < 600);
    free(r);
}

static void a_plate_without_products_reports_unknown_changes(void **state)
{
    struct rig *r = rig_new(80);

    (void)state;
    r->plan.plates[0].facings_n = 0;
    r->now_us++;
    rig_boot(r);
    rig_run(r, 60 * S);
    assert_int_equal(r->log_n, 0);
    world_step(&r->world, 60 * S, 700000);
    rig_run(r, 70 * S);
    assert_int_equal(r->log_n, 1);
    assert_int_equal(r->log[0].kind, EVENT_SHELF_UNKNOWN);
    assert_int_equal(r->log[0].u.shelf_unknown.change.stage, STAGE_SETTLED);
    assert_string_equal(r->log[0].u.shelf_unknown.change.gtin, "");
    free(r);
}

static void more_taken_than_known_is_a_shortfall(void **state)
{
    struct rig *r = stocked(80);
    int from;

    (void)state;
    rig_command(r, COMMAND_RECOUNT, "cmd-2", "p1", 1);
    assert_string_equal(rig_last_stock(r)->cause, "recount");
    assert_int_equal(rig_last_stock(r)->delta, -11);
    assert_int_equal(rig_on_shelf(r), 1);
    from = r->log_n;
    rig_command(r, COMMAND_RECOUNT, "cmd-2", "p1", 5); /* the same command again */
    assert_int_equal(r->log_n, from);
    r->now_us += S;
    rig_boot(r);
    rig_run(r, r->now_us + 2 * S);
    rig_command(r, COMMAND_RECOUNT, "cmd-2", "p1", 5); /* and after a restart */
    assert_int_equal(r->log_n, from);
    world_step(&r->world, r->now_us + S, -3 * UNIT);
    rig_run(r, r->now_us + 5 * S);
    assert_int_equal(rig_on_shelf(r), 0);
    assert_int_equal(rig_last_stock(r)->in_hand, 3);
    assert_int_equal(rig_kind_count(r, from, EVENT_STOCK_RECOUNT_SUGGESTED), 1);
    free(r);
}

static void first_start_over_a_full_shelf_opens_the_balance(void **state)
{
    struct rig *r = rig_new(80);

    (void)state;
    world_step(&r->world, 0, 7 * UNIT);
    rig_run(r, 3 * S);
    assert_int_equal(r->log_n, 1);
    assert_string_equal(r->log[0].u.stock_changed.cause, "opening");
    assert_int_equal(r->log[0].u.stock_changed.delta, 7);
    r->now_us += S;
    rig_boot(r); /* and only once */
    rig_run(r, r->now_us + 3 * S);
    assert_int_equal(r->log_n, 1);
    assert_int_equal(rig_on_shelf(r), 7);
    free(r);
}

static void an_uncalibrated_plate_says_so_and_nothing_else(void **state)
{
    struct rig *r = rig_new(80);
    char json[1024];

    (void)state;
    r->plan.cells[0].mg_per_count = 0;
    r->now_us++;
    rig_boot(r);
    rig_run(r, 5 * S);
    assert_int_equal(r->log_n, 0);
    assert_true(shop_print_fixture(&r->shop, 0, json, sizeof(json)) > 0);
    assert_non_null(strstr(json, "\"sensor\":\"uncalibrated\""));
    assert_non_null(strstr(json, "\"on_shelf\":null"));
    free(r);
}

static void check_fault(struct rig *r, int from, const char *reason)
{
    char json[1024];

    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_FAULT), 1);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_RAISED), 1);
    assert_string_equal(r->log[from].u.sensor_fault.reason, reason);
    assert_string_equal(r->log[from].u.sensor_fault.cell, "c1");
    assert_string_equal(rig_last_stock(r)->cause, "sensor");
    assert_true(rig_last_stock(r)->on_shelf == EVENT_NULL);
    assert_true(rig_last_stock(r)->atp_lower_bound);
    assert_int_equal(rig_last_stock(r)->atp, 12 - 1);
    assert_true(shop_print_fixture(&r->shop, 0, json, sizeof(json)) > 0);
    assert_non_null(strstr(json, "\"sensor\":\"fault\""));
    assert_non_null(strstr(json, "\"on_shelf\":null"));
    assert_true(shop_print_store(&r->shop, json, sizeof(json)) > 0);
    assert_string_equal(
        json,
        "{\"zones\":[{\"zone\":\"tea\",\"members\":0,\"unknown\":null}],\"alerts\":1,\"tasks\":[],"
        "\"tasks_open\":0}");
}

static void a_silent_plate_is_unknown_until_it_is_back(void **state)
{
    struct rig *r = stocked(80);
    int from = r->log_n;

    (void)state;
    rig_tick_to(r, r->now_us + 10 * S);
    check_fault(r, from, "silent");
    from = r->log_n;
    world_step(&r->world, r->now_us - 5 * S, -2 * UNIT); /* meanwhile two were taken */
    rig_run(r, r->now_us + 3 * S);
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_RECOVERED), 1);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_CLEARED), 1);
    assert_int_equal(rig_count(r, from, STAGE_SETTLED), 1);
    assert_int_equal(rig_on_shelf(r), 10);
    assert_int_equal(rig_last_stock(r)->on_shelf, 10);
    assert_int_equal(shelf_alerts(&r->shop.shelf, &r->plan), 0);
    free(r);
}

static void a_broken_cell_is_said_once(void **state)
{
    static const struct {
        enum cell_fault fault;
        const char *reason;
    } rows[] = {{CELL_ABSENT, "absent"}, {CELL_SATURATED, "saturated"}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct rig *r = stocked(80);
        struct obs o = {.t_us = r->now_us, .kind = OBS_CELL};
        int from = r->log_n;

        o.u.cell.fault = rows[i].fault;
        for (int n = 0; n < 100; n++) {
            o.t_us += 12500;
            rig_feed(r, &o);
        }
        check_fault(r, from, rows[i].reason);
        r->now_us += S;
        rig_boot(r); /* a restart forgets no alert and raises none twice */
        rig_tick_to(r, r->now_us + 10 * S);
        assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_RAISED), 1);
        rig_run(r, r->now_us + 3 * S);
        assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_CLEARED), 1);
        assert_int_equal(rig_on_shelf(r), 12);
        free(r);
    }
}

static void one_saturated_reading_or_a_corrupt_one_is_no_fault(void **state)
{
    struct rig *r = stocked(80);
    int from = r->log_n;

    (void)state;
    for (int i = 0; i < 40; i++) {
        struct obs o = {.t_us = r->now_us + 1, .kind = OBS_CELL};

        o.u.cell.fault = i % 2 ? CELL_SATURATED : CELL_CORRUPT;
        rig_feed(r, &o);
        rig_run(r, r->now_us + 100 * MS);
    }
    assert_int_equal(r->log_n, from);
    free(r);
}

static void many_silent_plates_need_several_batches(void **state)
{
    struct rig *r = rig_new(80);

    (void)state;
    r->plan.plates_n = r->plan.cells_n = PLATES_MAX;
    for (uint16_t i = 1; i < PLATES_MAX; i++) {
        r->plan.plates[i] = r->plan.plates[0];
        r->plan.cells[i] = r->plan.cells[0];
        snprintf(r->plan.plates[i].id, NOREN_ID_SIZE, "p%d", i + 1);
        r->plan.plates[i].cells[0] = i;
        r->plan.cells[i].plate = i;
    }
    r->now_us++;
    r->rows_n = 0;
    rig_boot(r);
    for (int64_t t = 0; t < 3 * S; t += 500 * MS)
        rig_tick_to(r, t + S);
    assert_int_equal(r->log_n, 0);
    rig_tick_to(r, 30 * S);
    assert_int_equal(rig_kind_count(r, 0, EVENT_SENSOR_FAULT), PLATES_MAX);
    assert_int_equal(rig_kind_count(r, 0, EVENT_ALERT_RAISED), PLATES_MAX);
    free(r);
}

static void nonsense_is_refused_and_counted(void **state)
{
    struct rig *r = stocked(80);
    struct obs o = {.t_us = r->now_us - 1, .kind = OBS_CELL};
    int64_t due = r->due_us;

    (void)state;
    assert_true(shop_step(&r->shop, &o, &r->batch) == due);
    o.t_us = r->now_us;
    o.u.cell.cell = 7;
    shop_step(&r->shop, &o, &r->batch);
    o = (struct obs){.t_us = r->now_us, .kind = OBS_MASS, .u.mass.plate = 1};
    shop_step(&r->shop, &o, &r->batch);
    o = (struct obs){.t_us = r->now_us, .kind = OBS_NODE, .u.node.node = 9};
    shop_step(&r->shop, &o, &r->batch);
    o = (struct obs){.t_us = r->now_us, .kind = OBS_SIGHTING};
    shop_step(&r->shop, &o, &r->batch);
    rig_command(r, COMMAND_TARE, "x", "p9", 0);
    assert_int_equal(r->shop.refused, 6);
    rig_command(r, COMMAND_RECOUNT, "y", "p1", -1);
    assert_int_equal(r->shop.shelf.refused, 1);
    free(r);
}

static void two_products_on_a_plate_are_told_apart_or_not(void **state)
{
    struct rig *r = rig_new(80);
    int from;

    (void)state;
    r->plan.plates[0].facings_n = 2;
    r->plan.plates[0].facings[1] = (struct plan_facing){
        .product = 1, .unit_mass_mg = 330000, .unit_cv_pm = 10, .capacity = 20};
    r->now_us++;
    r->rows_n = 0;
    rig_boot(r);
    rig_run(r, 2 * S);
    world_step(&r->world, 2 * S, 4 * 500000);
    rig_run(r, 6 * S);
    world_step(&r->world, 6 * S, 5 * 330000);
    rig_run(r, 10 * S);
    assert_int_equal(shelf_facing(&r->shop.shelf, 0, 0)->on_shelf, 4);
    assert_int_equal(shelf_facing(&r->shop.shelf, 0, 1)->on_shelf, 5);
    world_step(&r->world, 10 * S, -330000);
    rig_run(r, 14 * S);
    assert_int_equal(shelf_facing(&r->shop.shelf, 0, 1)->on_shelf, 4);
    r->plan.plates[0].facings[1].unit_mass_mg = 499000; /* now they are alike */
    from = r->log_n;
    world_step(&r->world, 14 * S, -500000);
    rig_run(r, 20 * S);
    assert_int_equal(rig_count(r, from, STAGE_SETTLED), 1);
    assert_int_equal(rig_find(r, from, STAGE_SETTLED)->kind, EVENT_SHELF_AMBIGUOUS);
    assert_int_equal(rig_find(r, from, STAGE_SETTLED)->u.shelf_pick.change.candidates_n, 2);
    free(r);
}

static void a_new_plan_keeps_what_is_still_there(void **state)
{
    struct rig *r = stocked(80);
    struct plan *next = malloc(sizeof(*next));
    struct obs o = {.t_us = r->now_us, .kind = OBS_PLAN};

    (void)state;
    *next = r->plan;
    next->plates_n = 2;
    next->plates[1] = r->plan.plates[0]; /* p1 is second now, its product too */
    next->plates[1].facings[0].product = 1;
    strcpy(next->plates[0].id, "p0");
    next->plates[0].cells_n = 0;
    next->plates[0].facings_n = 0;
    next->cells[0].plate = 1;
    next->products[0] = r->plan.products[1];
    next->products[1] = r->plan.products[0];
    o.u.plan = next;
    rig_feed(r, &o);
    assert_int_equal(shelf_facing(&r->shop.shelf, 1, 0)->on_shelf, 12);
    assert_int_equal(shelf_atp(&r->shop.shelf, next, 1).units, 12 + 12 - 1);
    world_step(&r->world, r->now_us + S, -1 * UNIT);
    rig_run(r, r->now_us + 4 * S);
    assert_int_equal(shelf_facing(&r->shop.shelf, 1, 0)->on_shelf, 11);
    free(next);
    free(r);
}

static void fixture_state_is_json(void **state)
{
    struct rig *r = stocked(80);
    char json[1024];
    static const char wanted[] =
        "{\"fixture\":\"gondola-1\",\"plates\":[{\"plate\":\"p1\",\"zone\":\"tea\",\"sensor\":"
        "\"ok\","
        "\"facings\":[{\"gtin\":\"09506000134352\",\"name\":\"Green \\\"tea\\\" 500 "
        "g\",\"on_shelf\":12,"
        "\"capacity\":20,\"min\":2,\"atp\":23,\"atp_lower_bound\":false,\"confidence\":1.000}]}]}";

    (void)state;
    assert_int_equal(shop_print_fixture(&r->shop, 0, json, sizeof(json)), sizeof(wanted) - 1);
    assert_string_equal(json, wanted);
    assert_int_equal(shop_print_fixture(&r->shop, 0, json, 100), -1);
    assert_int_equal(shop_print_fixture(&r->shop, 1, json, sizeof(json)), -1);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_and_put_backs_are_counted),
        cmocka_unit_test(first_packs_are_a_restock_from_the_backroom),
        cmocka_unit_test(a_resting_hand_changes_nothing),
        cmocka_unit_test(bumps_and_swings_change_nothing),
        cmocka_unit_test(a_pick_while_swinging_is_one_event),
        cmocka_unit_test(a_quiet_day_is_quiet),
        cmocka_unit_test(what_is_no_product_is_unknown_once),
        cmocka_unit_test(a_plate_without_products_reports_unknown_changes),
        cmocka_unit_test(more_taken_than_known_is_a_shortfall),
        cmocka_unit_test(first_start_over_a_full_shelf_opens_the_balance),
        cmocka_unit_test(an_uncalibrated_plate_says_so_and_nothing_else),
        cmocka_unit_test(a_silent_plate_is_unknown_until_it_is_back),
        cmocka_unit_test(a_broken_cell_is_said_once),
        cmocka_unit_test(one_saturated_reading_or_a_corrupt_one_is_no_fault),
        cmocka_unit_test(many_silent_plates_need_several_batches),
        cmocka_unit_test(nonsense_is_refused_and_counted),
        cmocka_unit_test(two_products_on_a_plate_are_told_apart_or_not),
        cmocka_unit_test(a_new_plan_keeps_what_is_still_there),
        cmocka_unit_test(fixture_state_is_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
