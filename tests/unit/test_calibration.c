/* Calibration: the right sensitivities from one to four cells, each refusal, and rows that cannot lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

/* Points of a plate whose cells are what `k` says; each position puts 70 % on its cell. */
static struct calibration_points points(uint8_t n, const double *k)
{
    struct calibration_points p = {.cells_n = n, .mass_mg = 2000000, .check_mg = 1000000};

    for (uint8_t i = 0; i < n; i++) {
        p.zero[i] = 1000.0 * i - 500;
        p.noise[i] = 20;
        p.check[i] = p.zero[i] + 1e6 / n / k[i];
        for (uint8_t j = 0; j < n; j++)
            p.load[j][i] = p.zero[i] + 2e6 * (n == 1 ? 1 : i == j ? 0.7 : 0.3 / (n - 1)) / k[i];
    }
    return p;
}

static void cells_are_found_wherever_the_mass_stands(void **state)
{
    static const double k[] = {2.5, -1.7, 3.1, 2.2};

    (void)state;
    for (uint8_t n = 1; n <= 4; n++) {
        struct calibration_points p = points(n, k);
        double found[PLATE_CELLS_MAX], error;
        uint8_t at;

        for (uint8_t i = 0; i < n; i++)
            p.nominal[i] = k[i] < 0 ? -2.5 : 2.5;
        assert_int_equal(calibration_solve(&p, found, &error, &at), CALIBRATION_FINE);
        for (uint8_t i = 0; i < n; i++)
            assert_true(fabs(found[i] - k[i]) < 1e-9);
        assert_true(fabs(error) < 1);
    }
}

static enum calibration_refusal refusal(const struct calibration_points *p, uint8_t *ret_cell)
{
    double found[PLATE_CELLS_MAX], error;

    return calibration_solve(p, found, &error, ret_cell);
}

static void bad_points_are_refused_for_what_they_are(void **state)
{
    static const double k[] = {2.5, 2.5};
    struct calibration_points p = points(1, k);
    uint8_t at;

    (void)state;
    p.mass_mg = 100000; /* 100 g make 40,000 counts */
    p.load[0][0] = p.zero[0] + 40000;
    assert_int_equal(refusal(&p, &at), CALIBRATION_SMALL);
    p = points(1, k);
    p.load[0][0] = 2 * p.zero[0] - p.load[0][0];
    assert_int_equal(refusal(&p, &at), CALIBRATION_DIRECTION);
    p.nominal[0] = -2.5; /* the planogram says that it is wired so */
    p.check[0] = 2 * p.zero[0] - p.check[0];
    assert_int_equal(refusal(&p, &at), CALIBRATION_FINE);
    p = points(1, k);
    p.zero[0] = 8388000;
    assert_int_equal(refusal(&p, &at), CALIBRATION_CLIP);
    p = points(1, k);
    p.nominal[0] = 1.2; /* half of what was found */
    assert_int_equal(refusal(&p, &at), CALIBRATION_SLOPE);
    p = points(1, k);
    p.mass_mg = 1000000000; /* somebody wrote milligrams for grams */
    p.check_mg = 500000000;
    assert_int_equal(refusal(&p, &at), CALIBRATION_SLOPE);
    p = points(1, k);
    p.check_mg = p.mass_mg;
    assert_int_equal(refusal(&p, &at), CALIBRATION_ALIKE);
    p = points(1, k);
    p.check[0] += 800; /* 2 g of 1,000 */
    assert_int_equal(refusal(&p, &at), CALIBRATION_CHECK);
    p.check[0] -= 600; /* half a gram is within a division */
    assert_int_equal(refusal(&p, &at), CALIBRATION_FINE);
    p = points(2, k);
    memcpy(p.load[1], p.load[0], sizeof(p.load[0])); /* never moved to the second cell */
    assert_int_equal(refusal(&p, &at), CALIBRATION_POSITIONS);
    p = points(2, k);
    for (int j = 0; j < 2; j++) /* one of the two is wired the wrong way */
        p.load[j][1] = 2 * p.zero[1] - p.load[j][1];
    assert_int_equal(refusal(&p, &at), CALIBRATION_DIRECTION);
    assert_int_equal(at, 1);
    for (int r = CALIBRATION_FINE + 1; r < CALIBRATION_REFUSALS; r++)
        assert_true(strlen(calibration_remedy((enum calibration_refusal)r)) > 20);
}

