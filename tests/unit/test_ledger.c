/* The ledger beyond the scales: backroom commands and sales, whole, once, and never below zero. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define UNIT 500000.0

static const struct stock *tea(const struct rig *r)
{
    return shelf_ledger(&r->shop.shelf, 0);
}

static void check_sum(const struct rig *r)
{
    const struct stock *s = tea(r);

    assert_int_equal(s->shelf + s->backroom + s->in_hand + s->sold + s->adjust, 0);
    assert_true(s->shelf >= 0 && s->backroom >= 0 && s->in_hand >= 0 && s->sold >= 0);
}

/* Twelve packs on the shelf, twelve in the backroom. */
static struct rig *stocked(void)
{
    struct rig *r = rig_new(80);

    rig_run(r, 2 * S);
    rig_command(r, COMMAND_TARE, "cmd-1", "p1", 0);
    world_step(&r->world, 3 * S, 12 * UNIT);
    rig_run(r, 8 * S);
    return r;
}

static void pick(struct rig *r, int n)
{
    world_step(&r->world, r->now_us + S, -n * UNIT);
    rig_run(r, r->now_us + 4 * S);
}

static void sell_line(struct rig *r, const char *id, uint16_t line, int64_t quantity,
                      int64_t age_us)
{
    struct obs o = {.t_us = r->now_us, .kind = OBS_SALE};

    snprintf(o.u.sale.id, sizeof(o.u.sale.id), "%s", id);
    o.u.sale.line = line;
    o.u.sale.product = 0;
    o.u.sale.quantity = quantity;
    o.u.sale.sold_us = r->now_us - age_us;
    rig_feed(r, &o);
}

static int64_t recounts(const struct rig *r, const char *reason)
{
    int64_t n = 0;

    for (int i = 0; i < r->log_n; i++)
        n += r->log[i].kind == EVENT_STOCK_RECOUNT_SUGGESTED &&
             strcmp(r->log[i].u.stock_recount_suggested.reason, reason) == 0;
    return n;
}

static void the_backroom_is_counted_and_moved(void **state)
{
    struct rig *r = stocked();
    const struct event_stock_changed *e;

    (void)state;
    rig_command(r, COMMAND_COUNT, "b1", GTIN_TEA, 20);
    e = rig_last_stock(r);
    assert_string_equal(e->cause, "count");
    assert_string_equal(e->plate, "");
    assert_int_equal(e->delta, 8);
    assert_int_equal(e->backroom, 20);
    assert_int_equal(e->atp, 12 + 20 - 1);
    rig_command(r, COMMAND_TRANSFER_IN, "b2", GTIN_TEA, 5);
    rig_command(r, COMMAND_TRANSFER_IN, "b2", GTIN_TEA, 5); /* sent twice */
    assert_int_equal(tea(r)->backroom, 25);
    rig_command(r, COMMAND_TRANSFER_OUT, "b3", GTIN_TEA, 25);
    assert_int_equal(tea(r)->backroom, 0);
    rig_command(r, COMMAND_RETURN, "b4", GTIN_TEA, 2);
    assert_int_equal(tea(r)->backroom, 2);
    assert_true(r->batch.fixtures_dirty[0]);
    check_sum(r);
    free(r);
}

static void what_cannot_be_changes_nothing(void **state)
{
    struct rig *r = stocked();
    int from = r->log_n;

    (void)state;
    rig_command(r, COMMAND_TRANSFER_OUT, "b1", GTIN_TEA, 13);
    rig_command(r, COMMAND_COUNT, "b2", GTIN_TEA, -1);
    rig_command(r, COMMAND_RETURN, "b3", GTIN_TEA, INT64_MAX);
    rig_command(r, COMMAND_TRANSFER_IN, "b4", "p1", 1); /* a plate is no product */
    sell_line(r, "s1", 0, 0, 0);
    sell_line(r, "s2", 0, -3, 0);
    sell_line(r, "s3", 0, 1, -S); /* tomorrow's */
    assert_int_equal(r->log_n, from);
    assert_int_equal(r->shop.shelf.refused, 7);
    assert_int_equal(tea(r)->backroom, 12);
    rig_command(r, COMMAND_TRANSFER_OUT, "b1", GTIN_TEA, 12); /* a refused id is free again */
    assert_int_equal(tea(r)->backroom, 0);
    free(r);
}

static void a_sale_takes_what_was_picked_once(void **state)
{
    struct rig *r = stocked();

    (void)state;
    pick(r, 3);
    assert_int_equal(tea(r)->in_hand, 3);
    sell_line(r, "s1", 0, 2, 0);
    assert_int_equal(tea(r)->in_hand, 1);
    assert_int_equal(tea(r)->sold, 2);
    assert_string_equal(rig_last_stock(r)->document, "s1");
    assert_int_equal(rig_last_stock(r)->delta, -2);
    sell_line(r, "s1", 0, 2, 0);
    sell_line(r, "s1", 1, 1, 0); /* no line of a repeated sale counts */
    assert_int_equal(tea(r)->sold, 2);
    assert_int_equal(r->shop.shelf.sale_counters.repeated, 1);
    /* also after a power cut */
    rig_boot(r);
    sell_line(r, "s1", 0, 2, 0);
    assert_int_equal(tea(r)->sold, 2);
    sell_line(r, "s2", 0, 1, 0);
    sell_line(r, "s2", 1, 1, 0);
    assert_int_equal(tea(r)->sold, 4);
    check_sum(r);
    free(r);
}

