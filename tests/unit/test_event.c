/* The encoder over the event table: every row is filled, printed and read back by another JSON library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/event.h"

#define UNUSED __attribute__((unused))

/* Every byte of an id a character that the writer must make six of: the longest that can occur. */
static void fill_id(char *id, size_t size, char c)
{
    memset(id, c, size - 1);
    id[size - 1] = 0;
}

static void fill_shelf(struct shelf_change *c, char letter)
{
    fill_id(c->change_id, sizeof(c->change_id), letter);
    c->stage = STAGE_RETRACTED;
    c->rev = 3;
    fill_id(c->plate, sizeof(c->plate), letter);
    fill_id(c->gtin, sizeof(c->gtin), '4');
    c->quantity = 2;
    c->mass_mg = -1234567890123;
    c->confidence_pm = 999;
    c->candidates_n = EVENT_CANDIDATES_MAX;
    for (size_t i = 0; i < EVENT_CANDIDATES_MAX; i++) {
        fill_id(c->candidates[i].gtin, sizeof(c->candidates[i].gtin), '7');
        c->candidates[i].quantity = -1;
        c->candidates[i].posterior_pm = 333;
    }
}

static void fill_field(const struct event_field *f, void *value, char letter)
{
    switch (f->kind) {
    case FIELD_STR:
    case FIELD_NSTR:
        fill_id(value, NOREN_ID_SIZE, letter);
        return;
    case FIELD_I64:
    case FIELD_NI64:
        *(int64_t *)value = -9007199254740993; /* more than a double holds */
        return;
    case FIELD_BOOL:
        *(bool *)value = true;
        return;
    case FIELD_PM:
        *(int32_t *)value = 1000;
        return;
    case FIELD_WHO:
        ((struct who *)value)->kind = WHO_MEMBER;
        fill_id(((struct who *)value)->ref, NOREN_ID_SIZE, letter);
        return;
    case FIELD_EVIDENCE: {
        struct evidence_list *list = value;

        list->n = EVENT_EVIDENCE_MAX;
        for (size_t i = 0; i < list->n; i++) {
            fill_id(list->e[i].path, sizeof(list->e[i].path), letter);
            list->e[i].confidence_pm = 800;
            list->e[i].at_us = 123456789012345;
        }
        return;
    }
    case FIELD_SHELF:
        fill_shelf(value, letter);
        return;
    }
}

static struct event filled(enum event_kind kind, char letter)
{
    struct event e = {.kind = kind, .t_us = 5};
    const struct event_field *fields;
    size_t n = event_fields(kind, &fields);

    for (size_t i = 0; i < n; i++)
        fill_field(&fields[i], (char *)&e.u + fields[i].offset, letter);
    return e;
}

static void check_shelf(json_t *data, const char *id)
{
    json_t *list = json_object_get(data, "candidates");

    assert_string_equal(json_string_value(json_object_get(data, "change_id")), id);
    assert_string_equal(json_string_value(json_object_get(data, "stage")), "retracted");
    assert_int_equal(json_integer_value(json_object_get(data, "rev")), 3);
    assert_string_equal(json_string_value(json_object_get(data, "plate")), id);
    assert_string_equal(json_string_value(json_object_get(data, "gtin")), "44444444444444");
    assert_int_equal(json_integer_value(json_object_get(data, "quantity")), 2);
    assert_int_equal(json_integer_value(json_object_get(data, "mass_mg")), -1234567890123);
    assert_true(json_real_value(json_object_get(data, "confidence")) == 0.999);
    assert_int_equal(json_array_size(list), EVENT_CANDIDATES_MAX);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "quantity")), -1);
    assert_true(json_real_value(json_object_get(json_array_get(list, 1), "posterior")) == 0.333);
}

static void check_field(const struct event_field *f, json_t *data, const char *id)
{
    json_t *v = json_object_get(data, f->kind == FIELD_WHO ? "member_ref" : f->name);

    switch (f->kind) {
    case FIELD_STR:
    case FIELD_NSTR:
    case FIELD_WHO:
        assert_string_equal(json_string_value(v), id);
        return;
    case FIELD_I64:
    case FIELD_NI64:
        assert_int_equal(json_integer_value(v), -9007199254740993);
        return;
    case FIELD_BOOL:
        assert_true(json_is_true(v));
        return;
    case FIELD_PM:
        assert_true(json_is_real(v) && json_real_value(v) == 1.0);
        return;
    case FIELD_EVIDENCE:
        assert_int_equal(json_array_size(v), EVENT_EVIDENCE_MAX);
        v = json_array_get(v, EVENT_EVIDENCE_MAX - 1);
        assert_int_equal(strlen(json_string_value(json_object_get(v, "path"))), 11);
        assert_true(json_real_value(json_object_get(v, "confidence")) == 0.8);
        assert_int_equal(json_integer_value(json_object_get(v, "at_us")), 123456789012345);
        return;
    case FIELD_SHELF:
        check_shelf(data, id);
        return;
    }
}

