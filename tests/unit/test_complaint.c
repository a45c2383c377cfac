/* Complaints about what others send: said once a minute each, a few at once, then one in five seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "io/complaint.h"

#define S NOREN_US_PER_S

static void the_same_is_said_once_a_minute(void **state)
{
    struct complaints c = {.pending_n = 0};
    int said = 0;

    (void)state;
    assert_null(complaints_next(&c, 1000 * S));
    for (int64_t s = 1000; s < 1150; s++) {
        for (int i = 0; i < 100; i++)
            complaints_add(&c, "receiver \"%s\" is not in map.json", "r9");
        while (complaints_next(&c, s * S) != NULL)
            said++;
    }
    assert_int_equal(said, 3); /* at 0, 60 and 120 s */
}

static void a_flood_is_said_at_a_pace_and_in_order(void **state)
{
    struct complaints c = {.pending_n = 0};
    const char *text;
    int said = 0;

    (void)state;
    for (int i = 0; i < 100; i++)
        complaints_add(&c, "trouble %d", i);
    while ((text = complaints_next(&c, 1000 * S)) != NULL) {
        char expected[32];

        snprintf(expected, sizeof(expected), "trouble %d", said++);
        assert_string_equal(text, expected);
    }
    assert_int_equal(said, COMPLAINTS_PENDING); /* a few at once; the rest found no room */
    for (int64_t ms = 1000000; ms < 1060000; ms += 100) {
        complaints_add(&c, "at %d", (int)ms);
        said += complaints_next(&c, ms * NOREN_US_PER_MS) != NULL;
    }
    assert_in_range(said, COMPLAINTS_PENDING + 11, COMPLAINTS_PENDING + 12);
}

static void a_long_sentence_is_cut(void **state)
{
    struct complaints c = {.pending_n = 0};
    char text[2 * COMPLAINT_SIZE];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    complaints_add(&c, "%s", text);
    assert_int_equal(strlen(complaints_next(&c, 1000 * S)), COMPLAINT_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_said_once_a_minute),
        cmocka_unit_test(a_flood_is_said_at_a_pace_and_in_order),
        cmocka_unit_test(a_long_sentence_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
