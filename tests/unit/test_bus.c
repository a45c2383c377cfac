/* What boards of a store tell each other: order by time, bounded queues, and messages read as they were printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/bus_json.h"
#include "io/bus_out.h"
#include "io/order.h"

#define UNUSED __attribute__((unused))
#define UTC_US INT64_C(1795306277000000)

static uint32_t next_random(uint64_t *random)
{
    *random = *random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*random >> 33);
}

static struct obs sighting(int64_t t_us, uint16_t receiver)
{
    struct obs o = {.t_us = t_us, .kind = OBS_SIGHTING};

    o.u.sighting.receiver = receiver;
    o.u.sighting.who.kind = WHO_MEMBER;
    snprintf(o.u.sighting.who.ref, sizeof(o.u.sighting.who.ref), "m-%d", receiver);
    o.u.sighting.consent = CONSENT_PRESENCE;
    o.u.sighting.bucket = 7;
    o.u.sighting.rssi_dbm = -60;
    return o;
}

static struct obs reading(int64_t t_us, uint16_t cell, int32_t counts)
{
    struct obs o = {.t_us = t_us, .kind = OBS_CELL};

    o.u.cell.cell = cell;
    o.u.cell.counts = counts;
    return o;
}

/* --- order -------------------------------------------------------------------------------------- */

static void test_order_is_by_time_after_a_delay(void **state UNUSED)
{
    struct order *q = malloc(sizeof(*q));
    uint64_t random = 11; /* the seed */
    int64_t last_us = 0;
    int out = 0;
    struct obs o;

    assert_non_null(q);
    order_init(q, 250000);
    assert_int_equal(order_deadline(q), NOREN_NEVER_US);
    /* each arrives up to 200 ms after its moment: none comes out of order, none is moved */
    for (int64_t now_us = 1000000; now_us < 5000000; now_us += 1000) {
        o = reading(now_us - next_random(&random) % 200000, 0, (int32_t)(now_us / 1000));
        assert_true(order_push(q, &o));
        while (order_pop(q, now_us, &o)) {
            assert_true(o.t_us >= last_us && o.t_us <= now_us && o.t_us > now_us - 2000);
            last_us = o.t_us;
            out++;
        }
    }
    assert_int_equal(out + (int)q->n, 4000);
    assert_true(out > 3700);
    free(q);
}

static void test_order_is_bounded_and_stable(void **state UNUSED)
{
    struct order *q = malloc(sizeof(*q));
    struct obs o = reading(5, 1, 0);

    assert_non_null(q);
    order_init(q, 10);
    for (int i = 0; i < ORDER_MAX; i++) {
        o.u.cell.counts = i;
        assert_true(order_push(q, &o));
    }
    assert_false(order_push(q, &o));
    assert_false(order_pop(q, 14, &o));
    assert_int_equal(order_deadline(q), 15);
    for (int i = 0; i < ORDER_MAX; i++) {
        assert_true(order_pop(q, 15, &o));
        assert_int_equal(o.u.cell.counts, i);
    }
    assert_false(order_pop(q, 1000, &o));
    free(q);
}

/* --- queues of a receiver ----------------------------------------------------------------------- */

static struct bus_out *new_queues(void)
{
    struct bus_out *q = calloc(1, sizeof(*q));

    assert_non_null(q);
    return q;
}

static void test_sightings_are_dropped_oldest_first(void **state UNUSED)
{
    struct bus_out *q = new_queues();
    struct bus_batch b;
    struct obs o;

    for (int i = 0; i < BUS_QUEUE_MAX + 100; i++) {
        o = sighting(i, (uint16_t)(i % 3));
        assert_true(bus_out_push(q, &o));
    }
    assert_int_equal(q->sightings_dropped, 100);
    assert_false(bus_out_next(q, &q->sightings, 10000000, &b)); /* nobody listens */
    assert_int_equal(bus_out_deadline(q), NOREN_NEVER_US);
    bus_out_up(q, true);
    for (int n = 0; n < BUS_QUEUE_MAX; n += (int)b.n) {
        assert_true(bus_out_next(q, &q->sightings, 10000000, &b));
        assert_true(b.n > 0);
        if (n == 0)
            assert_int_equal(b.obs[0].t_us, 100);
        for (size_t i = 1; i < b.n; i++) { /* of one receiver, in order */
            assert_int_equal(b.obs[i].u.sighting.receiver, b.obs[0].u.sighting.receiver);
            assert_true(b.obs[i].t_us > b.obs[i - 1].t_us);
        }
        bus_out_done(&q->sightings);
    }
    assert_int_equal(q->sightings.n, 0);
    o = (struct obs){.kind = OBS_CLOCK};
    assert_false(bus_out_push(q, &o));
    free(q);
}

