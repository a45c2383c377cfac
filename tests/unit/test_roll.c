/* The members document: taken whole, part by part, or refused with place and remedy. Documents are written
 * with ' for ". */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hq/roster.h"
#include "io/roll.h"

#define UNUSED __attribute__((unused))
#define KEY    "d2d63054582a28ae0f43b76ecbe5a111"
#define DAYS   "'day_keys':{'20261121':'" KEY "'}"
#define UTC_US (NOREN_VECTOR_UNIX_S * NOREN_US_PER_S)

/* KEY as bytes */
static const uint8_t key[16] = {0xd2, 0xd6, 0x30, 0x54, 0x58, 0x2a, 0x28, 0xae,
                                0x0f, 0x43, 0xb7, 0x6e, 0xcb, 0xe5, 0xa1, 0x11};

static int read_part(struct roll *r, const char *text, char error[PLAN_ERROR_SIZE])
{
    char *json = strdup(text);
    int rc;

    assert_non_null(json);
    for (char *p = json; *p != 0; p++)
        if (*p == '\'')
            *p = '"';
    error[0] = 0;
    rc = roll_read(r, json, strlen(json), error);
    free(json);
    return rc;
}

static bool hears(struct radio *radio, struct member *ret)
{
    uint8_t mac[NOREN_TOKEN_MAC_SIZE];

    noren_token_mac(key, NOREN_VECTOR_STEP, mac);
    return members_resolve(&radio->members, (uint8_t)NOREN_VECTOR_STEP, mac, ret) == TOKEN_RESOLVED;
}

static void use(struct roll *r, struct radio *radio)
{
    roll_use(r, radio);
    radio_clock(radio, UTC_US, CLOCK_SYNCED);
}

static void test_only_ours(void **state UNUSED)
{
    static struct roll r;
    char error[PLAN_ERROR_SIZE];

    r.us = "t1/s1/gw1";
    assert_int_equal(read_part(&r, "{'to':'t1/s2/gw1','revision':1,'members':[]}", error), -EPERM);
    assert_non_null(strstr(error, "to: names \"t1/s2/gw1\", and this is t1/s1/gw1"));
    assert_int_equal(read_part(&r, "{'revision':1,'members':[]}", error), -EPERM);
    assert_int_equal(read_part(&r, "{'to':7,'revision':1,'members':[]}", error), -EPERM);
    assert_int_equal(read_part(&r, "{'to':'t1/s1/gw10','revision':1,'members':[]}", error), -EPERM);
    assert_int_equal(read_part(&r, "{'to':'t1/s1/gw1','revision':1,'members':[]}", error), 1);
    roll_free(&r);
}

