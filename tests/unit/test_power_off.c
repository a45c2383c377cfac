/* State is re-derived at boot: what changed on a plate while the power was off is noticed and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define UNIT 500000.0

/* Twelve packs are counted, the power goes, `change` packs move in the dark, the power comes back. */
static void check_change(int change, int64_t expected)
{
    struct rig *r = rig_new(80);
    int from;

    rig_run(r, 2 * S);
    rig_command(r, COMMAND_TARE, "cmd-1", "p1", 0);
    world_step(&r->world, 3 * S, 12 * UNIT);
    rig_run(r, 8 * S);
    assert_int_equal(rig_on_shelf(r), 12);
    from = r->log_n;
    world_step(&r->world, r->now_us + 1, change * UNIT);
    r->now_us += 3600 * S; /* nobody looks */
    rig_boot(r);
    assert_int_equal(rig_on_shelf(r), 12); /* what is stored, until the plate was read */
    rig_run(r, r->now_us + 12 * S);
    if (rig_on_shelf(r) != expected)
        rig_dump(r);
    assert_int_equal(rig_on_shelf(r), expected);
    assert_int_equal(rig_count(r, from, STAGE_SETTLED), change != 0);
    free(r);
}

static void a_change_in_the_dark_is_counted(void **state)
{
    (void)state;
    check_change(-2, 10);
    check_change(3, 15);
}

static void nothing_is_made_up(void **state)
{
    (void)state;
    check_change(0, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_in_the_dark_is_counted),
        cmocka_unit_test(nothing_is_made_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
