/* norenctl replay: recordings, captures and tables through the real core (design section 15).
 *
 * Events go to standard output as CloudEvents, one a line; what was refused and the summary to standard
 * error. Epoch and boot id are zero, so two runs give the same bytes.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/event.h"
#include "core/json.h"
#include "io/replay.h"
#include "io/rfc3339.h"

#define EPOCH_ZERO  "00000000000000000000000000000000"
#define BOOTID_ZERO "00000000-0000-0000-0000-000000000000"

struct replay_args {
    struct replay_options options;
    char config_map[4096], config_planogram[4096], config_campaigns[4096], config_members[4096];
    bool json;
    int first; /* index of the first input */
};

struct replay_print {
    uint64_t seq;
    bool failed; /* standard output is gone */
};

static void print_event(void *arg, const struct event *e, const struct plan *plan, int64_t utc_us,
                        enum clock_quality quality)
{
    struct replay_print *p = arg;
    char data[EVENT_DATA_SIZE], cloud[EVENT_CLOUD_SIZE];
    struct event_envelope env = {
        .tenant = "replay",
        .store = plan != NULL && plan->store[0] != 0 ? plan->store : "replay",
        .gateway = "replay",
        .epoch = EPOCH_ZERO,
        .bootid = BOOTID_ZERO,
        .seq = ++p->seq,
        .t_us = e->t_us,
        .utc_us = utc_us,
        .quality = quality,
    };

    if (event_print_data(e, data, sizeof(data)) < 0 ||
        event_print_cloud(&env, event_type(e->kind), data, cloud, sizeof(cloud)) < 0 ||
        puts(cloud) < 0)
        p->failed = true;
}

static void print_sentence(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "norenctl replay: %s\n", sentence);
}

static int64_t refused(const struct replay_summary *s)
{
    int64_t n = 0;

    for (size_t i = 0; i < s->refusals.n; i++)
        n += s->refusals.by[i].n;
    return n;
}

static void print_summary(const struct replay_summary *s)
{
    const char *separator = ": ";

    fprintf(stderr, "%lld items read, %lld observations, %lld ticks\n%lld events",
            (long long)s->items, (long long)s->observations, (long long)s->ticks,
            (long long)s->events);
    for (int k = 0; k < EVENT_KINDS; k++) {
        if (s->events_by_kind[k] == 0)
            continue;
        fprintf(stderr, "%s%s %lld", separator, event_type((enum event_kind)k),
                (long long)s->events_by_kind[k]);
        separator = ", ";
    }
    if (s->unresolved > 0)
        fprintf(stderr, "\n%lld packets in which nobody known was heard", (long long)s->unresolved);
    fprintf(stderr, "\n%lld refused", (long long)refused(s));
    for (size_t i = 0; i < s->refusals.n; i++)
        fprintf(stderr, "%s%s %lld", i > 0 ? ", " : ": ", s->refusals.by[i].reason,
                (long long)s->refusals.by[i].n);
    fprintf(stderr, "\n");
}

static void print_summary_json(const struct replay_summary *s)
{
    static char text[16384];
    struct json j = json_init(text, sizeof(text));

    json_open(&j, '{');
    json_key_i64(&j, "items", s->items);
    json_key_i64(&j, "observations", s->observations);
    json_key_i64(&j, "ticks", s->ticks);
    json_key_i64(&j, "unresolved_packets", s->unresolved);
    json_key_i64(&j, "events", s->events);
    json_key(&j, "events_by_type");
    json_open(&j, '{');
    for (int k = 0; k < EVENT_KINDS; k++)
        if (s->events_by_kind[k] > 0)
            json_key_i64(&j, event_type((enum event_kind)k), s->events_by_kind[k]);
    json_close(&j, '}');
    json_key_i64(&j, "refused", refused(s));
    json_key(&j, "refused_by_reason");
    json_open(&j, '{');
    for (size_t i = 0; i < s->refusals.n; i++)
        json_key_i64(&j, s->refusals.by[i].reason, s->refusals.by[i].n);
    json_close(&j, '}');
    json_close(&j, '}');
    if (json_end(&j) > 0)
        fprintf(stderr, "%s\n", text);
}

