/* norenctl dead-letters: the events that the broker refused for good, as norend wrote them down (io/uplink.h).
 *
 * Read from the data folder, so that it works while norend is stopped; both files, the older one first. What an
 * event said about a member is not in them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ctl/ctl.h"
#include "io/config.h"
#include "io/file.h"

#define FILE_MAX (4 << 20)

static void print_line(const char *line, bool json, long long *n)
{
    json_t *v = json_loads(line, 0, NULL);
    const char *type = json_string_value(json_object_get(v, "type"));
    const json_t *data = json_object_get(v, "data");
    char *text = data != NULL ? json_dumps(data, JSON_COMPACT) : NULL;

    if (type != NULL) {
        (*n)++;
        if (json)
            puts(line);
        else
            printf("%.8s:%-8lld %-26s reason 0x%02llx  %s\n",
                   json_string_value(json_object_get(v, "epoch")),
                   (long long)json_integer_value(json_object_get(v, "seq")), type,
                   (long long)json_integer_value(json_object_get(v, "reason")),
                   text != NULL ? text : "(about a member: not written down)");
    }
    free(text);
    json_decref(v);
}

/* 0, also when there is no such file, or -errno. */
static int print_file(const char *path, bool json, long long *n)
{
    char *text = NULL, *rest;
    size_t size;
    int rc = file_read(path, FILE_MAX, &text, &size);

    if (rc == -ENOENT)
        return 0;
    rest = text;
    while (rc == 0 && rest != NULL && *rest != '\0') {
        char *line = strsep(&rest, "\n");

        print_line(line, json, n);
    }
    free(text);
    return rc;
}

int cmd_dead_letters(int argc, char **argv)
{
    static struct config config;
    static const char *const names[] = {"dead-letters.jsonl.1", "dead-letters.jsonl"};
    const char *dir = "/etc/noren";
    char error[INI_ERROR_SIZE], path[CONFIG_PATH_SIZE + 32];
    bool json = false;
    long long n = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            dir = argv[++i];
        else
            return ctl_usage(argv[0], "unknown or incomplete option %s", argv[i]);
    }
    if (config_load(&config, dir, error) != 0) {
        fprintf(stderr, "norenctl dead-letters: %s\n", error);
        return CTL_FAILED;
    }
    for (int i = 0; i < 2; i++) {
        int rc;

        snprintf(path, sizeof(path), "%s/%s", config.data_dir, names[i]);
        rc = print_file(path, json, &n);
        if (rc != 0) {
            fprintf(stderr, "norenctl dead-letters: %s: %s; it is norend's own: use sudo\n", path,
                    strerror(-rc));
            return CTL_FAILED;
        }
    }
    if (n == 0 && !json)
        puts("none: the broker has refused nothing for good");
    return CTL_OK;
}
