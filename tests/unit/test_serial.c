/* A shelf node at a serial line: the firmware's core at one end of a pseudo terminal, the gateway's reader and
 * radio at the other. A pseudo terminal stands for the wire; that a UART makes no errors is not claimed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/device.h"
#include "core/radio.h"
#include "io/serial.h"

#define NODE 300

static const struct provision config = {.kind = DEVICE_SHELF_NODE,
                                        .interval_ms = 100, /* the fastest: ten reports a second */
                                        .key = {5, 6, 7},
                                        .number = NODE,
                                        .cells_n = 2,
                                        .cells = {{.ug_per_count = 1000}, {.ug_per_count = 2000}}};

struct wire {
    int master;
    char path[64];
    struct serial *serial;
    struct device device;
    struct device_in in;
    struct radio radio;
    uint32_t now_ms;
};

static void plug(struct wire *w)
{
    w->master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(w->master >= 0 && grantpt(w->master) == 0 && unlockpt(w->master) == 0);
    assert_int_equal(ptsname_r(w->master, w->path, sizeof(w->path)), 0);
}

static struct wire *wire_new(void)
{
    struct wire *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    plug(w);
    assert_int_equal(serial_open(&w->serial, w->path), 0);
    assert_true(serial_fd(w->serial) >= 0);
    radio_init(&w->radio);
    assert_true(radio_node_key(&w->radio, NODE, config.key));
    device_init(&w->device, &config, 0, 0);
    return w;
}

static void wire_free(struct wire *w)
{
    serial_close(w->serial);
    close(w->master);
    free(w);
}

static void say(const struct wire *w, const char *text)
{
    assert_int_equal(write(w->master, text, strlen(text)), (ssize_t)strlen(text));
}

/* What the node's main loop traces (firmware/main.c) until it has advertised once. */
static void node_report(struct wire *w, int32_t a, int32_t b, char ret_line[80])
{
    struct device_out out = {.ad_n = 0};

    while (out.ad_n == 0) {
        w->in.sampled[0] = w->in.sampled[1] = true;
        w->in.counts[0] = a;
        w->in.counts[1] = b;
        device_step(&w->device, &w->in, w->now_ms, &out);
        if (out.store)
            w->in.counter = out.counter;
        w->now_ms += 12; /* 80 samples a second; an HX717's 320 come to the same report */
    }
    memcpy(ret_line, "AD ", 4);
    for (uint8_t i = 0; i < out.ad_n; i++)
        snprintf(ret_line + 3 + 2 * i, 3, "%02x", out.ad[i]);
    snprintf(ret_line + 3 + 2 * out.ad_n, 3, "\r\n");
}

/* Everything that waits, through the radio. */
static int hear(struct wire *w, struct obs *ret, int cap)
{
    struct ble_packet packets[64];
    struct obs obs[RADIO_OBS_MAX];
    int n = serial_read(w->serial, packets, 64), heard = 0;

    for (int i = 0; i < n; i++) {
        struct radio_in in = {
            .t_us = packets[i].t_us, .packet = packets[i].bytes, .n = packets[i].n};
        size_t got = radio_step(&w->radio, &in, obs);

        for (size_t k = 0; k < got && heard < cap; k++)
            ret[heard++] = obs[k];
    }
    return heard;
}

static void readings_come_through(void **state)
{
    struct wire *w = wire_new();
    struct obs obs[64];
    char line[80];

    (void)state;
    say(w, "boot\r\n"); /* half a line of it may have gone before we came */
    for (int i = 0; i < 50; i++) {
        int64_t expected = i % 2 == 0 ? 1500000 : 3000000;

        node_report(w, 1500000, 1500000, line);
        say(w, line);
        assert_int_equal(hear(w, obs, 64), 1);
        assert_int_equal(obs[0].kind, OBS_NODE);
        assert_int_equal(obs[0].u.node.node, NODE);
        assert_int_equal(obs[0].u.node.cell, i % 2);
        assert_int_equal(obs[0].u.node.mass_mg, expected);
        assert_true(obs[0].t_us > 0);
    }
    assert_int_equal(serial_lines(w->serial)->good, 50);
    assert_int_equal(serial_lines(w->serial)->refused, 0);
    wire_free(w);
}

