/* The store beacon's side of mgmt: the test is the kernel's end of the socket. A real Bluetooth stack, and the
 * air, are the business of tests/kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/bluez_beacon.h"
#include "mgmt_rig.h"

#define SECOND INT64_C(1000000)
/* 2026-11-21T09:00:00Z: step 1994724, whose minor with key 00..0f is d994 (design section 6) */
#define VECTOR_US (INT64_C(1994724) * 900 * SECOND)
/* flags, then the iBeacon up to its minor */
#define HEAD "0201061aff4c000215000102030405060708090a0b0c0d0e0f0102"

struct fixture {
    int fd; /* our end */
    char dir[32];
    struct bluez_beacon *b;
    int64_t now_us;
};

static const struct bluez_beacon_config CONFIG = {
    .adapter = 3,
    .major = 0x0102,
    .uuid = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    .key = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    .power_1m_dbm = -59,
};

static void start(struct fixture *f)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    f->fd = fds[0];
    assert_int_equal(bluez_beacon_open_fd(&f->b, fds[1], &CONFIG, f->dir), 0);
}

/* Without asking for anything, as by SIGKILL. */
static void kill_beacon(struct fixture *f)
{
    close(f->fd);
    bluez_beacon_close(f->b);
}

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.dir = "/tmp/test_beacon.XXXXXX", .now_us = 60 * SECOND};
    assert_non_null(mkdtemp(f.dir));
    start(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[64];

    kill_beacon(f);
    (void)snprintf(path, sizeof(path), "%s/ble-beacon", f->dir);
    (void)unlink(path);
    return rmdir(f->dir);
}

static void tick(struct fixture *f, int64_t utc_us)
{
    f->now_us += SECOND;
    assert_true(bluez_beacon_tick(f->b, NULL, f->now_us, utc_us) > f->now_us);
}

static void message(const struct fixture *f, uint16_t event, const uint8_t *p, size_t n)
{
    mgmt_rig_say(f->fd, event, MGMT_RIG_ADAPTER, p, n);
}

/* The kernel gets this command and answers; `hex` is how its parameters begin. */
static void exchange(struct fixture *f, uint16_t opcode, const char *hex, uint8_t status,
                     const uint8_t *p, size_t n)
{
    char got[MGMT_RIG_HEX_SIZE];

    mgmt_rig_take(f->fd, opcode, got);
    got[strlen(hex)] = '\0';
    assert_string_equal(got, hex);
    mgmt_rig_answer(f->fd, opcode, status, p, n);
}

/* Five instances at most, and these there are. */
static void exchange_features(struct fixture *f, const uint8_t *instances, uint8_t n)
{
    uint8_t p[16] = {0, 0, 0, 0, 31, 31, 5, n};

    for (uint8_t i = 0; i < n; i++)
        p[8 + i] = instances[i];
    exchange(f, MGMT_OP_READ_ADV_FEATURES, "", 0, p, 8 + (size_t)n);
}

static void put_on_air(struct fixture *f, int64_t utc_us, const char *data)
{
    tick(f, utc_us);
    exchange_features(f, NULL, 0);
    tick(f, utc_us);
    exchange(f, MGMT_OP_ADD_EXT_ADV_PARAMS, "050040000000000000a0000000a80000007f", 0, NULL, 0);
    tick(f, utc_us);
    exchange(f, MGMT_OP_ADD_EXT_ADV_DATA, data, 0, NULL, 0);
    tick(f, utc_us);
    mgmt_rig_silent(f->fd);
    assert_true(bluez_beacon_state(f->b).on_air);
    assert_null(bluez_beacon_problem(f->b));
}

