/* What a piece weighs, learnt from picks: it is of use, it has bounds, it survives a restart, and a new plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define UNIT 500000 /* what the rig's plan says */
#define REAL 515000 /* what the packer's machine puts in */

static struct plan_plate plate_of(int64_t first_mg, int64_t second_mg)
{
    struct plan_plate p = {.facings_n = second_mg > 0 ? 2 : 1};

    p.facings[0] = (struct plan_facing){.unit_mass_mg = first_mg, .unit_cv_pm = 10};
    p.facings[1] = (struct plan_facing){.unit_mass_mg = second_mg, .unit_cv_pm = 10};
    return p;
}

/* Mass and variation after `n` pieces of `mean` and `sd`, on the first facing. */
static struct piece_mass taught(const struct plan_plate *plate, int n, double mean, double sd)
{
    struct rng rng = {.state = RIG_SEED};
    struct piece p = {.n = 0};

    for (int i = 0; i < n; i++)
        piece_learn(&p, plate, 0, mean + sd * rng_gauss(&rng) + 1000 * rng_gauss(&rng), 1000);
    return piece_mass(&p, plate, 0);
}

static void mass_and_variation_are_learnt(void **state)
{
    struct plan_plate plate = plate_of(200000, 0);
    struct piece_mass m = taught(&plate, 0, 0, 0);

    (void)state;
    assert_int_equal(m.mass_mg, 200000);
    assert_in_range((int64_t)m.sd_mg, 1999, 2001);
    m = taught(&plate, 1, 206000, 0);
    assert_in_range(m.mass_mg, 200400, 201000); /* one piece is hardly news */
    m = taught(&plate, 200, 206000, 3500);
    assert_in_range(m.mass_mg, 204300, 206500);
    assert_in_range((int64_t)m.sd_mg, 2800, 3900);
    m = taught(&plate, 200, 206000, 0); /* what the scale scatters is no variation of goods */
    assert_in_range((int64_t)m.sd_mg, 1000, 1200);
}

/* However many, and however far off: 5 %, twice the variation, and nothing towards a neighbour. */
static void poison_stays_within_bounds(void **state)
{
    struct plan_plate alone = plate_of(170000, 0), pair = plate_of(170000, 182000);
    struct plan_plate twice = plate_of(182000, 93000), same = plate_of(170000, 170000);
    struct piece_mass m;

    (void)state;
    m = taught(&alone, 5000, 185000, 9000);
    assert_in_range(m.mass_mg, 177000, 178500);
    assert_true(m.sd_mg <= 2 * 1700.001);
    m = taught(&alone, 5000, 150000, 0);
    assert_in_range(m.mass_mg, 161500, 163000);
    m = taught(&pair, 5000, 182000, 6000);
    assert_true(m.mass_mg > 172000 && m.mass_mg <= 173000); /* a quarter of the twelve grams */
    assert_true(m.sd_mg <= 2000.001);
    m = taught(&twice, 5000, 186000, 0); /* two of the others are 186 g */
    assert_true(m.mass_mg > 182500 && m.mass_mg <= 183000);
    m = taught(&same, 5000, 175000, 0);
    assert_int_equal(m.mass_mg, 170000);
}

static const struct piece *tea(const struct rig *r)
{
    return &r->shop.shelf.pieces[r->shop.shelf.product_slots[0]];
}

/* Twenty packs that are 3 % too heavy, of which one is taken and put back `n` times. */
static struct rig *shopped(int n)
{
    struct rig *r = rig_new(20);

    r->world.noise_mg = 500;
    world_step(&r->world, 2 * S, 20 * REAL);
    rig_run(r, 10 * S);
    rig_command(r, COMMAND_RECOUNT, "c", GTIN_TEA, 20);
    for (int i = 0; i < 2 * n; i++) {
        r->world.steps_n = 0;
        world_step(&r->world, -10 * S, (i % 2 == 0 ? 20 : 19) * REAL);
        world_step(&r->world, r->now_us, i % 2 == 0 ? -REAL : REAL);
        rig_run(r, r->now_us + 6 * S);
    }
    return r;
}

