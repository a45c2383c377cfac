/* HQ's ingest and ack: what is stored once, what is refused, and how far a gateway may forget. The database
 * is a real SQLite in memory; the messages are what a gateway sends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hq/ack.h"
#include "hq/ingest.h"

#define ROOT    "noren/1/acme/s1/gw1"
#define EPOCH_A "0123456789abcdef0123456789abcdef"
#define EPOCH_B "ffffffffffffffffffffffffffffffff"
#define NOW_US  1795251600000000

struct fixture {
    struct store store;
    struct ingest ingest;
    struct ingest_result result;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char error[256];

    assert_int_equal(store_open(&f->store, ":memory:", error), 0);
    ingest_init(&f->ingest, &f->store);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_close(&f->store);
    free(f);
    return 0;
}

static enum refusal send_text(struct fixture *f, const char *topic, const char *text)
{
    return ingest_message(&f->ingest, topic, text, strlen(text), false, NOW_US);
}

/* Prints a CloudEvent; `type` without "noren.". */
static const char *cloud(const char *epoch, long long seq, const char *type, const char *data)
{
    static char text[2048];

    snprintf(
        text, sizeof(text),
        "{\"specversion\":\"1.0\",\"id\":\"%s:%lld\",\"source\":\"/noren/acme/s1/gw1\","
        "\"type\":\"noren.%s\",\"time\":\"2026-11-21T09:00:00.000001Z\",\"datacontenttype\":"
        "\"application/json\",\"epoch\":\"%s\",\"seq\":\"%lld\",\"bootid\":\"b\",\"tus\":\"5\","
        "\"clock\":\"synced\",\"data\":%s}",
        epoch, seq, type, epoch, seq, data);
    return text;
}

static const char *stock(const char *epoch, long long seq, int on_shelf)
{
    char data[512];

    snprintf(data, sizeof(data),
             "{\"gtin\":\"04901234567894\",\"plate\":\"p1\",\"cause\":\"pick\",\"change_id\":\"c\","
             "\"document\":null,"
             "\"delta\":-1,\"on_shelf\":%d,\"backroom\":0,\"in_hand\":0,\"sold\":0,\"held\":0,"
             "\"safety\":0,\"atp\":%d,\"atp_lower_bound\":false}",
             on_shelf, on_shelf);
    return cloud(epoch, seq, "stock.changed", data);
}

static void commit(struct fixture *f)
{
    assert_int_equal(ingest_commit(&f->ingest, &f->result), 0);
}

static int64_t acked(struct fixture *f, const char *epoch)
{
    return store_int(&f->store, -1, "SELECT acked FROM epoch WHERE epoch = ?", "s", epoch);
}

static int64_t on_shelf(struct fixture *f)
{
    return store_int(&f->store, -1, "SELECT on_shelf FROM stock", "");
}

static void test_stored_once(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 1, 11)), REFUSAL_NONE);
    commit(f);
    assert_int_equal(store_int(&f->store, -1, "SELECT count(*) FROM event", ""), 1);
    assert_int_equal(f->ingest.counters.duplicates, 2);
    assert_int_equal(f->result.epochs_n, 1);
    assert_int_equal(f->result.gateways_n, 1);
    assert_int_equal(f->result.changed & CHANGED_FIXTURES, CHANGED_FIXTURES);
    /* a repeated event asks for the ack again: the gateway has not seen it */
    assert_int_equal(send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 1, 11)), REFUSAL_NONE);
    commit(f);
    assert_int_equal(f->result.epochs_n, 1);
    assert_int_equal(f->result.gateways_n, 0);
    assert_int_equal(f->result.changed, 0);
}

static void test_ack_is_contiguous(void **state)
{
    struct fixture *f = *state;
    static const int ORDER[] = {2, 5, 1, 4};
    static const int ACKED[] = {0, 0, 2, 2};

    for (int i = 0; i < 4; i++) {
        send_text(f, ROOT "/evt/stock", stock(EPOCH_A, ORDER[i], 1));
        commit(f);
        assert_int_equal(acked(f, EPOCH_A), ACKED[i]);
    }
    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 3, 1));
    assert_int_equal(acked(f, EPOCH_A), 2); /* not before the commit */
    commit(f);
    assert_int_equal(acked(f, EPOCH_A), 5);
}

static void test_gap_covers(void **state)
{
    struct fixture *f = *state;

    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 1, 1));
    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 11, 1));
    commit(f);
    assert_int_equal(acked(f, EPOCH_A), 1);
    send_text(
        f, ROOT "/evt/gateway",
        cloud(EPOCH_A, 12, "gateway.gap", "{\"first_seq\":2,\"last_seq\":10,\"reason\":\"shed\"}"));
    commit(f);
    assert_int_equal(acked(f, EPOCH_A), 12);
}

