/* HQ's JSON API over a database filled by ingest: every resource answers, and a count that an event brought
 * overrides an older retained state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hq/api.h"

#define ROOT   "noren/1/acme/s1/gw1"
#define EPOCH  "0123456789abcdef0123456789abcdef"
#define NOW_US 1795251600000000

struct fixture {
    struct store store;
    struct ingest ingest;
    struct roster roster;
    struct api api;
};

static void take(struct fixture *f, const char *topic, const char *text)
{
    struct ingest_result result;

    assert_int_equal(ingest_message(&f->ingest, topic, text, strlen(text), false, NOW_US),
                     REFUSAL_NONE);
    assert_int_equal(ingest_commit(&f->ingest, &result), 0);
}

static void take_event(struct fixture *f, const char *class, int seq, const char *type,
                       const char *data)
{
    char topic[96], text[1024];

    snprintf(topic, sizeof(topic), ROOT "/evt/%s", class);
    snprintf(text, sizeof(text),
             "{\"specversion\":\"1.0\",\"id\":\"" EPOCH ":%d\",\"source\":\"/noren/acme/s1/gw1\","
             "\"type\":\"noren.%s\",\"epoch\":\"" EPOCH "\",\"seq\":\"%d\",\"data\":%s}",
             seq, type, seq, data);
    take(f, topic, text);
}

static void take_state(struct fixture *f, int seq, int on_shelf)
{
    char text[512];

    snprintf(text, sizeof(text),
             "{\"fixture\":\"f1\",\"as_of\":{\"epoch\":\"" EPOCH "\",\"seq\":\"%d\"},\"plates\":"
             "[{\"plate\":\"p1\",\"zone\":\"z\",\"sensor\":\"ok\",\"facings\":[{\"gtin\":"
             "\"04901234567894\",\"name\":\"tea\",\"on_shelf\":%d,\"capacity\":12,\"min\":2}]}]}",
             seq, on_shelf);
    take(f, ROOT "/state/fixture/f1", text);
}

static void take_stock(struct fixture *f, int seq, int on_shelf)
{
    char data[512];

    snprintf(data, sizeof(data),
             "{\"gtin\":\"04901234567894\",\"plate\":\"p1\",\"cause\":\"pick\",\"change_id\":null,"
             "\"document\":null,"
             "\"delta\":-1,\"on_shelf\":%d,\"backroom\":0,\"in_hand\":0,\"sold\":0,\"held\":0,"
             "\"safety\":0,\"atp\":%d,\"atp_lower_bound\":false}",
             on_shelf, on_shelf);
    take_event(f, "stock", seq, "stock.changed", data);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char error[ROSTER_ERROR_SIZE];

    assert_int_equal(store_open(&f->store, ":memory:", error), 0);
    ingest_init(&f->ingest, &f->store);
    assert_int_equal(roster_load(&f->roster, NOREN_SOURCE_DIR "/tests/data/hq/members.json", error),
                     0);
    f->api = (struct api){.store = &f->store, .ingest = &f->ingest, .roster = &f->roster};
    take(f, ROOT "/state/gateway", "{\"online\":true,\"session\":\"1\",\"epoch\":\"" EPOCH "\"}");
    take_event(f, "visit", 1, "visit.opened",
               "{\"visit_id\":\"v1\",\"member_ref\":\"m-0001\",\"confidence\":1,\"evidence\":[]}");
    take_event(f, "offer", 2, "offer.decided",
               "{\"offer_id\":\"o1\",\"campaign\":\"c\",\"revision\":1,\"member_ref\":\"m-0001\","
               "\"zone\":\"z\",\"gtin\":\"04901234567894\",\"template\":\"t\"}");
    take_event(f, "alert", 3, "alert.raised",
               "{\"alert_id\":\"a1\",\"kind\":\"k\",\"severity\":\"warning\",\"subject\":\"p1\","
               "\"gtin\":null,\"member_ref\":null}");
    take_state(f, 3, 11);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    roster_free(&f->roster);
    store_close(&f->store);
    free(f);
    return 0;
}

static json_t *get(struct fixture *f, const char *path, struct api_query query, int status)
{
    int got;
    json_t *json = api_get(&f->api, path, &query, &got);

    if (got != status)
        fail_msg("%s: status %d, %s", path, got, json_dumps(json, 0));
    return json;
}

static const struct api_query ANY = {.after = -1, .limit = -1};

static void test_every_resource_answers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path;
        size_t rows;
    } ROWS[] = {
        {"/api/stores", 1}, {"/api/gateways", 1}, {"/api/fixtures", 1}, {"/api/members", 1},
        {"/api/offers", 1}, {"/api/alerts", 1},   {"/api/events", 3},
    };

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct api_query query = ANY;
        json_t *json = get(f, ROWS[i].path, query, 200);
        if (json_array_size(json) != ROWS[i].rows)
            fail_msg("%s: %zu rows", ROWS[i].path, json_array_size(json));
        json_decref(json);
        query.store = "elsewhere";
        json = get(f, ROWS[i].path, query, 200);
        assert_int_equal(json_array_size(json), i == 0 ? 1 : 0);
        json_decref(json);
    }
    json_decref(get(f, "/api/nothing", ANY, 404));
}

static void test_member_page(void **state)
{
    struct fixture *f = *state;
    struct api_query query = ANY;

    query.ref = "m-0001";
    json_t *json = get(f, "/api/members", query, 200);
    char *text = json_dumps(json, 0);
    assert_string_equal(json_string_value(json_object_get(json, "name")), "Hanako");
    assert_int_equal(json_array_size(json_object_get(json, "visits")), 1);
    const json_t *offer = json_array_get(json_object_get(json, "offers"), 0);
    assert_string_equal(json_string_value(json_object_get(offer, "name")), "tea");
    assert_null(strstr(text, "00010203")); /* the member's key */
    free(text);
    json_decref(json);
    query.ref = "m-9999";
    json_decref(get(f, "/api/members", query, 404));
}

