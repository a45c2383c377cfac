/* norenctl backup: a copy of a running gateway's database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <getopt.h>
#include <unistd.h>

#include "ctl/ask.h"

#define POLL_US   100000
#define PATH_SIZE 1024

static int ask_backup(const struct ctl_call *c, const char *file, json_t **ret_backup)
{
    json_t *request = json_object(), *reply;

    if (file != NULL)
        json_object_set_new(request, "file", json_string(file));
    reply = ctl_ask(c, "backup", request);
    *ret_backup = json_incref(json_object_get(reply, "backup"));
    json_decref(reply);
    return *ret_backup != NULL ? CTL_OK : CTL_FAILED;
}

static const char *state_of(const json_t *backup)
{
    const char *state = json_string_value(json_object_get(backup, "state"));

    return state != NULL ? state : "";
}

int cmd_backup(int argc, char **argv)
{
    struct ctl_call c;
    char file[PATH_SIZE], here[PATH_SIZE / 2] = "";
    json_t *backup;
    bool json;
    int rc = ctl_begin(&c, argc, argv, 1, "wants the name of a new file");

    if (rc != CTL_OK)
        return rc;
    if (argv[optind][0] == '/' || getcwd(here, sizeof(here)) == NULL)
        here[0] = '\0';
    if (snprintf(file, sizeof(file), "%s%s%s", here, here[0] != '\0' ? "/" : "", argv[optind]) >=
        (int)sizeof(file))
        return ctl_usage(c.command, "the name of the file is too long");
    json = c.json;
    c.json = false; /* only the last answer is one */
    rc = ask_backup(&c, file, &backup);
    while (rc == CTL_OK && strcmp(state_of(backup), "running") == 0) {
        json_decref(backup);
        usleep(POLL_US);
        rc = ask_backup(&c, NULL, &backup);
    }
    if (rc != CTL_OK)
        return rc;
    if (json) {
        json_dumpf(backup, stdout, JSON_COMPACT);
        putchar('\n');
    }
    if (strcmp(state_of(backup), "done") != 0) {
        fprintf(stderr, "norenctl backup: %s: %s; nothing was written\n", file,
                json_string_value(json_object_get(backup, "reason")));
        rc = CTL_FAILED;
    } else if (!json) {
        printf("%s: %lld KB; as noren.db of a stopped gateway it begins a new epoch\n", file,
               (long long)json_integer_value(json_object_get(backup, "pages")) * 4);
    }
    json_decref(backup);
    return rc;
}
