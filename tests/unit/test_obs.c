/* Observations as text: an exact round trip for seeded random ones, and refusal of everything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/obs.h"

#define UNUSED __attribute__((unused))
#define ROUNDS 200000

/* xorshift64*: the same numbers on every machine */
static uint64_t next_random(uint64_t *s)
{
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * 2685821657736338717u;
}

static void random_id(uint64_t *s, char id[NOREN_ID_SIZE])
{
    static const char letters[] = "abcXYZ019-_.:/ %\"\\,;\xc3\xa9";
    size_t n = next_random(s) % NOREN_ID_SIZE;

    for (size_t i = 0; i < n; i++)
        id[i] = letters[next_random(s) % (sizeof(letters) - 1)];
    id[n] = 0;
}

/* Ids of 1..39 bytes, all different, with spaces, quotes and non-ASCII in them. */
static struct plan *make_plan(void)
{
    struct plan *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->receivers_n = RECEIVERS_MAX;
    for (unsigned i = 0; i < p->receivers_n; i++)
        snprintf(p->receivers[i].id, NOREN_ID_SIZE, "r %u", i);
    p->cells_n = 100;
    for (unsigned i = 0; i < p->cells_n; i++)
        snprintf(p->cells[i].id, NOREN_ID_SIZE, "c\"\\%u", i);
    p->products_n = 2;
    strcpy(p->products[0].gtin, "09506000134352");
    strcpy(p->products[1].gtin, "00614141000036");
    p->plates_n = 100;
    for (unsigned i = 0; i < p->plates_n; i++)
        snprintf(p->plates[i].id, NOREN_ID_SIZE, "\xe6\xa3\x9a-0123456789012345678901234567-%u", i);
    return p;
}

/* Any 64-bit number, small ones as often as huge ones. */
static int64_t random_i64(uint64_t *s)
{
    return (int64_t)next_random(s) >> (next_random(s) % 64);
}

static void random_sighting(uint64_t *s, const struct plan *p, struct obs *o)
{
    o->u.sighting.receiver = (uint16_t)(next_random(s) % p->receivers_n);
    o->u.sighting.who.kind = (enum who_kind)(next_random(s) % 3);
    random_id(s, o->u.sighting.who.ref);
    o->u.sighting.consent = (uint8_t)(next_random(s) % 16);
    o->u.sighting.bucket = (uint16_t)next_random(s);
    o->u.sighting.path = (enum id_path)(next_random(s) % 5);
    o->u.sighting.rssi_dbm = (int16_t)next_random(s);
    o->u.sighting.twin = next_random(s) % 4 == 0;
}

static struct obs random_obs(uint64_t *s, const struct plan *p)
{
    static const enum obs_kind kinds[] = {
        OBS_TICK, OBS_CLOCK,       OBS_SIGHTING,    OBS_CELL,    OBS_MASS,   OBS_NODE, OBS_COMMAND,
        OBS_SALE, OBS_TEMPERATURE, OBS_CALIBRATION, OBS_CHECKIN, OBS_FORGET, OBS_SKEW, OBS_CROWD};
    struct obs o;

    memset(&o, 0, sizeof(o));
    o.t_us = random_i64(s) & (INT64_MAX - 1);
    o.kind = kinds[next_random(s) % (sizeof(kinds) / sizeof(kinds[0]))];
    if (o.kind == OBS_CLOCK) {
        o.u.clock.utc_us = random_i64(s);
        o.u.clock.quality = (enum clock_quality)(next_random(s) % 3);
        o.u.clock.local_us = random_i64(s) % (12 * 3600 * NOREN_US_PER_S);
    } else if (o.kind == OBS_SIGHTING) {
        random_sighting(s, p, &o);
    } else if (o.kind == OBS_CELL) {
        o.u.cell.cell = (uint16_t)(next_random(s) % p->cells_n);
        o.u.cell.counts = (int32_t)random_i64(s);
        o.u.cell.fault = (enum cell_fault)(next_random(s) % 4);
    } else if (o.kind == OBS_MASS) {
        o.u.mass.plate = (uint16_t)(next_random(s) % p->plates_n);
        o.u.mass.mass_mg = random_i64(s);
    } else if (o.kind == OBS_NODE) {
        o.u.node.node = (uint16_t)next_random(s);
        o.u.node.cell = (uint8_t)next_random(s);
        o.u.node.mass_mg = random_i64(s);
        o.u.node.status = (uint8_t)next_random(s);
    } else if (o.kind == OBS_COMMAND) {
        o.u.command.kind = (enum command_kind)(next_random(s) % 7);
        random_id(s, o.u.command.id);
        if (next_random(s) % 2)
            random_id(s, o.u.command.document);
        random_id(s, o.u.command.target);
        o.u.command.quantity = random_i64(s);
        random_id(s, o.u.command.actor);
    } else if (o.kind == OBS_CALIBRATION) {
        struct calibration *c = &o.u.calibration.values;

        o.u.calibration.cell = (uint16_t)(next_random(s) % p->cells_n);
        o.u.calibration.stage = next_random(s) % (CALIBRATION_END + 1);
        c->zero_counts = (int32_t)next_random(s);
        c->pg_per_count = random_i64(s);
        c->mass_mg = (int64_t)(next_random(s) % CALIBRATION_MASS_MAX_MG);
        c->error_mg = random_i64(s);
        c->temperature_mc = (int32_t)next_random(s);
        c->utc_s = random_i64(s);
        random_id(s, c->operator);
    } else if (o.kind == OBS_SALE) {
        random_id(s, o.u.sale.id);
        o.u.sale.line = (uint16_t)next_random(s);
        o.u.sale.product = (uint16_t)(next_random(s) % p->products_n);
        o.u.sale.quantity = random_i64(s);
        o.u.sale.sold_us = random_i64(s);
    } else if (o.kind == OBS_TEMPERATURE) {
        random_id(s, o.u.temperature.sensor);
        o.u.temperature.temperature_mc = (int32_t)random_i64(s);
    } else if (o.kind == OBS_CHECKIN) {
        random_id(s, o.u.checkin.member_ref);
        o.u.checkin.consent = (uint8_t)(next_random(s) % 16);
        o.u.checkin.bucket = (uint16_t)next_random(s);
        o.u.checkin.path = (enum id_path)(next_random(s) % 5);
        o.u.checkin.at_us = random_i64(s);
    } else if (o.kind == OBS_FORGET) {
        random_id(s, o.u.forget);
    } else if (o.kind == OBS_SKEW) {
        o.u.skew.receiver = (uint16_t)(next_random(s) % p->receivers_n);
    } else if (o.kind == OBS_CROWD) {
        o.u.crowd.receiver = (uint16_t)(next_random(s) % p->receivers_n);
        o.u.crowd.devices = (uint32_t)next_random(s);
        o.u.crowd.other = next_random(s) % 2 != 0;
    }
    return o;
}

