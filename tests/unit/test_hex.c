/* Hexadecimal text to bytes: exact keys, and lines as people paste them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "noren/hex.h"

static void test_exact(void **state)
{
    const char *const wrong[] = {NULL,    "",     "0",    "01a",  "01a",
                                 "01abc", "01 b", "0x1b", "+1-1", "01ag"};
    uint8_t b[2] = {7, 7};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(hex_read(wrong[i], b, 2));
    assert_int_equal(b[0], 7);
    assert_true(hex_read("0aFf", b, 2));
    assert_int_equal(b[0], 0x0a);
    assert_int_equal(b[1], 0xff);
}

static void test_line(void **state)
{
    char line[] = " 0 1\tfE\r\n";
    uint8_t b[2];
    size_t n;

    (void)state;
    assert_null(
        hex_read_line(line, strlen(line), (uint8_t *)line, strlen(line), &n)); /* in place */
    assert_int_equal(n, 2);
    assert_memory_equal(line, "\x01\xfe", 2);
    assert_null(hex_read_line("", 0, b, 2, &n));
    assert_int_equal(n, 0);
    assert_string_equal(hex_read_line("01 0g", 5, b, 2, &n), "not hexadecimal");
    assert_int_equal(n, 5);
    assert_string_equal(hex_read_line("01\0", 3, b, 2, &n), "not hexadecimal");
    assert_string_equal(hex_read_line("010203", 6, b, 2, &n), "too long");
    assert_int_equal(n, 5);
    assert_non_null(hex_read_line("010", 3, b, 2, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
