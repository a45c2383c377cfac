/* board.conf as tables of rows: banks of load cells, radios, lights, thermometers; see config.h. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "io/config.h"

#define FIELD_OF(s, f) .offset = offsetof(struct s, f), .size = sizeof(((struct s *)NULL)->f)

static const char *const BANK_SOURCES[] = {
    [BANK_GPIO] = "gpio", [BANK_SIM] = "sim", [BANK_IIO] = "iio", [BANK_SERIAL] = "serial", NULL};
static const char *const RADIO_SOURCES[] = {[RADIO_HCI] = "hci", [RADIO_SIM] = "sim", NULL};
static const char *const LED_SOURCES[] = {[LED_GPIO] = "gpio", [LED_SIM] = "sim", NULL};
static const char *const NO_YES[] = {"no", "yes", NULL};

/* A section while it is read: enums are int in rows, and dout has no count of its own in the board. */
struct bank_draft {
    struct board_bank b;
    int kind;
    uint32_t sck_n, dout_n, cells_n;
};
struct radio_draft {
    struct board_radio r;
    int kind;
    char adapter[16];
    uint32_t window_ms;
};
struct led_draft {
    struct board_led l;
    int kind, active_low;
    uint32_t line;
};
struct board_draft {
    struct board *board;
    struct bank_draft bank;
    struct radio_draft radio;
    struct led_draft led;
    struct board_thermometer thermometer;
};

/* Cuts the next item off a comma-separated list; NULL when it is empty or does not fit. `*text` becomes
 * NULL after the last one. */
static const char *next_item(const char **text, char *buf, size_t size)
{
    const char *start = *text + strspn(*text, " \t"), *comma = strchr(start, ',');
    size_t n = comma != NULL ? (size_t)(comma - start) : strlen(start);

    *text = comma != NULL ? comma + 1 : NULL;
    while (n > 0 && (start[n - 1] == ' ' || start[n - 1] == '\t'))
        n--;
    if (n == 0 || n >= size)
        return NULL;
    memcpy(buf, start, n);
    buf[n] = '\0';
    return buf;
}

static const char *parse_lines(const char *value, uint32_t *lines, uint32_t *ret_n)
{
    static const struct ini_row line = {.min = 0, .max = 1023};
    char item[16];
    uint32_t n = 0;

    for (const char *text = value; text != NULL; n++) {
        if (n == BOARD_BANK_CELLS_MAX)
            return "names too many lines; a bank has at most 16";
        if (next_item(&text, item, sizeof(item)) == NULL ||
            ini_parse_u32(&line, item, &lines[n]) != NULL)
            return "must be line offsets of the chip (0..1023), separated by commas";
        for (uint32_t i = 0; i < n; i++) {
            if (lines[i] == lines[n])
                return "names a line twice";
        }
    }
    *ret_n = n;
    return NULL;
}

static const char *parse_sck(const struct ini_row *row, const char *value, void *field)
{
    struct bank_draft *d = field;

    (void)row;
    return parse_lines(value, d->b.sck, &d->sck_n);
}

static const char *parse_dout(const struct ini_row *row, const char *value, void *field)
{
    struct bank_draft *d = field;

    (void)row;
    return parse_lines(value, d->b.dout, &d->dout_n);
}

static const char *parse_cells(const struct ini_row *row, const char *value, void *field)
{
    struct bank_draft *d = field;
    uint32_t n = 0;

    (void)row;
    for (const char *text = value; text != NULL; n++) {
        if (n == BOARD_BANK_CELLS_MAX)
            return "names too many cells; a bank has at most 16";
        if (next_item(&text, d->b.cells[n], NOREN_ID_SIZE) == NULL)
            return "must be cell ids of the planogram (up to 39 bytes each), separated by commas";
        for (uint32_t i = 0; i < n; i++) {
            if (strcmp(d->b.cells[i], d->b.cells[n]) == 0)
                return "names a cell twice";
        }
    }
    d->cells_n = n;
    return NULL;
}

