/* norenctl checkin, forget: who is here, and who wants never to have been. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ask.h"

/* checkin KIND ...: what proves it, and whether its member must be named. */
static const struct {
    const char *kind, *proof;
    bool named;
} KINDS[] = {
    {"beacon", "minor", true}, {"qr", "token", false},  {"nfc", "token", false},
    {"pos", "receipt", true},  {"line", "event", true},
};

#define KINDS_N (sizeof(KINDS) / sizeof(KINDS[0]))

int cmd_checkin(int argc, char **argv)
{
    struct ctl_call c;
    json_t *request;
    const char *proof;
    size_t i = 0;
    int rc = ctl_read_options(&c, argc, argv);

    if (rc != CTL_OK)
        return rc;
    while (optind < argc && i < KINDS_N && strcmp(KINDS[i].kind, argv[optind]) != 0)
        i++;
    if (optind == argc || i == KINDS_N || argc - optind != (KINDS[i].named ? 3 : 2))
        return ctl_usage(c.command, "wants beacon MEMBER MINOR, qr TOKEN, nfc TOKEN, pos MEMBER "
                                    "RECEIPT, or line MEMBER EVENT");
    proof = argv[argc - 1];
    request = json_pack("{s:s}", "kind", KINDS[i].kind);
    if (KINDS[i].named)
        json_object_set_new(request, "member_ref", json_string(argv[optind + 1]));
    if (strcmp(KINDS[i].proof, "minor") == 0)
        json_object_set_new(request, "minor", json_integer(strtoll(proof, NULL, 0)));
    else
        json_object_set_new(request, KINDS[i].proof, json_string(proof));
    return ctl_order(&c, "checkin", request, "taken");
}

int cmd_forget(int argc, char **argv)
{
    struct ctl_call c;
    json_t *reply, *path;
    size_t i;
    bool ok;
    int rc = ctl_begin(&c, argc, argv, 1, "wants a MEMBER");

    if (rc != CTL_OK)
        return rc;
    reply = ctl_ask(&c, "forget", json_pack("{s:s}", "member_ref", argv[optind]));
    ok = json_is_true(json_object_get(reply, "ok"));
    if (ok && !c.json)
        printf("forgotten; receipt %s, %lld stored rows removed\n",
               json_string_value(json_object_get(reply, "receipt")),
               (long long)json_integer_value(json_object_get(reply, "rows")));
    json_array_foreach(json_object_get(reply, "not_reached"), i, path)
    {
        if (ok && !c.json)
            printf("still in %s: a backup, or a recording that norend may not write; remove it\n",
                   json_string_value(path));
    }
    json_decref(reply);
    return ok ? CTL_OK : CTL_FAILED;
}
