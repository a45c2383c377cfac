/* The durable state: numbers never reused, state and event together, what is kept and what is shed. */
#include <errno.h>

#include "db_rig.h"

static void test_state_and_event_commit_together(void **state)
{
    struct db *d = open_db();
    struct db_row row;
    char epoch[DB_EPOCH_SIZE];

    (void)state;
    assert_int_equal(strlen(db_identity(d)->epoch), 32);
    memcpy(epoch, db_identity(d)->epoch, sizeof(epoch));
    put(d, 1000, "11");
    assert_int_equal(db_next(d, 0, &row), 0); /* nothing is seen before its commit */
    assert_int_equal(db_identity(d)->enqueued, 1);
    assert_int_equal(db_identity(d)->committed, 0);
    assert_int_equal(db_commit(d, 2000), 0);
    assert_int_equal(db_next(d, 0, &row), 1);
    assert_int_equal(row.seq, 1);
    assert_int_equal(row.class, CLASS_STOCK);
    assert_string_equal(row.type, "noren.shelf.pick");
    assert_int_equal(row.t_us, 1000);
    assert_string_equal(row.boot->bootid, "boot-1");
    assert_non_null(strstr(row.data, "\"plate\":\"p1\""));
    db_close(d);
    d = open_db();
    assert_string_equal(db_identity(d)->epoch, epoch);
    assert_string_equal(stored(d), "11");
    put(d, 1, ""); /* an empty value deletes */
    assert_int_equal(db_commit(d, 2), 0);
    assert_string_equal(stored(d), "");
    db_close(d);
}

static void test_numbers_are_never_reused(void **state)
{
    struct db *d = open_db();
    struct db_row row;

    (void)state;
    for (int i = 0; i < 5; i++)
        put(d, i, "x");
    assert_int_equal(db_commit(d, 9), 0);
    assert_int_equal(db_ack(d, "hq", "other", 5), -ESTALE);
    assert_int_equal(ack(d, "hq", db_identity(d)->epoch, 5), 0);
    assert_int_equal(ack(d, "hq", db_identity(d)->epoch, 2), 0); /* an old one changes nothing */
    assert_int_equal(db_identity(d)->acked, 5);
    assert_int_equal(db_commit(d, 10), 0);
    assert_int_equal(count_rows(d), 5); /* kept for an HQ that is restored */
    assert_int_equal(db_counters(d).outbox_rows, 0);
    db_close(d);
    d = open_db();
    assert_int_equal(db_identity(d)->acked, 5);
    put(d, 11, "y");
    assert_int_equal(db_commit(d, 12), 0);
    assert_int_equal(db_next(d, 5, &row), 1);
    assert_int_equal(row.seq, 6);
    db_close(d);
}

static void test_quota_sheds_in_order(void **state)
{
    static const enum event_kind kinds[] = {EVENT_GATEWAY_HEALTH, EVENT_VISIT_OPENED,
                                            EVENT_OFFER_DECIDED,  EVENT_STOCK_CHANGED,
                                            EVENT_SHELF_PICK,     EVENT_ALERT_RAISED};
    static const char *const order[] = {"noren.gateway.health", "noren.visit.opened",
                                        "noren.offer.decided", "noren.shelf.pick"};
    struct db_limits limits = DB_LIMITS_DEFAULT;
    struct db *d = open_db();
    char last[DB_ERROR_SIZE];
    int rows = 0, left;

    (void)state;
    for (; rows < 300; rows++)
        for (size_t k = 0; k < 6; k++)
            put_kind(d, kinds[k], rows);
    assert_int_equal(db_commit(d, 1), 0);
    assert_int_equal(walk(d, order[0], last, sizeof(last)), 300);
    limits.quota_bytes = 4096; /* always over: each commit goes one step further */
    db_set_limits(d, &limits);
    for (size_t k = 0; k < 4; k++) {
        put_kind(d, EVENT_ALERT_RAISED, rows++);
        assert_int_equal(db_commit(d, 2), 0);
        assert_int_equal(walk(d, order[k], last, sizeof(last)), 0);
        if (k < 3) /* the next kind is still whole */
            assert_int_equal(walk(d, order[k + 1], last, sizeof(last)), 300);
    }
    put_kind(d, EVENT_ALERT_RAISED, rows++);
    assert_int_equal(db_commit(d, 3), 0);
    /* the last absolute count of each of three plates is left, and every alert */
    left = walk(d, "noren.stock.changed", last, sizeof(last));
    assert_int_equal(left, 3);
    assert_non_null(strstr(last, "\"on_shelf\":299"));
    assert_int_equal(walk(d, "noren.alert.raised", last, sizeof(last)), rows);
    assert_int_equal(db_counters(d).events_shed, 4 * 300 + 297);
    left = (int)count_rows(d);
    assert_int_equal(db_counters(d).outbox_rows, left);
    assert_true(left < 2 * rows + 10); /* neighbours share one gap */
    assert_true(walk(d, "noren.gateway.gap", last, sizeof(last)) > 0);
    assert_non_null(strstr(last, "\"reason\":\"quota\""));
    db_close(d);
    d = open_db();
    assert_int_equal(count_rows(d), left);
    db_close(d);
}