static void test_whole(void **state UNUSED)
{
    static struct roll r;
    static struct radio radio;
    char error[PLAN_ERROR_SIZE];
    struct member who;
    struct tag tag;
    uint8_t eid[TAG_EID_SIZE];

    radio_init(&radio);
    assert_int_equal(
        read_part(&r,
                  "{'revision':3,'members':[{'member_ref':'m-1','consent':['presence','offers'],"
                  "'bucket':4321," DAYS "},{'member_ref':'m-2','staff':true}],"
                  "'tags':[{'tag':'card-7','member_ref':'m-1','consent':['presence'],'bucket':4321,"
                  "'eid_key':'" KEY
                  "','k':10,'offset_s':-5},{'tag':'badge','staff':true,'irk':'" KEY
                  "'}],'sensors':[{'sensor':'fridge','bind_key':'" KEY "'}]}",
                  error),
        1);
    use(&r, &radio);
    assert_int_equal(r.revision, 3);
    assert_true(hears(&radio, &who));
    assert_string_equal(who.ref, "m-1");
    assert_int_equal(who.consent, CONSENT_PRESENCE | CONSENT_OFFERS);
    assert_int_equal(who.bucket, 4321);
    assert_true(members_find(&radio.members, "m-2", &who) && who.staff);
    tags_eid(key, 10, NOREN_VECTOR_UNIX_S - 5, eid);
    assert_true(tags_resolve_eid(&radio.tags, eid, (const uint8_t[6]){0}, &tag));
    assert_string_equal(tag.member_ref, "m-1");
    assert_int_equal(tag.consent, CONSENT_PRESENCE);
    assert_int_equal(radio.tags.irks, 1);
    assert_int_equal(radio.sensors_n, 1);
    /* the same and older revisions change nothing, nor does a bad document; an empty one forgets all */
    assert_int_equal(read_part(&r, "{'revision':3,'members':[]}", error), 0);
    assert_int_equal(read_part(&r, "{'revision':2,'members':[]}", error), -ESTALE);
    assert_non_null(strstr(error, "older than 3, which is in force"));
    assert_int_equal(read_part(&r, "{'revision':4,'members':[{}]}", error), -EINVAL);
    assert_true(hears(&radio, &who));
    radio.sensors[0].heard = true;
    radio.sensors[0].counter = 99;
    assert_int_equal(read_part(&r,
                               "{'revision':4,'members':[],'sensors':["
                               "{'sensor':'new','bind_key':'" KEY "'},"
                               "{'sensor':'fridge','bind_key':'" KEY "'}]}",
                               error),
                     1);
    use(&r, &radio);
    assert_false(hears(&radio, &who));
    assert_int_equal(radio.sensors_n, 2);
    assert_int_equal(radio.sensors[1].counter, 99); /* no way to play old frames back */
    roll_free_radio(&radio);
    roll_free(&r);
}

/* Nothing changes until the last part is there, in whatever order and however often they come. */
static void test_parts(void **state UNUSED)
{
    static const char *const parts[] = {
        "{'revision':7,'part':0,'parts':3,'members_n':2,'tags_n':1,'members':[{'member_ref':'a'}]}",
        "{'revision':7,'part':1,'parts':3,'members_n':2,'tags_n':1,'members':[{'member_ref':'b'}]}",
        "{'revision':7,'part':2,'parts':3,'members_n':2,'tags_n':1,'members':[],"
        "'tags':[{'tag':'t','irk':'" KEY "'}]}",
    };
    static struct roll r;
    static struct radio radio;
    char error[PLAN_ERROR_SIZE];
    struct member who;

    radio_init(&radio);
    assert_int_equal(
        read_part(&r, "{'revision':6,'members':[{'member_ref':'old'," DAYS "}]}", error), 1);
    use(&r, &radio);
    assert_int_equal(read_part(&r, parts[2], error), 0);
    assert_int_equal(r.last.part, 2);
    assert_int_equal(read_part(&r, parts[0], error), 0);
    assert_int_equal(read_part(&r, parts[0], error), 0);
    assert_true(members_find(&radio.members, "old", &who));
    /* a later revision begins anew, an older one is late */
    assert_int_equal(
        read_part(&r, "{'revision':8,'part':0,'parts':2,'members_n':1,'members':[]}", error), 0);
    assert_int_equal(read_part(&r, parts[1], error), -ESTALE);
    assert_int_equal(
        read_part(&r,
                  "{'revision':8,'part':1,'parts':2,'members_n':1,'members':[{'member_ref':'c'}]}",
                  error),
        1);
    use(&r, &radio);
    assert_true(members_find(&radio.members, "c", &who));
    assert_false(members_find(&radio.members, "old", &who));
    assert_false(members_find(&radio.members, "a", &who));
    /* more than was said: refused, and what came before must come again */
    assert_int_equal(
        read_part(&r,
                  "{'revision':9,'part':0,'parts':2,'members_n':1,'members':[{'member_ref':'d'}]}",
                  error),
        0);
    assert_int_equal(
        read_part(&r,
                  "{'revision':9,'part':1,'parts':2,'members_n':1,'members':[{'member_ref':'e'}]}",
                  error),
        -EINVAL);
    assert_int_equal(r.have_n, 0);
    roll_free_radio(&radio);
    roll_free(&r);
}

