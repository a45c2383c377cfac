/* Look-ups in a plan, and the GTIN check against numbers from GS1's own examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/plan.h"

static void gtins_are_padded_and_checked(void **state)
{
    static const struct {
        const char *text, *gtin14; /* NULL: refused */
    } rows[] = {
        {"9506000134352", "09506000134352"}, /* GS1's demonstration GTIN-13 */
        {"09506000134352", "09506000134352"},
        {"96385074", "00000096385074"},       /* GTIN-8 */
        {"614141000036", "00614141000036"},   /* GTIN-12 */
        {"10614141000033", "10614141000033"}, /* GTIN-14 of a case */
        {"9506000134353", NULL},              /* check digit is 2 */
        {"950600013435", NULL},
        {"9506000l34352", NULL}, /* a letter */
        {"", NULL},
        {"123", NULL},
        {"095060001343520", NULL},
        {"0950600013435200000000000000000000", NULL},
    };
    char got[NOREN_GTIN_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        strcpy(got, "untouched");
        if (rows[i].gtin14 != NULL) {
            assert_true(plan_parse_gtin(rows[i].text, got));
            assert_string_equal(got, rows[i].gtin14);
        } else {
            assert_false(plan_parse_gtin(rows[i].text, got));
            assert_string_equal(got, "untouched");
        }
    }
}

static void entries_are_found_by_id(void **state)
{
    static struct plan p;

    (void)state;
    p.plates_n = 2;
    strcpy(p.plates[0].id, "A-1");
    strcpy(p.plates[1].id, "A-2");
    p.cells_n = 2;
    strcpy(p.cells[1].id, "cell-2");
    p.cells[0].node = -1;
    p.cells[1].node = 7 << 4 | 2;
    p.fixtures_n = 1;
    strcpy(p.fixtures[0], "gondola");
    p.zones_n = 1;
    strcpy(p.zones[0].id, "tea");
    p.receivers_n = 1;
    strcpy(p.receivers[0].id, "rx");
    p.products_n = 1;
    strcpy(p.products[0].gtin, "09506000134352");

    assert_int_equal(plan_find_plate(&p, "A-2"), 1);
    assert_int_equal(plan_find_plate(&p, "A-3"), NO_INDEX);
    assert_int_equal(plan_find_cell(&p, "cell-2"), 1);
    assert_int_equal(plan_find_fixture(&p, "gondola"), 0);
    assert_int_equal(plan_find_zone(&p, "tea"), 0);
    assert_int_equal(plan_find_receiver(&p, "rx"), 0);
    assert_int_equal(plan_find_product(&p, "9506000134352"), 0);
    assert_int_equal(plan_find_product(&p, "9506000134353"), NO_INDEX);
    assert_int_equal(plan_find_node(&p, 7, 2), 1);
    assert_int_equal(plan_find_node(&p, 7, 1), NO_INDEX);
    assert_int_equal(plan_find_node(&p, 7, 18), NO_INDEX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gtins_are_padded_and_checked),
        cmocka_unit_test(entries_are_found_by_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