static void test_latest_reading_a_cell_while_nobody_listens(void **state UNUSED)
{
    struct bus_out *q = new_queues();
    struct bus_batch b;
    struct obs o;

    bus_out_up(q, true);
    for (int i = 0; i < 40; i++) {
        o = reading(i, (uint16_t)(i % 4), i);
        bus_out_push(q, &o);
    }
    assert_int_equal(q->cells.n, 40); /* every one goes while somebody listens */
    assert_false(bus_out_next(q, &q->cells, 40, &b));
    assert_true(bus_out_next(q, &q->cells, BUS_CELLS_WAIT_US, &b));
    assert_int_equal(b.n, 40);
    bus_out_up(q, false);
    assert_int_equal(q->cells.n, 4);
    for (int i = 40; i < 40000; i++) {
        o = reading(i, (uint16_t)(i % 4), i);
        bus_out_push(q, &o);
    }
    assert_int_equal(q->cells.n, 4);
    assert_int_equal(q->readings_replaced, 40000 - 4);
    bus_out_up(q, true);
    assert_true(bus_out_next(q, &q->cells, 1000000, &b));
    assert_int_equal(b.n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(b.obs[i].u.cell.counts >= 39996);
    bus_out_done(&q->cells);
    assert_int_equal(q->cells.n, 0);
    free(q);
}

/* --- messages ----------------------------------------------------------------------------------- */

static void test_messages_are_read_as_printed(void **state UNUSED)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    struct bus_batch *b = calloc(2, sizeof(*b)), *again = b + 1;
    char *text = malloc(BUS_MESSAGE_SIZE), why[BUS_ERROR_SIZE] = "";
    int n;

    assert_true(plan != NULL && b != NULL && text != NULL);
    strcpy(plan->cells[plan->cells_n++].id, "c1");
    *b = (struct bus_batch){.quality = CLOCK_SYNCED, .sent_us = UTC_US + 9};
    for (int i = 0; i < BUS_BATCH_MAX; i++)
        b->obs[b->n++] = sighting(1000 + i, 3);
    b->obs[1].u.sighting.who.kind = WHO_TAG;
    /* the longest reference there is, all of which must be escaped, still fits */
    for (int i = 2; i < BUS_BATCH_MAX; i++)
        memset(b->obs[i].u.sighting.who.ref, '"', NOREN_ID_SIZE - 1);
    n = bus_print_sightings(b, UTC_US, text, BUS_MESSAGE_SIZE);
    assert_true(n > 0);
    assert_int_equal(bus_read_sightings(text, (size_t)n, again, why), 0);
    assert_int_equal(again->n, BUS_BATCH_MAX);
    assert_int_equal(again->sent_us, UTC_US + 9);
    assert_int_equal(again->quality, CLOCK_SYNCED);
    assert_int_equal(again->obs[0].t_us, UTC_US + 1000);
    assert_string_equal(again->obs[0].u.sighting.who.ref, "m-3");
    assert_int_equal(again->obs[0].u.sighting.consent, CONSENT_PRESENCE);
    assert_int_equal(again->obs[1].u.sighting.who.kind, WHO_TAG);
    assert_int_equal(again->obs[1].u.sighting.consent, 0); /* a tag's consent is not told */
    assert_int_equal(again->obs[0].u.sighting.receiver, NO_INDEX);

    b->n = 4;
    for (int f = CELL_ABSENT; f <= CELL_RATE; f++) { /* every fault has a word */
        b->n = 1;
        b->obs[0] = reading(5, 0, 0);
        b->obs[0].u.cell.fault = (enum cell_fault)f;
        n = bus_print_cells(b, plan, UTC_US, text, BUS_MESSAGE_SIZE);
        assert_int_equal(bus_read_cells(text, (size_t)n, plan, again, why), 0);
        assert_int_equal(again->obs[0].u.cell.fault, f);
    }
    b->n = 4;
    b->obs[3] = (struct obs){.t_us = 8, .kind = OBS_TEMPERATURE};
    strcpy(b->obs[3].u.temperature.sensor, "rack");
    b->obs[3].u.temperature.temperature_mc = -1500;
    b->obs[0] = reading(5, 0, -8388608);
    b->obs[1] = reading(6, 0, 0);
    b->obs[1].u.cell.fault = CELL_ABSENT;
    b->obs[2] = (struct obs){.t_us = 7, .kind = OBS_NODE};
    b->obs[2].u.node.node = 300;
    b->obs[2].u.node.mass_mg = -12;
    n = bus_print_cells(b, plan, UTC_US, text, BUS_MESSAGE_SIZE);
    assert_true(n > 0);
    assert_int_equal(bus_read_cells(text, (size_t)n, plan, again, why), 0);
    assert_int_equal(again->n, 4);
    assert_string_equal(again->obs[3].u.temperature.sensor, "rack");
    assert_int_equal(again->obs[3].u.temperature.temperature_mc, -1500);
    assert_int_equal(again->obs[0].u.cell.counts, -8388608);
    assert_int_equal(again->obs[1].u.cell.fault, CELL_ABSENT);
    assert_int_equal(again->obs[2].u.node.node, 300);
    assert_int_equal(again->obs[2].u.node.mass_mg, -12);
    plan->cells_n =
        0; /* another planogram: its cells are left out, nodes have numbers of their own */
    assert_int_equal(bus_read_cells(text, (size_t)n, plan, again, why), 0);
    assert_int_equal(again->n, 2);
    assert_int_equal(again->unknown_cells, 2);
    free(text);
    free(b);
    free(plan);
}

