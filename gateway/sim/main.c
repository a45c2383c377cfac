/* noren-sim: shoppers, radios and shelves from a scenario file and a seed.
 *
 * Live, it is the world behind a norend on the simulated board; with --write it records a shop's day as fast
 * as it can, with the truth beside it. One seed gives one world: the same recording, byte for byte.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/control.h"
#include "sim/output.h"
#include "sim/scenario.h"
#include "sim/trial_main.h"
#include "sim/world.h"

static const char HELP[] =
    "usage: noren-sim --planogram FILE --map FILE (--socket PATH | --write DIR) [options]\n"
    "       noren-sim --control PATH COMMAND...\n"
    "       noren-sim --trial NAME|all|list ...   (noren-sim --trial --help)\n"
    "\n"
    "Shoppers, radios and shelves of a store, from a scenario and a seed.\n"
    "\n"
    "  --socket PATH      drive a running norend through its run_dir/sim.sock; waits for it;\n"
    "                     prints \"led NAME on\" and \"led NAME off\" as lights blink\n"
    "  --write DIR        write recordings instead: cells.csv, sightings.csv, RECEIVER.btsnoop,\n"
    "                     truth.jsonl; needs --duration\n"
    "  --planogram FILE   plates, cells and products (the gateway's planogram.json)\n"
    "  --map FILE         zones and receivers (the gateway's map.json)\n"
    "  --members FILE     who carries the app (headquarters' members.json: member_ref, "
    "member_key)\n"
    "  --scenario FILE    how busy it is; JSON, every member optional:\n"
    "                     automatic, phones, outside_s, look_s, pick_pm, put_back_pm, fill_pm,\n"
    "                     restock_below_pm, restock_after_s, noise_mg,\n"
    "                     beacons: [{kind: store|thermometer, x_m, y_m, uuid, major, key}]\n"
    "  --seed N           what happens (default 1)\n"
    "  --duration S       stop after so many seconds (default: never)\n"
    "  --start UNIX       wall time at the start of a recording, seconds (default: now)\n"
    "  --truth FILE       live: write what really happened, one JSON object a line, t_us = boot "
    "time\n"
    "  --control PATH     live: take commands there; with a COMMAND: send it and print the answer\n"
    "\n"
    "Commands:\n" CONTROL_HELP;

struct options {
    const char *socket, *write, *planogram, *map, *members, *scenario, *truth, *control;
    uint64_t seed;
    int64_t duration_us, start_s;
};

static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
    (void)signal;
    stopped = 1;
}

static int64_t clock_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return t.tv_sec * NOREN_US_PER_S + t.tv_nsec / 1000;
}

static bool parse_number(const char *text, int64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *ret >= 0;
}

/* Exits on --help and on errors. Returns the index of the first word of a command. */
static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {{"socket", required_argument, NULL, 's'},
                                          {"write", required_argument, NULL, 'w'},
                                          {"planogram", required_argument, NULL, 'p'},
                                          {"map", required_argument, NULL, 'm'},
                                          {"members", required_argument, NULL, 'M'},
                                          {"scenario", required_argument, NULL, 'S'},
                                          {"truth", required_argument, NULL, 't'},
                                          {"control", required_argument, NULL, 'c'},
                                          {"seed", required_argument, NULL, 'n'},
                                          {"duration", required_argument, NULL, 'd'},
                                          {"start", required_argument, NULL, 'u'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char **text[256] = {
        ['s'] = &o->socket,  ['w'] = &o->write,    ['p'] = &o->planogram, ['m'] = &o->map,
        ['M'] = &o->members, ['S'] = &o->scenario, ['t'] = &o->truth,     ['c'] = &o->control};
    int64_t seed = 1, seconds = 0;
    int c;

    *o = (struct options){.start_s = -1};
    while ((c = getopt_long(argc, argv, "+h", known, NULL)) != -1) {
        bool good = true;

        if (c == 'h') {
            fputs(HELP, stdout);
            exit(0);
        }
        if (c == 'n')
            good = parse_number(optarg, &seed);
        else if (c == 'd')
            good = parse_number(optarg, &seconds);
        else if (c == 'u')
            good = parse_number(optarg, &o->start_s);
        else if (c > 0 && c < 256 && text[c] != NULL)
            *text[c] = optarg;
        else
            good = false;
        if (!good) {
            fprintf(stderr, "noren-sim: bad option or number; see noren-sim --help\n");
            exit(2);
        }
    }
    o->seed = (uint64_t)seed;
    o->duration_us = seconds * NOREN_US_PER_S;
    return optind;
}

static void load(struct world *w, const struct options *o)
{
    char error[SCENARIO_ERROR_SIZE] = "";
    int r;

    w->scenario = scenario_default();
    w->random = o->seed;
    r = scenario_read_map(w, o->map, error);
    if (r == 0)
        r = scenario_read_planogram(w, o->planogram, error);
    if (r == 0 && o->scenario != NULL)
        r = scenario_read(w, o->scenario, error);
    if (r == 0 && o->members != NULL)
        r = scenario_read_members(w, o->members, error);
    if (r < 0) {
        fprintf(stderr, "noren-sim: %s\n", error);
        exit(1);
    }
    for (int64_t i = 0; i < w->scenario.phones && w->people_n < WORLD_PEOPLE_MAX; i++)
        w->people[w->people_n++] = (struct person){.kind = PERSON_PHONE};
}

static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "noren-sim: %s: %s\n", what, strerror(-r));
    exit(1);
}

