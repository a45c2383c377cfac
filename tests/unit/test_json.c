/* The bounded JSON writer: what it writes is JSON, and it never writes past its buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"

#define UNUSED __attribute__((unused))

static int print_sample(char *buf, size_t size)
{
    struct json j = json_init(buf, size);

    json_open(&j, '{');
    json_key_str(&j, "a", "q\"b\\c\n\x7f d\xc3\xa9 \xe6\xa3\x9a \xf0\x9f\x9b\x8b");
    json_key_nstr(&j, "none", "");
    json_key_i64(&j, "min", INT64_MIN);
    json_key_i64(&j, "max", INT64_MAX);
    json_key_i64(&j, "zero", 0);
    json_key(&j, "list");
    json_open(&j, '[');
    json_milli(&j, 0);
    json_milli(&j, 873);
    json_milli(&j, 1000);
    json_milli(&j, -12345);
    json_decimal(&j, -35, 2);
    json_decimal(&j, 2500, 2);
    json_decimal(&j, 0, 1);
    json_decimal(&j, 1, 8);
    json_open(&j, '{');
    json_close(&j, '}');
    json_open(&j, '[');
    json_close(&j, ']');
    json_close(&j, ']');
    json_key_bool(&j, "yes", true);
    json_key_milli(&j, "p", 5);
    json_close(&j, '}');
    return json_end(&j);
}

static const char sample[] =
    "{\"a\":\"q\\\"b\\\\c\\u000a\\u007f d\xc3\xa9 \xe6\xa3\x9a \xf0\x9f\x9b\x8b\",\"none\":null,"
    "\"min\":-9223372036854775808,\"max\":9223372036854775807,\"zero\":0,"
    "\"list\":[0.000,0.873,1.000,-12.345,-0.35,25,0,0.00000001,{},[]],\"yes\":true,\"p\":0.005}";

static void test_writes_json(void **state UNUSED)
{
    char buf[512];

    assert_int_equal(print_sample(buf, sizeof(buf)), sizeof(sample) - 1);
    assert_string_equal(buf, sample);
}

static void test_every_short_buffer_is_refused(void **state UNUSED)
{
    char buf[sizeof(sample) + 1];

    for (size_t size = 0; size < sizeof(sample); size++) {
        memset(buf, 'Z', sizeof(buf));
        assert_int_equal(print_sample(buf, size), -1);
        for (size_t i = size; i < sizeof(buf); i++)
            assert_int_equal(buf[i], 'Z');
    }
    assert_int_equal(print_sample(buf, sizeof(sample)), sizeof(sample) - 1);
}

static void test_bytes_that_are_no_utf8(void **state UNUSED)
{
    static const char *const bad[] = {
        "\x80",         "\xc0\xaf",         "\xc3", "\xe0\x80\xaf", "\xed\xa0\x80",
        "\xf0\x80\x80", "\xf4\x90\x80\x80", "\xff", "\xe6\xa3",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char buf[64];
        struct json j = json_init(buf, sizeof(buf));

        json_str(&j, bad[i]);
        assert_true(json_end(&j) > 0);
        for (const char *p = buf; *p != 0; p++)
            assert_true((unsigned char)*p < 0x80);
        assert_memory_equal(buf, "\"\\ufffd", 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_json),
        cmocka_unit_test(test_every_short_buffer_is_refused),
        cmocka_unit_test(test_bytes_that_are_no_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
