/* Replay: a recording gives the same events as the shop that was recorded, and every input format refuses
 * what is malformed with its place, losing nothing good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/event.h"
#include "core/shop.h"
#include "io/plan_json.h"
#include "io/record.h"
#include "io/replay.h"

#define UNUSED __attribute__((unused))

static const char map_json[] =
    "{\"receivers\":[{\"id\":\"r1\"}],\"zones\":[{\"id\":\"z1\",\"receivers\":[\"r1\"]}]}";
static const char planogram_json[] =
    "{\"store\":\"s\",\"plates\":[{\"id\":\"p1\",\"fixture\":\"f1\",\"facings\":[{\"gtin\":"
    "\"96385074\",\"unit_mass_mg\":500000}]},{\"id\":\"p2\",\"cells\":[{\"id\":\"c1\","
    "\"mg_per_count\":1}]}]}";

/* --- files -------------------------------------------------------------------------------------- */

static char dir[] = "/tmp/noren-test-replay-XXXXXX";
static char path[128];

static int setup(void **state UNUSED)
{
    return mkdtemp(dir) == NULL;
}

static int teardown(void **state UNUSED)
{
    return rmdir(dir);
}

static const char *write_file(const char *name, const void *bytes, size_t n)
{
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* --- what a run gave ---------------------------------------------------------------------------- */

#define LOG_MAX 256

/* Events as text: boot time, wall time, type and data. */
struct log {
    char *line[LOG_MAX];
    size_t n;
};

static void log_event(void *arg, const struct event *e, const struct plan *plan UNUSED,
                      int64_t utc_us, enum clock_quality quality)
{
    struct log *log = arg;
    char data[EVENT_DATA_SIZE];

    assert_true(event_print_data(e, data, sizeof(data)) > 0);
    assert_true(log->n < LOG_MAX);
    assert_true(asprintf(&log->line[log->n++], "%lld %lld %d %s %s", (long long)e->t_us,
                         (long long)utc_us, quality, event_type(e->kind), data) > 0);
}

static void log_free(struct log *log)
{
    for (size_t i = 0; i < log->n; i++)
        free(log->line[i]);
}

static void ignore_event(void *arg UNUSED, const struct event *e UNUSED,
                         const struct plan *plan UNUSED, int64_t utc_us UNUSED,
                         enum clock_quality quality UNUSED)
{
}

/* --- a shop that is recorded -------------------------------------------------------------------- */

struct live {
    struct shop shop;
    struct batch batch;
    struct plan *plan;
    struct recorder *rec; /* NULL: not recorded */
    struct log log;
    int64_t due_us;
    struct record rows[64]; /* what would be on disk */
    size_t rows_n;
};

static void keep_rows(struct live *l)
{
    for (size_t i = 0; i < l->batch.records_n; i++) {
        const struct record *r = &l->batch.records[i];
        size_t k = 0;

        while (k < l->rows_n && (l->rows[k].kind != r->kind || strcmp(l->rows[k].key, r->key) != 0))
            k++;
        assert_true(k < sizeof(l->rows) / sizeof(l->rows[0]));
        l->rows[k] = *r;
        l->rows_n += k == l->rows_n;
    }
}

static void live_step(struct live *l, const struct obs *o)
{
    const struct record_documents docs = {
        .map = map_json,
        .planogram = planogram_json,
        .map_n = sizeof(map_json) - 1,
        .planogram_n = sizeof(planogram_json) - 1,
    };

    if (l->rec != NULL && o->kind == OBS_PLAN)
        assert_int_equal(recorder_plan(l->rec, o->t_us, &docs), 0);
    else if (l->rec != NULL)
        assert_int_equal(recorder_obs(l->rec, o, l->plan), 0);
    l->due_us = shop_step(&l->shop, o, &l->batch);
    for (size_t i = 0; i < l->batch.events_n; i++) {
        const struct event *e = &l->batch.events[i];

        log_event(&l->log, e, l->plan, l->shop.clock_known ? e->t_us + l->shop.utc_offset_us : 0,
                  l->shop.clock_known ? l->shop.clock_quality : CLOCK_FLOOR);
    }
    keep_rows(l);
}

/* One observation, and before it the timers that are due, late as timers are. */
static void live_feed(struct live *l, const struct obs *o)
{
    while (l->due_us + 3000 <= o->t_us) {
        struct obs tick = {.kind = OBS_TICK, .t_us = l->due_us + 3000};

        if (tick.t_us < l->shop.now_us)
            tick.t_us = l->shop.now_us;
        live_step(l, &tick);
    }
    live_step(l, o);
}

/* `rec` takes the ownership of what it records into. */
static struct live *live_open(struct recorder *rec, int64_t t_us)
{
    struct live *l = calloc(1, sizeof(*l));
    struct obs o = {.kind = OBS_PLAN, .t_us = t_us};
    char error[PLAN_ERROR_SIZE] = "";

    assert_non_null(l);
    l->rec = rec;
    l->plan = calloc(1, sizeof(*l->plan));
    assert_non_null(l->plan);
    assert_int_equal(plan_read_map(l->plan, map_json, sizeof(map_json) - 1, error), 0);
    assert_int_equal(
        plan_read_planogram(l->plan, planogram_json, sizeof(planogram_json) - 1, error), 0);
    l->due_us = NOREN_NEVER_US;
    shop_init(&l->shop);
    o.u.plan = l->plan;
    live_step(l, &o);
    return l;
}

static void live_close(struct live *l)
{
    assert_int_equal(recorder_close(l->rec), 0);
    log_free(&l->log);
    free(l->plan);
    free(l);
}

/* Thirty seconds of a shop from `t_us` on: a member stands there, packs leave and one comes back. */
static void live_half_minute(struct live *l, int64_t t_us, int units)
{
    for (int i = 0; i < 600; i++) {
        struct obs mass = {.kind = OBS_MASS, .t_us = t_us + i * 50000};
        struct obs seen = {.kind = OBS_SIGHTING, .t_us = mass.t_us + 7};

        if (i == 200 || i == 300)
            units--;
        if (i == 450)
            units++;
        mass.u.mass.mass_mg = units * 500000 + i * 7919 % 401 - 200;
        live_feed(l, &mass);
        if (i % 10 != 0)
            continue;
        seen.u.sighting.who.kind = WHO_MEMBER;
        memcpy(seen.u.sighting.who.ref, "m 1", 4);
        seen.u.sighting.consent = CONSENT_ALL;
        seen.u.sighting.rssi_dbm = -60;
        live_feed(l, &seen);
    }
}

/* First a morning that leaves rows behind, then, after a restart, the recorded part, with a late timer
 * and a command in it. */
static struct live *recorded_shop(const char *file)
{
    struct live *morning = live_open(NULL, 0), *l;
    struct obs clock = {.kind = OBS_CLOCK, .t_us = 90000001};
    struct obs recount = {.kind = OBS_COMMAND, .t_us = 125000000};
    struct recorder *rec = NULL;

    live_half_minute(morning, 1000000, 10);
    assert_int_equal(recorder_open(&rec, file), 0);
    l = live_open(rec, 90000000);
    for (size_t i = 0; i < morning->rows_n; i++) {
        const struct record *r = &morning->rows[i];

        if (r->value[0] == 0)
            continue;
        assert_int_equal(recorder_restore(rec, r), 0);
        assert_int_equal(shop_restore(&l->shop, r), 0);
    }
    assert_true(morning->rows_n > 2);
    live_close(morning);
    clock.u.clock.utc_us = 1795251600000000;
    clock.u.clock.quality = CLOCK_HELD;
    live_feed(l, &clock);
    live_half_minute(l, 91000000, 9);
    recount.u.command.kind = COMMAND_RECOUNT;
    memcpy(recount.u.command.id, "k1", 3);
    memcpy(recount.u.command.target, "96385074", 9);
    memcpy(recount.u.command.actor, "op", 3);
    recount.u.command.quantity = 5;
    live_feed(l, &recount);
    assert_int_equal(recorder_flush(rec), 0);
    return l;
}

static void test_a_recording_replays_to_the_same_events(void **state UNUSED)
{
    struct log log = {.n = 0};
    struct replay_options options = {.event = log_event, .arg = &log};
    struct replay_summary sum;
    struct live *l;
    char error[512] = "";
    const char *inputs[] = {path};

    snprintf(path, sizeof(path), "%s/shop.recording", dir);
    l = recorded_shop(path);
    if (replay_run(inputs, 1, &options, &sum, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    assert_int_equal(sum.refusals.n, 0);
    assert_true(l->log.n >=
                8); /* picks, a put back, stock, a visit: the test would prove little else */
    assert_int_equal(log.n, l->log.n);
    for (size_t i = 0; i < log.n; i++)
        assert_string_equal(log.line[i], l->log.line[i]);
    log_free(&log);
    live_close(l);
    unlink(path);
}

static void test_a_recording_is_never_overwritten(void **state UNUSED)
{
    struct recorder *rec = NULL;
    const char *file = write_file("old", "precious", 8);

    assert_int_equal(recorder_open(&rec, file), -17);
    assert_null(rec);
    unlink(file);
}

/* --- inputs ------------------------------------------------------------------------------------- */

struct outcome {
    int result;
    struct replay_summary sum;
    char error[512];
    char said[512]; /* the first refusal */
};

static void keep_first(void *arg, const char *sentence)
{
    struct outcome *o = arg;

    if (o->said[0] == 0)
        snprintf(o->said, sizeof(o->said), "%s", sentence);
}

static struct outcome run_bytes(const void *bytes, size_t n, const char *planogram)
{
    struct outcome o = {.result = 0};
    struct replay_options options = {.event = ignore_event, .say = keep_first, .arg = &o};
    char document[128];
    const char *inputs[1];

    if (planogram != NULL) {
        snprintf(document, sizeof(document), "%s",
                 write_file("planogram.json", planogram, strlen(planogram)));
        options.planogram = document;
    }
    inputs[0] = write_file("input", bytes, n);
    o.result = replay_run(inputs, 1, &options, &o.sum, o.error, sizeof(o.error));
    unlink(inputs[0]);
    if (planogram != NULL)
        unlink(document);
    return o;
}

static int64_t refused(const struct outcome *o)
{
    int64_t n = 0;

    for (size_t i = 0; i < o->sum.refusals.n; i++)
        n += o->sum.refusals.by[i].n;
    return n;
}

#define MASS "t_us,plate,mass_mg\n"
#define RSSI "t_us,receiver,identity,rssi_dbm\n"
#define CELL "t_us,cell,counts\n"

static void test_csv(void **state UNUSED)
{
    static const struct {
        const char *text;
        int64_t observations, refused;
        const char *said; /* in the first sentence */
    } cases[] = {
        {MASS, 0, 0, ""},
        {MASS "0,a,1\n5,b,2.5\n\n6,a,-3", 3, 0, ""},
        {"\xef\xbb\xbf" MASS "0,a,1\r\n5,b,2\r\n", 2, 0, ""},
        {"note,mass_mg,x,plate,t_us\nhi,1,2,a,0\n,7,,b,5\n", 2, 0, ""},
        {"\"t_us\",\"plate\",\"mass_mg\"\n0,\"a \"\"b\"\", c\",1\n", 1, 0, ""},
        {MASS "5,b,2\n0,a,1\n3,b,1\n", 3, 0, ""}, /* not in order: sorted */
        {MASS "0,a,1\nx,a,1\n1,a,1\n", 2, 1, "input:3: t_us is not a time"},
        {MASS "-1,a,1\n", 0, 1, "t_us is not a time"},
        {MASS "99999999999999999999,a,1\n", 0, 1, "t_us is not a time"},
        {MASS "253402300800000000,a,1\n0,b,1\n", 1, 1, "t_us is not a time"},
        {MASS "0,,1\n", 0, 1, "an id is empty"},
        {MASS "0,a\n", 0, 1, "too few fields"},
        {MASS "0,a,\n", 0, 1, "the value is not a number"},
        {MASS "0,a,1e5\n", 0, 1, "the value is not a number"},
        {MASS "0,\"a,1\n", 0, 1, "input:2: a row has too few fields"},
        {MASS "0,0123456789012345678901234567890123456789,1\n", 0, 1, "longer than 39"},
        {MASS "0,a,2000000000000\n", 0, 1, "a thousand tonnes"},
        {MASS "0,a\x01,1\n", 0, 1, "control character"},
        {RSSI "0,r,tag1,-60\n1,r,tag1,-128\n2,r,tag1,21\n", 1, 2, "rssi_dbm is not -127 to 20"},
        {CELL "0,c,8388607\n1,c,-8388608\n2,c,8388608\n", 2, 1, "counts is not a 24-bit"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome o = run_bytes(cases[i].text, strlen(cases[i].text), NULL);

        if (o.result != 0 || o.sum.observations != cases[i].observations ||
            refused(&o) != cases[i].refused || strstr(o.said, cases[i].said) == NULL)
            fail_msg("case %zu: %d %s, %lld observations, %lld refused: %s", i, o.result, o.error,
                     (long long)o.sum.observations, (long long)refused(&o), o.said);
    }
}

static void test_places_that_documents_lack(void **state UNUSED)
{
    static const char masses[] = MASS "0,p1,1\n1,p9,1\n", cells[] = CELL "0,c1,1\n1,c9,1\n";
    struct outcome o = run_bytes(masses, sizeof(masses) - 1, planogram_json);

    assert_int_equal(o.sum.observations, 1);
    assert_non_null(strstr(o.said, "input:3: a plate is not in the planogram"));
    o = run_bytes(cells, sizeof(cells) - 1, planogram_json);
    assert_int_equal(o.sum.observations, 1);
    assert_non_null(strstr(o.said, "input:3: a load cell is not in the planogram"));
    o = run_bytes(masses, sizeof(masses) - 1, "{\"plates\":[{\"id\":7}]}");
    assert_int_equal(o.result, -22);
    assert_non_null(strstr(o.error, "planogram.json: plates[0].id: must be a string"));
}

/* An LE advertising report of an empty non-connectable advert. */
#define REPORT 0x3e, 0x0c, 0x02, 0x01, 0x03, 0x01, 1, 2, 3, 4, 5, 6, 0x00, 0xc4
#define BTSNOOP(version, link) \
    'b', 't', 's', 'n', 'o', 'o', 'p', 0, 0, 0, 0, version, 0, 0, (link) >> 8, (link)&255
#define STAMP 0x00, 0xe2, 0x00, 0, 0, 0, 0, 0

static void test_binary_captures(void **state UNUSED)
{
    static const uint8_t monitor[] = {
        BTSNOOP(1, 2001), 0, 0, 0, 14, 0, 0, 0, 14, 0, 0, 0, 3, 0, 0, 0, 0, STAMP, REPORT};
    static const uint8_t h4[] = {BTSNOOP(1, 1002), 0, 0, 0, 15, 0, 0, 0, 15, 0, 0, 0, 3, 0, 0, 0, 0,
                                 STAMP, 0x04, REPORT,
                                 /* and a record that claims four gigabytes */
                                 0, 0, 0, 15, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 3};
    static const uint8_t version[] = {BTSNOOP(9, 2001)}, link[] = {BTSNOOP(1, 1003)};
    static const uint8_t pcap[] = {
        0xd4, 0xc3, 0xb2, 0xa1, 2,    0,      4, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0xff, 0xff,
        0,    0,    187,  0,    0,    0,      1, 0, 0, 0, 0, 0, 0, 0, 15,   0,    0,    0,
        15,   0,    0,    0,    0x04, REPORT, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f};
    static const uint8_t ethernet[] = {0xd4, 0xc3, 0xb2, 0xa1, 2,    0,    4, 0, 0, 0, 0, 0,
                                       0,    0,    0,    0,    0xff, 0xff, 0, 0, 1, 0, 0, 0};
    static const uint8_t ng_short[] = {0x0a, 0x0d, 0x0d, 0x0a, 8, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a};
    const struct {
        const void *bytes;
        size_t n;
        int64_t items, refused;
        const char *words; /* in the error, else in the first refusal */
    } cases[] = {
        {monitor, sizeof(monitor), 1, 0, ""},
        {monitor, sizeof(monitor) - 1, 0, 1, "record ends beyond the file"},
        {monitor, 20, 0, 1, "record ends beyond the file"},
        {h4, sizeof(h4), 1, 1, "input:2: a btsnoop record ends beyond the file"},
        {version, sizeof(version), -1, 0, "btsnoop version 9"},
        {link, sizeof(link), -1, 0, "datalink 1003 is not supported; capture with"},
        {"btsnoop", 8, -1, 0, "btsnoop version"},
        {pcap, sizeof(pcap), 1, 1, "a capture record ends beyond the file"},
        {ethernet, sizeof(ethernet), -1, 0, "pcap link type 1 is not supported; known are"},
        {ethernet, 20, -1, 0, "is not supported"},
        {ng_short, sizeof(ng_short), -1, 0, "pcapng without an interface block"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome o = run_bytes(cases[i].bytes, cases[i].n, NULL);
        bool fails = cases[i].items < 0;

        if ((o.result != 0) != fails || (!fails && o.sum.items != cases[i].items) ||
            refused(&o) != cases[i].refused ||
            strstr(fails ? o.error : o.said, cases[i].words) == NULL)
            fail_msg("case %zu: %d %s, %lld items, %lld refused: %s", i, o.result, o.error,
                     (long long)o.sum.items, (long long)refused(&o), o.said);
    }
}

static void test_hex(void **state UNUSED)
{
    static const char text[] = "043e0c020103010102030405060 0c4\n"
                               "3E0C0201 0301010203040506 00C4\r\n\n"
                               "043e0c02010301010203040506zzc4\n"
                               "043e0c0201030101020304050600c\n"
                               "040e0401030c00\n"
                               "3e0d02010301010203040506ffc4\n";
    struct outcome o = run_bytes(text, sizeof(text) - 1, NULL);

    assert_int_equal(o.result, 0);
    assert_int_equal(o.sum.items, 3);
    /* not hex, odd, no report; and one whose lengths lie is the radio's refusal */
    assert_int_equal(refused(&o), 4);
    assert_non_null(strstr(o.said, "input:4: not hexadecimal"));
}

static void test_what_is_no_input(void **state UNUSED)
{
    static const uint8_t noise[] = {0x7f, 'E', 'L', 'F', 0, 1, 2, 3, 4, 5};
    static const char columns[] = "t_us,plate\n1,a\n",
                      later[] = "{\"noren\":\"recording\",\"version\":2}\n";
    struct replay_options options = {.event = ignore_event};
    struct replay_summary sum;
    const char *inputs[] = {"/nonexistent/input"};
    char error[512];
    struct outcome o = run_bytes(noise, sizeof(noise), NULL);

    assert_int_equal(o.result, -22);
    assert_non_null(strstr(o.error, "input: no format that replay knows"));
    o = run_bytes("", 0, NULL);
    assert_int_equal(o.result, -22);
    o = run_bytes(columns, sizeof(columns) - 1, NULL);
    assert_non_null(strstr(o.error, "line 1: the columns are \"t_us,plate\"; a CSV needs"));
    o = run_bytes(later, sizeof(later) - 1, NULL);
    assert_non_null(strstr(o.error, "a recording of another version"));
    assert_int_equal(replay_run(inputs, 1, &options, &sum, error, sizeof(error)), -2);
    assert_non_null(strstr(error, "/nonexistent/input: No such file"));
}

static void test_damaged_recordings(void **state UNUSED)
{
    static const char text[] = "{\"noren\":\"recording\",\"version\":1}\n"
                               "5\ttick\n"
                               "{\"map\":{}}\n{\"planogram\":{\"plates\":[{\"id\":\"p1\"}]}}\n"
                               "{\"plan\":10}\n"
                               "11\tmass\tp1\t5\n"
                               "12\tmass\tp2\t5\n"
                               "hello\n"
                               "{\"restore\":\"nothing\",\"key\":\"a\",\"value\":\"b\"}\n"
                               "{\"map\":{\"zones\":7}}\n"
                               "{\"plan\":13}\n"
                               "14\tmass\tp1\t5\n"
                               "9223372036854775800\ttick\n"
                               "14\tclock\t9223372036854775800\tsynced\n"
                               "15\tmass\tp1\t";
    struct outcome o = run_bytes(text, sizeof(text) - 1, NULL);

    assert_int_equal(o.result, 0);
    assert_int_equal(o.sum.observations,
                     3); /* the plan, and p1 twice: the bad plan was not taken */
    assert_int_equal(refused(&o), 8);
    assert_non_null(strstr(o.said, "input:8: a line of a recording begins with no possible time"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_recording_replays_to_the_same_events),
        cmocka_unit_test(test_a_recording_is_never_overwritten),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_places_that_documents_lack),
        cmocka_unit_test(test_binary_captures),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_what_is_no_input),
        cmocka_unit_test(test_damaged_recordings),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
