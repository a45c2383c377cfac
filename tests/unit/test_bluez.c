/* Bluetooth from the kernel, without one: the test is the kernel's end of the sockets.
 *
 * The BPF programs are run by the real kernel, on a pair of unix sockets. What a real Bluetooth stack makes
 * of it is the business of tests/kernel. bluez.c is included, to reach its filter and its frame parser.
 */
#include "io/bluez.c" /* NOLINT(bugprone-suspicious-include) */

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mgmt_rig.h"

#define SECOND INT64_C(1000000)

struct kernel {
    int fd; /* our end */
    struct bluez_mgmt *m;
    char dir[32];
    int64_t now_us;
};

static const struct board BOARD = {.radios_n = 1, .radios = {{.kind = RADIO_HCI, .adapter = 3}}};

static void start_norend(struct kernel *k)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    k->fd = fds[0];
    assert_int_equal(bluez_mgmt_open_fd(&k->m, fds[1], &BOARD, k->dir, k->now_us), 0);
}

static int set_up(void **state)
{
    static struct kernel k;

    k = (struct kernel){.dir = "/tmp/test_bluez.XXXXXX"};
    assert_non_null(mkdtemp(k.dir));
    start_norend(&k);
    *state = &k;
    return 0;
}

/* Ends without asking: the other end is closed first, as if the process had been killed. */
static void kill_norend(struct kernel *k)
{
    close(k->fd);
    bluez_mgmt_close(k->m);
}

static int tear_down(void **state)
{
    struct kernel *k = *state;
    char cmd[64];

    kill_norend(k);
    (void)snprintf(cmd, sizeof(cmd), "%s/ble-monitors", k->dir);
    (void)unlink(cmd);
    return rmdir(k->dir);
}

static void message(struct kernel *k, uint16_t event, uint16_t adapter, const uint8_t *p, size_t n)
{
    mgmt_rig_say(k->fd, event, adapter, p, n);
    assert_int_equal(bluez_mgmt_read(k->m, k->now_us), 0);
}

/* The kernel gets this command (parameters in hex), and answers. */
static void exchange(struct kernel *k, uint16_t opcode, const char *hex, uint8_t status,
                     const uint8_t *p, size_t n)
{
    char got[MGMT_RIG_HEX_SIZE];

    mgmt_rig_take(k->fd, opcode, got);
    if (hex != NULL)
        assert_string_equal(got, hex);
    mgmt_rig_answer(k->fd, opcode, status, p, n);
    assert_int_equal(bluez_mgmt_read(k->m, k->now_us), 0);
}

static void exchange_info(struct kernel *k, uint32_t settings)
{
    uint8_t info[280] = {0};
    struct wr w = wr_init(info + 13, 4);

    wr_le(&w, settings, 4);
    exchange(k, MGMT_OP_READ_INFO, "", 0, info, 100);
}

static void exchange_features(struct kernel *k, uint16_t n, uint16_t handle)
{
    uint8_t p[32] = {0};
    struct wr w = wr_init(p + 8, 24);

    wr_le(&w, 32, 2);
    wr_u8(&w, 16);
    wr_le(&w, n, 2);
    for (uint16_t i = 0; i < n; i++)
        wr_le(&w, handle, 2);
    exchange(k, MGMT_OP_READ_ADV_MONITOR_FEATURES, "", 0, p, 8 + w.n);
}

static void exchange_add(struct kernel *k, uint8_t handle)
{
    exchange(k, MGMT_OP_SET_DEF_SYSTEM_CONFIG, "130002a000140002a0001f000100", 0, NULL, 0);
    exchange(k, MGMT_OP_ADD_ADV_PATTERNS_MONITOR,
             "0101000106000000000000000000000000000000000000000000000000000000000000", 0,
             (uint8_t[]){handle, 0}, 2);
}

static void go_to_run(struct kernel *k, uint8_t handle)
{
    exchange_info(k, MGMT_SETTING_LE | MGMT_SETTING_POWERED);
    exchange_features(k, 0, 0);
    exchange_add(k, handle);
    mgmt_rig_silent(k->fd);
    assert_null(bluez_mgmt_degraded(k->m));
}

