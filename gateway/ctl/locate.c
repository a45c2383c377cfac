/* norenctl locate: the light where something stands. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ask.h"

void ctl_print_lights(const json_t *reply)
{
    json_t *light;
    size_t i;

    json_array_foreach(json_object_get(reply, "lights"), i, light)
    {
        const char *state = json_string_value(json_object_get(light, "state"));

        printf("led %s %s for plate %s, %lld s\n", json_string_value(json_object_get(light, "led")),
               state != NULL && strcmp(state, "blinks") == 0 ? "blinks" : "waits to blink",
               json_string_value(json_object_get(light, "plate")),
               (long long)json_integer_value(json_object_get(light, "seconds")));
    }
}

int cmd_locate(int argc, char **argv)
{
    struct ctl_call c;
    json_t *request, *reply, *dark;
    long long seconds = 0;
    size_t i;
    bool ok;
    int rc = ctl_begin(&c, argc, argv, 1, "wants a GTIN, a plate, or PLATE/GTIN");

    if (rc == CTL_OK && c.seconds != NULL)
        rc = ctl_quantity(&c, c.seconds, &seconds);
    if (rc != CTL_OK)
        return rc;
    request = json_pack("{s:s}", "target", argv[optind]);
    if (c.seconds != NULL)
        json_object_set_new(request, "seconds", json_integer(seconds));
    reply = ctl_ask(&c, c.command, request);
    ok = json_is_true(json_object_get(reply, "ok"));
    if (ok && !c.json) {
        ctl_print_lights(reply);
        json_array_foreach(json_object_get(reply, "dark"), i, dark)
            printf("no light: %s\n", json_string_value(dark));
    }
    json_decref(reply);
    return ok ? CTL_OK : CTL_FAILED;
}
