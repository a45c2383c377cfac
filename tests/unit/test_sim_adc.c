/* The simulated board as norend sees it: datagrams in, readings of the sampling thread and packets out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/adc.h"
#include "io/sim.h"

#define WAIT_MS 20000

static const struct board board = {
    .name = "test",
    .banks = {{.id = "b",
               .kind = BANK_SIM,
               .cells_n = 2,
               .cells = {"c1", "c2"},
               .rate_sps = 80,
               .gain = 128,
               .sck_high_max_us = 5000}},
    .banks_n = 1,
    .radios = {{.receiver = "left", .kind = RADIO_SIM}, {.receiver = "right", .kind = RADIO_SIM}},
    .radios_n = 2,
};

struct fixture {
    char dir[32], path[64];
    struct sim *sim;
    int fd; /* the shopper's end */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    snprintf(f->dir, sizeof(f->dir), "/tmp/noren-sim-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/sim.sock", f->dir);
    memcpy(to.sun_path, f->path, sizeof(f->path));
    f->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *state = f;
    return sim_open(&f->sim, f->path, &board) == 0 &&
                   connect(f->fd, (struct sockaddr *)&to, sizeof(to)) == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close(f->fd);
    sim_close(f->sim);
    rmdir(f->dir);
    free(f);
    return 0;
}

static int tell(const struct fixture *f, const char *line, struct ble_packet *ret, size_t cap)
{
    struct pollfd p = {.fd = sim_fd(f->sim), .events = POLLIN};

    assert_int_equal(send(f->fd, line, strlen(line), 0), strlen(line));
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    return sim_read(f->sim, ret, cap);
}

/* Waits for a reading of `cell` with this fault and, when it is a value, near `counts`. */
static void expect(struct adc *a, uint16_t cell, enum cell_fault fault, int32_t counts)
{
    struct pollfd p = {.fd = adc_fd(a), .events = POLLIN};

    for (;;) {
        struct obs o[64];
        int n;

        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
        n = adc_read(a, o, 64);
        assert_in_range(n, 0, 64);
        for (int i = 0; i < n; i++)
            if (o[i].u.cell.cell == cell && o[i].u.cell.fault == fault &&
                (fault != CELL_OK || abs(o[i].u.cell.counts - counts) < 1000))
                return;
    }
}

static void test_load_becomes_readings(void **state)
{
    struct fixture *f = *state;
    const uint16_t cells[] = {7, 9};
    struct ble_packet packet;
    struct adc *a;

    assert_int_equal(adc_open(&a, &board.banks[0], cells, f->sim), 0);
    assert_int_equal(tell(f, "load c1 123456", &packet, 1), 0);
    expect(a, 7, CELL_OK, 123456);
    expect(a, 9, CELL_ABSENT, 0); /* nobody ever told its load */
    assert_int_equal(tell(f, "load c2 -50000", &packet, 1), 0);
    expect(a, 9, CELL_OK, -50000);
    assert_int_equal(tell(f, "fault c1 saturated", &packet, 1), 0);
    expect(a, 7, CELL_SATURATED, 0);
    assert_int_equal(tell(f, "fault c1 none", &packet, 1), 0);
    expect(a, 7, CELL_OK, 123456);
    assert_int_equal(tell(f, "fault c1 absent", &packet, 1), 0);
    expect(a, 7, CELL_ABSENT, 0);
    expect(a, 9, CELL_OK, -50000);
    assert_true(adc_counters(a).frames_good > 0);
    assert_int_equal(sim_refused(f->sim), 0);
    adc_close(a);
}

static void test_advert_becomes_packet(void **state)
{
    struct fixture *f = *state;
    struct ble_packet p = {.n = 0};

    assert_int_equal(tell(f, "adv right 3E0102\n", &p, 1), 1);
    assert_int_equal(p.adapter, 1);
    assert_int_equal(p.n, 3);
    assert_int_equal(p.bytes[0], 0x3e);
    assert_int_equal(p.bytes[2], 0x02);
}

static void test_nonsense_is_counted(void **state)
{
    static const char *const lines[] = {
        "x",           "adv left",     "adv nobody 3e00", "adv left 3e0",        "adv left 3g",
        "load c1",     "load c9 5",    "load c1 5 5",     "load c1 99999999999", "load c1 5x",
        "noise c1 -1", "fault c1 odd", "weigh c1 5"};
    struct fixture *f = *state;
    struct ble_packet p;
    char longest[2000];
    int n = 0;

    for (; n < (int)(sizeof(lines) / sizeof(*lines)); n++)
        assert_int_equal(tell(f, lines[n], &p, 1), 0);
    memset(longest, '3', sizeof(longest));
    memcpy(longest, "adv left ", 9);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(tell(f, longest, &p, 1), 0);
    assert_int_equal(sim_refused(f->sim), n + 1);
}

static void test_one_listener(void **state)
{
    struct fixture *f = *state;
    struct sim *second;

    assert_int_equal(sim_open(&second, f->path, &board), -EADDRINUSE);
}

static void test_no_such_chip(void **state)
{
    struct board_bank bank = {.id = "x",
                              .kind = BANK_GPIO,
                              .chip = "no chip has this label",
                              .sck_n = 1,
                              .cells_n = 1,
                              .rate_sps = 80,
                              .gain = 128,
                              .sck_high_max_us = 45};
    const uint16_t cells[] = {0};
    struct adc *a;

    (void)state;
    assert_int_equal(adc_open(&a, &bank, cells, NULL), -ENODEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_load_becomes_readings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_advert_becomes_packet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_listener, setup, teardown),
        cmocka_unit_test(test_no_such_chip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