static const struct calibration example = {.number = 3,
                                           .zero_counts = -18400,
                                           .pg_per_count = 2400000000,
                                           .mass_mg = 1000000,
                                           .error_mg = -120,
                                           .temperature_mc = 21500,
                                           .utc_s = 1795251600,
                                           .operator= "Noren 暖簾" };

static void a_row_comes_back(void **state)
{
    char row[RECORD_VALUE_SIZE];
    struct calibration back;

    (void)state;
    calibration_print(&example, "c1", row, sizeof(row));
    assert_true(calibration_read(row, "c1", 3, &back));
    assert_int_equal(back.pg_per_count, example.pg_per_count);
    assert_int_equal(back.temperature_mc, 21500);
    assert_string_equal(back.operator, example.operator);
    assert_false(calibration_read(row, "c2", 3, &back)); /* another cell's row */
    assert_false(calibration_read(row, "c1", 4, &back));
}

static void no_damage_to_a_row_goes_unnoticed(void **state)
{
    char row[RECORD_VALUE_SIZE];
    struct calibration back;
    size_t n;

    (void)state;
    calibration_print(&example, "c1", row, sizeof(row));
    n = strlen(row);
    for (size_t i = 0; i < n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            char c = row[i];

            row[i] = (char)(row[i] ^ 1 << bit);
            assert_false(calibration_read(row, "c1", 3, &back));
            row[i] = c;
        }
    }
    for (size_t i = 0; i < n; i++) {
        char cut[RECORD_VALUE_SIZE];

        memcpy(cut, row, i);
        cut[i] = '\0';
        assert_false(calibration_read(cut, "c1", 3, &back));
    }
}

/* ---- in a shop -------------------------------------------------------------------------------------- */

static void calibrate(struct rig *r, enum calibration_stage stage, int64_t zero,
                      double mg_per_count)
{
    struct obs o = {.t_us = r->now_us, .kind = OBS_CALIBRATION};

    o.u.calibration.stage = stage;
    o.u.calibration.values = (struct calibration){.zero_counts = zero,
                                                  .pg_per_count = llround(mg_per_count * 1e9),
                                                  .mass_mg = 1000000,
                                                  .operator= "t" };
    rig_feed(r, &o);
}

/* The planogram is off by a tenth; the stored calibration is right and wins, also after a restart and over a
 * planogram that comes later. Weights that come and go meanwhile are nobody's picks. */
static void a_stored_calibration_wins_over_the_planogram(void **state)
{
    struct rig *r = rig_new(80);
    struct obs plan = {.kind = OBS_PLAN};
    int from;

    (void)state;
    r->plan.cells[0].mg_per_count = MG_PER_COUNT * 1.1;
    r->plan.cells[0].zero_counts = 0;
    rig_boot(r);
    rig_run(r, 5 * S);
    calibrate(r, CALIBRATION_BEGIN, 0, 0);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_UNCALIBRATED);
    from = r->log_n;
    world_step(&r->world, r->now_us + S, 1000000);
    world_step(&r->world, r->now_us + 6 * S, -1000000);
    rig_run(r, r->now_us + 12 * S);
    assert_int_equal(r->log_n, from);
    calibrate(r, CALIBRATION_SET, ZERO_COUNTS, MG_PER_COUNT);
    calibrate(r, CALIBRATION_END, 0, 0);
    rig_run(r, r->now_us + 5 * S);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_OK);
    world_step(&r->world, r->now_us + S, 12 * 500000); /* by the planogram 13 */
    rig_run(r, r->now_us + 8 * S);
    assert_int_equal(rig_on_shelf(r), 12);
    rig_boot(r);
    world_step(&r->world, r->now_us + S, -10 * 500000);
    rig_run(r, r->now_us + 8 * S);
    assert_int_equal(rig_on_shelf(r), 2);
    plan.t_us = r->now_us;
    plan.u.plan = &r->plan;
    r->plan.cells[0].mg_per_count = MG_PER_COUNT * 2;
    rig_feed(r, &plan);
    rig_run(r, r->now_us + 5 * S);
    assert_int_equal(rig_on_shelf(r), 2);
    free(r);
}

