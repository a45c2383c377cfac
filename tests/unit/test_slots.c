/* Slots of a plan that changes: what stays keeps its slot, also when the plan gets shorter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/shelf_rows.h"

static void a_shorter_plan_keeps_what_stays(void **state)
{
    uint16_t slots[PRODUCTS_MAX] = {4, 3, 2, 1, 0};
    const uint16_t old[] = {4, 2}; /* the fifth and the third of five stay */

    (void)state;
    shelf_assign_slots(slots, old, 2);
    assert_int_equal(slots[0], 0);
    assert_int_equal(slots[1], 2);
}

static void a_longer_plan_takes_free_slots(void **state)
{
    uint16_t slots[PRODUCTS_MAX] = {1, 0};
    const uint16_t old[] = {NO_INDEX, 1, 0, NO_INDEX};

    (void)state;
    shelf_assign_slots(slots, old, 4);
    assert_int_equal(slots[0], 2);
    assert_int_equal(slots[1], 0);
    assert_int_equal(slots[2], 1);
    assert_int_equal(slots[3], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shorter_plan_keeps_what_stays),
        cmocka_unit_test(a_longer_plan_takes_free_slots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