static void test_every_row_survives_another_library(void **state UNUSED)
{
    static const char letters[] = {'a', '"', '\x01'};

    for (int kind = 0; kind < EVENT_KINDS; kind++) {
        for (size_t l = 0; l < sizeof(letters); l++) {
            struct event e = filled((enum event_kind)kind, letters[l]);
            const struct event_field *fields;
            size_t n = event_fields(e.kind, &fields);
            char buf[EVENT_DATA_SIZE], id[NOREN_ID_SIZE];
            json_error_t error;
            json_t *data;
            int len = event_print_data(&e, buf, sizeof(buf));

            fill_id(id, sizeof(id), letters[l]);
            assert_true(len > 0 && (size_t)len == strlen(buf));
            data = json_loads(buf, JSON_REJECT_DUPLICATES, &error);
            if (data == NULL)
                fail_msg("%s: %s in %s", event_type(e.kind), error.text, buf);
            for (size_t i = 0; i < n; i++)
                check_field(&fields[i], data, id);
            json_decref(data);
        }
    }
}

static void test_empty_values_are_null(void **state UNUSED)
{
    struct event e = {.kind = EVENT_STOCK_CHANGED};
    char buf[EVENT_DATA_SIZE];

    e.u.stock_changed.on_shelf = EVENT_NULL;
    assert_true(event_print_data(&e, buf, sizeof(buf)) > 0);
    assert_non_null(strstr(buf, "\"plate\":null"));
    assert_non_null(strstr(buf, "\"on_shelf\":null"));
    assert_non_null(strstr(buf, "\"gtin\":\"\""));
    e = (struct event){.kind = EVENT_VISIT_ZONE};
    assert_true(event_print_data(&e, buf, sizeof(buf)) > 0);
    assert_string_equal(
        buf, "{\"tag\":null,\"zone\":null,\"previous\":null,\"since_us\":0,\"confidence\":0.000}");
    e.u.visit_zone.who = (struct who){.kind = WHO_TAG, .ref = "t1"};
    assert_true(event_print_data(&e, buf, sizeof(buf)) > 0);
    assert_memory_equal(buf, "{\"tag\":\"t1\",", 12);
    assert_int_equal(event_print_data(&e, buf, 20), -1);
}

static void test_table_is_consistent(void **state UNUSED)
{
    for (int a = 0; a < EVENT_KINDS; a++) {
        const char *type = event_type((enum event_kind)a);

        assert_memory_equal(type, "noren.", 6);
        assert_non_null(event_class_name(event_class((enum event_kind)a)));
        assert_true(strlen(event_label_en((enum event_kind)a)) > 0);
        assert_true(strlen(event_label_ja((enum event_kind)a)) > 0);
        for (int b = a + 1; b < EVENT_KINDS; b++)
            assert_string_not_equal(type, event_type((enum event_kind)b));
    }
}

static void test_envelope(void **state UNUSED)
{
    struct event_envelope env = {
        .tenant = "acme",
        .store = "shibuya",
        .gateway = "gw\"1",
        .epoch = "00112233445566778899aabbccddeeff",
        .bootid = "b0",
        .seq = 18446744073709551615u,
        .t_us = 123,
        .utc_us = 1795251600000042,
        .quality = CLOCK_HELD,
    };
    char buf[EVENT_CLOUD_SIZE];

    assert_true(event_print_cloud(&env, "noren.x", "{\"a\":1}", buf, sizeof(buf)) > 0);
    assert_string_equal(
        buf, "{\"specversion\":\"1.0\","
             "\"id\":\"00112233445566778899aabbccddeeff:18446744073709551615\","
             "\"source\":\"/noren/acme/shibuya/gw\\\"1\",\"type\":\"noren.x\","
             "\"time\":\"2026-11-21T09:00:00.000042Z\",\"datacontenttype\":\"application/json\","
             "\"epoch\":\"00112233445566778899aabbccddeeff\",\"seq\":\"18446744073709551615\","
             "\"bootid\":\"b0\",\"tus\":\"123\",\"clock\":\"held\",\"data\":{\"a\":1}}");
    env.utc_us = 0;
    assert_true(event_print_cloud(&env, "noren.x", "{}", buf, sizeof(buf)) > 0);
    assert_null(strstr(buf, "\"time\""));
    assert_int_equal(event_print_cloud(&env, "noren.x", "{}", buf, 100), -1);
}

static void test_longest_envelope_fits(void **state UNUSED)
{
    char id[NOREN_ID_SIZE], data[EVENT_DATA_SIZE], buf[EVENT_CLOUD_SIZE];
    struct event_envelope env = {.tenant = id,
                                 .store = id,
                                 .gateway = id,
                                 .epoch = "00112233445566778899aabbccddeeff",
                                 .bootid = "00112233-4455-6677-8899-aabbccddeeff",
                                 .seq = UINT64_MAX,
                                 .t_us = INT64_MAX,
                                 .utc_us = INT64_MAX / 100,
                                 .quality = CLOCK_SYNCED};

    /* quotes: the worst that a sane id contains; the config refuses control characters */
    fill_id(id, sizeof(id), '"');
    memset(data, '1', sizeof(data) - 1);
    data[sizeof(data) - 1] = 0;
    assert_true(event_print_cloud(&env, "noren.stock.recount_suggested", data, buf, sizeof(buf)) >
                0);
}

static void test_time(void **state UNUSED)
{
    static const struct {
        int64_t utc_us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {951782399999999, "2000-02-28T23:59:59.999999Z"},
        {951782400000000, "2000-02-29T00:00:00.000000Z"},
        {4107542400000001, "2100-03-01T00:00:00.000001Z"},
        {253402300799999999, "9999-12-31T23:59:59.999999Z"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[EVENT_TIME_SIZE];

        event_print_time(cases[i].utc_us, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_survives_another_library),
        cmocka_unit_test(test_empty_values_are_null),
        cmocka_unit_test(test_table_is_consistent),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_longest_envelope_fits),
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
