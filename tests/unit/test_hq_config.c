/* hq.conf and the members file: what is wrong is said with the place and the remedy, nothing is half read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hq/config.h"
#include "hq/roster.h"

static char path[64];

static void write_file(const char *text)
{
    snprintf(path, sizeof(path), "/tmp/noren-hq-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

#define GOOD                                            \
    "[hq]\ndata_dir = d\nkey = k.pem\npages = /pages\n" \
    "[mqtt]\nhost = localhost\ntenant = acme\nca = ca.crt\n"

static void test_good_config(void **state)
{
    struct hq_config c;
    char error[INI_ERROR_SIZE];

    (void)state;
    write_file(GOOD);
    assert_int_equal(hq_config_load(&c, path, error), 0);
    unlink(path);
    assert_int_equal(c.http_port, 8080);
    assert_string_equal(c.http_bind, "127.0.0.1");
    assert_int_equal(c.mqtt.port, 8883);
    assert_string_equal(c.data_dir, "/tmp/d"); /* relative to the file's folder */
    assert_string_equal(c.pages, "/pages");
    assert_string_equal(c.members, "");
}

static void test_bad_configs(void **state)
{
    static const struct {
        const char *text, *said;
    } ROWS[] = {
        {"[hq]\ndata_dri = d\n", ":2: [hq] has no key \"data_dri\""},
        {GOOD "port = 70000\n", ":9: [mqtt] port"},
        {"[hq]\ndata_dir = d\n", "key"},
        {"[mqtt]\nhost = localhost\ntenant = acme\n", "needs a section [hq]"},
        {GOOD "cert = x\n", "cert and key belong together"},
        {"[hqq]\nx = 1\n", "unknown section [hqq]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct hq_config c;
        char error[INI_ERROR_SIZE] = "";

        write_file(ROWS[i].text);
        if (hq_config_load(&c, path, error) == 0 || strstr(error, ROWS[i].said) == NULL ||
            strstr(error, path) == NULL)
            fail_msg("row %zu: %s", i, error);
        unlink(path);
    }
}

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define MEMBER(ref, key, consent, bucket)                                                    \
    "{\"member_ref\":" ref ",\"name\":\"n\",\"member_key\":\"" key "\",\"consent\":" consent \
    ",\"bucket\":" bucket "}"
#define MEMBERS(list) "{\"members\":[" list "]}"

static void test_bad_rosters(void **state)
{
    static const struct {
        const char *text, *said;
    } ROWS[] = {
        {"{\"members\":[", ":1: "},
        {"{}", "needs {\"members\""},
        {MEMBERS(MEMBER("7", KEY, "[]", "1")), "members[0].member_ref"},
        {MEMBERS(MEMBER("\"m-1\"", "00", "[]", "1")), "members[0].member_key: write 64"},
        {MEMBERS(MEMBER("\"m-1\"", KEY, "[\"all\"]", "1")), "members[0].consent"},
        {MEMBERS(MEMBER("\"m-1\"", KEY, "[]", "10000")), "members[0].bucket: write 0..9999"},
        {MEMBERS(MEMBER("\"m-1\"", KEY, "[]", "1") "," MEMBER("\"m-1\"", KEY, "[]", "1")),
         "members[1].member_ref: is in the list twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct roster r = {0};
        char error[ROSTER_ERROR_SIZE] = "";

        write_file(ROWS[i].text);
        if (roster_load(&r, path, error) == 0 || strstr(error, ROWS[i].said) == NULL)
            fail_msg("row %zu: %s", i, error);
        assert_null(r.members);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_config),
        cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_bad_rosters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