static void test_an_adapter_that_is_off_is_switched_on_before_the_monitor(void **state)
{
    struct kernel *k = *state;

    exchange_info(k, 0);
    exchange(k, MGMT_OP_SET_LE, "01", 0, NULL, 0);
    exchange(k, MGMT_OP_SET_POWERED, "01", 0, NULL, 0);
    exchange_features(k, 0, 0);
    exchange_add(k, 5);
    assert_null(bluez_mgmt_degraded(k->m));
}

static void test_a_leftover_of_this_boot_is_removed_and_nothing_else(void **state)
{
    struct kernel *k = *state;

    go_to_run(k, 7);
    kill_norend(k);
    start_norend(k);
    exchange_info(k, MGMT_SETTING_LE | MGMT_SETTING_POWERED);
    exchange_features(k, 1, 7);
    exchange(k, MGMT_OP_REMOVE_ADV_MONITOR, "0700", 0, (uint8_t[]){7, 0}, 2);
    exchange_add(k, 8);
    kill_norend(k);
    start_norend(k);
    exchange_info(k, MGMT_SETTING_LE | MGMT_SETTING_POWERED);
    exchange_features(k, 1, 9); /* ours has gone, somebody else's is there: it stays */
    exchange_add(k, 8);
}

static void test_handles_of_another_boot_mean_nothing(void **state)
{
    struct kernel *k = *state;
    char path[64];
    FILE *f;

    kill_norend(k);
    (void)snprintf(path, sizeof(path), "%s/ble-monitors", k->dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("boot 00000000-0000-0000-0000-000000000000\nhci3 7\n", f);
    fclose(f);
    start_norend(k);
    exchange_info(k, MGMT_SETTING_LE | MGMT_SETTING_POWERED);
    exchange_features(k, 1, 7);
    exchange_add(k, 8);
}

static void test_a_monitor_that_bluetoothd_removed_comes_back_at_once(void **state)
{
    struct kernel *k = *state;

    go_to_run(k, 1);
    message(k, MGMT_EV_ADV_MONITOR_REMOVED, 3, (uint8_t[]){2, 0}, 2);
    mgmt_rig_silent(k->fd); /* not ours */
    message(k, MGMT_EV_ADV_MONITOR_REMOVED, 3, (uint8_t[]){1, 0}, 2);
    exchange_add(k, 4);
    message(k, MGMT_EV_ADV_MONITOR_REMOVED, 3, (uint8_t[]){0, 0}, 2); /* all */
    exchange_add(k, 5);
    assert_int_equal(bluez_mgmt_counters(k->m).removals, 2);
}

static void test_an_adapter_may_be_pulled_out_and_plugged_in(void **state)
{
    struct kernel *k = *state;

    exchange(k, MGMT_OP_READ_INFO, "", MGMT_STATUS_INVALID_INDEX, NULL, 0);
    assert_non_null(strstr(bluez_mgmt_degraded(k->m), "hci3 is not there"));
    k->now_us += 100 * SECOND;
    bluez_mgmt_tick(k->m, k->now_us);
    mgmt_rig_silent(k->fd);
    message(k, MGMT_EV_INDEX_ADDED, 3, NULL, 0);
    go_to_run(k, 1);
    message(k, MGMT_EV_INDEX_REMOVED, 3, NULL, 0);
    assert_non_null(strstr(bluez_mgmt_degraded(k->m), "hci3 is not there"));
    message(k, MGMT_EV_INDEX_ADDED, 3, NULL, 0);
    go_to_run(k, 1);
    assert_int_equal(bluez_mgmt_counters(k->m).returns, 2);
}

static void test_the_scan_is_held_off_for_a_moment(void **state)
{
    struct kernel *k = *state;

    go_to_run(k, 1);
    assert_false(bluez_mgmt_hold(k->m, 3, k->now_us));
    exchange(k, MGMT_OP_REMOVE_ADV_MONITOR, "0100", 0, (uint8_t[]){1, 0}, 2);
    assert_true(bluez_mgmt_hold(k->m, 3, k->now_us));
    mgmt_rig_silent(k->fd);
    bluez_mgmt_release(k->m, 3, k->now_us);
    exchange_add(k, 2);
    assert_false(bluez_mgmt_hold(k->m, 3, k->now_us)); /* again, and never released */
    exchange(k, MGMT_OP_REMOVE_ADV_MONITOR, "0200", 0, (uint8_t[]){2, 0}, 2);
    k->now_us += 5 * SECOND;
    bluez_mgmt_tick(k->m, k->now_us);
    exchange_add(k, 3);
    assert_true(bluez_mgmt_hold(k->m, 9, k->now_us)); /* not ours: nothing to wait for */
}

static void remember_found(void *arg, uint16_t adapter, const uint8_t *params, size_t n)
{
    struct wr *w = arg;

    assert_int_equal(adapter, 3);
    wr_copy(w, params, n);
}

static void test_adverts_by_mgmt_only_when_asked_for(void **state)
{
    struct kernel *k = *state;
    static const uint8_t found[] = {9, 0, 1, 2, 3, 4, 5, 6, 2, 0xc4, 0, 0, 0, 0, 1, 0, 0x00};
    uint8_t buf[64];
    struct wr w = wr_init(buf, sizeof(buf));

    go_to_run(k, 1);
    message(k, MGMT_EV_ADV_MONITOR_DEVICE_FOUND, 3, found, sizeof(found));
    assert_int_equal(bluez_mgmt_listen(k->m, remember_found, &w), 0);
    assert_int_equal(w.n, 0);
    message(k, MGMT_EV_ADV_MONITOR_DEVICE_FOUND, 3, found, sizeof(found));
    assert_int_equal(w.n, sizeof(found) - 2); /* without the monitor's handle */
    assert_memory_equal(buf, found + 2, w.n);
    message(k, MGMT_EV_DEVICE_FOUND, 3, found + 2, sizeof(found) - 2);
    assert_int_equal(w.n, 2 * (sizeof(found) - 2));
}

static void test_without_permission_it_says_so_and_stays_quiet(void **state)
{
    struct kernel *k = *state;

    exchange_info(k, MGMT_SETTING_LE | MGMT_SETTING_POWERED);
    exchange_features(k, 0, 0);
    exchange(k, MGMT_OP_SET_DEF_SYSTEM_CONFIG, NULL, MGMT_STATUS_PERMISSION_DENIED, NULL, 0);
    assert_non_null(strstr(bluez_mgmt_degraded(k->m), "CAP_NET_ADMIN"));
    k->now_us += 100 * SECOND;
    bluez_mgmt_tick(k->m, k->now_us);
    mgmt_rig_silent(k->fd);
}

static void test_silence_is_answered_by_the_monitor_then_by_power_then_with_patience(void **state)
{
    struct kernel *k = *state;

    go_to_run(k, 1);
    k->now_us += 9 * SECOND;
    bluez_mgmt_tick(k->m, k->now_us);
    mgmt_rig_silent(k->fd);
    k->now_us += SECOND;
    bluez_mgmt_tick(k->m, k->now_us);
    exchange(k, MGMT_OP_REMOVE_ADV_MONITOR, "0100", 0, (uint8_t[]){1, 0}, 2);
    exchange_add(k, 2);
    k->now_us += 19 * SECOND;
    bluez_mgmt_tick(k->m, k->now_us);
    mgmt_rig_silent(k->fd);
    k->now_us += SECOND;
    bluez_mgmt_tick(k->m, k->now_us);
    exchange(k, MGMT_OP_SET_POWERED, "00", 0, NULL, 0);
    exchange(k, MGMT_OP_SET_POWERED, "01", 0, NULL, 0);
    exchange_features(k, 1, 2);
    exchange(k, MGMT_OP_REMOVE_ADV_MONITOR, "0200", 0, (uint8_t[]){2, 0}, 2);
    exchange_add(k, 3);
    assert_int_equal(bluez_mgmt_counters(k->m).readds, 1);
    assert_int_equal(bluez_mgmt_counters(k->m).power_cycles, 1);
    assert_null(bluez_mgmt_degraded(k->m)); /* it may have helped */
    k->now_us += 39 * SECOND;
    bluez_mgmt_tick(k->m, k->now_us);
    mgmt_rig_silent(k->fd);
    assert_non_null(strstr(bluez_mgmt_degraded(k->m), "hears no advertisement"));
    assert_int_equal(bluez_mgmt_counters(k->m).reports, 1);
    assert_true(bluez_mgmt_heard(k->m, 3, k->now_us));
    assert_null(bluez_mgmt_degraded(k->m));
    assert_false(bluez_mgmt_heard(k->m, 0, k->now_us)); /* not an adapter of the board */
}

static void test_a_busy_adapter_is_asked_again_and_in_the_end_switched_off_and_on(void **state)
{
    struct kernel *k = *state;

    exchange_info(k, MGMT_SETTING_LE | MGMT_SETTING_POWERED);
    exchange_features(k, 0, 0);
    exchange(k, MGMT_OP_SET_DEF_SYSTEM_CONFIG, NULL, 0, NULL, 0);
    for (int i = 0; i < 10; i++) {
        exchange(k, MGMT_OP_ADD_ADV_PATTERNS_MONITOR, NULL, 0x0a, NULL, 0);
        assert_non_null(strstr(bluez_mgmt_degraded(k->m), "status 0x0a"));
        k->now_us += SECOND;
        bluez_mgmt_tick(k->m, k->now_us);
    }
    exchange(k, MGMT_OP_SET_POWERED, "00", 0, NULL, 0);
}

/* --- data plane --------------------------------------------------------------------------------- */

static void test_the_filter_passes_advertising_reports_only(void **state)
{
    static const struct {
        const char *hex;
        bool pass;
    } frames[] = {
        {"030000000400 3e020201", true},  {"030000000400 3e020d01", true},
        {"030007000400 3e020201", true},  {"020000000400 3e020201", false}, /* a command */
        {"030000000400 3e020a01", false},                                   /* another LE event */
        {"030000000400 0e020201", false},                                   /* command complete */
        {"030000000200 3e00", false},     {"0300", false},
    };
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(attach_filter(fds[1]), 0);
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        uint8_t buf[64], got[64];
        size_t n = 0;

        for (const char *p = frames[i].hex; *p != '\0'; p += *p == ' ' ? 1 : 2)
            if (*p != ' ')
                buf[n++] = (uint8_t)strtoul((char[]){p[0], p[1], '\0'}, NULL, 16);
        (void)send(fds[0], buf, n,
                   0); /* a filtered datagram is EPERM to the sender, on unix sockets */
        assert_int_equal(recv(fds[1], got, sizeof(got), 0), frames[i].pass ? (int)n : -1);
    }
    close(fds[0]);
    close(fds[1]);
}

