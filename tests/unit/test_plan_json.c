/* Planogram, map and campaigns documents: what is right is taken whole, what is wrong is refused
 * with the place and the remedy, and leaves the plan as it was. Documents are written with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/plan_json.h"
#include "io/rfc3339.h"

#define UNUSED __attribute__((unused))

static const char good_map[] =
    "{'receivers':[{'id':'r1','x_m':0,'y_m':1.5,'z_m':2},{'id':'r2'}],"
    "'beacons':[{'id':'tag-7','x_m':3,'y_m':2.5,'z_m':2}],"
    "'zones':[{'id':'sofas','polygon':[[0,0],[4,0],[4,4],[0,4]]},{'id':'door','receivers':['r2']}],"
    "'no_track':['door']}";
static const char good_planogram[] =
    "{'store':'shibuya','time_zone':'Asia/Tokyo','opening_hours':'10:00-21:00',"
    "'plates':[{'id':'p1','fixture':'f1','zone':'sofas','led':'led1',"
    "'cells':[{'id':'c1','x_mm':0,'zero_counts':8000.4,'mg_per_count':2.5,'capacity_g':5000},{'id':"
    "'node-300-2'}],"
    "'neighbours':['p2'],'facings':[{'gtin':'4006381333931','name':'Pen','unit_mass_mg':12000,"
    "'unit_cv':0.015,'min':2,'capacity':20,'safety':1,'x_mm':50},"
    "{'gtin':'96385074','unit_mass_mg':500000,'x_mm':150}]},"
    "{'id':'p2','facings':[{'gtin':'04006381333931','unit_mass_mg':12000,'safety':3}]}],"
    "'backroom':[{'gtin':'4006381333931','quantity':7},{'gtin':'012345678905','quantity':0}]}";
static const char good_campaigns[] =
    "{'revision':4,'campaigns':[{'id':'c','zone':'sofas','dwell_s':20,'gtin':'96385074',"
    "'template':'ten-off','valid_from':'2026-11-21T18:00:00+09:00',"
    "'valid_until':'2026-11-30T00:00:00Z','holdout_bp':500}]}";

/* A copy with " for '; the caller frees it. */
static char *quoted(const char *text)
{
    char *copy = strdup(text);

    assert_non_null(copy);
    for (char *p = copy; *p != 0; p++)
        if (*p == '\'')
            *p = '"';
    return copy;
}

static int read_doc(int (*read)(struct plan *, const char *, size_t, char *), struct plan *p,
                    const char *text, char *error)
{
    char *json = quoted(text);
    int r = read(p, json, strlen(json), error);

    free(json);
    return r;
}

static struct plan *good_plan(void)
{
    struct plan *p = malloc(sizeof(*p));
    char error[PLAN_ERROR_SIZE] = "";

    assert_non_null(p);
    plan_clear(p);
    if (read_doc(plan_read_map, p, good_map, error) != 0 ||
        read_doc(plan_read_planogram, p, good_planogram, error) != 0 ||
        read_doc(plan_read_campaigns, p, good_campaigns, error) != 0)
        fail_msg("refused: %s", error);
    return p;
}

static void test_good_documents(void **state UNUSED)
{
    struct plan *p = good_plan();
    const struct plan_plate *p1 = &p->plates[0], *p2 = &p->plates[1];
    const struct plan_campaign *c = &p->campaigns[0];

    assert_int_equal(p->receivers_n, 2);
    assert_int_equal(p->beacons_n, 1);
    assert_true(p->beacons[0].x_m == 3 && p->beacons[0].y_m == 2.5);
    assert_true(p->receivers[0].placed && p->receivers[0].y_m == 1.5 && !p->receivers[1].placed);
    assert_int_equal(p->zones_n, 2);
    assert_int_equal(p->zones[0].corners_n, 4);
    assert_true(!p->zones[0].no_track && p->zones[1].no_track);
    assert_int_equal(p->zones[1].receivers, 1 << 1);
    assert_string_equal(p->store, "shibuya");
    assert_int_equal(p->plates_n, 2);
    assert_int_equal(p1->zone, 0);
    assert_int_equal(p2->zone, NO_INDEX);
    assert_string_equal(p->fixtures[p2->fixture], "store");
    assert_int_equal(p1->cells_n, 2);
    assert_int_equal(p->cells[p1->cells[0]].zero_counts, 8000);
    assert_true(p->cells[0].mg_per_count == 2.5 && p->cells[0].node == -1);
    assert_int_equal(p->cells[0].capacity_mg, 5000000);
    assert_int_equal(p->cells[1].node, 300 << 4 | 2);
    assert_int_equal(p->cells[1].capacity_mg, 0);
    assert_true(p1->neighbours_n == 1 && p1->neighbours[0] == 1);
    assert_int_equal(p->products_n, 3);
    assert_int_equal(p1->facings[0].product, p2->facings[0].product);
    assert_int_equal(p1->facings[0].unit_cv_pm, 15);
    assert_int_equal(p->products[0].safety, 4);
    assert_int_equal(p->products[0].backroom, 7);
    assert_string_equal(p->products[0].name, "Pen");
    assert_string_equal(p->products[2].gtin, "00012345678905");
    assert_int_equal(c->revision, 4);
    assert_int_equal(c->dwell_us, 20000000);
    assert_int_equal(c->valid_from_s, 1795251600);
    assert_int_equal(c->product, 1);
    assert_int_equal(c->holdout_bp, 500);
    free(p);
}