/* In any pieces, with noise between, and nothing of a line that was hurt. */
static void the_line_resynchronises(void **state)
{
    struct wire *w = wire_new();
    struct obs obs[64];
    char line[80], hurt[80], noise[4 * SERIAL_LINE_MAX];

    (void)state;
    say(w, "\n");
    node_report(w, 1000, 1000, line);
    for (const char *p = line; *p != '\0'; p++) {
        char piece[2] = {*p, '\0'};

        say(w, piece);
        assert_int_equal(hear(w, obs, 64), *p == '\n');
    }
    memset(noise, 'x', sizeof(noise) - 1);
    noise[sizeof(noise) - 1] = '\0';
    say(w, noise);
    say(w, line); /* its beginning is lost in the noise */
    assert_int_equal(hear(w, obs, 64), 0);
    for (int at = 3; at < 65; at += 7) {
        node_report(w, 1000, 1000, line);
        memcpy(hurt, line, sizeof(hurt));
        hurt[at] = hurt[at] == '0' ? '1' : '0';
        say(w, hurt);
        assert_int_equal(hear(w, obs, 64), 0);
    }
    node_report(w, 1000, 1000, line);
    say(w, line);
    assert_int_equal(hear(w, obs, 64), 1);
    say(w, line); /* a repetition, by whoever recorded the wire */
    assert_int_equal(hear(w, obs, 64), 0);
    say(w, "AD\nAD \nAD zz\nAD 1e21\nAD 0201061a\n");
    assert_int_equal(hear(w, obs, 64), 0);
    wire_free(w);
}

/* A wire is no way to bring members, beacons or other nodes' keys in. */
static void only_shelf_nodes_pass(void **state)
{
    struct wire *w = wire_new();
    struct ble_packet packets[64];
    struct obs obs[64];
    char line[80];

    (void)state;
    say(w, "\n");
    say(w, "AD 11075ae168ad04fd209c27e410314e524e4e524e310102030405060708091011\n");
    say(w, "AD 1aff4c000215000102030405060708090a0b0c0d0e0f0001d994c50000000000\n");
    assert_int_equal(serial_read(w->serial, packets, 64), 0);
    assert_int_equal(serial_lines(w->serial)->refused, 2);
    w->device.config.key[0] ^= 1;
    node_report(w, 1000, 1000, line);
    say(w, line);
    assert_int_equal(hear(w, obs, 64), 0);
    assert_int_equal(w->radio.counters.nodes_refused, 1);
    wire_free(w);
}

static void a_plug_may_be_pulled(void **state)
{
    struct wire *w = wire_new();
    struct obs obs[64];
    char line[80], path[64], was[64];

    (void)state;
    snprintf(was, sizeof(was), "%s", w->path);
    snprintf(path, sizeof(path), "test_serial.%d", (int)getpid());
    serial_close(w->serial);
    assert_int_equal(symlink(w->path, path), 0);
    assert_int_equal(serial_open(&w->serial, path), 0);
    close(w->master);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(hear(w, obs, 64), 0);
    assert_int_equal(serial_fd(w->serial), -1);
    assert_false(serial_tick(w->serial));
    assert_string_equal(serial_problem(w->serial), strerror(ENOENT));
    plug(w);
    assert_int_equal(symlink(w->path, path), 0);
    assert_true(serial_tick(w->serial));
    assert_null(serial_problem(w->serial));
    assert_int_equal(unlink(path), 0);
    node_report(w, 1000, 1000, line);
    say(w, line); /* in whose middle we may have come */
    node_report(w, 1000, 1000, line);
    say(w, line);
    assert_int_equal(hear(w, obs, 64), 1);
    wire_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readings_come_through),
        cmocka_unit_test(the_line_resynchronises),
        cmocka_unit_test(only_shelf_nodes_pass),
        cmocka_unit_test(a_plug_may_be_pulled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