static void test_full_quota_forgets_acked_rows_first(void **state)
{
    struct db_limits limits = DB_LIMITS_DEFAULT;
    struct db *d = open_db();
    char last[DB_ERROR_SIZE];

    (void)state;
    for (int i = 0; i < 20; i++)
        put_kind(d, EVENT_GATEWAY_HEALTH, i);
    assert_int_equal(db_commit(d, 1), 0);
    limits.quota_bytes = 4096;
    db_set_limits(d, &limits);
    assert_int_equal(ack(d, "hq", db_identity(d)->epoch, 10), 0);
    assert_int_equal(db_commit(d, 2), 0);
    assert_int_equal(walk(d, "noren.gateway.health", last, sizeof(last)), 10);
    assert_int_equal(db_counters(d).events_shed, 0);
    db_close(d);
}

static void test_forgotten_members_leave_tombstones(void **state)
{
    static const char *const refs[] = {"m0", "m2"};
    const struct db_members listed = {.refs = refs, .n = 2};
    struct db *d = open_db();
    char last[DB_ERROR_SIZE];

    (void)state;
    for (int i = 0; i < 9; i++)
        put_kind(d, EVENT_VISIT_OPENED, i);
    put_kind(d, EVENT_STOCK_CHANGED, 1);
    assert_int_equal(db_forget_unlisted(d, &listed, 5), 0);
    assert_int_equal(db_identity(d)->committed, 10);
    assert_int_equal(walk(d, "noren.visit.opened", last, sizeof(last)), 6);
    assert_int_equal(walk(d, "noren.gateway.gap", last, sizeof(last)), 3);
    assert_string_equal(last, "{\"first_seq\":8,\"last_seq\":8,\"reason\":\"forgotten\"}");
    assert_int_equal(db_counters(d).outbox_rows, 10);
    assert_int_equal(db_forget_unlisted(d, &listed, 6), 0); /* nobody is left to forget */
    assert_int_equal(db_counters(d).events_shed, 3);
    assert_int_equal(db_forget_unlisted(d, &(struct db_members){0}, 7), 0);
    assert_int_equal(walk(d, "noren.visit.opened", last, sizeof(last)), 0);
    assert_int_equal(db_counters(d).outbox_rows, (int)count_rows(d));
    db_close(d);
}

static void test_numbers_are_not_reused_when_nothing_is_left(void **state)
{
    struct db *d = open_tight(0);
    struct db_row row;

    (void)state;
    for (int i = 0; i < 5; i++)
        put(d, i, "x");
    assert_int_equal(db_commit(d, 9), 0);
    assert_int_equal(ack(d, "hq", db_identity(d)->epoch, 5), 0);
    assert_int_equal(db_commit(d, 10), 0);
    assert_int_equal(count_rows(d), 0);
    db_close(d);
    d = open_db();
    put(d, 11, "y");
    assert_int_equal(db_commit(d, 12), 0);
    assert_int_equal(db_next(d, 0, &row), 1);
    assert_int_equal(row.seq, 6);
    db_close(d);
}

static void test_another_hq_is_given_what_is_held(void **state)
{
    struct db *d = open_tight(4000);
    struct db_row row;
    uint64_t first;
    char gap[96];

    (void)state;
    for (int i = 0; i < 40; i++)
        put(d, i, "x");
    assert_int_equal(db_commit(d, 50), 0);
    assert_int_equal(ack(d, "hq-a", db_identity(d)->epoch, 38), 0);
    assert_int_equal(db_commit(d, 51), 0);
    assert_int_equal(db_counters(d).outbox_rows, 2);
    assert_true(db_counters(d).kept_bytes > 0 && db_counters(d).kept_bytes <= 4000);
    assert_int_equal(db_next(d, 0, &row), 1);
    first = row.seq;
    assert_true(first > 4 && first < 38);

    /* the same HQ cannot go back; another one, which has three, can */
    assert_int_equal(ack(d, "hq-a", db_identity(d)->epoch, 3), 0);
    assert_int_equal(db_identity(d)->acked, 38);
    assert_int_equal(ack(d, "hq-b", db_identity(d)->epoch, 3), 0);
    assert_int_equal(db_identity(d)->acked, 3);
    assert_int_equal(db_deadline(d), 0);
    assert_int_equal(db_next(d, 3, &row), 0); /* first the gap must be on disk */
    assert_int_equal(db_commit(d, 60), 0);
    assert_int_equal(db_next(d, 3, &row), 1);
    assert_string_equal(row.type, "noren.gateway.gap");
    assert_int_equal(row.seq, first - 1);
    snprintf(gap, sizeof(gap), "{\"first_seq\":4,\"last_seq\":%d,\"reason\":\"no longer held\"}",
             (int)first - 1);
    assert_string_equal(row.data, gap);
    assert_int_equal(db_next(d, row.seq, &row), 1);
    assert_int_equal(row.seq, first);
    assert_int_equal(db_counters(d).outbox_rows, 40 - (int)first + 2);
    db_close(d);
    d = open_db();
    assert_int_equal(db_identity(d)->acked, 3);
    assert_string_equal(db_identity(d)->hq_id, "hq-b");
    db_close(d);
}

