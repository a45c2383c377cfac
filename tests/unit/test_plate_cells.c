/* What trouble of a cell means to its plate: unknown counts, one alert, and recovery, in a shop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "noren/wire.h"
#include "shop_rig.h"

#define UNIT 500000

/* A plate of two cells, each with its own converter. */
static void run_two(struct rig *r, int64_t t_us, bool stuck)
{
    while (r->now_us + r->period_us <= t_us) {
        struct obs o = {.t_us = r->now_us + r->period_us, .kind = OBS_CELL};
        double mg = world_mass_mg(&r->world, o.t_us);

        for (uint16_t i = 0; i < 2; i++) {
            o.u.cell.cell = i;
            o.u.cell.counts =
                ZERO_COUNTS + (int32_t)lround(mg * (i == 0 ? 0.6 : 0.4) / MG_PER_COUNT);
            if (stuck && i == 1)
                o.u.cell.counts = ZERO_COUNTS + 7;
            rig_feed(r, &o);
        }
    }
}

static struct rig *two_cells(void)
{
    struct rig *r = rig_new(80);

    r->plan.cells_n = 2;
    r->plan.cells[1] = r->plan.cells[0];
    strcpy(r->plan.cells[1].id, "c2");
    r->plan.plates[0].cells_n = 2;
    r->plan.plates[0].cells[1] = 1;
    rig_boot(r);
    world_step(&r->world, 0, 12 * UNIT);
    run_two(r, 20 * S, false);
    assert_int_equal(rig_on_shelf(r), 12);
    return r;
}

#define NODE 300

/* A shelf node reports once a second, in tenths of a gram; a third of its adverts is lost. */
static void run_node(struct rig *r, int64_t t_us, uint8_t status)
{
    while (r->now_us + S <= t_us) {
        struct obs o = {.t_us = r->now_us + S, .kind = OBS_NODE};

        o.u.node.node = NODE;
        o.u.node.mass_mg = llround(world_mass_mg(&r->world, o.t_us) / 100) * 100;
        o.u.node.status = status;
        if (rng_uniform(&r->world.rng) < 1.0 / 3)
            r->now_us = o.t_us;
        else
            rig_feed(r, &o);
    }
}

/* The planogram tells what its cell may carry while it is in use; 20 packs are put beside the 4, then taken away. */
static void overload(struct rig *r, void (*weigh)(struct rig *r, int64_t t_us))
{
    struct obs plan = {.kind = OBS_PLAN};
    int from;

    world_step(&r->world, 0, 4 * UNIT);
    weigh(r, 30 * S);
    assert_int_equal(rig_on_shelf(r), 4);
    plan.t_us = r->now_us;
    plan.u.plan = &r->plan;
    r->plan.cells[0].capacity_mg = 10 * UNIT;
    rig_feed(r, &plan);
    weigh(r, 60 * S);
    from = r->log_n;
    world_step(&r->world, 61 * S, 20 * UNIT);
    weigh(r, 80 * S);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_FAULT);
    assert_false(shelf_facing_known(&r->shop.shelf, 0, 0));
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_FAULT), 1);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_RAISED), 1);
    for (int i = from; i < r->log_n; i++)
        if (r->log[i].kind == EVENT_SENSOR_FAULT)
            assert_string_equal(r->log[i].u.sensor_fault.reason, "overload");
    world_step(&r->world, 81 * S, -20 * UNIT);
    weigh(r, 120 * S);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_OK);
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_RECOVERED), 1);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_CLEARED), 1);
    assert_int_equal(rig_on_shelf(r), 4);
}

static void an_overloaded_plate_is_unknown_until_it_is_relieved(void **state)
{
    struct rig *r = rig_new(80);

    (void)state;
    overload(r, rig_run);
    free(r);
}

static void run_good_node(struct rig *r, int64_t t_us)
{
    run_node(r, t_us, 0);
}

/* Its readings are masses, and its node knows nothing of what it may carry. */
static void so_is_one_that_a_shelf_node_reads(void **state)
{
    struct rig *r = rig_new(80);
    int from;

    (void)state;
    r->plan.cells[0].node = NODE << 4;
    r->plan.cells[0].mg_per_count = 0;
    rig_boot(r);
    overload(r, run_good_node);
    from = r->log_n;
    world_step(&r->world, 121 * S, 20 * UNIT);
    run_node(r, 150 * S, NOREN_NODE_FAULT); /* no mass, so not too much of it */
    for (int i = from; i < r->log_n; i++)
        if (r->log[i].kind == EVENT_SENSOR_FAULT)
            assert_string_equal(r->log[i].u.sensor_fault.reason, "node");
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_FAULT), 1);
    free(r);
}

static void one_cell_of_two_fails_and_comes_back(void **state)
{
    struct rig *r = two_cells();
    int from = r->log_n;

    (void)state;
    run_two(r, r->now_us + 10 * S, true);
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_FAULT), 1);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_RAISED), 1);
    assert_int_equal(rig_count(r, from, STAGE_SETTLED), 0);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_FAULT);
    assert_false(shelf_facing_known(&r->shop.shelf, 0, 0));
    rig_boot(r); /* a restart in between forgets nothing and says nothing twice */
    run_two(r, r->now_us + 10 * S, true);
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_FAULT), 1);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_FAULT);
    from = r->log_n;
    run_two(r, r->now_us + 20 * S, false);
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_RECOVERED), 1);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_CLEARED), 1);
    for (int i = from; i < r->log_n; i++)
        if (r->log[i].kind == EVENT_SENSOR_RECOVERED) {
            assert_string_equal(r->log[i].u.sensor_recovered.cell, "c2");
            assert_string_equal(r->log[i].u.sensor_recovered.reason, "stuck");
        }
    assert_int_equal(rig_on_shelf(r), 12);
    assert_int_equal(rig_count(r, from, STAGE_SETTLED), 0);
    free(r);
}

static void both_cells_fail_and_there_is_one_alert(void **state)
{
    struct rig *r = two_cells();
    struct obs o = {.kind = OBS_CELL};
    int from = r->log_n;

    (void)state;
    for (int i = 0; i < 20; i++) {
        o.t_us = r->now_us + S / 10;
        o.u.cell.cell = i % 2;
        o.u.cell.fault = CELL_ABSENT;
        rig_feed(r, &o);
    }
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_FAULT), 2);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_RAISED), 1);
    run_two(r, r->now_us + 10 * S, false);
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_RECOVERED), 2);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_CLEARED), 1);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overloaded_plate_is_unknown_until_it_is_relieved),
        cmocka_unit_test(so_is_one_that_a_shelf_node_reads),
        cmocka_unit_test(one_cell_of_two_fails_and_comes_back),
        cmocka_unit_test(both_cells_fail_and_there_is_one_alert),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