/* --- arguments ---------------------------------------------------------------------------------- */

/* A document of the configuration folder, when it is there and no option gave another. */
static void from_config(const char **path, char *buf, size_t size, const char *dir,
                        const char *name)
{
    int n = snprintf(buf, size, "%s/%s", dir, name);

    if (*path == NULL && n > 0 && (size_t)n < size && access(buf, F_OK) == 0)
        *path = buf;
}

static void use_config(struct replay_args *a, const char *dir)
{
    from_config(&a->options.map, a->config_map, sizeof(a->config_map), dir, "map.json");
    from_config(&a->options.planogram, a->config_planogram, sizeof(a->config_planogram), dir,
                "planogram.json");
    from_config(&a->options.campaigns, a->config_campaigns, sizeof(a->config_campaigns), dir,
                "campaigns.json");
    from_config(&a->options.members, a->config_members, sizeof(a->config_members), dir,
                "members.json");
}

/* CTL_OK, or the status to end with. */
static int parse_args(int argc, char **argv, struct replay_args *a)
{
    const char *config = NULL, *start = NULL;
    const struct {
        const char *name;
        const char **value;
    } options[] = {
        {"--config", &config},
        {"--map", &a->options.map},
        {"--planogram", &a->options.planogram},
        {"--members", &a->options.members},
        {"--start", &start},
    };
    const size_t options_n = sizeof(options) / sizeof(options[0]);
    int inputs = 0;

    for (int i = 1; i < argc; i++) {
        size_t k = 0;

        if (argv[i][0] != '-' || argv[i][1] == 0) {
            argv[inputs++ + 1] = argv[i]; /* options may stand between inputs */
            continue;
        }
        if (strcmp(argv[i], "--json") == 0) {
            a->json = true;
            continue;
        }
        while (k < options_n && strcmp(argv[i], options[k].name) != 0)
            k++;
        if (k == options_n)
            return ctl_usage("replay", "no option '%s'", argv[i]);
        if (i + 1 == argc)
            return ctl_usage("replay", "%s needs a value", argv[i]);
        *options[k].value = argv[++i];
    }
    a->first = inputs;
    if (inputs == 0)
        return ctl_usage("replay", "give at least one input");
    if (start != NULL &&
        (!rfc3339_parse(start, &a->options.start_utc_us) || a->options.start_utc_us <= 0))
        return ctl_usage("replay", "--start needs a time like 2026-11-21T09:00:00Z, not '%s'",
                         start);
    if (config != NULL && access(config, R_OK | X_OK) < 0) {
        fprintf(stderr, "norenctl replay: --config %s: %s\n", config, strerror(errno));
        return CTL_FAILED;
    }
    if (config != NULL)
        use_config(a, config);
    return CTL_OK;
}

int cmd_replay(int argc, char **argv)
{
    struct replay_args a = {.json = false};
    struct replay_print print = {.seq = 0};
    struct replay_summary summary;
    char error[1024] = "";
    int status = parse_args(argc, argv, &a), e;

    if (status != CTL_OK)
        return status;
    a.options.event = print_event;
    a.options.say = print_sentence;
    a.options.arg = &print;
    e = replay_run((const char *const *)argv + 1, (size_t)a.first, &a.options, &summary, error,
                   sizeof(error));
    if (e < 0) {
        fflush(stdout);
        fprintf(stderr, "norenctl replay: %s\n", error);
        return CTL_FAILED;
    }
    if (fflush(stdout) != 0 || print.failed) {
        fprintf(stderr, "norenctl replay: cannot write the events: %s\n", strerror(errno));
        return CTL_FAILED;
    }
    if (a.json)
        print_summary_json(&summary);
    else
        print_summary(&summary);
    return CTL_OK;
}