/* A bad document and what must be in the sentence. */
struct bad {
    const char *doc, *error;
};

static void check_refused(int (*read)(struct plan *, const char *, size_t, char *),
                          const struct plan *before, const struct bad *bad)
{
    struct plan *p = malloc(sizeof(*p));
    char error[PLAN_ERROR_SIZE] = "";

    assert_non_null(p);
    *p = *before;
    if (read_doc(read, p, bad->doc, error) != -22)
        fail_msg("not refused: %s", bad->doc);
    if (strstr(error, bad->error) == NULL)
        fail_msg("%s\n  says: %s\n  not:  %s", bad->doc, error, bad->error);
    assert_memory_equal(p, before, sizeof(*p));
    free(p);
}

#define PLATE(rest)  "{'plates':[{'id':'a'," rest "}]}"
#define FACING(rest) PLATE("'facings':[{'gtin':'96385074','unit_mass_mg':500000," rest "}]")

static void test_bad_planograms(void **state UNUSED)
{
    static const struct bad bads[] = {
        {"", "line 1"},
        {"{'plates':[}", "line 1, column 12"},
        {"[]", "must be an object"},
        {"{'plates':[],'plates':[]}", "duplicate"},
        {"{'plates':{}}", "plates: must be a list"},
        {"{'plaques':[]}", "unknown name \"plaques\"; known here: $schema, revision, store"},
        {"{'plates':[{}]}", "plates[0]: \"id\" is missing"},
        {"{'plates':[{'id':''}]}", "plates[0].id: must not be empty"},
        {"{'plates':[{'id':7}]}", "plates[0].id: must be a string"},
        {"{'plates':[{'id':'0123456789012345678901234567890123456789'}]}", "at most 39"},
        {"{'plates':[{'id':'a\\u0000b'}]}", "\\u0000"},
        {"{'plates':[{'id':'a\\nb'}]}", "control characters"},
        {"{'plates':[{'id':'a'},{'id':'a'}]}", "plates[1].id: \"a\" is used twice"},
        {PLATE("'zone':'moon'"), "plates[0].zone: the map has no zone \"moon\""},
        {PLATE("'neighbours':['b']"), "plates[0].neighbours[0]: no plate has the id \"b\""},
        {PLATE("'neighbours':['a']"), "not its own neighbour"},
        {PLATE("'cells':[{'id':'c'},{'id':'c'}]"), "plates[0].cells[1].id: \"c\" is used twice"},
        {PLATE("'cells':[{'id':'node-70000-1'}]"), "write node-N-C"},
        {PLATE("'cells':[{'id':'node-7-16'}]"), "write node-N-C"},
        {PLATE("'cells':[{'id':'c','zero_counts':9000000}]"), "zero_counts: is 9e+06, must be"},
        {PLATE("'cells':[{'id':'c','mg_per_count':'2'}]"), "mg_per_count: must be a number"},
        {PLATE("'cells':[{'id':'c','capacity_g':0}]"), "capacity_g: is 0, must be"},
        {PLATE("'cells':[{'id':'c','capacity_g':-5000}]"), "capacity_g: is -5000, must be"},
        {PLATE("'cells':[{'id':'c','capacity_g':5e9}]"), "capacity_g: is 5e+09, must be"},
        {PLATE("'cells':[{'id':'1'},{'id':'2'},{'id':'3'},{'id':'4'},{'id':'5'}]"),
         "plates[0].cells: has 5 entries, at most 4"},
        {PLATE("'facings':[{'unit_mass_mg':5}]"), "plates[0].facings[0]: \"gtin\" is missing"},
        {PLATE("'facings':[{'gtin':'96385077','unit_mass_mg':5}]"),
         "plates[0].facings[0].gtin: check digit is 7, should be 4"},
        {PLATE("'facings':[{'gtin':'4006381333932','unit_mass_mg':5}]"),
         "check digit is 2, should be 1"},
        {PLATE("'facings':[{'gtin':'9638507','unit_mass_mg':5}]"), "8, 12, 13 or 14 digits"},
        {PLATE("'facings':[{'gtin':'9638507a','unit_mass_mg':5}]"), "8, 12, 13 or 14 digits"},
        {PLATE("'facings':[{'gtin':96385074,'unit_mass_mg':5}]"), "gtin: must be a string"},
        {PLATE("'facings':[{'gtin':'96385074'}]"), "\"unit_mass_mg\" is missing"},
        {PLATE("'facings':[{'gtin':'96385074','unit_mass_mg':0}]"), "must be more than 0"},
        {PLATE("'facings':[{'gtin':'96385074','unit_mass_mg':-5}]"), "is -5, must be more than 0"},
        {PLATE("'facings':[{'gtin':'96385074','unit_mass_mg':12}]"), "12 mg, absurd"},
        {PLATE("'facings':[{'gtin':'96385074','unit_mass_mg':900000000000}]"), "absurd"},
        {PLATE("'facings':[{'gtin':'96385074','unit_mass_mg':500.5}]"), "must be a whole number"},
        {FACING("'unit_cv':2"), "unit_cv: is 2, must be 0 to 1"},
        {FACING("'min':-1"), "min: is -1, must be 0 to"},
        {FACING("'min':9,'capacity':8"), "min: is 9, more than the capacity of 8"},
        {FACING("'x_mm':100},{'gtin':'4006381333931','unit_mass_mg':9000,'x_mm':105"),
         "plates[0].facings[1].x_mm: is 105, overlaps facings[0] at 100"},
        {FACING("'x_mm':100},{'gtin':'96385074','unit_mass_mg':9000,'x_mm':500"),
         "plates[0].facings[1].gtin: is already facings[0]"},
        {"{'backroom':[{'gtin':'96385074','quantity':-1}]}", "backroom[0].quantity: is -1"},
        {"{'backroom':[{'gtin':'96385074','quantity':1},{'gtin':'96385074','quantity':1}]}",
         "backroom[1]: gtin 00000096385074 is in the backroom twice"},
    };
    struct plan *p = calloc(1, sizeof(*p));
    char error[PLAN_ERROR_SIZE] = "";

    assert_non_null(p);
    assert_int_equal(read_doc(plan_read_map, p, good_map, error), 0);
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
        check_refused(plan_read_planogram, p, &bads[i]);
    free(p);
}

