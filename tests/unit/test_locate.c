/* Offsets of receivers learnt from fixed beacons, the bounds of the table under a flood, and edges of polygons.
 * How often a zone is right is scored on recorded walks by tests/quality/zone_quality.c. */
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

/* Four beacons at known places, seven receivers of which each hears its own number of dB too much. */
static void test_fixed_beacons_teach_offsets(void UNUSED **state)
{
    static const int more_db[] = {-7, 6, 0, 3, -5, 2, 1};
    static const double at[][2] = {{3, 3}, {17, 4}, {5, 14}, {16, 13}};
    struct batch *out = calloc(1, sizeof(*out));
    struct obs o = {.kind = OBS_SIGHTING};
    uint64_t random = 7; /* the seed */
    double off[7], mean = 0;

    assert_non_null(out);
    for (int r = 0; r < 7; r++) {
        struct plan_receiver *x = &plan->receivers[plan->receivers_n++];

        snprintf(x->id, sizeof(x->id), "r%d", r);
        x->x_m = 3.0 * r;
        x->y_m = r % 2 == 0 ? 0 : 17;
        x->placed = true;
    }
    for (int b = 0; b < 4; b++) {
        struct plan_beacon *x = &plan->beacons[plan->beacons_n++];

        snprintf(x->id, sizeof(x->id), "fixed-%d", b);
        x->x_m = at[b][0];
        x->y_m = at[b][1];
    }
    people_plan(people, NULL, plan);
    o.u.sighting.who.kind = WHO_TAG;
    for (int i = 0; i < 28 * 200; i++) {
        int b = i / 7 % 4, r = i % 7;
        double dx = at[b][0] - plan->receivers[r].x_m, dy = at[b][1] - plan->receivers[r].y_m;

        random = random * 6364136223846793005U + 1442695040888963407U;
        o.t_us = i * 10000LL;
        o.u.sighting.receiver = (uint16_t)r;
        snprintf(o.u.sighting.who.ref, NOREN_ID_SIZE, "fixed-%d", b);
        o.u.sighting.rssi_dbm = (int16_t)(-60 - 2 * b + zone_gain(dx * dx + dy * dy) / 16 +
                                          more_db[r] + (int)(random >> 33) % 9 - 4);
        batch_clear(out);
        people_step(people, plan, &o, out);
        assert_int_equal(out->events_n, 0);
    }
    assert_int_equal(people->locate.tracks_n, 0); /* a fixed beacon is nobody */
    assert_int_equal(people->mounts.heard, 28 * 200);
    for (int r = 0; r < 7; r++) {
        off[r] = people->mounts.offset[r] / 16.0 - more_db[r];
        mean += off[r] / 7;
    }
    for (int r = 0; r < 7; r++)
        assert_true(off[r] - mean > -2.5 && off[r] - mean < 2.5);
    assert_true(people->mounts.offset[0] < -3 * 16 && people->mounts.offset[1] > 3 * 16);
    free(out);
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

static void make_one_receiver(int near_zones, int far_zones)
{
    snprintf(plan->receivers[0].id, NOREN_ID_SIZE, "till");
    plan->receivers[0].placed = true;
    plan->receivers_n = 1;
    for (int i = 0; i < near_zones + far_zones; i++) {
        struct plan_zone *z = add_zone(i < near_zones ? "near" : "shop");

        z->id[4] = (char)('0' + i);
        z->receivers = 1;
        z->near = i < near_zones;
    }
    people_plan(people, NULL, plan);
}

/* Walks to the receiver and away again: a minute each at these levels. Where was it last? */
static const char *zone_after(int64_t *t_us, int rssi_dbm)
{
    static struct batch out;
    struct obs o = {.kind = OBS_SIGHTING, .u.sighting.who = {WHO_TAG, "card"}};
    struct track *t;

    for (int i = 0; i < 120; i++) {
        o.t_us = *t_us += NOREN_US_PER_S / 2;
        o.u.sighting.rssi_dbm = (int16_t)(rssi_dbm + i * 7 % 5 - 2);
        batch_clear(&out);
        people_step(people, plan, &o, &out);
    }
    t = &people->locate.tracks[locate_find(&people->locate, &o.u.sighting.who)];
    return t->zone == NO_INDEX ? "" : plan->zones[t->zone].id;
}

/* Near and far, with another zone for what is far and without. */
static void test_one_receiver_near(void UNUSED **state)
{
    int64_t t_us = 0;

    make_one_receiver(1, 1);
    assert_string_equal(zone_after(&t_us, -85), "shop1");
    assert_string_equal(zone_after(&t_us, -55), "near0");
    assert_string_equal(zone_after(&t_us, -68), "near0"); /* at the border it stays */
    assert_string_equal(zone_after(&t_us, -80), "shop1");
    plan->zones_n = 0;
    people_init(people);
    make_one_receiver(1, 0);
    assert_string_equal(zone_after(&t_us, -85), "");
    assert_string_equal(zone_after(&t_us, -55), "near0");
    assert_string_equal(zone_after(&t_us, -85), "");
}

/* One receiver that stands for several aisles, or hangs in polygons: presence, and no aisle. */
static void test_one_receiver_aisles(void UNUSED **state)
{
    int64_t t_us = 0;

    make_one_receiver(0, 3);
    assert_string_equal(zone_after(&t_us, -50), "");
    assert_string_equal(zone_after(&t_us, -80), "");
    assert_int_equal(people->locate.tracks_n, 1);
    plan->zones_n = 0;
    add_zone("aisle")->corners_n = 3;
    plan->zones[0].receivers = 0;
    plan->zones[0].corners[1].x_m = plan->zones[0].corners[2].y_m = 9;
    people_init(people);
    people_plan(people, NULL, plan);
    assert_string_equal(zone_after(&t_us, -50), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fixed_beacons_teach_offsets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood_evicts_no_member, setup, teardown),
        cmocka_unit_test_setup_teardown(test_members_are_not_evicted_by_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_polygon_edges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_receiver_near, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_receiver_aisles, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
