/* Facings run low, somebody is told once, and the weight says when it is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define UNIT    500000.0
#define MINUTES (60 * S)

/* Eight packs on the shelf (minimum 2, capacity 20), sixteen in the backroom. */
static struct rig *stocked(void)
{
    struct rig *r = rig_new(10);

    rig_run(r, 2 * S);
    rig_command(r, COMMAND_TARE, "cmd-1", "p1", 0);
    world_step(&r->world, 3 * S, 8 * UNIT);
    rig_run(r, 60 * S);
    return r;
}

static void move(struct rig *r, int n, int64_t then_us)
{
    world_step(&r->world, r->now_us + S, n * UNIT);
    rig_run(r, r->now_us + 5 * S + then_us);
}

static const struct event *last(const struct rig *r, enum event_kind kind)
{
    for (int i = r->log_n - 1; i >= 0; i--)
        if (r->log[i].kind == kind)
            return &r->log[i];
    fail_msg("no event of kind %d", kind);
    return NULL;
}

static int alerts(const struct rig *r, const char *kind)
{
    int n = 0;

    for (int i = 0; i < r->log_n; i++)
        n += r->log[i].kind == EVENT_ALERT_RAISED &&
             strcmp(r->log[i].u.alert_raised.kind, kind) == 0;
    return n;
}

static void a_low_facing_is_filled_up(void **state)
{
    struct rig *r = stocked();
    const struct event_task_done *done;

    (void)state;
    assert_int_equal(rig_kind_count(r, 0, EVENT_ALERT_RAISED), 0);
    move(r, -6, 60 * S);
    assert_int_equal(rig_on_shelf(r), 2);
    assert_int_equal(alerts(r, "facing_low"), 1);
    assert_string_equal(last(r, EVENT_ALERT_RAISED)->u.alert_raised.gtin, GTIN_TEA);
    assert_int_equal(rig_kind_count(r, 0, EVENT_TASK_OPENED), 1);
    assert_int_equal(last(r, EVENT_TASK_OPENED)->u.task_opened.wanted, 16);
    assert_int_equal(last(r, EVENT_TASK_OPENED)->u.task_opened.time_to_empty_s, 2 * 900 / 6);
    rig_command(r, COMMAND_CLAIM, "cl-1", "t99", 0); /* no such task */
    assert_int_equal(rig_kind_count(r, 0, EVENT_TASK_CLAIMED), 0);
    rig_command(r, COMMAND_CLAIM, "cl-2", last(r, EVENT_TASK_OPENED)->u.task_opened.task_id, 0);
    rig_command(r, COMMAND_CLAIM, "cl-3", last(r, EVENT_TASK_OPENED)->u.task_opened.task_id, 0);
    assert_int_equal(rig_kind_count(r, 0, EVENT_TASK_CLAIMED), 1);
    /* the six in hands come back, seven are new */
    move(r, 13, 60 * S);
    assert_int_equal(rig_kind_count(r, 0, EVENT_TASK_DONE), 1);
    done = &last(r, EVENT_TASK_DONE)->u.task_done;
    assert_string_equal(done->outcome, "restocked");
    assert_int_equal(done->quantity, 7);
    assert_in_range(done->age_us, 20 * S, 40 * S);
    assert_int_equal(rig_kind_count(r, 0, EVENT_ALERT_CLEARED), 1);
    assert_string_equal(last(r, EVENT_ALERT_CLEARED)->u.alert_cleared.alert_id,
                        last(r, EVENT_ALERT_RAISED)->u.alert_raised.alert_id);
    assert_int_equal(supply_alerts(&r->shop.supply, &r->plan, &r->shop.shelf), 0);
    free(r);
}

static void a_short_emptiness_and_the_edge_are_no_news(void **state)
{
    struct rig *r = stocked();

    (void)state;
    move(r, -8, 10 * S); /* lifted off to tidy up */
    move(r, 8, 60 * S);
    assert_int_equal(rig_kind_count(r, 0, EVENT_ALERT_RAISED), alerts(r, "sweep"));
    move(r, -6, 60 * S);
    for (int i = 0; i < 4; i++) { /* to and fro over the minimum: one alert */
        move(r, 1, 60 * S);
        move(r, -1, 60 * S);
    }
    assert_int_equal(rig_on_shelf(r), 2);
    /* one above the minimum is enough here: 2 + 1 + 2/4 */
    assert_int_equal(alerts(r, "facing_low"), 5);
    r->plan.plates[0].facings[0].min = 4; /* 6 are enough again */
    move(r, 2, 60 * S);
    move(r, 1, 60 * S);
    move(r, -1, 60 * S);
    assert_int_equal(alerts(r, "facing_low"), 5);
    free(r);
}