static bool unwanted(void *user, const char *ref)
{
    return strcmp(ref, user) == 0;
}

static void test_left_out(void **state UNUSED)
{
    static struct roll r;
    static struct radio radio;
    char error[PLAN_ERROR_SIZE], forgotten[] = "m-1";
    struct member who;

    radio_init(&radio);
    r.unwanted = unwanted;
    r.user = forgotten;
    r.first_date = 20261121;
    assert_int_equal(
        read_part(&r,
                  "{'revision':1,'members':[{'member_ref':'m-1'," DAYS
                  "},{'member_ref':'m-2','day_keys':{'20261120':'" KEY
                  "','20261121':'00000000000000000000000000000000'}}],'tags':[{'tag':'t',"
                  "'member_ref':'m-1','irk':'" KEY "'}]}",
                  error),
        1);
    use(&r, &radio);
    assert_false(hears(&radio, &who));
    assert_int_equal(radio.members.n, 1);
    assert_int_equal(radio.tags.n, 0);
    assert_null(memmem(radio.members.memory, members_size(2), key, sizeof(key)));
    roll_free_radio(&radio);
    roll_free(&r);
}

#define MEMBER(rest) "{'revision':1,'members':[{'member_ref':'m'," rest "}]}"

#define TAG(rest) "{'revision':1,'members':[],'tags':[{'tag':'t'," rest "}]}"

static void test_bad(void **state UNUSED)
{
    static const struct {
        const char *doc, *error;
    } bads[] = {
        {"nonsense", "line 1"},
        {"{'members':[]}", "\"revision\" is missing"},
        {"{'revision':1,'members':[{}]}", "members[0]: \"member_ref\" is missing"},
        {MEMBER("'consent':['all']"), "members[0].consent[0]: must be presence, offers"},
        {MEMBER("'bucket':10000"), "members[0].bucket: is 10000"},
        {MEMBER("'staff':1"), "members[0].staff: must be true or false"},
        {MEMBER("'day_keys':{'20261321':'" KEY "'}"), "members[0].day_keys.20261321: is no date"},
        {MEMBER("'day_keys':{'20261121':'00'}"), "must be a key of 32 hex digits"},
        {MEMBER("'day_keys':{'20261121':'g" KEY "'}"), "must be a key of 32 hex digits"},
        {MEMBER("'day_keys':{'20261121':'x2d63054582a28ae0f43b76ecbe5a111'}"), "32 hex digits"},
        {MEMBER("'member_key':'" KEY "'"), "unknown name \"member_key\""},
        {TAG("'k':3"), "tags[0]: needs an eid_key with its k, or an irk"},
        {TAG("'irk':'" KEY "','eid_key':'" KEY "'"), "needs an eid_key"},
        {TAG("'eid_key':'" KEY "'"), "\"k\" is missing"},
        {TAG("'eid_key':'" KEY "','k':16"), "tags[0].k: is 16"},
        {TAG("'irk':'00'"), "tags[0].irk: must be a key"},
        {"{'revision':1,'members':[],'sensors':[{'sensor':'s'}]}", "32 hex digits"},
        {"{'revision':1,'part':1,'members':[]}", "part: is 1 of 1"},
        {"{'revision':1,'part':0,'parts':2,'members':[]}", "members_n"},
        {"{'revision':1,'members_n':0,'members':[{'member_ref':'m'}]}", "members_n: is 0"},
    };

    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        static struct roll r;
        char error[PLAN_ERROR_SIZE];

        assert_int_equal(read_part(&r, bads[i].doc, error), -EINVAL);
        if (strstr(error, bads[i].error) == NULL)
            fail_msg("%s\n  says: %s\n  not:  %s", bads[i].doc, error, bads[i].error);
        assert_null(r.members.memory);
        assert_null(r.tags.memory);
    }
}

