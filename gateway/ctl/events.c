/* norenctl events: the event table, for people, for the pages' labels and for the check of the schemas. */
#include "ctl/ctl.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/event.h"
#include "core/json.h"

static const char *kind_name(enum field_kind kind)
{
    switch (kind) {
    case FIELD_STR:
        return "string";
    case FIELD_NSTR:
        return "string|null";
    case FIELD_I64:
        return "integer";
    case FIELD_NI64:
        return "integer|null";
    case FIELD_BOOL:
        return "boolean";
    case FIELD_PM:
        return "fraction";
    case FIELD_WHO:
        return "who";
    case FIELD_EVIDENCE:
        return "evidence";
    case FIELD_SHELF:
        return "shelf";
    }
    return "";
}

static void print_json(enum event_kind kind)
{
    const struct event_field *fields;
    size_t n = event_fields(kind, &fields);
    char text[4096];
    struct json j = json_init(text, sizeof(text));

    json_open(&j, '{');
    json_key_str(&j, "type", event_type(kind));
    json_key_str(&j, "class", event_class_name(event_class(kind)));
    json_key(&j, "label");
    json_open(&j, '{');
    json_key_str(&j, "en", event_label_en(kind));
    json_key_str(&j, "ja", event_label_ja(kind));
    json_close(&j, '}');
    json_key(&j, "fields");
    json_open(&j, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&j, '{');
        json_key_str(&j, "name", fields[i].name);
        json_key_str(&j, "kind", kind_name(fields[i].kind));
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    if (json_end(&j) > 0)
        fputs(text, stdout);
}

static void print_text(enum event_kind kind)
{
    const struct event_field *fields;
    size_t n = event_fields(kind, &fields);

    printf("%-30s evt/%-8s %s\n", event_type(kind), event_class_name(event_class(kind)),
           event_label_en(kind));
    for (size_t i = 0; i < n; i++)
        printf("    %-20s %s\n", fields[i].name, kind_name(fields[i].kind));
}

int cmd_events(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;

    if (argc > 2 || (argc == 2 && !json))
        return ctl_usage("events", "the only option is --json");
    if (json)
        fputs("[", stdout);
    for (int k = 0; k < EVENT_KINDS; k++) {
        if (json && k > 0)
            fputs(",\n ", stdout);
        if (json)
            print_json((enum event_kind)k);
        else
            print_text((enum event_kind)k);
    }
    if (json)
        puts("]");
    return CTL_OK;
}
