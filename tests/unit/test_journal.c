/* The journal of commands: there or not there with what was done, the same answer again, bounded. */
#include <errno.h>

#include "db_rig.h"

#include "io/db_journal.h"

#define HOUR_US (3600 * NOREN_US_PER_S)

static void put_command(struct db *d, int source, const char *id, int64_t issued_us,
                        const char *answer)
{
    struct journal_row row = {.source = source,
                              .digest = "d",
                              .issued_us = issued_us,
                              .expires_us = issued_us + HOUR_US,
                              .answer = (char *)answer};

    snprintf(row.id, sizeof(row.id), "%s", id);
    assert_int_equal(db_journal_put(d, &row), 0);
}

/* The answer to a command, "" when it was never done. */
static const char *answer_of(struct db *d, int source, const char *id)
{
    static char text[64];
    struct journal_row row;

    text[0] = '\0';
    if (db_journal_find(d, source, id, &row) == 1) {
        snprintf(text, sizeof(text), "%s", row.answer);
        free(row.answer);
    }
    return text;
}

static void a_command_is_remembered_with_what_it_did(void **state)
{
    struct db *d = open_db();

    (void)state;
    put(d, 1, "seven");
    put_command(d, 1, "c1", 1000, "{\"ok\":true}");
    assert_string_equal(answer_of(d, 1, "c1"), "{\"ok\":true}"); /* also before the commit */
    assert_string_equal(answer_of(d, 2, "c1"), "");              /* another source's c1 */
    assert_int_equal(db_deadline(d), 0);
    assert_int_equal(db_commit(d, 2), 0);
    assert_int_equal(db_journal_waiting(d), 0);
    db_close(d);
    d = open_db();
    assert_string_equal(answer_of(d, 1, "c1"), "{\"ok\":true}");
    assert_string_equal(stored(d), "seven");
    db_close(d);
}

static void a_disk_that_takes_nothing_keeps_both_waiting(void **state)
{
    struct db *d = open_db();
    static char long_answer[60000];

    (void)state;
    put(d, 1, "one");
    assert_int_equal(db_commit(d, 1), 0);
    assert_int_equal(db_pragma(d, "max_page_count=1"), 0); /* as many as there are */
    memset(long_answer, 'x', sizeof(long_answer) - 1);
    put(d, 2, "two");
    put_command(d, 1, "c1", 1000, long_answer);
    assert_int_equal(db_commit(d, 2), -ENOSPC);
    assert_int_equal(db_journal_waiting(d), 1);
    assert_string_equal(stored(d), "one");
    assert_int_equal(db_pragma(d, "max_page_count=1000"), 0);
    assert_int_equal(db_commit(d, 3), 0);
    assert_int_equal(db_journal_waiting(d), 0);
    assert_string_equal(stored(d), "two");
    db_close(d);
}

static void what_was_forgotten_leaves_a_floor(void **state)
{
    struct db *d = open_db();
    char id[16];

    (void)state;
    for (int i = 1; i <= JOURNAL_ROWS_MAX + 10; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        put_command(d, 1, id, i, "{}");
        if (i % 100 == 0 || i == JOURNAL_ROWS_MAX + 10)
            assert_int_equal(db_commit(d, i), 0);
    }
    assert_string_equal(answer_of(d, 1, "c10"), "");
    assert_string_equal(answer_of(d, 1, "c11"), "{}");
    assert_int_equal(db_journal_floor(d, 1), 10); /* issued up to then: may have been done */
    assert_int_equal(db_journal_floor(d, 2), 0);
    db_close(d);
}

static void expired_commands_go_when_the_time_is_known(void **state)
{
    struct db *d = open_db();

    (void)state;
    put_command(d, 1, "old", HOUR_US, "{}");
    assert_int_equal(db_commit(d, 1), 0);
    put_command(d, 1, "new", 4 * HOUR_US, "{}");
    assert_int_equal(db_commit(d, 2), 0);
    assert_string_equal(answer_of(d, 1, "old"), "{}");
    db_set_clock(d, 4 * HOUR_US, CLOCK_SYNCED); /* two hours after "old" expired */
    put_command(d, 1, "newer", 4 * HOUR_US, "{}");
    assert_int_equal(db_commit(d, 3), 0);
    assert_string_equal(answer_of(d, 1, "old"), "");
    assert_string_equal(answer_of(d, 1, "new"), "{}");
    assert_int_equal(db_journal_floor(d, 1), 0); /* expired ones are refused without a floor */
    db_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(a_command_is_remembered_with_what_it_did),
        WITH_DIR(a_disk_that_takes_nothing_keeps_both_waiting),
        WITH_DIR(what_was_forgotten_leaves_a_floor),
        WITH_DIR(expired_commands_go_when_the_time_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