static void test_bad_maps(void **state UNUSED)
{
    static const struct bad bads[] = {
        {"{'receivers':[{'id':'r','x_m':1}]}", "receivers[0]: has one of x_m and y_m"},
        {"{'receivers':[{'id':'r','x_m':1e9,'y_m':0}]}", "receivers[0].x_m: is 1e+09"},
        {"{'receivers':[{'id':'r'},{'id':'r'}]}", "receivers[1].id: \"r\" is used twice"},
        {"{'receivers':[{'id':'r','addr':'x'}]}", "unknown name \"addr\""},
        {"{'beacons':[{'id':'b','x_m':1}]}", "beacons[0]: needs x_m and y_m"},
        {"{'beacons':[{'id':'b','x_m':1,'y_m':2},{'id':'b','x_m':1,'y_m':2}]}",
         "beacons[1].id: \"b\" is used twice"},
        {"{'zones':[{'id':'z'}]}", "zones[0]: needs either polygon or receivers"},
        {"{'zones':[{'id':'z','receivers':['q']}]}", "zones[0].receivers[0]: no receiver has"},
        {"{'zones':[{'id':'z','receivers':[]}]}", "zones[0].receivers: is empty"},
        {"{'zones':[{'id':'z','polygon':[[0,0],[1,1]]}]}", "has 2 corners, at least 3"},
        {"{'zones':[{'id':'z','polygon':[[0,0],[1,1],[2,2]]}]}", "encloses no area"},
        {"{'zones':[{'id':'z','polygon':[[0,0],[1,1],[2]]}]}", "polygon[2]: must be a corner"},
        {"{'zones':[{'id':'z','polygon':[[0,0],[1,'a'],[2,0]]}]}",
         "polygon[1][1]: must be a number"},
        {"{'no_track':['z']}", "no_track[0]: no zone has the id \"z\""},
    };
    struct plan *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
        check_refused(plan_read_map, p, &bads[i]);
    free(p);
}

