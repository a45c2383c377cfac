/* Rows of plates and cells: those of every earlier version are read, what is wrong is refused whole, and a restart in
 * the middle of creep is none of a shelf's events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define CRATE 1500000 /* a bottle of 1.5 l beside sweets */
#define SWEET 40000

/* ---- earlier versions --------------------------------------------------------------------------------- */

static struct record row_of(enum record_kind kind, const char *key, const char *value)
{
    struct record r = {.kind = kind};

    snprintf(r.key, sizeof(r.key), "%s", key);
    snprintf(r.value, sizeof(r.value), "%s", value);
    return r;
}

/* 3 kg, 1.2 g of drift followed, 250 g tared, alert 4, change 7 open with a claim of two. */
#define PLATE_1 "\t1\t3000000\t1200\t250000\t0\t4\t7\t2\t0\t9506000134352\t2"
#define NOISE   "\t900" /* versions 1 and 2 had it here */
#define SWEEP \
    "\t8\t1\t0\t3\t6" /* from version 2 on: 8, open, of the first facing, rev 3, six pieces */
#define CREEP "\t24000\t5000\t90"

static void plates_of_every_version_are_read(void **state)
{
    static const struct {
        const char *value;
        bool sweep, creep;
    } rows[] = {
        {"1" PLATE_1 NOISE, false, false},
        {"2" PLATE_1 NOISE SWEEP, true, false},
        {"3" PLATE_1 SWEEP, true, false},
        {"4" PLATE_1 SWEEP CREEP, true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig *r = rig_new(80);
        struct record old = row_of(RECORD_PLATE, "p1", rows[i].value);
        const struct shelf_plate *p = &r->shop.shelf.plates[r->shop.shelf.plate_slots[0]];

        assert_int_equal(shop_restore(&r->shop, &old), 0);
        assert_true(p->weigh.has_ref);
        assert_int_equal(weigh_reference_mg(&p->weigh), 3000000);
        assert_int_equal(p->weigh.tracked_ug, 1200000);
        assert_int_equal(p->tare_mg, 250000);
        assert_false(p->tare_wanted);
        assert_int_equal(p->alert, 4);
        assert_int_equal(p->change, 7);
        assert_int_equal(p->rev, 2);
        assert_int_equal(p->claim.kind, CLAIM_PICK);
        assert_string_equal(p->claim.gtin, GTIN_TEA);
        assert_int_equal(p->claim.quantity, 2);
        assert_int_equal(p->sweep.number, rows[i].sweep ? 8 : 0);
        assert_int_equal(p->sweep.open, rows[i].sweep);
        assert_int_equal(p->sweep.rev, rows[i].sweep ? 3 : 0);
        assert_int_equal(p->sweep.quantity, rows[i].sweep ? 6 : 0);
        assert_int_equal(p->weigh.creep.most_ug, rows[i].creep ? 24000000 : 0);
        assert_int_equal(p->weigh.creep.taken_ug, rows[i].creep ? 5000000 : 0);
        free(r);
    }
}

static void cells_of_every_version_are_read(void **state)
{
    static const struct {
        const char *value;
        int32_t now_mc;
        int64_t line, shift;
    } rows[] = {
        {"1\t7\t320\t600\t12\t-70", THERMAL_NONE, 0, 0},
        {"2\t7\t320\t600\t12\t-70\t21500\t-1500000\t4200", 21500, -1500, 4200},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig *r = rig_new(80);
        struct record old = row_of(RECORD_CELL, "c1", rows[i].value);
        const struct cell *c = &r->shop.shelf.meters[r->shop.shelf.meter_slots[0]];

        assert_int_equal(shop_restore(&r->shop, &old), 0);
        assert_int_equal(c->told, TROUBLE_RATE);
        assert_int_equal(c->trouble, TROUBLE_RATE);
        assert_true(c->noise == 20);
        assert_true(fabs((double)c->share - 0.6) < 0.001);
        assert_int_equal(c->share_n, 12);
        assert_int_equal(c->deaf_counts, -70);
        assert_int_equal(c->thermal.now_mc, rows[i].now_mc);
        assert_int_equal(llround(c->thermal.mg_per_k), rows[i].line);
        assert_int_equal(llround(c->thermal.shift_mg), rows[i].shift);
        free(r);
    }
}

static void rows_that_are_none_change_nothing(void **state)
{
    static const struct {
        enum record_kind kind;
        const char *value;
    } rows[] = {
        {RECORD_PLATE, "0" PLATE_1 NOISE},
        {RECORD_PLATE, "5" PLATE_1 SWEEP CREEP}, /* of a later program */
        {RECORD_PLATE, "1" PLATE_1},
        {RECORD_PLATE, "1" PLATE_1 NOISE SWEEP},
        {RECORD_PLATE, "2" PLATE_1 NOISE},
        {RECORD_PLATE, "2" PLATE_1 SWEEP},
        {RECORD_PLATE, "3" PLATE_1 NOISE SWEEP},
        {RECORD_PLATE, "3" PLATE_1 SWEEP "\t1"},
        {RECORD_PLATE, "4" PLATE_1 SWEEP},
        {RECORD_PLATE, "4" PLATE_1 SWEEP "\t24000\t5000\t-1"},
        {RECORD_PLATE, "4" PLATE_1 SWEEP "\t99999999999999\t5000\t9"},
        {RECORD_PLATE, "4" PLATE_1 SWEEP "\t24000\t-5000\t90"},
        {RECORD_PLATE, "4" PLATE_1 SWEEP "\t-24000\t-25000\t90"},
        {RECORD_CELL, "1\t7\t320\t600\t12"},
        {RECORD_CELL, "1\t7\t320\t600\t12\t-70\t21500\t-1500000\t4200"},
        {RECORD_CELL, "2\t7\t320\t600\t12\t-70"},
        {RECORD_CELL, "2\t7\t320\t600\t12\t-70\t99000\t-1500000\t4200"},
        {RECORD_CELL, "3\t7\t320\t600\t12\t-70\t21500\t-1500000\t4200"},
        {RECORD_CELL, "2\t99\t320\t600\t12\t-70\t21500\t-1500000\t4200"},
    };
    struct rig *r = rig_new(80);
    struct shop *before = malloc(sizeof(*before));

    (void)state;
    assert_non_null(before);
    *before = r->shop;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct record bad =
            row_of(rows[i].kind, rows[i].kind == RECORD_PLATE ? "p1" : "c1", rows[i].value);

        if (shop_restore(&r->shop, &bad) != -1)
            fail_msg("row %zu was taken: %s", i, rows[i].value);
    }
    assert_memory_equal(&r->shop.shelf, &before->shelf, sizeof(before->shelf));
    free(before);
    free(r);
}