static const char *parse_devices(const struct ini_row *row, const char *value, void *field)
{
    struct bank_draft *d = field;

    (void)row;
    d->b.devices_n = 0;
    for (const char *text = value; text != NULL; d->b.devices_n++) {
        if (d->b.devices_n == BOARD_BANK_CELLS_MAX)
            return "names too many devices; a bank has at most 16";
        if (next_item(&text, d->b.devices[d->b.devices_n], BOARD_DEVICE_SIZE) == NULL ||
            d->b.devices[d->b.devices_n][0] != '/')
            return "must be paths that begin with \"/\" (up to 95 bytes each), separated by commas";
    }
    return NULL;
}

static const char *parse_path(const struct ini_row *row, const char *value, void *field)
{
    return value[0] == '/' ? ini_parse_text(row, value, field)
                           : "must be a path that begins with \"/\"";
}

static const char *parse_rate(const struct ini_row *row, const char *value, void *field)
{
    uint32_t v;

    if (ini_parse_u32(row, value, &v) != NULL || (v != 10 && v != 20 && v != 80 && v != 320))
        return "is not a rate of these chips; write 10 or 80 (HX711), 20 or 320 (HX717)";
    *(uint32_t *)field = v;
    return NULL;
}

static const char *parse_gain(const struct ini_row *row, const char *value, void *field)
{
    uint32_t v;

    if (ini_parse_u32(row, value, &v) != NULL || (v != 128 && v != 64 && v != 32))
        return "is not a gain of these chips; write 128 or 64 (channel A), 32 (channel B)";
    *(uint32_t *)field = v;
    return NULL;
}

static const struct ini_row BOARD_ROWS[] = {
    {.key = "name", .parse = ini_parse_name, FIELD_OF(board, name), .required = true},
    {0},
};
static const struct ini_row BANK_ROWS[] = {
    {.key = "source",
     .parse = ini_parse_choice,
     FIELD_OF(bank_draft, kind),
     .choices = BANK_SOURCES,
     .required = true},
    {.key = "chip", .parse = ini_parse_text, FIELD_OF(bank_draft, b.chip)},
    {.key = "sck", .parse = parse_sck},
    {.key = "dout", .parse = parse_dout},
    {.key = "cells", .parse = parse_cells},
    {.key = "device", .parse = parse_devices},
    {.key = "rate_sps", .parse = parse_rate, FIELD_OF(bank_draft, b.rate_sps), .max = 320},
    {.key = "gain", .parse = parse_gain, FIELD_OF(bank_draft, b.gain), .max = 128},
    {.key = "sck_high_max_us",
     .parse = ini_parse_u32,
     FIELD_OF(bank_draft, b.sck_high_max_us),
     .min = 1,
     .max = 10000},
    {0},
};
static const struct ini_row RADIO_ROWS[] = {
    {.key = "source",
     .parse = ini_parse_choice,
     FIELD_OF(radio_draft, kind),
     .choices = RADIO_SOURCES,
     .required = true},
    {.key = "adapter", .parse = ini_parse_text, FIELD_OF(radio_draft, adapter)},
    {.key = "scan_window_ms",
     .parse = ini_parse_u32,
     FIELD_OF(radio_draft, window_ms),
     .min = 10,
     .max = 100},
    {0},
};

static const struct ini_row LED_ROWS[] = {
    {.key = "source",
     .parse = ini_parse_choice,
     FIELD_OF(led_draft, kind),
     .choices = LED_SOURCES,
     .required = true},
    {.key = "chip", .parse = ini_parse_text, FIELD_OF(led_draft, l.chip)},
    {.key = "line", .parse = ini_parse_u32, FIELD_OF(led_draft, line), .max = 1023},
    {.key = "active_low",
     .parse = ini_parse_choice,
     FIELD_OF(led_draft, active_low),
     .choices = NO_YES},
    {0},
};

static const struct ini_row THERMOMETER_ROWS[] = {
    {.key = "path", .parse = parse_path, FIELD_OF(board_thermometer, path), .required = true},
    {0},
};

static const char *begin_board(void *user, const char *id, void **ret_base)
{
    (void)id;
    *ret_base = ((struct board_draft *)user)->board;
    return NULL;
}

