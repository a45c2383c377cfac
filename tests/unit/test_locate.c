/* Zones on recorded walks: share of time in the right zone and number of switches, through the same
 * people_step() that runs in a store; and the bounds of the table under a flood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/people.h"

#define UNUSED __attribute__((unused))
#define DATA   NOREN_SOURCE_DIR "/tests/data/rssi/"

static struct people *people;
static struct plan *plan;

static int setup(void UNUSED **state)
{
    people = calloc(1, sizeof(*people));
    plan = calloc(1, sizeof(*plan));
    assert_non_null(people);
    assert_non_null(plan);
    people_init(people);
    return 0;
}

static int teardown(void UNUSED **state)
{
    free(people);
    free(plan);
    return 0;
}

static FILE *open_data(const char *file)
{
    char path[512], header[128];
    FILE *f;

    snprintf(path, sizeof(path), DATA "%s", file);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(header, sizeof(header), f));
    return f;
}

#define FIELDS_MAX 6

/* The next row's fields, NULL at the end. */
static char **next_row(FILE *f, char line[128], char *fields[FIELDS_MAX])
{
    char *rest = line;

    if (fgets(line, 128, f) == NULL)
        return NULL;
    line[strcspn(line, "\r\n")] = '\0';
    for (int i = 0; i < FIELDS_MAX; i++)
        fields[i] = strsep(&rest, ",");
    return fields;
}

static void read_receivers(const char *file)
{
    FILE *f = open_data(file);
    char line[128], *fields[FIELDS_MAX];

    while (next_row(f, line, fields) != NULL) {
        struct plan_receiver *r = &plan->receivers[plan->receivers_n++];

        snprintf(r->id, sizeof(r->id), "%s", fields[0]);
        r->x_m = strtod(fields[1], NULL);
        r->y_m = strtod(fields[2], NULL);
        r->z_m = strtod(fields[3], NULL);
        r->placed = true;
    }
    fclose(f);
    assert_true(plan->receivers_n >= 10);
}

static struct plan_zone *add_zone(const char *id)
{
    struct plan_zone *z = &plan->zones[plan->zones_n++];

    snprintf(z->id, sizeof(z->id), "%s", id);
    return z;
}

static void add_rectangle(const char *id, double x0, double y0, double x1, double y1)
{
    struct plan_zone *z = add_zone(id);
    const double x[] = {x0, x1, x1, x0}, y[] = {y0, y0, y1, y1};

    for (int i = 0; i < 4; i++) {
        z->corners[i].x_m = x[i];
        z->corners[i].y_m = y[i];
    }
    z->corners_n = 4;
}

static void door_map(void)
{
    read_receivers("door-receivers.csv");
    add_zone("outside");
    add_zone("inside");
    for (uint16_t r = 0; r < plan->receivers_n; r++)
        plan->zones[plan->receivers[r].id[0] == 'I'].receivers |= UINT32_C(1) << r;
    people_plan(people, NULL, plan);
}

#define HALL_X 10.35
#define HALL_Y 8.8

static void hall_map(void)
{
    read_receivers("floor-receivers.csv");
    add_rectangle("sw", 0, 0, HALL_X, HALL_Y);
    add_rectangle("se", HALL_X, 0, 2 * HALL_X, HALL_Y);
    add_rectangle("nw", 0, HALL_Y, HALL_X, 2 * HALL_Y);
    add_rectangle("ne", HALL_X, HALL_Y, 2 * HALL_X, 2 * HALL_Y);
    people_plan(people, NULL, plan);
}

static uint16_t door_truth(char **fields)
{
    return fields[4][0] == 'i' ? 1 : 0;
}

static uint16_t hall_truth(char **fields)
{
    return zone_at(plan, strtod(fields[4], NULL), strtod(fields[5], NULL));
}

struct score {
    double right, all;
    int switches, true_switches;
    double late_s
        [16]; /* of each true switch that was followed, to the first moment in the right zone */
    int late_n;
};

/* What is done to a recording, so that a setting that fits its noise by chance shows. */
struct harm {
    const char *name;
    int lost_percent, noise_db, shift_db;
    int64_t cut_us; /* rows before this are not there */
};

static const struct harm HARMS[] = {
    {"as recorded", 0, 0, 0, 0},      {"30 % lost", 30, 0, 0, 0},
    {"noise +-4 dB", 0, 4, 0, 0},     {"8 dB stronger", 0, 0, 8, 0},
    {"8 dB weaker", 0, 0, -8, 0},     {"first 30 s cut", 0, 0, 0, 30000000},
    {"lost and noisy", 30, 4, -5, 0},
};

#define HARMS_N (sizeof(HARMS) / sizeof(HARMS[0]))

static uint32_t next_random(uint64_t *random)
{
    *random = *random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*random >> 33);
}