static void empty_is_worse_when_the_backroom_is_not(void **state)
{
    struct rig *r = stocked();

    (void)state;
    move(r, -8, 60 * S);
    assert_int_equal(alerts(r, "out_with_backroom"), 1);
    rig_command(r, COMMAND_COUNT, "b1", GTIN_TEA, 0);
    assert_string_equal(last(r, EVENT_TASK_DONE)->u.task_done.outcome, "no_stock");
    rig_run(r, r->now_us + 60 * S);
    assert_int_equal(alerts(r, "facing_out"), 1);
    assert_int_equal(supply_alerts(&r->shop.supply, &r->plan, &r->shop.shelf), 1);
    rig_command(r, COMMAND_TRANSFER_IN, "b2", GTIN_TEA, 5);
    assert_int_equal(rig_kind_count(r, 0, EVENT_TASK_OPENED), 2);
    free(r);
}

static void too_much_is_flagged(void **state)
{
    struct rig *r = stocked();

    (void)state;
    move(r, 13, 60 * S);
    assert_int_equal(alerts(r, "facing_overstock"), 1);
    move(r, -2, 60 * S);
    assert_int_equal(rig_kind_count(r, 0, EVENT_ALERT_CLEARED), 1);
    free(r);
}

static void a_broken_scale_says_nothing_of_the_level(void **state)
{
    struct rig *r = stocked();
    struct obs o = {.kind = OBS_CELL};
    int from;

    (void)state;
    move(r, -6, 60 * S);
    from = r->log_n;
    o.t_us = r->now_us;
    o.u.cell.fault = CELL_ABSENT;
    rig_feed(r, &o);
    rig_tick_to(r, r->now_us + 10 * MINUTES);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_CLEARED), 0);
    assert_int_equal(rig_kind_count(r, from, EVENT_TASK_DONE), 0);
    free(r);
}

static void a_task_outlives_a_power_cut_and_becomes_overdue_once(void **state)
{
    struct rig *r = stocked();
    struct obs clock = {.kind = OBS_CLOCK};
    char json[4096], id[NOREN_ID_SIZE];

    (void)state;
    clock.t_us = r->now_us;
    clock.u.clock.utc_us = 1000000000 * S + r->now_us;
    clock.u.clock.quality = CLOCK_SYNCED;
    rig_feed(r, &clock);
    move(r, -6, 60 * S);
    snprintf(id, sizeof(id), "%s", last(r, EVENT_TASK_OPENED)->u.task_opened.task_id);
    rig_command(r, COMMAND_CLAIM, "cl-1", id, 0);
    rig_boot(r);
    clock.t_us = r->now_us;
    clock.u.clock.utc_us = 1000000000 * S + r->now_us + 20 * MINUTES; /* it was off for a while */
    rig_feed(r, &clock);
    rig_run(r, r->now_us + 5 * S);
    assert_true(shop_print_store(&r->shop, json, sizeof(json)) > 0);
    assert_non_null(strstr(json, id));
    assert_non_null(strstr(json, "\"state\":\"claimed\""));
    assert_non_null(strstr(json, "\"tasks_open\":1"));
    assert_int_equal(rig_kind_count(r, 0, EVENT_TASK_OVERDUE), 0);
    rig_run(r, r->now_us + 12 * MINUTES);
    assert_int_equal(rig_kind_count(r, 0, EVENT_TASK_OVERDUE), 1);
    rig_boot(r);
    rig_run(r, r->now_us + 40 * MINUTES);
    assert_int_equal(rig_kind_count(r, 0, EVENT_TASK_OVERDUE), 1);
    assert_int_equal(rig_kind_count(r, 0, EVENT_TASK_OPENED), 1);
    free(r);
}

static void a_spoilt_row_is_refused(void **state)
{
    static const char *const values[] = {"",
                                         "1",
                                         "2\t1\t5\t0\t1\t6\t0\t0\t0\t",
                                         "1\t9\t5\t0\t1\t6\t0\t0\t0\t",
                                         "1\t1\t5\t0\t3\t6\t0\t0\t0\t",
                                         "1\t1\t5\t0\t1\t6\t0\t0\t0\t\t"};
    struct rig *r = rig_new(10);
    struct record row = {.kind = RECORD_SUPPLY, .key = "p1/" GTIN_TEA};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        snprintf(row.value, sizeof(row.value), "%s", values[i]);
        assert_int_equal(shop_restore(&r->shop, &row), -1);
    }
    snprintf(row.value, sizeof(row.value), "1\t1\t5\t0\t1\t6\t0\t0\t0\t");
    assert_int_equal(shop_restore(&r->shop, &row), 0);
    snprintf(row.key, sizeof(row.key), "p9/" GTIN_TEA);
    assert_int_equal(shop_restore(&r->shop, &row), -1);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_low_facing_is_filled_up),
        cmocka_unit_test(a_short_emptiness_and_the_edge_are_no_news),
        cmocka_unit_test(empty_is_worse_when_the_backroom_is_not),
        cmocka_unit_test(too_much_is_flagged),
        cmocka_unit_test(a_broken_scale_says_nothing_of_the_level),
        cmocka_unit_test(a_task_outlives_a_power_cut_and_becomes_overdue_once),
        cmocka_unit_test(a_spoilt_row_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
