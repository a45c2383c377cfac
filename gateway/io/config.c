/* noren.conf and board.conf as tables of rows; see config.h. The parsing itself is in ini_file.c. */
#include "io/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/config_local.h"
#include "noren/hex.h"

int config_path(char ret[CONFIG_PATH_SIZE], const char *dir, const char *name)
{
    char joined[2 * CONFIG_PATH_SIZE];
    int n = name[0] == '/' ? snprintf(joined, sizeof(joined), "%s", name)
                           : snprintf(joined, sizeof(joined), "%s/%s", dir, name);

    if (n < 0 || n >= CONFIG_PATH_SIZE)
        return -ENAMETOOLONG;
    memcpy(ret, joined, (size_t)n + 1);
    return 0;
}

/* --- noren.conf --------------------------------------------------------------------------------- */

static const char *const ROLES[] = {[ROLE_STORE] = "store", [ROLE_RECEIVER] = "receiver", NULL};
static const char *const ACKS[] = {"hq", "puback", NULL};
static const char *const YES_NO[] = {"yes", "no", NULL};

#define FIELD_OF(s, f) .offset = offsetof(struct s, f), .size = sizeof(((struct s *)NULL)->f)

static const struct ini_row GATEWAY_ROWS[] = {
    {.key = "tenant", .parse = ini_parse_name, FIELD_OF(config, tenant), .required = true},
    {.key = "store", .parse = ini_parse_name, FIELD_OF(config, store), .required = true},
    {.key = "gateway", .parse = ini_parse_name, FIELD_OF(config, gateway), .required = true},
    {.key = "role", .parse = ini_parse_choice, FIELD_OF(config, role), .choices = ROLES},
    {.key = "data_dir", .parse = ini_parse_text, FIELD_OF(config, data_dir)},
    {.key = "key_dir", .parse = ini_parse_text, FIELD_OF(config, key_dir)},
    {.key = "run_dir", .parse = ini_parse_text, FIELD_OF(config, run_dir)},
    {.key = "board", .parse = ini_parse_text, FIELD_OF(config, board_file), .required = true},
    {0},
};
static const struct ini_row MQTT_ROWS[] = {
    {.key = "host", .parse = ini_parse_text, FIELD_OF(config, mqtt.host), .required = true},
    {.key = "port", .parse = ini_parse_u32, FIELD_OF(config, mqtt.port), .min = 1, .max = 65535},
    {.key = "ca", .parse = ini_parse_text, FIELD_OF(config, mqtt.ca), .required = true},
    {.key = "cert", .parse = ini_parse_text, FIELD_OF(config, mqtt.cert), .required = true},
    {.key = "key", .parse = ini_parse_text, FIELD_OF(config, mqtt.key), .required = true},
    {.key = "ack", .parse = ini_parse_choice, FIELD_OF(config, mqtt.ack), .choices = ACKS},
    {.key = "batch", .parse = ini_parse_choice, FIELD_OF(config, mqtt.batch), .choices = YES_NO},
    {.key = "drain_per_s",
     .parse = ini_parse_u32,
     FIELD_OF(config, mqtt.drain_per_s),
     .min = 0,
     .max = 1000000},
    {0},
};

static const char *begin_whole(void *user, const char *id, void **ret_base)
{
    (void)id;
    *ret_base = user;
    return NULL;
}

static const struct ini_row NODE_ROWS[] = {
    {.key = "key_file", .parse = ini_parse_text, FIELD_OF(config_node, key_file), .required = true},
    {0},
};

/* The same number twice is one section that goes on, and a key given twice is refused by the reader. */
static const char *begin_node(void *user, const char *id, void **ret_base)
{
    static const struct ini_row number = {.min = 0, .max = 65535};
    struct config *c = user;
    uint32_t node;

    if (ini_parse_u32(&number, id, &node) != NULL)
        return "a shelf node is named by its number, 0 to 65535: [node 258]";
    if (c->nodes_n == CONFIG_NODES_MAX)
        return "at most 32 shelf nodes are possible";
    c->nodes[c->nodes_n].node = (uint16_t)node;
    *ret_base = &c->nodes[c->nodes_n++];
    return NULL;
}

