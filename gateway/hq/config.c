/* hq.conf as tables of rows; see config.h. */
#include "hq/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FIELD_OF(member) offsetof(struct hq_config, member), sizeof(((struct hq_config *)0)->member)
#define TEXT(key, member, required)                                 \
    {                                                               \
        key, ini_parse_text, FIELD_OF(member), 0, 0, NULL, required \
    }

static const struct ini_row HQ_ROWS[] = {
    TEXT("data_dir", data_dir, true),
    {"http_port", ini_parse_u32, FIELD_OF(http_port), 0, 65535, NULL, false},
    TEXT("http_bind", http_bind, false),
    TEXT("key", key, true),
    TEXT("members", members, false),
    TEXT("pages", pages, true),
    TEXT("desired", desired, false),
    TEXT("ca", ca, false),
    {"replica", ini_parse_name, FIELD_OF(replica), 0, 0, NULL, false},
    {.key = NULL},
};

static const struct ini_row MQTT_ROWS[] = {
    TEXT("host", mqtt.host, true),
    {"port", ini_parse_u32, FIELD_OF(mqtt.port), 1, 65535, NULL, false},
    TEXT("ca", mqtt.ca, false),
    TEXT("cert", mqtt.cert, false),
    TEXT("key", mqtt.key, false),
    {"tenant", ini_parse_name, FIELD_OF(mqtt.tenant), 0, 0, NULL, true},
    {.key = NULL},
};

static const char *begin(void *user, const char *id, void **ret_base)
{
    (void)id;
    *ret_base = user;
    return NULL;
}

static const char *end_mqtt(void *user, void *base)
{
    const struct hq_config *c = base;

    (void)user;
    if ((c->mqtt.cert[0] != '\0') != (c->mqtt.key[0] != '\0'))
        return "cert and key belong together; give both or neither";
    if (c->mqtt.cert[0] != '\0' && c->mqtt.ca[0] == '\0')
        return "a certificate needs TLS; add ca = FILE with the broker's authority";
    return NULL;
}

static int absolute(char path[CONFIG_PATH_SIZE], const char *dir)
{
    char joined[CONFIG_PATH_SIZE];

    if (path[0] == '\0')
        return 0;
    int r = config_path(joined, dir, path);
    if (r == 0)
        memcpy(path, joined, sizeof(joined));
    return r;
}

int hq_config_load(struct hq_config *ret, const char *path, char ret_error[INI_ERROR_SIZE])
{
    static const struct ini_section SECTIONS[] = {
        {"hq", false, HQ_ROWS, begin, NULL},
        {"mqtt", false, MQTT_ROWS, begin, end_mqtt},
        {.name = NULL},
    };
    struct hq_config c = {.http_port = 8080, .http_bind = "127.0.0.1", .mqtt.port = 8883};
    char dir[CONFIG_PATH_SIZE];

    int r = ini_file_read(path, SECTIONS, &c, ret_error);
    if (r < 0)
        return r;
    if (c.data_dir[0] == '\0' || c.mqtt.host[0] == '\0') {
        snprintf(ret_error, INI_ERROR_SIZE, "%s: needs a section [%s]", path,
                 c.data_dir[0] == '\0' ? "hq" : "mqtt");
        return -EINVAL;
    }
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof(dir), "%.*s", slash != NULL ? (int)(slash - path) : 1,
             slash != NULL ? path : ".");
    char *paths[] = {c.data_dir, c.key,     c.members,   c.pages,   c.desired,
                     c.ca,       c.mqtt.ca, c.mqtt.cert, c.mqtt.key};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (absolute(paths[i], dir) < 0) {
            snprintf(ret_error, INI_ERROR_SIZE, "%s: the path %s is too long", path, paths[i]);
            return -ENAMETOOLONG;
        }
    *ret = c;
    return 0;
}