/* What HQ makes of a long list is what a gateway takes: in parts, cards with what their carriers agreed to,
 * and after a shorter list what is to be taken back. */
static void test_members_parts(void **state UNUSED)
{
    struct store store;
    char why[256];
    const int64_t now_s = NOREN_VECTOR_UNIX_S;
    struct roster many = {json_array(), json_array(), json_array(), json_array(),
                          json_string("000102030405060708090a0b0c0d0e0f")};
    const uint8_t till[6] = {1, 2, 3, 4, 5, 0xc6}; /* as in a report */
    struct tag tag;
    static struct roll roll;
    static struct radio radio;
    struct roster_parts parts;
    struct member who;
    char error[PLAN_ERROR_SIZE];

    struct roster none = {json_array(), json_array(), json_array(), json_array(), NULL};

    assert_int_equal(store_open(&store, ":memory:", why), 0);
    assert_true(store_run(&store,
                          "INSERT INTO gateway(id, tenant, store, gateway) VALUES(1,'a','s1','g')",
                          "") >= 0);
    for (int i = 0; i < ROSTER_PART_ITEMS + 10; i++) {
        char ref[16];

        snprintf(ref, sizeof(ref), "m-%04d", i);
        json_array_append_new(many.members,
                              json_pack("{s:s,s:s,s:[s],s:i,s:b}", "member_ref", ref, "name", "x",
                                        "consent", "presence", "bucket", i, "staff", i == 7));
    }
    json_array_append_new(many.tags,
                          json_pack("{s:s,s:s,s:s,s:i}", "tag", "card", "member_ref", "m-0003",
                                    "eid_key", "000102030405060708090a0b0c0d0e0f", "k", 10));
    json_array_append_new(many.tags,
                          json_pack("{s:s,s:s,s:s}", "tag", "lost", "member_ref", "nobody", "irk",
                                    "000102030405060708090a0b0c0d0e0f"));
    json_array_append_new(many.tags, json_pack("{s:s,s:b,s:s}", "tag", "till-phone", "staff", 1,
                                               "device", "7638b7f3bb037bfabe36a4241301f257"));
    json_array_append_new(many.sensors, json_pack("{s:s,s:s}", "sensor", "fridge", "bind_key",
                                                  "000102030405060708090a0b0c0d0e0f"));
    assert_int_equal(roster_print(&many, &store, 1, "s1", now_s, &parts), 0);
    assert_int_equal(parts.n, 2);
    radio_init(&radio);
    assert_int_equal(roll_read(&roll, parts.payloads[1], strlen(parts.payloads[1]), error), 0);
    assert_int_equal(roll_read(&roll, parts.payloads[0], strlen(parts.payloads[0]), error), 1);
    roll_use(&roll, &radio);
    assert_int_equal(radio.members.n, ROSTER_PART_ITEMS + 10);
    assert_int_equal(radio.tags.n, 2);
    assert_true(tags_resolve_address(&radio.tags, till, false, 0, &tag) && tag.staff);
    assert_string_equal(tag.id, "till-phone");
    assert_int_equal(radio.sensors_n, 1);
    assert_true(members_find(&radio.members, "m-0007", &who) && who.staff);
    assert_true(members_find(&radio.members, "m-0255", &who) && !who.staff);
    assert_int_equal(who.bucket, 255);
    roster_parts_free(&parts);
    assert_int_equal(roster_print(&none, &store, 1, "s1", now_s + 9, &parts), 0);
    assert_int_equal(parts.n, 1);
    assert_int_equal(parts.stale, 2);
    roster_parts_free(&parts);
    roll_free_radio(&radio);
    roster_free(&many);
    roster_free(&none);
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_ours), cmocka_unit_test(test_whole),
        cmocka_unit_test(test_parts),     cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_bad),       cmocka_unit_test(test_members_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