static void a_sale_that_nobody_saw_is_flagged_and_settles_later(void **state)
{
    struct rig *r = stocked();

    (void)state;
    sell_line(r, "s1", 0, 2, 0); /* the till is faster than the scale */
    assert_string_equal(rig_last_stock(r)->cause, "sale_unseen");
    assert_int_equal(recounts(r, "sale_shortfall"), 1);
    assert_int_equal(tea(r)->sold, 2);
    assert_int_equal(tea(r)->shelf, 12);
    check_sum(r);
    rig_boot(r); /* the debt survives a power cut */
    rig_run(r, r->now_us + 3 * S);
    pick(r, 3);
    assert_int_equal(tea(r)->shelf, 9);
    assert_int_equal(tea(r)->in_hand, 1); /* two of the three are the ones that were sold */
    check_sum(r);
    free(r);
}

static void a_late_sale_is_not_expected_to_be_seen(void **state)
{
    struct rig *r = stocked();

    (void)state;
    sell_line(r, "s1", 0, 2, 7200 * S);
    assert_int_equal(recounts(r, "late_sale"), 1);
    pick(r, 3);
    assert_int_equal(tea(r)->in_hand, 3);
    assert_int_equal(tea(r)->sold, 2);
    check_sum(r);
    free(r);
}

static void where_nothing_weighs_the_till_counts(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    char json[2048];

    (void)state;
    assert_non_null(r);
    rig_plan(&r->plan);
    r->plan.plates[0].cells_n = 0;
    r->plan.cells_n = 0;
    r->commits_max = INT32_MAX;
    rig_boot(r);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_NONE);
    assert_true(shelf_atp(&r->shop.shelf, &r->plan, 0).lower_bound); /* nobody has counted yet */
    rig_command(r, COMMAND_RECOUNT, "c1", "p1", 6);
    sell_line(r, "s1", 0, 2, 0);
    assert_int_equal(tea(r)->shelf, 4);
    assert_int_equal(tea(r)->sold, 2);
    assert_int_equal(rig_last_stock(r)->on_shelf, 4);
    assert_string_equal(rig_last_stock(r)->plate, "p1");
    sell_line(r, "s2", 0, 5, 0); /* one more than the books have */
    assert_int_equal(tea(r)->shelf, 0);
    assert_int_equal(tea(r)->sold, 7);
    assert_int_equal(r->shop.shelf.sale_counters.shortfall, 1);
    check_sum(r);
    assert_true(shop_print_stock(&r->shop, 0, json, sizeof(json)) > 0);
    assert_non_null(strstr(json, "\"sensor\":\"none\",\"on_shelf\":0"));
    assert_non_null(strstr(json, "\"atp\":23,\"atp_lower_bound\":false"));
    free(r);
}

static void an_unknown_shelf_is_no_number(void **state)
{
    struct rig *r = stocked();
    struct obs o = {.t_us = r->now_us, .kind = OBS_CELL};
    char json[2048];

    (void)state;
    o.u.cell.fault = CELL_ABSENT;
    rig_feed(r, &o);
    assert_true(shop_print_stock(&r->shop, 0, json, sizeof(json)) > 0);
    assert_non_null(strstr(json, "\"sensor\":\"fault\",\"on_shelf\":null"));
    assert_non_null(strstr(json, "\"atp\":11,\"atp_lower_bound\":true"));
    assert_int_equal(shop_print_stock(&r->shop, 9, json, sizeof(json)), -1);
    assert_int_equal(shop_print_stock(&r->shop, 0, json, 50), -1);
    free(r);
}

static void a_row_from_before_sales_is_read(void **state)
{
    struct rig *r = rig_new(80);
    struct record old = {.kind = RECORD_PRODUCT, .key = GTIN_TEA, .value = "1\t7\t1\t2\t-10"};
    struct record bad = {.kind = RECORD_PRODUCT, .key = GTIN_TEA, .value = "2\t7\t1\t2\t-10"};

    (void)state;
    assert_int_equal(shop_restore(&r->shop, &old), 0);
    assert_int_equal(tea(r)->backroom, 7);
    assert_int_equal(shop_restore(&r->shop, &bad), -1);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_backroom_is_counted_and_moved),
        cmocka_unit_test(what_cannot_be_changes_nothing),
        cmocka_unit_test(a_sale_takes_what_was_picked_once),
        cmocka_unit_test(a_sale_that_nobody_saw_is_flagged_and_settles_later),
        cmocka_unit_test(a_late_sale_is_not_expected_to_be_seen),
        cmocka_unit_test(where_nothing_weighs_the_till_counts),
        cmocka_unit_test(an_unknown_shelf_is_no_number),
        cmocka_unit_test(a_row_from_before_sales_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