static struct msghdr stamped(char *control, size_t n, int64_t wall_us)
{
    struct msghdr h = {.msg_control = control, .msg_controllen = n};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    struct timespec t = {.tv_sec = wall_us / SECOND, .tv_nsec = wall_us % SECOND * 1000};

    *c = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(t)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_TIMESTAMPNS};
    memcpy(CMSG_DATA(c), &t, sizeof(t));
    return h;
}

static void test_stamps_become_boot_time_unless_the_clock_was_set_meanwhile(void **state)
{
    char control[CMSG_SPACE(sizeof(struct timespec))] = {0};
    struct msghdr h;

    (void)state;
    h = stamped(control, sizeof(control), 1000 * SECOND - 3000);
    assert_int_equal(stamp_of(&h, 50 * SECOND, 1000 * SECOND), 50 * SECOND - 3000);
    h = stamped(control, sizeof(control), 1001 * SECOND); /* the clock was set back */
    assert_int_equal(stamp_of(&h, 50 * SECOND, 1000 * SECOND), 50 * SECOND);
    h = stamped(control, sizeof(control), 10 * SECOND); /* ... or forward */
    assert_int_equal(stamp_of(&h, 50 * SECOND, 1000 * SECOND), 50 * SECOND);
}

int main(void)
{
#define MGMT_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MGMT_TEST(test_an_adapter_that_is_off_is_switched_on_before_the_monitor),
        MGMT_TEST(test_a_leftover_of_this_boot_is_removed_and_nothing_else),
        MGMT_TEST(test_handles_of_another_boot_mean_nothing),
        MGMT_TEST(test_a_monitor_that_bluetoothd_removed_comes_back_at_once),
        MGMT_TEST(test_an_adapter_may_be_pulled_out_and_plugged_in),
        MGMT_TEST(test_the_scan_is_held_off_for_a_moment),
        MGMT_TEST(test_adverts_by_mgmt_only_when_asked_for),
        MGMT_TEST(test_without_permission_it_says_so_and_stays_quiet),
        MGMT_TEST(test_silence_is_answered_by_the_monitor_then_by_power_then_with_patience),
        MGMT_TEST(test_a_busy_adapter_is_asked_again_and_in_the_end_switched_off_and_on),
        cmocka_unit_test(test_the_filter_passes_advertising_reports_only),
        cmocka_unit_test(test_stamps_become_boot_time_unless_the_clock_was_set_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