/* The gateway shed rows of which the last had reached HQ already: the gap stands at that number. */
static void test_gap_at_a_number_that_is_there_covers(void **state)
{
    struct fixture *f = *state;

    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 1, 1));
    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 10, 1));
    send_text(f, ROOT "/evt/gateway",
              cloud(EPOCH_A, 10, "gateway.gap",
                    "{\"first_seq\":2,\"last_seq\":10,\"reason\":\"quota\"}"));
    commit(f);
    assert_int_equal(acked(f, EPOCH_A), 10);
    assert_int_equal(store_int(&f->store, -1, "SELECT count(*) FROM event", ""), 2);
}

static void test_unusable_event_is_put_aside(void **state)
{
    struct fixture *f = *state;

    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 1, 1));
    assert_int_equal(
        send_text(f, ROOT "/evt/stock", cloud(EPOCH_A, 2, "stock.changed", "{\"gtin\":7}")),
        REFUSAL_DATA);
    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 3, 1));
    commit(f);
    assert_int_equal(acked(f, EPOCH_A), 3);
    assert_int_equal(store_int(&f->store, -1, "SELECT count(*) FROM event", ""), 2);
    assert_int_equal(store_int(&f->store, -1,
                               "SELECT count(*) FROM covered WHERE first_seq = 2 AND last_seq = 2"
                               " AND reason = 'DATA' AND body LIKE '%gtin%'",
                               ""),
                     1);
}

static void test_batch(void **state)
{
    struct fixture *f = *state;
    char text[8192];
    int n = 0;

    for (int seq = 1; seq <= 4; seq++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%c%s", seq == 1 ? '[' : ',',
                      seq == 3 ? "{\"id\":\"nonsense\"}" : stock(EPOCH_A, seq, seq));
    snprintf(text + n, sizeof(text) - (size_t)n, "]");
    assert_int_equal(send_text(f, ROOT "/evt/stock", text), REFUSAL_SOURCE);
    commit(f);
    /* the good ones are kept, the ack stops before the bad one: it has no number we could pass */
    assert_int_equal(store_int(&f->store, -1, "SELECT count(*) FROM event", ""), 3);
    assert_int_equal(acked(f, EPOCH_A), 2);
    assert_int_equal(on_shelf(f), 4);
}

static void test_later_wins(void **state)
{
    struct fixture *f = *state;

    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 7, 5));
    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 6, 6));
    commit(f);
    assert_int_equal(on_shelf(f), 5);
    /* the new epoch is heard of before its birth; seq starts again and yet it is later */
    send_text(f, ROOT "/evt/stock", stock(EPOCH_B, 1, 9));
    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 8, 4));
    commit(f);
    assert_int_equal(on_shelf(f), 9);
}

static void test_birth_orders_epochs(void **state)
{
    struct fixture *f = *state;
    char topic[ACK_TOPIC_SIZE], payload[ACK_PAYLOAD_SIZE], expected[ACK_PAYLOAD_SIZE];

    send_text(f, ROOT "/evt/stock", stock(EPOCH_B, 1, 9));
    send_text(f, ROOT "/state/gateway",
              "{\"online\":true,\"session\":\"1\",\"epoch\":\"" EPOCH_B
              "\",\"prev_epoch\":\"" EPOCH_A "\",\"seq_head\":1}");
    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 1, 3)); /* was late, and belongs before */
    commit(f);
    assert_int_equal(on_shelf(f), 9);
    int64_t a = store_int(&f->store, -1, "SELECT id FROM epoch WHERE epoch = ?", "s", EPOCH_A);
    int64_t b = store_int(&f->store, -1, "SELECT id FROM epoch WHERE epoch = ?", "s", EPOCH_B);
    assert_int_equal(ack_print(&f->store, a, topic, payload), -ESTALE);
    assert_int_equal(ack_print(&f->store, b, topic, payload), 0);
    assert_string_equal(topic, ROOT "/ack");
    snprintf(expected, sizeof(expected), "{\"hq_id\":\"%s\",\"epoch\":\"%s\",\"seq\":1}",
             f->store.hq_id, EPOCH_B);
    assert_string_equal(payload, expected);
}

