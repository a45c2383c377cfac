/* norenctl calibrate: walks a person through zero, known mass and check mass; --history shows what was done.
 *
 * The gateway shows what the cells read, judges and stores (io/control_calibrate.c); this is the dialogue. It
 * waits for a reading that rests instead of counting seconds, and looks at each point before it asks for the
 * next, so that a mistake costs one step and not four. With --yes nobody presses Enter: a step is done when the
 * weight has been seen to come and to rest, which is what a script, or a person far from the keyboard, needs.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/calibration.h"
#include "ctl/ask.h"

#define POLL_MS 250
#define REST_S \
    5 /* the gateway's window is four seconds: none of what it shows is older than Enter */
#define PATIENT_S 30  /* for a reading that does not rest */
#define STARVED_S 60  /* for readings that do not come, or too seldom to judge by */
#define IDLE_S    300 /* for a weight that does not come */

struct dialogue {
    struct ctl_call call;
    const char *target, *operator;
    double mass_g, check_g;
    bool yes, json, history, tty;
    char cells[PLATE_CELLS_MAX][NOREN_ID_SIZE];
    struct calibration_points points;
    double now[PLATE_CELLS_MAX];
    bool enough, steady, in_service, stored;
    char state[NOREN_ID_SIZE]; /**< of the worst cell */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- the gateway ------------------------------------------------------------------------------------ */

static json_t *ask(const struct dialogue *d, const char *name, json_t *request)
{
    struct ctl_call quiet = d->call;
    json_t *reply;

    quiet.json = false;
    quiet.id = NULL;
    json_object_set_new(request, "target", json_string(d->target));
    reply = ctl_ask(&quiet, name, request);
    if (reply == NULL || json_is_true(json_object_get(reply, "ok")))
        return reply;
    if (d->json) {
        json_dumpf(reply, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(reply);
    return NULL;
}

/* "begin" is said at every step: it gives the person another half hour. */
static bool order(const struct dialogue *d, const char *stage)
{
    json_t *reply = ask(d, "calibrate", json_pack("{s:s}", "stage", stage));

    json_decref(reply);
    return reply != NULL;
}

/* What the cells show now. */
static bool look(struct dialogue *d)
{
    json_t *reply = ask(d, "cells", json_object()), *cell;
    size_t i;

    if (reply == NULL)
        return false;
    d->enough = d->steady = true;
    d->in_service = false;
    snprintf(d->state, sizeof(d->state), "ok");
    d->points.cells_n = (uint8_t)json_array_size(json_object_get(reply, "cells"));
    json_array_foreach(json_object_get(reply, "cells"), i, cell)
    {
        const char *state = json_string_value(json_object_get(cell, "state"));

        snprintf(d->cells[i], NOREN_ID_SIZE, "%s",
                 json_string_value(json_object_get(cell, "cell")));
        d->now[i] = (double)json_integer_value(json_object_get(cell, "counts"));
        d->points.noise[i] = json_number_value(json_object_get(cell, "noise"));
        d->enough &= json_is_true(json_object_get(cell, "enough"));
        d->steady &= json_is_true(json_object_get(cell, "steady"));
        d->in_service |= json_is_true(json_object_get(cell, "in_service"));
        if (strcmp(state, "ok") != 0 && strcmp(state, "uncalibrated") != 0)
            snprintf(d->state, sizeof(d->state), "%s", state);
    }
    json_decref(reply);
    return true;
}

/* ---- the person ------------------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool press_enter(const struct dialogue *d)
{
    int c;

    if (d->yes)
        return true;
    fputs("  then press Enter ", stderr);
    while ((c = getchar()) != '\n')
        if (c == EOF || interrupted) {
            fputs("\nnorenctl calibrate: no answer; with --yes it waits for the weights instead\n",
                  stderr);
            return false;
        }
    return true;
}

static void show_progress(const struct dialogue *d, double waited_s)
{
    if (!d->tty)
        return;
    fprintf(stderr, "\r  %s  %5.1f s ", d->steady ? "resting" : "moving ", waited_s);
    for (uint8_t i = 0; i < d->points.cells_n; i++)
        fprintf(stderr, " %s %.0f", d->cells[i], d->now[i]);
    fputs("   ", stderr);
}

static double moved(const struct dialogue *d, const double from[PLATE_CELLS_MAX])
{
    double sum = 0;

    for (uint8_t i = 0; i < d->points.cells_n; i++)
        sum += d->now[i] > from[i] ? d->now[i] - from[i] : from[i] - d->now[i];
    return sum;
}

static bool give_up(const struct dialogue *d, const char *why)
{
    fprintf(stderr, "%snorenctl calibrate: %s; %s\n", d->tty ? "\n" : "", why,
            d->stored ? "what was stored holds" : "nothing was changed");
    if (d->json && !d->stored)
        printf("{\"ok\":false,\"error\":\"%s\"}\n", why);
    return false;
}

/* How long it has been waited for what. */
struct waiting {
    double start_s, came_s, now_s; /* came_s 0: no weight came yet */
    double restless_s,
        starved_s; /* since it came: enough readings that did not rest, and too few */
};

/* False with a message when there is no sense in waiting on. */
static bool is_patient(const struct dialogue *d, const struct waiting *w)
{
    char why[200];

    if (d->in_service)
        return give_up(d, "the plate was put back into service meanwhile, half an hour after the "
                          "last step or by somebody else");
    if (w->came_s == 0 && w->now_s - w->start_s > IDLE_S)
        return give_up(d, "no weight came within five minutes");
    if (w->restless_s > PATIENT_S)
        snprintf(why, sizeof(why),
                 "unstable: the reading does not come to rest (cell state: %s); look for what "
                 "touches or moves the plate",
                 d->state);
    else if (w->starved_s > STARVED_S)
        snprintf(why, sizeof(why),
                 "too few good readings come (cell state: %s); norenctl status says what is wrong",
                 d->state);
    else
        return true;
    return give_up(d, why);
}

/* Waits until the cells rest, away from `from` unless that is NULL; what they then show goes to `ret`. */
static bool wait_for_rest(struct dialogue *d, const double *from, double ret[PLATE_CELLS_MAX])
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    struct waiting w = {.start_s = seconds()};
    bool there = true; /* the weight, as far as anybody looks */

    w.now_s = w.start_s;
    while (!interrupted) {
        double before_s = w.now_s;

        if (!look(d))
            return false;
        w.now_s = seconds();
        show_progress(d, w.now_s - w.start_s);
        if (from != NULL && d->yes)
            there = moved(d, from) > CALIBRATION_MOVED_COUNTS;
        if (w.came_s != 0)
            *(d->enough ? &w.restless_s : &w.starved_s) += d->steady ? 0 : w.now_s - before_s;
        if (there && w.came_s == 0)
            w.came_s = w.now_s;
        else if (!there && d->steady)
            w.came_s = 0; /* it went again */
        if (!is_patient(d, &w))
            return false;
        if (there && d->steady && w.now_s - w.came_s >= REST_S) {
            memcpy(ret, d->now, sizeof(d->now));
            fprintf(stderr, d->tty ? "\n" : "  ok\n");
            return true;
        }
        nanosleep(&pause, NULL);
    }
    return give_up(d, "interrupted");
}

/* ---- the steps -------------------------------------------------------------------------------------- */

static bool step_zero(struct dialogue *d, int steps)
{
    fprintf(stderr, "1/%d  Take everything off %s and leave it alone", steps, d->target);
    fputs(d->yes ? "\n" : ",\n", stderr);
    return press_enter(d) && wait_for_rest(d, NULL, d->points.zero);
}

static bool step_load(struct dialogue *d, uint8_t j, int steps)
{
    const double *from = j == 0 ? d->points.zero : d->points.load[j - 1];
    enum calibration_refusal r;
    uint8_t cell;

    if (!order(d, "begin"))
        return false;
    fprintf(stderr, "%d/%d  Put %g g on %s%s%s", j + 2, steps, d->mass_g, d->target,
            d->points.cells_n > 1 ? ", right over cell " : "",
            d->points.cells_n > 1 ? d->cells[j] : "");
    fputs(d->yes ? "\n" : ",\n", stderr);
    if (!press_enter(d) || !wait_for_rest(d, from, d->points.load[j]))
        return false;
    r = calibration_judge_load(&d->points, j, &cell);
    if (r == CALIBRATION_SMALL || r == CALIBRATION_CLIP)
        return give_up(d, calibration_remedy(r));
    return true; /* of the direction the gateway knows more: the planogram */
}

static bool step_check(struct dialogue *d, int steps)
{
    if (!order(d, "begin"))
        return false;
    fprintf(stderr, "%d/%d  Take it off and put %g g in the middle", steps, steps, d->check_g);
    fputs(d->yes ? "\n" : ",\n", stderr);
    return press_enter(d) &&
           wait_for_rest(d, d->points.load[d->points.cells_n - 1], d->points.check);
}

static json_t *numbers(const struct dialogue *d, const double *counts)
{
    json_t *list = json_array();

    for (uint8_t i = 0; i < d->points.cells_n; i++)
        json_array_append_new(list, json_integer((json_int_t)counts[i]));
    return list;
}

static bool store(const struct dialogue *d)
{
    json_t *loads = json_array(), *reply, *cell;
    size_t i;

    for (uint8_t j = 0; j < d->points.cells_n; j++)
        json_array_append_new(loads, numbers(d, d->points.load[j]));
    reply = ask(d, "calibrate",
                json_pack("{s:s,s:s,s:I,s:I,s:o,s:o,s:o}", "stage", "set", "operator", d->operator,
                          "mass_mg", (json_int_t)d->points.mass_mg, "check_mg",
                          (json_int_t)d->points.check_mg, "zero", numbers(d, d->points.zero),
                          "loads", loads, "check", numbers(d, d->points.check)));
    if (reply == NULL)
        return false;
    json_array_foreach(json_object_get(reply, "calibrated"), i, cell)
        fprintf(stderr, "%s: zero at %lld counts, %.6f mg a count, calibration %lld\n",
                json_string_value(json_object_get(cell, "cell")),
                (long long)json_integer_value(json_object_get(cell, "zero_counts")),
                (double)json_integer_value(json_object_get(cell, "pg_per_count")) / 1e9,
                (long long)json_integer_value(json_object_get(cell, "calibration")));
    fprintf(stderr, "the check mass reads wrong by %.2f g\n",
            (double)json_integer_value(json_object_get(reply, "error_mg")) / 1000);
    if (d->json) {
        json_dumpf(reply, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(reply);
    return true;
}

static bool walk(struct dialogue *d)
{
    int steps = d->points.cells_n + 2;
    double last[PLATE_CELLS_MAX];

    if (!step_zero(d, steps))
        return false;
    for (uint8_t j = 0; j < d->points.cells_n; j++)
        if (!step_load(d, j, steps))
            return false;
    if (!step_check(d, steps) || !store(d))
        return false;
    d->stored = true;
    fputs("Stored. Take the weight off and put the goods back as they were", stderr);
    fputs(d->yes ? "\n" : ",\n", stderr);
    (void)(order(d, "begin") && press_enter(d) && d->yes &&
           wait_for_rest(d, d->points.check, last)); /* stored is stored, whatever comes of that */
    return true;
}

static int calibrate(struct dialogue *d)
{
    bool done;

    if (!look(d) || !order(d, "begin"))
        return CTL_FAILED;
    signal(SIGINT, on_interrupt);
    done = walk(d);
    return order(d, "end") && done ? CTL_OK : CTL_FAILED;
}

/* ---- history ---------------------------------------------------------------------------------------- */

static void print_row(const json_t *row)
{
    time_t t = (time_t)json_integer_value(json_object_get(row, "utc_s"));
    const json_t *celsius = json_object_get(row, "temperature_c");
    char when[32] = "", temperature[16] = "-";
    struct tm tm;

    printf("%-12s %3lld  ", json_string_value(json_object_get(row, "cell")),
           (long long)json_integer_value(json_object_get(row, "number")));
    if (json_is_true(json_object_get(row, "damaged"))) {
        puts("DAMAGED: the row's CRC is wrong; calibrate again");
        return;
    }
    if (gmtime_r(&t, &tm) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (json_is_number(celsius))
        snprintf(temperature, sizeof(temperature), "%.1f C", json_number_value(celsius));
    printf("%s  zero %lld  %.6f mg/count  with %.0f g, off by %.2f g  %s  by %s\n", when,
           (long long)json_integer_value(json_object_get(row, "zero_counts")),
           (double)json_integer_value(json_object_get(row, "pg_per_count")) / 1e9,
           (double)json_integer_value(json_object_get(row, "mass_mg")) / 1000,
           (double)json_integer_value(json_object_get(row, "error_mg")) / 1000, temperature,
           json_string_value(json_object_get(row, "operator")));
}

static int show_history(const struct dialogue *d)
{
    json_t *reply = ask(d, "calibrations", json_object());
    const json_t *rows = json_object_get(reply, "calibrations");
    size_t n = json_array_size(rows);

    if (reply == NULL)
        return CTL_FAILED;
    if (d->json) {
        json_dumpf(rows, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (n == 0) {
        puts("never calibrated here; the planogram's values hold");
    }
    for (size_t i = 0; i < n && !d->json; i++)
        print_row(json_array_get(rows, i));
    json_decref(reply);
    return CTL_OK;
}

/* ---- options ---------------------------------------------------------------------------------------- */

static int read_grams(const char *name, const char *text, double *ret)
{
    char *end;

    errno = 0;
    *ret = text != NULL ? strtod(text, &end) : 0;
    if (text == NULL || errno != 0 || end == text || *end != '\0' || !(*ret >= 1) ||
        *ret > CALIBRATION_MASS_MAX_MG / 1000.0)
        return ctl_usage("calibrate", "%s wants a mass in g, 1 or more", name);
    return CTL_OK;
}

/* Takes the options that are this command's own out of argv; the rest is what every command has. */
static int take_own_options(struct dialogue *d, int *argc, char **argv)
{
    int left = 1, rc = CTL_OK;

    for (int i = 1; i < *argc && rc == CTL_OK; i++) {
        const char *value = i + 1 < *argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--mass") == 0 && ++i)
            rc = read_grams("--mass", value, &d->mass_g);
        else if (strcmp(argv[i], "--check") == 0 && ++i)
            rc = read_grams("--check", value, &d->check_g);
        else if (strcmp(argv[i], "--operator") == 0 && ++i)
            d->operator= value;
        else if (strcmp(argv[i], "--yes") == 0)
            d->yes = true;
        else if (strcmp(argv[i], "--history") == 0)
            d->history = true;
        else
            argv[left++] = argv[i];
    }
    *argc = left;
    argv[left] = NULL;
    return rc;
}

int cmd_calibrate(int argc, char **argv)
{
    struct dialogue d = {.operator= getenv("USER"), .tty = isatty(STDERR_FILENO) == 1};
    int rc = take_own_options(&d, &argc, argv);

    if (rc == CTL_OK)
        rc = ctl_begin(&d.call, argc, argv, 1, "wants one plate or load cell");
    if (rc != CTL_OK)
        return rc;
    d.json = d.call.json;
    d.target = argv[optind];
    if (d.history)
        return show_history(&d);
    if (d.mass_g == 0 || d.check_g == 0)
        return ctl_usage("calibrate", "wants --mass and --check, two different masses in g");
    if (d.operator== NULL || d.operator[0] == '\0' || strlen(d.operator) >= NOREN_ID_SIZE)
        return ctl_usage("calibrate", "wants --operator, who does it, up to %d bytes",
                         NOREN_ID_SIZE - 1);
    d.points.mass_mg = (int64_t)(d.mass_g * 1000);
    d.points.check_mg = (int64_t)(d.check_g * 1000);
    if (d.check_g > d.mass_g * 0.9 && d.check_g < d.mass_g * 1.1)
        return ctl_usage("calibrate", "%s", calibration_remedy(CALIBRATION_ALIKE));
    return calibrate(&d);
}