/* 8-4-4-4-12 hexadecimal digits. */
static const char *parse_uuid(const struct ini_row *row, const char *value, void *field)
{
    char digits[33];
    size_t n = 0;

    (void)row;
    for (size_t i = 0; value[i] != '\0' && n < 32; i++)
        if (value[i] != '-')
            digits[n++] = value[i];
    digits[n] = '\0';
    if (strlen(value) != 36 || n != 32 || !hex_read(digits, field, 16))
        return "is no UUID; write it like 00010203-0405-0607-0809-0a0b0c0d0e0f";
    return NULL;
}

static const char *parse_power(const struct ini_row *row, const char *value, void *field)
{
    char *end;
    long v = strtol(value, &end, 10);

    (void)row;
    if (end == value || *end != '\0' || v < -127 || v > 20)
        return "is not a level; write dBm at 1 m, -127 to 20";
    *(int32_t *)field = (int32_t)v;
    return NULL;
}

static const struct ini_row BEACON_ROWS[] = {
    {.key = "uuid", .parse = parse_uuid, FIELD_OF(config_beacon, uuid), .required = true},
    {.key = "major",
     .parse = ini_parse_u32,
     FIELD_OF(config_beacon, major),
     .max = 65535,
     .required = true},
    {.key = "key_file",
     .parse = ini_parse_text,
     FIELD_OF(config_beacon, key_file),
     .required = true},
    {.key = "power_1m_dbm", .parse = parse_power, FIELD_OF(config_beacon, power_1m_dbm)},
    {.key = "adapter", .parse = ini_parse_text, FIELD_OF(config_beacon, adapter)},
    {0},
};

static const char *begin_beacon(void *user, const char *id, void **ret_base)
{
    struct config *c = user;

    (void)id;
    c->beacon.sent = true;
    c->beacon.power_1m_dbm = -59; /* what iBeacons of usual strength show at 1 m */
    *ret_base = &c->beacon;
    return NULL;
}

static const char *end_beacon(void *user, void *base)
{
    static const struct ini_row number = {.min = 0, .max = 255};
    struct config_beacon *b = base;
    uint32_t hci = 0;

    (void)user;
    if (b->adapter[0] != '\0' && (strncmp(b->adapter, "hci", 3) != 0 ||
                                  ini_parse_u32(&number, b->adapter + 3, &hci) != NULL))
        return "adapter is written hciN; bluetoothctl list, or ls /sys/class/bluetooth, shows them";
    b->hci = (uint16_t)hci;
    return NULL;
}

static const struct ini_section CONFIG_SECTIONS[] = {
    {.name = "gateway", .rows = GATEWAY_ROWS, .begin = begin_whole},
    {.name = "mqtt", .rows = MQTT_ROWS, .begin = begin_whole},
    {.name = "beacon", .rows = BEACON_ROWS, .begin = begin_beacon, .end = end_beacon},
    {.name = "local", .rows = CONFIG_LOCAL_ROWS, .begin = begin_whole, .end = config_end_local},
    {.name = "node", .named = true, .rows = NODE_ROWS, .begin = begin_node},
    {0},
};

/* A key of 32 hexadecimal digits in a file of its own, so that noren.conf is no secret. */
static int read_key(char file[CONFIG_PATH_SIZE], uint8_t key[16], const char *what, const char *dir,
                    char ret_error[INI_ERROR_SIZE])
{
    char line[64] = "", *end;
    FILE *f;

    if (config_path(file, dir, file) != 0)
        return -ENAMETOOLONG;
    f = fopen(file, "re");
    if (f != NULL) {
        end = fgets(line, sizeof(line), f);
        (void)fclose(f);
        if (end != NULL)
            line[strcspn(line, "\r\n")] = '\0';
    }
    if (hex_read(line, key, 16))
        return 0;
    snprintf(ret_error, INI_ERROR_SIZE,
             "%s: key of %s: %s; write the 32 hexadecimal digits it was provisioned with", file,
             what, f == NULL ? "cannot be read" : "is no key");
    return -EINVAL;
}