static int record(struct world *w, const struct options *o)
{
    struct output out;
    int64_t start_s = o->start_s >= 0 ? o->start_s : (int64_t)time(NULL);

    must(output_open_folder(&out, w, o->write), o->write);
    w->utc_offset_us = start_s * NOREN_US_PER_S;
    world_init(w, 0);
    for (int64_t t = 0; t < o->duration_us && !stopped; t += WORLD_STEP_US) {
        world_step(w, t, &out);
        output_step(&out, w);
    }
    output_close(&out);
    return 0;
}

static int live(struct world *w, const struct options *o)
{
    int64_t start = clock_us(CLOCK_BOOTTIME), next = start;
    struct output out;
    int control = -1;

    output_open_live(&out, w, o->socket);
    if (o->truth != NULL)
        must(output_open_truth(&out, o->truth), o->truth);
    if (o->control != NULL) {
        control = control_open(o->control);
        must(control, o->control);
    }
    world_init(w, start);
    while (!stopped && (o->duration_us == 0 || next - start < o->duration_us)) {
        int64_t now = clock_us(CLOCK_BOOTTIME);
        struct timespec rest = {.tv_nsec = 0};

        w->utc_offset_us = clock_us(CLOCK_REALTIME) - now;
        if (control >= 0)
            control_step(control, w, &out);
        world_step(w, now, &out);
        output_step(&out, w);
        next += WORLD_STEP_US;
        if (next < now) /* we were stopped or suspended: go on from here */
            next = now;
        rest.tv_nsec = (next - now) * 1000;
        nanosleep(&rest, NULL);
    }
    if (control >= 0) {
        close(control);
        unlink(o->control);
    }
    output_close(&out);
    return 0;
}

int main(int argc, char **argv)
{
    static struct world w;
    const struct sigaction stop = {.sa_handler = on_signal};
    struct options o;
    int words;

    if (argc > 1 && strcmp(argv[1], "--trial") == 0)
        return trial_main(argc, argv);
    words = parse_options(argc, argv, &o);
    if (words < argc && o.control != NULL)
        return control_send(o.control, argc - words, argv + words);
    if (words < argc || o.planogram == NULL || o.map == NULL || !o.socket == !o.write ||
        (o.write != NULL && o.duration_us == 0)) {
        fprintf(stderr, "noren-sim: needs --planogram, --map, and --socket or --write with "
                        "--duration; commands need --control; see noren-sim --help\n");
        return 2;
    }
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    load(&w, &o);
    return o.write != NULL ? record(&w, &o) : live(&w, &o);
}