static json_int_t count(struct fixture *f)
{
    json_t *json = get(f, "/api/fixtures", ANY, 200);
    json_t *plate = json_array_get(json_object_get(json_array_get(json, 0), "plates"), 0);
    json_t *facing = json_array_get(json_object_get(plate, "facings"), 0);
    json_int_t n = json_integer_value(json_object_get(facing, "on_shelf"));

    json_decref(json);
    return n;
}

static void test_newest_count_wins(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(count(f), 11);
    take_stock(f, 4, 10);
    assert_int_equal(count(f), 10);
    take_state(f, 5, 9); /* the state already reflects event 5 */
    assert_int_equal(count(f), 9);
    take_stock(f, 5, 8); /* which comes only now */
    assert_int_equal(count(f), 9);
}

static void test_events_by_cursor(void **state)
{
    struct fixture *f = *state;
    struct api_query query = {.after = 1, .limit = 1};
    json_t *json = get(f, "/api/events", query, 200);

    assert_int_equal(json_array_size(json), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 0), "id")), 2);
    json_decref(json);
}

/* What is not committed yet is not streamed: it could still be rolled back and its id used again. */
static void test_stream_stops_at_the_commit(void **state)
{
    struct fixture *f = *state;
    char *text = NULL;
    size_t n = 0;
    int64_t cursor = 0;
    FILE *out = open_memstream(&text, &n);

    assert_int_equal(api_print_stream(&f->api, &cursor, out), 3);
    assert_int_equal(cursor, 3);
    static const char EVENT[] = "{\"specversion\":\"1.0\",\"id\":\"" EPOCH
                                ":4\",\"source\":\"/noren/acme/s1/gw1\",\"type\":"
                                "\"noren.new\",\"epoch\":\"" EPOCH "\",\"seq\":\"4\",\"data\":{}}";
    ingest_message(&f->ingest, ROOT "/evt/stock", EVENT, sizeof(EVENT) - 1, false, NOW_US);
    assert_int_equal(api_print_stream(&f->api, &cursor, out), 0);
    struct ingest_result result;
    assert_int_equal(ingest_commit(&f->ingest, &result), 0);
    assert_int_equal(api_print_stream(&f->api, &cursor, out), 1);
    fclose(out);
    assert_non_null(strstr(text, "id: 4\ndata: {"));
    free(text);
}

/* The bundle for a store: the vector's day key is in it, names and keys are not, revisions only grow. */
static void test_members_bundle(void **state)
{
    struct fixture *f = *state;
    struct roster_parts one, two, three;
    const int64_t now_s = NOW_US / 1000000;

    assert_int_equal(roster_print(&f->roster, &f->store, 1, "s1", now_s, &one), 0);
    assert_int_equal(one.n, 1);
    assert_int_equal(one.stale, 1);
    assert_non_null(strstr(one.payloads[0], "\"20261121\":\"d2d63054582a28ae0f43b76ecbe5a111\""));
    assert_non_null(strstr(one.payloads[0], "\"20261120\""));
    assert_non_null(strstr(one.payloads[0], "\"20261122\""));
    assert_null(strstr(one.payloads[0], "Hanako"));
    assert_null(strstr(one.payloads[0], "000102030405"));
    assert_null(strstr(one.payloads[0], "m-0002")); /* shops elsewhere */
    assert_int_equal(roster_print(&f->roster, &f->store, 1, "s1", now_s + 60, &two), 0);
    assert_string_equal(one.payloads[0], two.payloads[0]); /* nothing changed: the same revision */
    assert_int_equal(roster_print(&f->roster, &f->store, 1, "s1", now_s + 86400, &three), 0);
    assert_null(strstr(three.payloads[0], "\"20261120\""));
    assert_true(strcmp(three.payloads[0], one.payloads[0]) > 0); /* "revision" is written first */
    roster_parts_free(&one);
    roster_parts_free(&two);
    roster_parts_free(&three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_every_resource_answers),     TEST(test_member_page),
        TEST(test_newest_count_wins),          TEST(test_events_by_cursor),
        TEST(test_stream_stops_at_the_commit), TEST(test_members_bundle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