/* Seventeen of them weigh as much as 17.5 of the plan's. */
static void take_seventeen(struct rig *r)
{
    r->world.steps_n = 0;
    world_step(&r->world, -10 * S, 20 * REAL);
    world_step(&r->world, r->now_us, -17 * REAL);
    rig_run(r, r->now_us + 10 * S);
}

static void many_are_counted_by_what_was_learnt(void **state)
{
    struct rig *r = shopped(0);

    (void)state;
    take_seventeen(r);
    assert_int_not_equal(rig_on_shelf(r), 3);
    free(r);

    r = shopped(25);
    assert_int_equal(rig_on_shelf(r), 20);
    assert_int_equal(tea(r)->n, 25);
    assert_true(tea(r)->mean_mg > REAL - 1000 && tea(r)->mean_mg < REAL + 1000);
    take_seventeen(r);
    assert_int_equal(rig_on_shelf(r), 3);
    free(r);
}

/* Two at once, what is put, and what leaves beside a hand teach nothing. */
static void only_single_picks_teach(void **state)
{
    struct rig *r = shopped(1);
    struct piece before = *tea(r);

    (void)state;
    assert_int_equal(before.n, 1);
    r->world.steps_n = 0;
    world_step(&r->world, -10 * S, 20 * REAL);
    world_step(&r->world, r->now_us, -2 * REAL);
    rig_run(r, r->now_us + 6 * S);
    assert_int_equal(rig_on_shelf(r), 18);
    world_step(&r->world, r->now_us, REAL);
    rig_run(r, r->now_us + 6 * S);
    assert_int_equal(rig_on_shelf(r), 19);
    assert_memory_equal(tea(r), &before, sizeof(before));
    world_step(&r->world, r->now_us, -1.06 * REAL); /* hardly one: booked, but no teacher */
    rig_run(r, r->now_us + 10 * S);
    assert_int_equal(rig_on_shelf(r), 18);
    assert_memory_equal(tea(r), &before, sizeof(before));
    free(r);
}

static void a_restart_remembers_and_a_new_plan_forgets(void **state)
{
    struct rig *r = shopped(5);
    struct obs o = {.kind = OBS_PLAN};
    struct piece before = *tea(r);
    static struct plan other;
    char text[2048];

    (void)state;
    rig_boot(r);
    assert_int_equal(tea(r)->n, 5);
    assert_int_equal(tea(r)->planned_mg, UNIT);
    assert_true(fabs(tea(r)->mean_mg - before.mean_mg) < 0.01);
    assert_true(fabs(tea(r)->variance - before.variance) < 1);
    assert_true(shop_print_stock(&r->shop, 0, text, sizeof(text)) > 0);
    assert_non_null(strstr(text, "\"unit_learnt_from\":5"));
    assert_non_null(strstr(text, "\"unit_mass_mg\":505"));

    other = r->plan; /* the packs are another size now */
    other.plates[0].facings[0].unit_mass_mg = 480000;
    o.t_us = r->now_us;
    o.u.plan = &other;
    rig_feed(r, &o);
    assert_int_equal(tea(r)->n, 0);
    r->plan = other;
    rig_boot(r); /* over the old row */
    assert_int_equal(tea(r)->n, 0);
    free(r);
}

static void damaged_rows_teach_nothing(void **state)
{
    static const char *const rows[] = {
        "1\t500000\t0\t500000000\t0",     "1\t500000\t65\t500000000\t0", "1\t500000\t5\t-1\t0",
        "1\t500000\t5\t9000000000000\t0", "1\t-1\t5\t500000000\t0",      "1\t500000\t5\t500000000",
        "2\t500000\t5\t500000000\t0",     "1\t500000\t5\t500000000\t-4", "",
    };
    struct rig *r = rig_new(20);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct record row = {.kind = RECORD_PIECE, .key = GTIN_TEA};

        snprintf(row.value, sizeof(row.value), "%s", rows[i]);
        assert_int_equal(shop_restore(&r->shop, &row), -1);
        assert_int_equal(tea(r)->n, 0);
    }
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mass_and_variation_are_learnt),
        cmocka_unit_test(poison_stays_within_bounds),
        cmocka_unit_test(many_are_counted_by_what_was_learnt),
        cmocka_unit_test(only_single_picks_teach),
        cmocka_unit_test(a_restart_remembers_and_a_new_plan_forgets),
        cmocka_unit_test(damaged_rows_teach_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