static int by_value(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;

    return d < 0 ? -1 : d > 0;
}

static double median_late_s(struct score *s)
{
    qsort(s->late_s, (size_t)s->late_n, sizeof(s->late_s[0]), by_value);
    return s->late_n > 0 ? s->late_s[s->late_n / 2] : -1;
}

/* Accounts for the time up to `t_us`, and for what is true from then on. */
static void count(struct score *s, uint16_t told, uint16_t *truth, uint16_t now, int64_t gap_us,
                  int64_t t_us, int64_t *switched_us)
{
    s->all += (double)gap_us;
    s->right += told == *truth ? (double)gap_us : 0;
    if (*switched_us >= 0 && told == *truth) {
        if (s->late_n < 16)
            s->late_s[s->late_n++] = (double)(t_us - *switched_us) / 1e6;
        *switched_us = -1;
    }
    if (*truth != NO_INDEX && now != *truth) {
        s->true_switches++;
        *switched_us = t_us;
    }
    *truth = now;
}

/** Runs a recording; the zone is what the events say, as a subscriber would see it. */
static struct score run(const char *file, uint16_t (*truth_of)(char **fields),
                        const struct harm *harm)
{
    struct obs o = {.kind = OBS_SIGHTING};
    struct batch *out = calloc(1, sizeof(*out));
    struct score s = {.all = 0};
    uint16_t told = NO_INDEX, truth = NO_INDEX;
    uint64_t random = 4; /* the seed */
    int64_t switched_us = -1;
    char line[128], *fields[FIELDS_MAX];
    FILE *f = open_data(file);

    people_init(people);
    people_plan(people, NULL, plan);
    o.t_us = harm->cut_us;
    o.u.sighting.who = (struct who){WHO_MEMBER, "m-walker"};
    o.u.sighting.consent = CONSENT_ALL;
    while (next_row(f, line, fields) != NULL) {
        int64_t t_us = strtoll(fields[0], NULL, 10);
        int noise_db = (int)(next_random(&random) % (2 * (unsigned)harm->noise_db + 1));

        if (t_us < harm->cut_us)
            continue;
        count(&s, told, &truth, truth_of(fields), t_us - o.t_us, t_us, &switched_us);
        o.t_us = t_us;
        if (next_random(&random) % 100 < (unsigned)harm->lost_percent)
            continue;
        o.u.sighting.receiver = plan_find_receiver(plan, fields[1]);
        o.u.sighting.rssi_dbm =
            (int16_t)(strtol(fields[3], NULL, 10) + noise_db - harm->noise_db + harm->shift_db);
        batch_clear(out);
        people_step(people, plan, &o, out);
        for (size_t i = 0; i < out->events_n; i++) {
            if (out->events[i].kind != EVENT_VISIT_ZONE)
                continue;
            s.switches += told != NO_INDEX;
            told = plan_find_zone(plan, out->events[i].u.visit_zone.zone);
        }
    }
    fclose(f);
    free(out);
    /* The hall's files hold a few rows out of order, and levels like +42 dBm. */
    assert_true(people->locate.stale + people->refused <= 2);
    print_message("%-40s %-14s right %.3f of %.0f s, %d switches, %d true, median %.1f s late\n",
                  file, harm->name, s.right / s.all, s.all / 1e6, s.switches, s.true_switches,
                  median_late_s(&s));
    return s;
}

static void assert_score(struct score s, double right, double switches)
{
    assert_true(s.right >= right * s.all);
    assert_true(s.switches <= switches * s.true_switches);
}

/* Every transition, no other, whatever happens to the levels; the floors leave 1 to 2 %. */
static void test_door_walk(void UNUSED **state)
{
    door_map();
    for (size_t i = 0; i < HARMS_N; i++) {
        struct score s = run("door-walk.csv", door_truth, &HARMS[i]);

        assert_true(s.right >= 0.965 * s.all);
        assert_int_equal(s.switches, s.true_switches);
        assert_true(median_late_s(&s) <= 1.5);
    }
}

/* The photo sensor sees the front of the car, the tag is metres behind: about 8 s between a truth and the
 * moment when the tag itself passes the door, which no level can tell. */
static void test_door_car(void UNUSED **state)
{
    door_map();
    for (size_t i = 0; i < HARMS_N; i++) {
        struct score s = run("door-car.csv", door_truth, &HARMS[i]);

        assert_true(s.right >= 0.835 * s.all);
        assert_int_equal(s.switches, s.true_switches);
    }
}

/* Four walks; two go along a border, a third of a metre beside it. */
static struct score run_hall(const struct harm *harm)
{
    static const char *const files[] = {
        "floor-rectangular-without-rotation.csv",
        "floor-zigzagging-with-rotation.csv",
        "floor-straight-01.csv",
        "floor-straight-05.csv",
    };
    struct score sum = {.all = 0};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct score s = run(files[i], hall_truth, harm);