static void test_will_of_an_old_session(void **state)
{
    struct fixture *f = *state;
    static const char ONLINE[] = "SELECT online FROM gateway";

    send_text(f, ROOT "/state/gateway",
              "{\"online\":true,\"session\":\"2\",\"epoch\":\"" EPOCH_A "\"}");
    send_text(f, ROOT "/state/gateway", "{\"online\":false,\"session\":\"1\"}");
    commit(f);
    assert_int_equal(store_int(&f->store, -1, ONLINE, ""), 1);
    send_text(f, ROOT "/state/gateway", "{\"online\":false,\"session\":\"2\"}");
    commit(f);
    assert_int_equal(store_int(&f->store, -1, ONLINE, ""), 0);
}

/* Data age: neither the broker's retained copy nor the will is the gateway speaking. */
static void test_seen_is_the_gateways_own_word(void **state)
{
    struct fixture *f = *state;
    static const char BIRTH[] = "{\"online\":true,\"session\":\"1\",\"epoch\":\"" EPOCH_A "\"}";
    static const char WILL[] = "{\"online\":false,\"session\":\"1\"}";
    static const char SEEN[] = "SELECT seen_us FROM gateway";

    ingest_message(&f->ingest, ROOT "/state/gateway", BIRTH, sizeof(BIRTH) - 1, true, NOW_US);
    assert_int_equal(store_int(&f->store, -1, SEEN, ""), -1);
    ingest_message(&f->ingest, ROOT "/state/gateway", BIRTH, sizeof(BIRTH) - 1, false, NOW_US);
    ingest_message(&f->ingest, ROOT "/state/gateway", WILL, sizeof(WILL) - 1, false, NOW_US + 1);
    commit(f);
    assert_int_equal(store_int(&f->store, -1, SEEN, ""), NOW_US);
}

/* One row a malformed message: what it is refused for, and that nothing of it is stored. */
static void test_refusals(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum refusal why;
        const char *topic, *payload;
    } ROWS[] = {
        {REFUSAL_TOPIC, "noren/1/acme/s1/gw1", "{}"},
        {REFUSAL_TOPIC, "noren/1/acme/s1/gw1/evt/stock/x", "{}"},
        {REFUSAL_TOPIC, "noren/1/acme/s1/gw1/evt/", "{}"},
        {REFUSAL_TOPIC, "noren/2/acme/s1/gw1/evt/stock", "{}"},
        {REFUSAL_TOPIC, "noren/1/acme//gw1/evt/stock", "{}"},
        {REFUSAL_SIZE, ROOT "/evt/stock", ""},
        {REFUSAL_JSON, ROOT "/evt/stock", "{\"a\":1"},
        {REFUSAL_JSON, ROOT "/evt/stock", "{\"a\":1,\"a\":2}"},
        {REFUSAL_SHAPE, ROOT "/evt/stock", "[]"},
        {REFUSAL_SHAPE, ROOT "/evt/stock", "[7]"},
        {REFUSAL_SOURCE, ROOT "/evt/stock", "{}"},
        {REFUSAL_SOURCE, "noren/1/acme/s1/gw2/evt/stock", NULL},
        {REFUSAL_CLASS, ROOT "/evt/visit", NULL},
        {REFUSAL_IDENTITY, ROOT "/evt/stock",
         "{\"source\":\"/noren/acme/s1/gw1\",\"epoch\":\"" EPOCH_A "\",\"seq\":\"01\",\"id\":"
         "\"" EPOCH_A ":01\"}"},
        {REFUSAL_IDENTITY, ROOT "/evt/stock",
         "{\"source\":\"/noren/acme/s1/gw1\",\"epoch\":\"" EPOCH_A "\",\"seq\":"
         "\"9223372036854775808\",\"id\":\"" EPOCH_A ":9223372036854775808\"}"},
        {REFUSAL_ENVELOPE, ROOT "/evt/stock",
         "{\"source\":\"/noren/acme/s1/gw1\",\"epoch\":\"" EPOCH_A "\",\"seq\":\"1\",\"id\":"
         "\"" EPOCH_A ":1\"}"},
        {REFUSAL_STATE, ROOT "/state/fixture/f1", "{\"fixture\":\"f2\",\"plates\":[]}"},
        {REFUSAL_STATE, ROOT "/state/gateway", "{\"online\":1}"},
    };

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const char *payload = ROWS[i].payload != NULL ? ROWS[i].payload : stock(EPOCH_A, 1, 1);

        if (send_text(f, ROWS[i].topic, payload) != ROWS[i].why)
            fail_msg("row %zu: %s %s", i, ROWS[i].topic, payload);
    }
    assert_int_equal(ingest_message(&f->ingest, ROOT "/evt/stock", "{}", 2, true, NOW_US),
                     REFUSAL_RETAINED);
    commit(f);
    assert_int_equal(store_int(&f->store, -1, "SELECT count(*) FROM event", ""), 0);
}