static void test_acked_rows_are_kept_for_a_day(void **state)
{
    const int64_t hour = 3600 * NOREN_US_PER_S, utc = 1795000000 * NOREN_US_PER_S;
    struct db *d = open_db();
    uint64_t rows = 0;

    (void)state;
    db_set_clock(d, utc, CLOCK_SYNCED);
    for (int h = 0; h < 60; h++) {
        put(d, h * hour, "x");
        assert_int_equal(db_commit(d, h * hour), 0);
        assert_int_equal(ack(d, "hq", db_identity(d)->epoch, db_identity(d)->committed), 0);
        if (h == 30) { /* the day goes on over a restart */
            db_close(d);
            d = open_db();
            db_set_clock(d, utc, CLOCK_SYNCED);
        }
        rows = count_rows(d);
        assert_true(h >= 24 || rows == (uint64_t)h + 1);
    }
    assert_in_range(rows, 25, 27);
    db_close(d);
}

static void test_deadlines_by_class(void **state)
{
    struct db *d = open_db();
    static struct batch b;

    (void)state;
    assert_int_equal(db_deadline(d), NOREN_NEVER_US);
    batch_clear(&b);
    db_apply(d, &b, 5);
    assert_int_equal(db_deadline(d), NOREN_NEVER_US);
    batch_event(&b, EVENT_VISIT_OPENED, 0);
    db_apply(d, &b, 0);
    assert_int_equal(db_deadline(d), 5000000);
    put(d, 0, "x"); /* a settled pick */
    assert_int_equal(db_deadline(d), 250000);
    batch_clear(&b);
    batch_event(&b, EVENT_SHELF_PICK, 0)->u.shelf_pick.change.stage = STAGE_PROVISIONAL;
    db_apply(d, &b, 0);
    assert_int_equal(db_deadline(d), 50000);
    batch_clear(&b);
    batch_event(&b, EVENT_VISIT_CLOSED, 0);
    db_apply(d, &b, 10); /* a lazy one does not put the urgent one off */
    assert_int_equal(db_deadline(d), 50000);
    assert_int_equal(db_commit(d, 50000), 0);
    assert_int_equal(db_deadline(d), NOREN_NEVER_US);
    db_close(d);
}

static void test_refusals_say_why(void **state)
{
    struct db *d = open_db(), *other = NULL;

    (void)state;
    assert_int_equal(db_open(&other, dir, "gw1", "boot-1", note), -EBUSY);
    assert_non_null(strstr(note, "stop the other norend"));
    db_close(d);
    assert_int_equal(db_open(&other, dir, "gw2", "boot-1", note), -EPERM);
    assert_non_null(strstr(note, "belongs to gateway \"gw1\""));
    assert_int_equal(db_open(&other, "/nonexistent", "gw1", "boot-1", note), -EACCES);
    assert_non_null(strstr(note, "/nonexistent/noren.db"));
    assert_null(other);
}

static void test_rows_of_an_earlier_boot_keep_its_clock(void **state)
{
    struct db *d = open_db();
    struct db_row row;

    (void)state;
    db_set_clock(d, 1000, CLOCK_HELD);
    put(d, 7, "x");
    assert_int_equal(db_commit(d, 8), 0);
    db_close(d);
    assert_int_equal(db_open(&d, dir, "gw1", "boot-2", note), 0);
    db_set_clock(d, 99999, CLOCK_SYNCED);
    put(d, 1, "y");
    assert_int_equal(db_commit(d, 2), 0);
    assert_int_equal(db_next(d, 0, &row), 1);
    assert_string_equal(row.boot->bootid, "boot-1");
    assert_int_equal(row.boot->offset_us, 1000);
    assert_int_equal(row.boot->quality, CLOCK_HELD);
    assert_int_equal(db_next(d, 1, &row), 1);
    assert_string_equal(row.boot->bootid, "boot-2");
    assert_int_equal(row.boot->quality, CLOCK_SYNCED);
    db_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(test_state_and_event_commit_together),
        WITH_DIR(test_numbers_are_never_reused),
        WITH_DIR(test_numbers_are_not_reused_when_nothing_is_left),
        WITH_DIR(test_another_hq_is_given_what_is_held),
        WITH_DIR(test_acked_rows_are_kept_for_a_day),
        WITH_DIR(test_quota_sheds_in_order),
        WITH_DIR(test_full_quota_forgets_acked_rows_first),
        WITH_DIR(test_forgotten_members_leave_tombstones),
        WITH_DIR(test_deadlines_by_class),
        WITH_DIR(test_refusals_say_why),
        WITH_DIR(test_rows_of_an_earlier_boot_keep_its_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
