/* An hour adds up: what moved, what was sold, and how long it could be bought, in opening hours only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define UNIT 500000.0
#define HOUR (3600 * S)

/* Boot at 05:30 UTC of some day. */
#define UTC_US (INT64_C(19000) * 86400 * S + 11 * HOUR / 2)

static struct rig *rig_at(const char *what, int16_t open_min, int16_t close_min)
{
    struct rig *r = rig_new(5);
    struct obs clock = {.kind = OBS_CLOCK};

    (void)what;
    r->plan.open_min = open_min;
    r->plan.close_min = close_min;
    clock.u.clock.utc_us = UTC_US;
    clock.u.clock.quality = CLOCK_SYNCED;
    clock.u.clock.local_us = HOUR;
    rig_feed(r, &clock);
    rig_run(r, 2 * S);
    rig_command(r, COMMAND_TARE, "cmd-1", "p1", 0);
    world_step(&r->world, 3 * S, 8 * UNIT);
    rig_run(r, 60 * S);
    return r;
}

static const struct event_kpi_hour *hour(const struct rig *r, int n)
{
    for (int i = 0; i < r->log_n; i++)
        if (r->log[i].kind == EVENT_KPI_HOUR && n-- == 0)
            return &r->log[i].u.kpi_hour;
    fail_msg("no such hour");
    return NULL;
}

static void move(struct rig *r, int n)
{
    world_step(&r->world, r->now_us + S, n * UNIT);
    rig_run(r, r->now_us + 10 * S);
}

static void an_hour_adds_up(void **state)
{
    struct rig *r = rig_at("always open", 0, 0);
    struct obs sale = {.kind = OBS_SALE};
    const struct event_kpi_hour *e;

    (void)state;
    move(r, -3);
    move(r, 1);
    sale.t_us = r->now_us;
    snprintf(sale.u.sale.id, sizeof(sale.u.sale.id), "s1");
    sale.u.sale.quantity = 1;
    sale.u.sale.sold_us = r->now_us;
    rig_feed(r, &sale);
    rig_run(r, HOUR / 2 + 10 * S);
    e = hour(r, 0);
    assert_string_equal(e->gtin, GTIN_TEA);
    assert_int_equal(e->picked, 3);
    assert_int_equal(e->put_back, 1);
    assert_int_equal(e->restocked, 8);
    assert_int_equal(e->sold, 1);
    assert_int_equal(e->unexplained, 1); /* one is still in somebody's hands */
    assert_in_range(e->known_s, 1790, 1800);
    assert_in_range(e->available_s, 1785, e->known_s);
    assert_int_equal(e->to_us - e->from_us, HOUR / 2);
    /* the next hour: nothing moves, then the scale breaks for half of it */
    rig_run(r, HOUR);
    rig_tick_to(r, 3 * HOUR / 2 + S);
    e = hour(r, 1);
    assert_int_equal(e->picked, 0);
    assert_in_range(e->known_s, 1790, 1810);
    assert_in_range(e->unknown_s, 1790, 1810);
    assert_int_equal(e->to_us - e->from_us, HOUR);
    free(r);
}

static void only_opening_hours_count(void **state)
{
    /* 05:30 UTC is 06:30 here; open from 06:40 to 06:50 */
    struct rig *r = rig_at("ten minutes", 6 * 60 + 40, 6 * 60 + 50);

    (void)state;
    rig_run(r, HOUR / 2 + 10 * S);
    assert_in_range(hour(r, 0)->known_s, 599, 600);
    assert_int_equal(hour(r, 0)->restocked, 8); /* movements count whenever they happen */
    free(r);
}

static void what_nobody_sold_is_unexplained(void **state)
{
    struct rig *r = rig_at("always open", 0, 0);

    (void)state;
    move(r, -5);
    rig_command(r, COMMAND_RECOUNT, "c1", "p1", 1); /* two more are gone than the scale says */
    rig_run(r, HOUR / 2 + 10 * S);
    assert_int_equal(hour(r, 0)->picked, 5);
    assert_int_equal(hour(r, 0)->adjusted, -2);
    assert_int_equal(hour(r, 0)->unexplained, 7);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_adds_up),
        cmocka_unit_test(only_opening_hours_count),
        cmocka_unit_test(what_nobody_sold_is_unexplained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