/* ---- a restart while a plate creeps ------------------------------------------------------------------- */

/* Eight bottles beside sweets, on the worst plate. norend goes away `age` after the last bottle, for as long as `dark`. */
static struct rig *restarted(double constant_s, int64_t age_us, int64_t dark_us, bool rebooted)
{
    struct rig *r = rig_new(10);

    r->plan.plates[0].facings_n = 2;
    r->plan.plates[0].facings[0].unit_mass_mg = CRATE;
    r->plan.plates[0].facings[0].unit_cv_pm = 1;
    r->plan.plates[0].facings[1] =
        (struct plan_facing){.product = 1, .unit_mass_mg = SWEET, .unit_cv_pm = 10, .capacity = 20};
    r->rows_n = 0;
    rig_boot(r);
    r->world.noise_mg = 500;
    r->world.creep_pm = 2;
    r->world.creep_s = constant_s;
    rig_run(r, 3 * S);
    world_step(&r->world, 3 * S, 5.0 * SWEET);
    rig_run(r, 10 * S);
    world_step(&r->world, 11 * S, 8.0 * CRATE);
    rig_run(r, 19 * S);
    rig_command(r, COMMAND_RECOUNT, "cmd-1", GTIN_TEA, 8); /* bottles may be sweets as well */
    rig_command(r, COMMAND_RECOUNT, "cmd-2", GTIN_CAN, 5);
    rig_run(r, 11 * S + age_us);
    if (rebooted) { /* the clock of the machine begins anew */
        for (int i = 0; i < r->world.steps_n; i++)
            r->world.steps[i].t_us -= r->now_us + dark_us - S;
        r->now_us = S;
    } else {
        r->now_us += dark_us;
    }
    rig_boot(r);
    return r;
}