static void test_presence(void **state)
{
    struct fixture *f = *state;
    static const char ZONE[] = "SELECT count(*) FROM presence WHERE who = 'm-1' AND zone = 'sofa'"
                               " AND closed_us IS NULL AND member = 1";

    send_text(
        f, ROOT "/evt/visit",
        cloud(EPOCH_A, 1, "visit.opened",
              "{\"visit_id\":\"v1\",\"member_ref\":\"m-1\",\"confidence\":0.9,\"evidence\":[]}"));
    send_text(f, ROOT "/evt/visit",
              cloud(EPOCH_A, 2, "visit.zone",
                    "{\"member_ref\":\"m-1\",\"zone\":\"sofa\",\"previous\":null,\"since_us\":1,"
                    "\"confidence\":0.9}"));
    commit(f);
    assert_int_equal(store_int(&f->store, -1, ZONE, ""), 1);
    send_text(
        f, ROOT "/evt/visit",
        cloud(EPOCH_A, 3, "visit.closed",
              "{\"visit_id\":\"v1\",\"member_ref\":\"m-1\",\"reason\":\"left\",\"opened_us\":1,"
              "\"dwell_us\":2}"));
    commit(f);
    assert_int_equal(store_int(&f->store, -1, ZONE, ""), 0);
}

/* The clock of a boot becomes known later: its events without time get one. */
static void test_clock_correction(void **state)
{
    struct fixture *f = *state;
    char *text = strdup(stock(EPOCH_A, 1, 1)), *time = strstr(text, "\"time\"");

    memmove(time, strstr(time, "\"datacontenttype\""),
            strlen(strstr(time, "\"datacontenttype\"")) + 1);
    send_text(f, ROOT "/evt/stock", text);
    free(text);
    commit(f);
    static const char UTC[] = "SELECT utc_us FROM event WHERE seq = 1";
    assert_int_equal(store_int(&f->store, -1, UTC, ""), -1);
    send_text(f, ROOT "/evt/gateway",
              cloud(EPOCH_A, 2, "gateway.clock", "{\"bootid\":\"b\",\"offset_us\":1000}"));
    commit(f);
    assert_int_equal(store_int(&f->store, -1, UTC, ""), 1005);
}

/* The database fails in the middle: the group is dropped whole, and what is sent again is stored. */
/* The same count with a time of the gateway's own. */
static const char *stock_at(const char *epoch, long long seq, int count, const char *time,
                            const char *clock)
{
    static char text[2048];
    char *at;

    snprintf(text, sizeof(text), "%s", stock(epoch, seq, count));
    at = strstr(text, "2026-11-21T09:00:00.000001Z");
    memcpy(at, time, strlen("2026-11-21T09:00:00.000001Z"));
    at = strstr(text, "\"clock\":\"synced\"");
    snprintf(at, sizeof(text) - (size_t)(at - text), "\"clock\":\"%s\"%s", clock,
             strstr(stock(epoch, seq, count), ",\"data\""));
    return text;
}

/* Order is (epoch, seq) alone. A gateway whose clock ran a year ahead, or stood in 1970, and was put right says later what
 * it counted later, and an epoch that began with a wrong clock is still the later one. */