#define CAMPAIGN(rest) "{'revision':1,'campaigns':[{'id':'c','template':'t','dwell_s':1," rest "}]}"

static void test_bad_campaigns(void **state UNUSED)
{
    static const struct bad bads[] = {
        {"{'campaigns':[]}", "\"revision\" is missing"},
        {CAMPAIGN("'zone':'moon','gtin':'96385074'"), "campaigns[0].zone: the map has no zone"},
        {CAMPAIGN("'zone':'sofas','gtin':'40170725'"), "no product of the planogram has the GTIN"},
        {CAMPAIGN("'zone':'sofas','gtin':'40170726'"), "check digit is 6, should be 5"},
        {CAMPAIGN("'zone':'sofas','gtin':'96385074','valid_from':'tomorrow'"),
         "must be a time like"},
        {CAMPAIGN("'zone':'sofas','gtin':'96385074','holdout_bp':10001"), "holdout_bp: is 10001"},
        {CAMPAIGN("'zone':'sofas','gtin':'96385074','valid_from':'2026-11-22T00:00:00Z',"
                  "'valid_until':'2026-11-21T00:00:00Z'"),
         "valid_until: is not after valid_from"},
        {CAMPAIGN("'zone':'sofas','gtin':'96385074'},{'id':'c','template':'t','dwell_s':1,"
                  "'zone':'sofas','gtin':'96385074'"),
         "campaigns[1].id: \"c\" is used twice"},
    };
    struct plan *p = good_plan();

    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
        check_refused(plan_read_campaigns, p, &bads[i]);
    free(p);
}

static void test_zones_without_a_map(void **state UNUSED)
{
    struct plan *p = calloc(1, sizeof(*p));
    char error[PLAN_ERROR_SIZE] = "";

    assert_non_null(p);
    assert_int_equal(read_doc(plan_read_planogram, p, good_planogram, error), 0);
    assert_int_equal(p->zones_n, 1);
    assert_int_equal(p->plates[0].zone, 0);
    assert_string_equal(p->zones[0].id, "sofas");
    assert_int_equal(read_doc(plan_read_map, p, good_map, error), -22);
    assert_non_null(strstr(error, "must be read first"));
    free(p);
}

/* --- times ------------------------------------------------------------------------------------- */

static void test_rfc3339(void **state UNUSED)
{
    static const struct {
        const char *text;
        int64_t us; /**< -1: refused */
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T09:00:00Z", 1795251600000000},
        {"2026-11-21T18:00:00.5+09:00", 1795251600500000},
        {"2026-11-21t09:00:00.1234567z", 1795251600123456},
        {"2000-02-29T00:00:00Z", 951782400000000},
        {"2026-11-20T23:30:00-09:30", 1795251600000000},
        {"1900-02-29T00:00:00Z", -1},
        {"2026-02-29T00:00:00Z", -1},
        {"2026-06-31T00:00:00Z", -1},
        {"2026-11-21T09:00:00", -1},
        {"2026-11-21T09:00:00.Z", -1},
        {"2026-11-21T24:00:00Z", -1},
        {"2026-11-21T09:00Z", -1},
        {"2026-11-21", -1},
        {"2026-11-21T09:00:00Z ", -1},
        {"2026-11-21T09:00:00+0900", -1},
        {"", -1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t us = -1;

        assert_int_equal(rfc3339_parse(cases[i].text, &us), cases[i].us >= 0);
        assert_int_equal(us, cases[i].us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_documents),
        cmocka_unit_test(test_bad_planograms),
        cmocka_unit_test(test_bad_maps),
        cmocka_unit_test(test_bad_campaigns),
        cmocka_unit_test(test_zones_without_a_map),
        cmocka_unit_test(test_rfc3339),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