static void a_damaged_row_leaves_the_cell_uncalibrated(void **state)
{
    struct rig *r = rig_new(80);
    struct record *row = NULL;
    int from;

    (void)state;
    rig_run(r, 5 * S);
    calibrate(r, CALIBRATION_SET, ZERO_COUNTS, MG_PER_COUNT);
    rig_run(r, r->now_us + 5 * S);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_OK);
    for (int i = 0; i < r->rows_n; i++)
        if (r->rows[i].kind == RECORD_CALIBRATION)
            row = &r->rows[i];
    assert_non_null(row);
    if (row == NULL) /* the analyser does not know that cmocka does not come back */
        return;
    assert_string_equal(row->key, "c1/1");
    row->value[5] ^= 1;
    from = r->log_n;
    rig_boot(r);
    rig_run(r, r->now_us + 5 * S);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_FAULT);
    assert_false(shelf_facing_known(&r->shop.shelf, 0, 0));
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_FAULT), 1);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_RAISED), 1);
    for (int i = from; i < r->log_n; i++)
        if (r->log[i].kind == EVENT_SENSOR_FAULT)
            assert_string_equal(r->log[i].u.sensor_fault.reason, "calibration");
    rig_boot(r); /* said once, not at every start */
    rig_run(r, r->now_us + 5 * S);
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_FAULT), 1);
    calibrate(r, CALIBRATION_SET, ZERO_COUNTS, MG_PER_COUNT);
    rig_run(r, r->now_us + 5 * S);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_OK);
    assert_int_equal(rig_kind_count(r, from, EVENT_SENSOR_RECOVERED), 1);
    free(r);
}

static void a_forgotten_calibration_ends_by_itself(void **state)
{
    struct rig *r = rig_new(10);

    (void)state;
    rig_run(r, 5 * S);
    calibrate(r, CALIBRATION_BEGIN, 0, 0);
    rig_run(r, r->now_us + 29 * 60 * S);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_UNCALIBRATED);
    rig_run(r, r->now_us + 2 * 60 * S);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_OK);
    free(r);
}

/* A cell that failed is changed and calibrated while its alert is open: the plate says who works on it, not that
 * it is broken, and the alert ends with the first weight after it. A start on a busy machine looked like this. */
static void a_plate_whose_alert_is_open_can_be_out_of_service(void **state)
{
    struct rig *r = rig_new(10);
    int from;

    (void)state;
    rig_run(r, 5 * S);
    rig_tick_to(r, r->now_us + 5 * S); /* silent */
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_FAULT);
    from = r->log_n;
    calibrate(r, CALIBRATION_BEGIN, 0, 0);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_UNCALIBRATED);
    rig_run(r, r->now_us + 10 * S);
    rig_tick_to(r, r->now_us + 5 * S); /* silent again, and nobody is told */
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_UNCALIBRATED);
    assert_false(shelf_facing_known(&r->shop.shelf, 0, 0));
    assert_int_equal(r->log_n, from);
    calibrate(r, CALIBRATION_END, 0, 0);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_FAULT);
    rig_run(r, r->now_us + 10 * S);
    assert_int_equal(shelf_sensor(&r->shop.shelf, 0), SENSOR_OK);
    assert_int_equal(rig_kind_count(r, from, EVENT_ALERT_CLEARED), 1);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_found_wherever_the_mass_stands),
        cmocka_unit_test(bad_points_are_refused_for_what_they_are),
        cmocka_unit_test(a_row_comes_back),
        cmocka_unit_test(no_damage_to_a_row_goes_unnoticed),
        cmocka_unit_test(a_stored_calibration_wins_over_the_planogram),
        cmocka_unit_test(a_damaged_row_leaves_the_cell_uncalibrated),
        cmocka_unit_test(a_forgotten_calibration_ends_by_itself),
        cmocka_unit_test(a_plate_whose_alert_is_open_can_be_out_of_service),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