/* The key, and the radio: the board's first unless one is named. */
static int finish_beacon(struct config *c, const char *path, char ret_error[INI_ERROR_SIZE])
{
    struct config_beacon *b = &c->beacon;
    int i = 0;

    if (b->adapter[0] == '\0') {
        while (i < c->board.radios_n && c->board.radios[i].kind != RADIO_HCI)
            i++;
        if (i == c->board.radios_n) {
            snprintf(
                ret_error, INI_ERROR_SIZE,
                "%s: [beacon] needs a line \"adapter = hciN\": board %s has no radio of source "
                "hci",
                path, c->board.name);
            return -EINVAL;
        }
        b->hci = c->board.radios[i].adapter;
    }
    return read_key(b->key_file, b->key, "the store beacon", c->dir, ret_error);
}

int config_load(struct config *ret, const char *dir, char ret_error[INI_ERROR_SIZE])
{
    char path[CONFIG_PATH_SIZE];
    char *const paths[] = {
        ret->data_dir,           ret->run_dir,  ret->key_dir,  ret->board_file, ret->mqtt.ca,
        ret->mqtt.cert,          ret->mqtt.key, ret->local.ca, ret->local.cert, ret->local.key,
        ret->local.password_file};
    int rc;

    memset(ret, 0, sizeof(*ret));
    strcpy(ret->data_dir, "/var/lib/noren");
    strcpy(ret->run_dir, "/run/noren");
    ret->mqtt.port = 8883;
    ret->mqtt.drain_per_s = 20000;
    if (config_path(path, dir, "noren.conf") != 0 || strlen(dir) >= sizeof(ret->dir)) {
        snprintf(ret_error, INI_ERROR_SIZE, "%.200s...: the path is too long", dir);
        return -ENAMETOOLONG;
    }
    memcpy(ret->dir, dir, strlen(dir) + 1);
    rc = ini_file_read(path, CONFIG_SECTIONS, ret, ret_error);
    if (rc != 0)
        return rc;
    if (ret->tenant[0] == '\0' || ret->mqtt.host[0] == '\0') {
        snprintf(ret_error, INI_ERROR_SIZE, "%s: needs a section [%s]", path,
                 ret->tenant[0] == '\0' ? "gateway" : "mqtt");
        return -EINVAL;
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (paths[i][0] != '\0' && config_path(paths[i], dir, paths[i]) != 0) {
            snprintf(ret_error, INI_ERROR_SIZE, "%s: the path %.100s... is too long", path,
                     paths[i]);
            return -ENAMETOOLONG;
        }
    }
    rc = config_finish_local(ret, path, ret_error);
    if (rc != 0)
        return rc;
    for (uint16_t i = 0; i < ret->nodes_n; i++) {
        char what[32];

        snprintf(what, sizeof(what), "shelf node %u", ret->nodes[i].node);
        rc = read_key(ret->nodes[i].key_file, ret->nodes[i].key, what, dir, ret_error);
        if (rc != 0)
            return rc;
    }
    rc = config_load_board(&ret->board, ret->board_file, ret_error);
    if (rc == 0 && ret->beacon.sent)
        rc = finish_beacon(ret, path, ret_error);
    return rc;
}

/* --- board.conf --------------------------------------------------------------------------------- */

static const char *const BANK_SOURCES[] = {[BANK_GPIO] = "gpio", [BANK_SIM] = "sim", NULL};
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
    {.key = "cells", .parse = parse_cells, .required = true},
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

static const struct ini_section BOARD_SECTIONS[] = {
    {.name = "board", .rows = BOARD_ROWS, .begin = begin_board},
    {.name = "bank", .named = true, .rows = BANK_ROWS, .begin = begin_bank, .end = end_bank},
    {.name = "radio", .named = true, .rows = RADIO_ROWS, .begin = begin_radio, .end = end_radio},
    {.name = "led", .named = true, .rows = LED_ROWS, .begin = begin_led, .end = end_led},
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