static const char *begin_bank(void *user, const char *id, void **ret_base)
{
    struct board_draft *d = user;

    if (d->board->banks_n == BOARD_BANKS_MAX)
        return "a board has at most 8 banks";
    for (int i = 0; i < d->board->banks_n; i++) {
        if (strcmp(d->board->banks[i].id, id) == 0)
            return "this bank is there already; give it another id";
    }
    memset(&d->bank, 0, sizeof(d->bank));
    d->bank.b.rate_sps = 80;
    d->bank.b.gain = 128;
    d->bank.b.sck_high_max_us =
        45; /* chips power down at 60 us; the rest is the clock's own error */
    snprintf(d->bank.b.id, sizeof(d->bank.b.id), "%s", id);
    *ret_base = &d->bank;
    return NULL;
}

static const char *end_bank(void *user, void *base)
{
    struct board_draft *d = user;
    struct bank_draft *bank = base;

    bank->b.kind = (enum board_bank_kind)bank->kind;
    if (bank->b.kind == BANK_SERIAL && (bank->b.devices_n != 1 || bank->cells_n > 0))
        return "needs \"device = /dev/...\", and no cells: shelf nodes name theirs themselves";
    if (bank->b.kind != BANK_SERIAL && bank->cells_n == 0)
        return "needs \"cells = ...\": the ids of its load cells in the planogram";
    if (bank->b.kind == BANK_IIO && bank->b.devices_n != bank->cells_n)
        return "device must name one folder for each cell, such as "
               "/sys/bus/iio/devices/iio:device0";
    if (bank->b.kind == BANK_GPIO) {
        if (bank->b.chip[0] == '\0')
            return "needs \"chip = LABEL\"; gpiodetect prints the labels";
        if (bank->dout_n != bank->cells_n)
            return "dout must name one line for each cell";
        if (bank->sck_n != 1 && bank->sck_n != bank->cells_n)
            return "sck must name one line for the bank, or one for each cell";
        for (uint32_t i = 0; i < bank->sck_n * bank->dout_n; i++) {
            if (bank->b.sck[i / bank->dout_n] == bank->b.dout[i % bank->dout_n])
                return "a line cannot be sck and dout";
        }
    }
    if (bank->b.kind == BANK_SIM && bank->sck_n == 0)
        bank->sck_n = 1; /* a simulated bank without lines is read like one that shares PD_SCK */
    bank->b.sck_n = (uint8_t)bank->sck_n;
    bank->b.cells_n = (uint8_t)bank->cells_n;
    d->board->banks[d->board->banks_n++] = bank->b;
    return NULL;
}

static const char *begin_radio(void *user, const char *id, void **ret_base)
{
    struct board_draft *d = user;

    if (d->board->radios_n == BOARD_RADIOS_MAX)
        return "a board has at most 8 radios";
    for (int i = 0; i < d->board->radios_n; i++) {
        if (strcmp(d->board->radios[i].receiver, id) == 0)
            return "this receiver is there already; give it another id";
    }
    memset(&d->radio, 0, sizeof(d->radio));
    d->radio.window_ms = 100;
    snprintf(d->radio.r.receiver, sizeof(d->radio.r.receiver), "%s", id);
    *ret_base = &d->radio;
    return NULL;
}

static const char *end_radio(void *user, void *base)
{
    static const struct ini_row number = {.min = 0, .max = 255};
    struct board_draft *d = user;
    struct radio_draft *radio = base;
    uint32_t adapter = 0;

    radio->r.kind = (enum board_radio_kind)radio->kind;
    if (radio->r.kind == RADIO_HCI &&
        (strncmp(radio->adapter, "hci", 3) != 0 ||
         ini_parse_u32(&number, radio->adapter + 3, &adapter) != NULL))
        return "needs \"adapter = hciN\"; bluetoothctl list, or ls /sys/class/bluetooth, shows "
               "them";
    radio->r.adapter = (uint16_t)adapter;
    radio->r.scan_window_ms = (uint8_t)radio->window_ms;
    d->board->radios[d->board->radios_n++] = radio->r;
    return NULL;
}

