/* The kernel's files of load cells and thermometers, as a folder laid out like sysfs: a test of the reader and of
 * the file formats (Documentation/ABI/testing/sysfs-bus-iio, drivers/iio/adc/hx711.c), not of the kernel. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/config.h"
#include "io/sysfs.h"

#define PATIENCE_MS 20000

static char dir[80];

static void put(const char *name, const char *text)
{
    char path[160], fresh[168];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    f = fopen(fresh, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(fresh, path), 0); /* sysfs has no half values either */
}

static void drop(const char *name)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)unlink(path);
    (void)rmdir(path);
}

static int set_up(void **state)
{
    char path[160];

    (void)state;
    snprintf(dir, sizeof(dir), "%s/sysfs-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/iio:device0", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/iio:device1", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    drop("iio:device0/in_voltage0_raw");
    drop("iio:device0/name");
    drop("iio:device1/in_voltage0_raw");
    drop("iio:device1/name");
    drop("iio:device0");
    drop("iio:device1");
    drop("temp");
    drop("in_temp_raw");
    drop("in_temp_scale");
    drop("in_temp_offset");
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

/* Reads until an observation of `cell` is as wanted. */
static void expect(struct sysfs *s, uint16_t cell, enum cell_fault fault, int32_t counts)
{
    struct pollfd p = {.fd = sysfs_fd(s), .events = POLLIN};
    struct obs obs[8];

    for (;;) {
        int n;

        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        n = sysfs_read(s, obs, 8);
        for (int i = 0; i < n; i++) {
            assert_int_equal(obs[i].kind, OBS_CELL);
            assert_true(obs[i].t_us > 0);
            if (obs[i].u.cell.cell == cell && obs[i].u.cell.fault == fault &&
                (fault != CELL_OK || obs[i].u.cell.counts == counts))
                return;
        }
    }
}

static void cells_are_values_or_reasons(void **state)
{
    struct board_bank bank = {.kind = BANK_IIO, .cells_n = 2, .devices_n = 2, .rate_sps = 80};
    const uint16_t cells[] = {7, 9};
    struct adc_counters c;
    struct sysfs *s;

    (void)state;
    snprintf(bank.devices[0], BOARD_DEVICE_SIZE, "%s/iio:device0", dir);
    snprintf(bank.devices[1], BOARD_DEVICE_SIZE, "%s/iio:device1", dir);
    put("iio:device0/name", "hx711\n");
    put("iio:device1/name", "nau7802\n");
    put("iio:device0/in_voltage0_raw", "8388608\n");
    assert_int_equal(sysfs_open(&s, NULL, &bank, cells), 0);
    expect(s, 7, CELL_OK, 0); /* offset binary: the middle is zero */
    expect(s, 9, CELL_ABSENT, 0);
    put("iio:device1/in_voltage0_raw", "-1234\n"); /* it was plugged in: signed already */
    expect(s, 9, CELL_OK, -1234);
    put("iio:device0/in_voltage0_raw", "8488608\n");
    expect(s, 7, CELL_OK, 100000);
    put("iio:device0/in_voltage0_raw", "16777215\n");
    expect(s, 7, CELL_SATURATED, 0);
    put("iio:device0/in_voltage0_raw", "0\n");
    expect(s, 7, CELL_SATURATED, 0);
    put("iio:device0/in_voltage0_raw", "8388xx\n");
    expect(s, 7, CELL_CORRUPT, 0);
    put("iio:device0/in_voltage0_raw", "nan\n");
    expect(s, 7, CELL_CORRUPT, 0);
    put("iio:device0/in_voltage0_raw", "8388600\n");
    expect(s, 7, CELL_OK, -8);
    drop("iio:device0/in_voltage0_raw");
    expect(s, 7, CELL_ABSENT, 0);
    expect(s, 9, CELL_OK, -1234); /* its neighbour never waited */
    c = sysfs_counters(s);
    assert_true(c.frames_good >= 5);
    assert_true(c.frames_good == c.by_reason[HX711_GOOD] && c.ring_overflows == 0);
    assert_true(c.by_reason[HX711_CLIP] >= 2 && c.by_reason[HX711_NOT_READY] >= 2);
    assert_int_equal(c.frames_refused, c.by_reason[HX711_CLIP] + c.by_reason[HX711_NOT_READY]);
    sysfs_close(s);
}

static void thermometers_tell_thousandths(void **state)
{
    static struct board board = {.thermometers_n = 2,
                                 .thermometers = {{.id = "gondola-1"}, {.id = "store"}}};
    struct pollfd p = {.events = POLLIN};
    struct sysfs *s;
    int seen = 0;

    (void)state;
    put("temp", "21437\n");
    put("in_temp_raw", "1000\n");
    put("in_temp_offset", "-200\n");
    put("in_temp_scale", "25.5\n");
    snprintf(board.thermometers[0].path, BOARD_DEVICE_SIZE, "%s/temp", dir);
    snprintf(board.thermometers[1].path, BOARD_DEVICE_SIZE, "%s/in_temp_raw", dir);
    assert_int_equal(sysfs_open(&s, &board, NULL, NULL), 0);
    p.fd = sysfs_fd(s);
    while (seen != 3) {
        struct obs obs[8];
        int n;

        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        n = sysfs_read(s, obs, 8);
        for (int i = 0; i < n; i++) {
            bool first = strcmp(obs[i].u.temperature.sensor, "gondola-1") == 0;

            assert_int_equal(obs[i].kind, OBS_TEMPERATURE);
            assert_int_equal(obs[i].u.temperature.temperature_mc, first ? 21437 : 20400);
            seen |= first ? 1 : 2;
        }
    }
    sysfs_close(s);
}

static void the_board_file_names_them(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"[board]\nname = b\n[bank k]\nsource = iio\ndevice = /sys/a, /sys/b\ncells = c1, c2\n"
         "rate_sps = 10\n[bank w]\nsource = serial\ndevice = /dev/ttyUSB0\n"
         "[thermometer gondola-1]\npath = /sys/class/thermal/thermal_zone0/temp\n",
         NULL},
        {"[board]\nname = b\n[bank k]\nsource = iio\ndevice = /sys/a\ncells = c1, c2\n",
         "one folder for each cell"},
        {"[board]\nname = b\n[bank k]\nsource = iio\ndevice = a\ncells = c1\n", "begin with \"/\""},
        {"[board]\nname = b\n[bank k]\nsource = serial\ncells = c1\n", "and no cells"},
        {"[board]\nname = b\n[bank k]\nsource = sim\n", "needs \"cells = ...\""},
        {"[board]\nname = b\n[thermometer t]\npath = temp\n", "begins with \"/\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct board b;
        char path[160], error[INI_ERROR_SIZE] = "";
        int rc;

        put("temp", rows[i].text);
        snprintf(path, sizeof(path), "%s/temp", dir);
        rc = config_load_board(&b, path, error);
        if (rc != (rows[i].error != NULL ? -EINVAL : 0))
            fail_msg("row %zu: %d %s", i, rc, error);
        if (rows[i].error != NULL && strstr(error, rows[i].error) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error, rows[i].error);
        if (rows[i].error != NULL)
            continue;
        assert_int_equal(b.banks[0].kind, BANK_IIO);
        assert_string_equal(b.banks[0].devices[1], "/sys/b");
        assert_int_equal(b.banks[1].kind, BANK_SERIAL);
        assert_int_equal(b.banks[1].cells_n, 0);
        assert_string_equal(b.thermometers[0].id, "gondola-1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cells_are_values_or_reasons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(thermometers_tell_thousandths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_board_file_names_them, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