        assert_true(s.right >= 0.7 * s.all);
        sum.right += s.right;
        sum.all += s.all;
        sum.switches += s.switches;
        sum.true_switches += s.true_switches;
    }
    print_message("%-40s %-14s right %.3f, %d switches, %d true\n", "hall", harm->name,
                  sum.right / sum.all, sum.switches, sum.true_switches);
    return sum;
}

static void test_hall(void UNUSED **state)
{
    hall_map();
    assert_score(run_hall(&HARMS[0]), 0.85, 1.3);
    for (size_t i = 1; i < HARMS_N; i++)
        assert_score(run_hall(&HARMS[i]), 0.77, 2);
}

static void hear(const char *ref, int64_t t_us, struct batch *out)
{
    struct obs o = {.t_us = t_us, .kind = OBS_SIGHTING};

    o.u.sighting.who.kind = ref[0] == 'm' ? WHO_MEMBER : WHO_TAG;
    snprintf(o.u.sighting.who.ref, NOREN_ID_SIZE, "%s", ref);
    o.u.sighting.consent = CONSENT_ALL;
    o.u.sighting.rssi_dbm = -60;
    batch_clear(out);
    people_step(people, plan, &o, out);
}

/* 200 members are there; then tags nobody ever saw, many times more than there is room for. */
static void test_flood_evicts_no_member(void UNUSED **state)
{
    struct batch *out = calloc(1, sizeof(*out));
    uint64_t random = 0x9e3779b97f4a7c15U; /* the seed */
    char ref[NOREN_ID_SIZE];
    int64_t t_us = 0;

    assert_non_null(out);
    door_map();
    for (; t_us < 2000000; t_us += 1000000)
        for (int i = 0; i < 200; i++) {
            snprintf(ref, sizeof(ref), "m-%d", i);
            hear(ref, t_us, out);
        }
    assert_int_equal(people->visits.used_n, 200);
    for (int i = 0; i < 5 * TRACKS_MAX; i++, t_us += 100) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        snprintf(ref, sizeof(ref), "t-%016llx", (unsigned long long)random);
        hear(ref, t_us, out);
        assert_int_equal(out->events_n, 0);
    }
    assert_int_equal(people->locate.tracks_n, TRACKS_MAX);
    assert_int_equal(people->locate.evicted, 4 * TRACKS_MAX + 200);
    assert_int_equal(people->visits.used_n, 200);
    hear("m-new", t_us, out); /* a member still finds a place */
    hear("m-new", t_us + 1000000, out);
    assert_int_equal(people->visits.used_n, 201);
    free(out);
}

static void test_members_are_not_evicted_by_tags(void UNUSED **state)
{
    struct batch *out = calloc(1, sizeof(*out));
    char ref[NOREN_ID_SIZE];

    assert_non_null(out);
    door_map();
    for (int i = 0; i < TRACKS_MAX; i++) {
        snprintf(ref, sizeof(ref), "m-%d", i);
        hear(ref, i, out);
    }
    hear("t-1", TRACKS_MAX, out);
    assert_int_equal(people->locate.refused, 1);
    assert_int_equal(people->locate.evicted, 0);
    hear("m-late", TRACKS_MAX, out); /* the member heard longest ago, once, makes room */
    assert_int_equal(people->locate.evicted, 1);
    assert_int_equal(locate_find(&people->locate, &(struct who){WHO_MEMBER, "m-0"}), NO_INDEX);
    print_message("struct people: %zu bytes, a track: %zu, a visit: %zu\n", sizeof(struct people),
                  sizeof(struct track), sizeof(struct visit));
    assert_in_range(sizeof(*people), 0, 1800000);
    free(out);
}

static void test_polygon_edges(void UNUSED **state)
{
    add_rectangle("left", 0, 0, 1, 1);
    add_rectangle("right", 1, 0, 2, 1);
    assert_int_equal(zone_at(plan, 0.5, 0.5), 0);
    assert_int_equal(zone_at(plan, 1.5, 0.5), 1);
    assert_int_equal(zone_at(plan, 1, 0.5), 0); /* on both: the first listed */
    assert_int_equal(zone_at(plan, 1, 1), 0);
    assert_int_equal(zone_at(plan, 2, 1), 1);
    assert_int_equal(zone_at(plan, 2.001, 0.5), NO_INDEX);
    assert_int_equal(zone_at(plan, -0.5, 0), NO_INDEX); /* in line with an edge, not on it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_door_walk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_door_car, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hall, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood_evicts_no_member, setup, teardown),
        cmocka_unit_test_setup_teardown(test_members_are_not_evicted_by_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_polygon_edges, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