static const char *begin_led(void *user, const char *id, void **ret_base)
{
    struct board_draft *d = user;

    if (d->board->leds_n == BOARD_LEDS_MAX)
        return "a board has at most 64 LEDs";
    for (int i = 0; i < d->board->leds_n; i++) {
        if (strcmp(d->board->leds[i].id, id) == 0)
            return "this LED is there already; give it another id";
    }
    memset(&d->led, 0, sizeof(d->led));
    d->led.line = UINT32_MAX;
    snprintf(d->led.l.id, sizeof(d->led.l.id), "%s", id);
    *ret_base = &d->led;
    return NULL;
}

/* A line that is clocked by a bank, or read by it, cannot be a light too. */
static bool line_taken(const struct board *b, const char *chip, uint32_t line)
{
    for (int i = 0; i < b->leds_n; i++)
        if (b->leds[i].kind == LED_GPIO && b->leds[i].line == line &&
            strcmp(b->leds[i].chip, chip) == 0)
            return true;
    for (int i = 0; i < b->banks_n; i++) {
        const struct board_bank *bank = &b->banks[i];

        for (int k = 0; strcmp(bank->chip, chip) == 0 && k < bank->cells_n; k++)
            if (bank->dout[k] == line || (k < bank->sck_n && bank->sck[k] == line))
                return true;
    }
    return false;
}

static const char *end_led(void *user, void *base)
{
    struct board_draft *d = user;
    struct led_draft *led = base;

    led->l.kind = (enum board_led_kind)led->kind;
    led->l.active_low = led->active_low != 0;
    led->l.line = led->line;
    if (led->l.kind == LED_GPIO && led->l.chip[0] == '\0')
        return "needs \"chip = LABEL\"; gpiodetect prints the labels";
    if (led->l.kind == LED_GPIO && led->line == UINT32_MAX)
        return "needs \"line = OFFSET\"; gpioinfo prints the lines";
    if (led->l.kind == LED_GPIO && line_taken(d->board, led->l.chip, led->line))
        return "this line is another LED's or a bank's; name a free one";
    d->board->leds[d->board->leds_n++] = led->l;
    return NULL;
}

static const char *begin_thermometer(void *user, const char *id, void **ret_base)
{
    struct board_draft *d = user;

    if (d->board->thermometers_n == BOARD_THERMOMETERS_MAX)
        return "a board has at most 16 thermometers";
    for (int i = 0; i < d->board->thermometers_n; i++) {
        if (strcmp(d->board->thermometers[i].id, id) == 0)
            return "this thermometer is there already; give it another id";
    }
    memset(&d->thermometer, 0, sizeof(d->thermometer));
    snprintf(d->thermometer.id, sizeof(d->thermometer.id), "%s", id);
    *ret_base = &d->thermometer;
    return NULL;
}

static const char *end_thermometer(void *user, void *base)
{
    struct board_draft *d = user;

    d->board->thermometers[d->board->thermometers_n++] = *(struct board_thermometer *)base;
    return NULL;
}

static const struct ini_section BOARD_SECTIONS[] = {
    {.name = "board", .rows = BOARD_ROWS, .begin = begin_board},
    {.name = "bank", .named = true, .rows = BANK_ROWS, .begin = begin_bank, .end = end_bank},
    {.name = "radio", .named = true, .rows = RADIO_ROWS, .begin = begin_radio, .end = end_radio},
    {.name = "led", .named = true, .rows = LED_ROWS, .begin = begin_led, .end = end_led},
    {.name = "thermometer",
     .named = true,
     .rows = THERMOMETER_ROWS,
     .begin = begin_thermometer,
     .end = end_thermometer},
    {0},
};

int config_load_board(struct board *ret, const char *path, char ret_error[INI_ERROR_SIZE])
{
    struct board_draft draft = {.board = ret};
    int rc;

    memset(ret, 0, sizeof(*ret));
    rc = ini_file_read(path, BOARD_SECTIONS, &draft, ret_error);
    if (rc == 0 && ret->name[0] == '\0') {
        snprintf(ret_error, INI_ERROR_SIZE,
                 "%s: needs a section [board] with a line \"name = ...\"", path);
        rc = -EINVAL;
    }
    return rc;
}
