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