static void a_restart_in_the_middle_of_creep_is_no_event(void **state)
{
    static const struct {
        double constant_s;
        int64_t age_us, dark_us;
    } rows[] = {
        {60, 60 * S, 10 * S},    {120, 60 * S, 10 * S}, {300, 60 * S, 10 * S},
        {300, 10 * S, 60 * S},   {60, 10 * S, 600 * S}, {300, 10 * S, 600 * S},
        {300, 60 * S, 3600 * S}, {300, 200 * S, 2 * S},
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig *r =
            restarted(rows[i / 2].constant_s, rows[i / 2].age_us, rows[i / 2].dark_us, i % 2 == 1);
        int from = r->log_n, settled, flags;

        rig_run(r, r->now_us + 1200 * S);
        settled = rig_count(r, from, STAGE_SETTLED) + rig_count(r, from, STAGE_PROVISIONAL);
        flags = rig_kind_count(r, from, EVENT_STOCK_RECOUNT_SUGGESTED);
        print_message("tau %3.0f s, restart %lld s after, %lld s dark%s: %d events, %d flags, "
                      "tracked %lld mg\n",
                      rows[i / 2].constant_s, (long long)(rows[i / 2].age_us / S),
                      (long long)(rows[i / 2].dark_us / S), i % 2 ? ", rebooted" : "", settled,
                      flags, (long long)r->shop.shelf.plates[0].weigh.tracked_ug / 1000);
        if (settled + flags != 0)
            rig_dump(r);
        assert_int_equal(settled, 0);
        assert_int_equal(flags, 0);
        free(r);
    }
}

/* A row is read back whatever the age of the machine's clock: with nothing expected there is no age. */
static void a_plate_at_rest_for_days_is_read_back(void **state)
{
    struct rig *r = rig_new(8);

    (void)state;
    r->now_us = 40 * 86400 * S;
    rig_run(r, r->now_us + 10 * S);
    rig_command(r, COMMAND_RECOUNT, "cmd-1", "p1", 3);
    rig_boot(r);
    rig_run(r, r->now_us + 10 * S);
    assert_int_equal(rig_on_shelf(r), 3);
    free(r);
}

/* What may creep is no room for goods: sweets that went while it was dark, and after, are seen. */
static void what_went_in_the_dark_is_no_creep(void **state)
{
    (void)state;
    for (int rebooted = 0; rebooted < 2; rebooted++) {
        struct rig *r = restarted(120, 60 * S, 10 * S, rebooted == 1);
        int from = r->log_n;

        world_step(&r->world, r->now_us - S, -SWEET);
        rig_run(r, r->now_us + 20 * S);
        assert_int_equal(rig_count(r, from, STAGE_SETTLED), 1);
        assert_int_equal(rig_find(r, from, STAGE_SETTLED)->kind, EVENT_SHELF_PICK);
        assert_int_equal(shelf_facing(&r->shop.shelf, 0, 1)->on_shelf, 4);
        world_step(&r->world, r->now_us + 20 * S, -SWEET);
        rig_run(r, r->now_us + 60 * S);
        assert_int_equal(rig_count(r, from, STAGE_SETTLED), 2);
        assert_int_equal(shelf_facing(&r->shop.shelf, 0, 1)->on_shelf, 3);
        assert_int_equal(rig_on_shelf(r), 8);
        free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plates_of_every_version_are_read),
        cmocka_unit_test(cells_of_every_version_are_read),
        cmocka_unit_test(rows_that_are_none_change_nothing),
        cmocka_unit_test(a_restart_in_the_middle_of_creep_is_no_event),
        cmocka_unit_test(a_plate_at_rest_for_days_is_read_back),
        cmocka_unit_test(what_went_in_the_dark_is_no_creep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