static void test_minor_follows_the_step(void **state)
{
    struct fixture *f = *state;

    put_on_air(f, VECTOR_US - SECOND, "051e00" HEAD);
    assert_int_not_equal(bluez_beacon_state(f->b).minor, 0xd994);
    tick(f, VECTOR_US);
    exchange(f, MGMT_OP_ADD_EXT_ADV_DATA, "051e00" HEAD "d994c5", 0, NULL, 0);
    tick(f, VECTOR_US + SECOND);
    mgmt_rig_silent(f->fd);
    assert_int_equal(bluez_beacon_state(f->b).minor, 0xd994);
    assert_int_equal(bluez_beacon_state(f->b).steps, 1);
    assert_int_equal(bluez_beacon_state(f->b).added, 1);
}

static void test_old_kernel(void **state)
{
    struct fixture *f = *state;

    tick(f, VECTOR_US);
    exchange_features(f, (uint8_t[]){1, 5}, 2); /* bluetoothd has two */
    tick(f, VECTOR_US);
    exchange(f, MGMT_OP_ADD_EXT_ADV_PARAMS, "04", MGMT_STATUS_UNKNOWN_COMMAND, NULL, 0);
    tick(f, VECTOR_US);
    exchange(f, MGMT_OP_ADD_ADVERTISING, "0400000000000000001e00" HEAD "d994c5", 0, NULL, 0);
    tick(f, VECTOR_US);
    assert_int_equal(bluez_beacon_state(f->b).instance, 4);
}

static void test_put_back_when_removed(void **state)
{
    struct fixture *f = *state;

    put_on_air(f, VECTOR_US, "051e00");
    message(f, MGMT_EV_ADVERTISING_REMOVED, (uint8_t[]){2}, 1); /* not ours */
    tick(f, VECTOR_US);
    mgmt_rig_silent(f->fd);
    message(f, MGMT_EV_ADVERTISING_REMOVED, (uint8_t[]){5}, 1);
    put_on_air(f, VECTOR_US, "051e00");
    assert_int_equal(bluez_beacon_state(f->b).added, 2);
}

static void test_killed_takes_its_own_again(void **state)
{
    struct fixture *f = *state;

    put_on_air(f, VECTOR_US, "051e00");
    kill_beacon(f);
    start(f);
    tick(f, VECTOR_US);
    exchange_features(f, (uint8_t[]){1, 5}, 2);
    tick(f, VECTOR_US);
    exchange(f, MGMT_OP_ADD_EXT_ADV_PARAMS, "05", 0, NULL, 0); /* not 4: 5 is ours */
}

static void test_silent_without_a_clock(void **state)
{
    struct fixture *f = *state;

    tick(f, -1);
    mgmt_rig_silent(f->fd);
    assert_non_null(strstr(bluez_beacon_problem(f->b), "the clock is not set"));
    put_on_air(f, VECTOR_US, "051e00");
}

static void test_reasons(void **state)
{
    struct fixture *f = *state;

    tick(f, VECTOR_US);
    exchange(f, MGMT_OP_READ_ADV_FEATURES, "", MGMT_STATUS_PERMISSION_DENIED, NULL, 0);
    tick(f, VECTOR_US);
    assert_non_null(strstr(bluez_beacon_problem(f->b), "CAP_NET_ADMIN"));
    f->now_us += 10 * SECOND;
    tick(f, VECTOR_US);
    exchange_features(f, (uint8_t[]){1, 2, 3, 4, 5}, 5);
    tick(f, VECTOR_US);
    mgmt_rig_silent(f->fd);
    assert_non_null(strstr(bluez_beacon_problem(f->b), "other programs use all"));
}

static void test_removed_on_close(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[64];

    put_on_air(f, VECTOR_US, "051e00");
    message(f, MGMT_EV_CMD_COMPLETE, (uint8_t[]){0x3f, 0x00, 0x00, 5},
            4); /* the answer, in advance */
    bluez_beacon_close(f->b);
    assert_int_equal(recv(f->fd, buf, sizeof(buf), 0), 7);
    assert_int_equal(buf[0], 0x3f);
    assert_int_equal(buf[6], 5);
    close(f->fd);
    start(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_minor_follows_the_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_kernel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_put_back_when_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_takes_its_own_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_without_a_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reasons, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_on_close, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