static void test_round_trip(void **state UNUSED)
{
    struct plan *p = make_plan();
    const char *given = getenv("NOREN_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261121, s = seed;

    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < ROUNDS; i++) {
        struct obs in = random_obs(&s, p), out;
        char line[OBS_TEXT_SIZE], again[OBS_TEXT_SIZE];
        int n = obs_print(&in, p, line, sizeof(line));
        const char *error;

        assert_true(n > 0 && (size_t)n == strlen(line));
        memset(&out, 0x5a, sizeof(out));
        error = obs_parse(line, (size_t)n, p, &out);
        if (error != NULL)
            fail_msg("round %d: %s: %s", i, error, line);
        assert_int_equal(obs_print(&out, p, again, sizeof(again)), n);
        assert_string_equal(line, again);
        assert_int_equal(in.t_us, out.t_us);
        assert_int_equal(in.kind, out.kind);
        /* the text says everything; numbers are compared as such besides */
        if (in.kind == OBS_NODE || in.kind == OBS_MASS || in.kind == OBS_CELL)
            assert_memory_equal(&in.u, &out.u, sizeof(in.u));
    }
    free(p);
}

static void test_bad_lines(void **state UNUSED)
{
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"", "a number is missing"},
        {"\ttick", "a number is missing"},
        {"-1\ttick", "out of range"},
        {"1x\ttick", "not a number"},
        {"9223372036854775807\ttick", "out of range"},
        {"99999999999999999999\ttick", "out of range"},
        {"1", "a field is missing"},
        {"1\tTICK", "unknown kind"},
        {"1\ttick\t", "too many fields"},
        {"1\tplan", "a plan has no text"},
        {"1\tmass\tnowhere\t5", "no such plate"},
        {"1\tcell\tnowhere\t5\tok", "no such cell"},
        {"1\tcell\tc\"\\5\t2147483648\tok", "out of range"},
        {"1\tcell\tc\"\\5\t5\tfine", "unknown cell fault"},
        {"1\tcell\tc\"\\5\t5", "a field is missing"},
        {"1\tsighting\tr 3\tmember\tm\t16\t0\ttoken\t-60", "out of range"},
        {"1\tsighting\tr 3\tmember\tm\t15\t0\tguess\t-60", "unknown identity path"},
        {"1\tsighting\tr 99\tmember\tm\t15\t0\ttoken\t-60", "no such receiver"},
        {"1\tcommand\texplode\ta\tb\t1\tc", "unknown command"},
        {"1\tcommand\ttare\t0123456789012345678901234567890123456789\tb\t1\tc", "longer than 39"},
        {"1\tcommand\ttare\ta\x01\tb\t1\tc", "control character"},
        {"1\tclock\t--5\tsynced", "not a number"},
        {"1\tclock\t-\tsynced", "a number is missing"},
    };
    struct plan *p = make_plan();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct obs o = {.t_us = 77};
        const char *error = obs_parse(cases[i].line, strlen(cases[i].line), p, &o);

        if (error == NULL || strstr(error, cases[i].error) == NULL)
            fail_msg("\"%s\" says \"%s\", not \"%s\"", cases[i].line, error ? error : "nothing",
                     cases[i].error);
        assert_int_equal(o.t_us, 77);
    }
    free(p);
}

static void test_what_has_no_text(void **state UNUSED)
{
    struct plan *p = make_plan();
    struct obs plan = {.kind = OBS_PLAN}, cell = {.kind = OBS_CELL}, tick = {.t_us = 12345},
               command = {.kind = OBS_COMMAND, .u.command.id = "a\tb"};
    char line[OBS_TEXT_SIZE];

    assert_int_equal(obs_print(&plan, p, line, sizeof(line)), -1);
    cell.u.cell.cell = p->cells_n;
    assert_int_equal(obs_print(&cell, p, line, sizeof(line)), -1);
    assert_int_equal(obs_print(&command, p, line, sizeof(line)), -1);
    for (size_t size = 0; size < 11; size++)
        assert_int_equal(obs_print(&tick, p, line, size), -1);
    assert_int_equal(obs_print(&tick, p, line, 11), 10);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_what_has_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