static void test_bad_messages(void **state UNUSED)
{
#define HEAD "{\"clock\":\"held\",\"sent_us\":1795306277000000,"
#define SEEN HEAD "\"sightings\":[{\"utc_us\":1795306277000000,"
#define READ HEAD "\"readings\":[{\"utc_us\":1795306277000000,"
    static const struct {
        bool cells;
        const char *json, *why;
    } bads[] = {
        {false, "", "line 1"},
        {false, "[]", "must be"},
        {false, "{\"clock\":\"good\",\"sent_us\":1795306277000000,\"sightings\":[]}",
         "clock: \"good\""},
        {false, "{\"clock\":\"held\",\"sent_us\":7,\"sightings\":[]}", "sent_us: is 7"},
        {false, SEEN "\"path\":\"token\",\"rssi_dbm\":-5}]}", "sightings[0]: needs either"},
        {false, SEEN "\"member_ref\":\"m\",\"tag\":\"t\",\"path\":\"token\",\"rssi_dbm\":-5}]}",
         "needs either"},
        {false, SEEN "\"member_ref\":\"m\",\"path\":\"radar\",\"rssi_dbm\":-5}]}",
         "path: \"radar\""},
        {false, SEEN "\"member_ref\":\"m\",\"path\":\"token\",\"rssi_dbm\":21}]}",
         "rssi_dbm: is 21"},
        {false, SEEN "\"member_ref\":\"\",\"path\":\"token\",\"rssi_dbm\":2}]}", "member_ref"},
        {false, SEEN "\"address\":\"aa:bb\",\"path\":\"token\",\"rssi_dbm\":2}]}", "address"},
        {true, READ "\"cell\":\"c1\"}]}", "readings[0]: needs either counts or fault"},
        {true, READ "\"cell\":\"c1\",\"counts\":8388608}]}", "counts: is 8388608"},
        {true, READ "\"cell\":\"c1\",\"fault\":\"ok\"}]}", "fault: \"ok\" is no fault"},
        {true, READ "\"node\":1,\"node_cell\":16,\"mass_mg\":1,\"status\":0}]}",
         "node_cell: is 16"},
        {true, HEAD "\"sightings\":[]}", "unknown name"},
    };
    struct plan *plan = calloc(1, sizeof(*plan));
    struct bus_batch *b = malloc(sizeof(*b));

    assert_true(plan != NULL && b != NULL);
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        char why[BUS_ERROR_SIZE] = "";
        const char *json = bads[i].json;
        int rc = bads[i].cells ? bus_read_cells(json, strlen(json), plan, b, why)
                               : bus_read_sightings(json, strlen(json), b, why);

        assert_int_equal(rc, -22);
        if (strstr(why, bads[i].why) == NULL)
            fail_msg("%s: \"%s\", not \"%s\"", json, why, bads[i].why);
    }
    free(b);
    free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_by_time_after_a_delay),
        cmocka_unit_test(test_order_is_bounded_and_stable),
        cmocka_unit_test(test_sightings_are_dropped_oldest_first),
        cmocka_unit_test(test_latest_reading_a_cell_while_nobody_listens),
        cmocka_unit_test(test_messages_are_read_as_printed),
        cmocka_unit_test(test_bad_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