static void test_a_wrong_clock_changes_no_order(void **state)
{
    struct fixture *f = *state;
    char birth[400];

    send_text(f, ROOT "/evt/stock",
              stock_at(EPOCH_A, 1, 10, "2027-11-21T09:00:00.000001Z", "held"));
    send_text(f, ROOT "/evt/stock",
              stock_at(EPOCH_A, 2, 9, "2026-11-21T09:00:05.000001Z", "synced"));
    commit(f);
    assert_int_equal(on_shelf(f), 9);
    /* what comes late, out of order, with a later time, is still older */
    send_text(f, ROOT "/evt/stock",
              stock_at(EPOCH_A, 4, 7, "2026-11-21T09:00:07.000001Z", "synced"));
    send_text(f, ROOT "/evt/stock", stock_at(EPOCH_A, 3, 8, "2030-01-01T00:00:00.000001Z", "held"));
    commit(f);
    assert_int_equal(on_shelf(f), 7);
    assert_int_equal(acked(f, EPOCH_A), 4);
    /* a new epoch, whose clock says that it was before the old one */
    snprintf(birth, sizeof(birth),
             "{\"online\":true,\"session\":\"s2\",\"bootid\":\"b\",\"epoch\":\"%s\","
             "\"prev_epoch\":\"%s\",\"seq_head\":1,\"version\":\"0\",\"clock\":\"held\"}",
             EPOCH_B, EPOCH_A);
    send_text(f, ROOT "/state/gateway", birth);
    send_text(f, ROOT "/evt/stock", stock_at(EPOCH_B, 1, 3, "2020-01-01T00:00:00.000001Z", "held"));
    commit(f);
    assert_int_equal(on_shelf(f), 3);
    /* the correction moves what is known of the boot, and no count */
    send_text(
        f, ROOT "/evt/gateway",
        cloud(EPOCH_B, 2, "gateway.clock", "{\"bootid\":\"b\",\"offset_us\":1795251600000000}"));
    send_text(f, ROOT "/evt/stock",
              stock_at(EPOCH_A, 5, 99, "2031-01-01T00:00:00.000001Z", "held"));
    commit(f);
    assert_int_equal(on_shelf(f), 3);
    assert_int_equal(acked(f, EPOCH_B), 2);
    assert_int_equal(store_int(&f->store, -1,
                               "SELECT count(*) FROM (SELECT seq, lag(seq) OVER (PARTITION BY epoch"
                               " ORDER BY seq) AS before FROM events) WHERE before >= seq",
                               ""),
                     0);
}

/* A correction reaches the events of its gateway's boot, and of no other gateway that has a boot of that name. */
static void test_a_correction_is_for_its_gateway(void **state)
{
    struct fixture *f = *state;
    const char *other;
    char text[2048], *at;

    send_text(f, ROOT "/evt/stock",
              stock_at(EPOCH_A, 1, 1, "1970-01-01T00:00:01.000001Z", "floor"));
    other = stock_at(EPOCH_B, 1, 1, "1970-01-01T00:00:01.000001Z", "floor");
    snprintf(text, sizeof(text), "%s", other);
    at = strstr(text, "/s1/gw1");
    memcpy(at, "/s1/gw2", strlen("/s1/gw2"));
    send_text(f, "noren/1/acme/s1/gw2/evt/stock", text);
    send_text(
        f, ROOT "/evt/gateway",
        cloud(EPOCH_A, 2, "gateway.clock", "{\"bootid\":\"b\",\"offset_us\":1795251600000000}"));
    commit(f);
    assert_int_equal(
        store_int(&f->store, -1, "SELECT utc_us FROM events WHERE gateway = 'gw1' AND seq = 1", ""),
        1795251600000005);
    assert_int_equal(
        store_int(&f->store, -1, "SELECT utc_us FROM events WHERE gateway = 'gw2' AND seq = 1", ""),
        1000001);
}

static void test_failed_commit_keeps_nothing(void **state)
{
    struct fixture *f = *state;

    send_text(f, ROOT "/evt/stock", stock(EPOCH_A, 1, 1));
    commit(f);
    /* no room: SQLite may not add a page */
    char limit[64];
    snprintf(limit, sizeof(limit), "PRAGMA max_page_count=%lld",
             (long long)store_int(&f->store, 0, "PRAGMA page_count", ""));
    sqlite3_exec(f->store.db, limit, NULL, NULL, NULL);
    for (int seq = 2; seq < 200; seq++)
        send_text(f, ROOT "/evt/stock", stock(EPOCH_A, seq, seq));
    assert_true(ingest_commit(&f->ingest, &f->result) < 0);
    assert_int_equal(acked(f, EPOCH_A), 1);
    sqlite3_exec(f->store.db, "PRAGMA max_page_count=100000", NULL, NULL, NULL);
    for (int seq = 2; seq < 200; seq++)
        send_text(f, ROOT "/evt/stock", stock(EPOCH_A, seq, seq));
    commit(f);
    assert_int_equal(acked(f, EPOCH_A), 199);
    assert_int_equal(store_int(&f->store, -1, "SELECT count(*) FROM event", ""), 199);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_stored_once),
        TEST(test_ack_is_contiguous),
        TEST(test_gap_covers),
        TEST(test_gap_at_a_number_that_is_there_covers),
        TEST(test_unusable_event_is_put_aside),
        TEST(test_batch),
        TEST(test_later_wins),
        TEST(test_birth_orders_epochs),
        TEST(test_will_of_an_old_session),
        TEST(test_seen_is_the_gateways_own_word),
        TEST(test_refusals),
        TEST(test_presence),
        TEST(test_clock_correction),
        TEST(test_a_wrong_clock_changes_no_order),
        TEST(test_a_correction_is_for_its_gateway),
        TEST(test_failed_commit_keeps_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
