/* hx711-decode: a logic capture of an HX711 through the driver's own frame logic.
 *
 *   hx711-decode < edges.csv       columns t_ns,sck,dout: one row for each change of a line
 *   -> t_ns,raw,gain,verdict,reason: one row for each frame, t_ns = ready edge
 *
 * The capture tells all, so the nominal rate and the number of pulses are taken from it: the median time
 * between frames, and what most frames have. That needs a first pass, so the rows are kept.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adc/hx711.h"

#define FIRST_GAP_NS INT64_C(2000000) /* first pass: a longer pause is between two frames */
#define FRAME_PULSES 25               /* of the shortest whole frame */

struct edge {
    int64_t t_ns;
    bool sck, dout;
};

struct capture {
    struct edge *edges;
    size_t n, cap;
};

/* What a frame needs besides the frame logic's own: the ready edge in ns, for the report. */
struct line {
    int64_t ready_ns;
    uint8_t gain_pulses;
};

struct decoder {
    struct hx711_stream stream;
    struct hx711_frame frame;
    int64_t break_ns; /* a longer pause ends a frame */
    bool clocking;
    int64_t rise_ns, fall_ns, ready_ns; /* of PD_SCK and DOUT */
    bool ready_again;                   /* DOUT fell since the last pulse */
    uint8_t last_pulses;
    struct line lines[2]; /* of frames that have no verdict yet, oldest first */
    size_t lines_n;
};

static void die(const char *what, size_t line)
{
    fprintf(stderr, "hx711-decode: line %zu: %s\n", line, what);
    exit(1);
}

static struct edge parse(const char *text, size_t line)
{
    struct edge e;
    char *end;
    long sck, dout;

    e.t_ns = strtoll(text, &end, 10);
    if (end == text || *end != ',')
        die("not a time in ns; write t_ns,sck,dout", line);
    sck = strtol(end + 1, &end, 10);
    if (*end != ',')
        die("no level of sck; write t_ns,sck,dout", line);
    dout = strtol(end + 1, &end, 10);
    if (sck < 0 || sck > 1 || dout < 0 || dout > 1 || (*end != '\0' && *end != ','))
        die("levels are 0 or 1", line);
    e.sck = sck != 0;
    e.dout = dout != 0;
    return e;
}

static void read_capture(struct capture *c, FILE *in)
{
    char text[256];

    for (size_t line = 1; fgets(text, sizeof(text), in) != NULL; line++) {
        text[strcspn(text, "\r\n")] = '\0';
        if (text[0] == '\0' || (line == 1 && strncmp(text, "t_ns", 4) == 0))
            continue;
        if (c->n == c->cap) {
            c->cap = c->cap * 2 + 1024;
            c->edges = realloc(c->edges, c->cap * sizeof(*c->edges));
            if (c->edges == NULL)
                die("out of memory", line);
        }
        c->edges[c->n] = parse(text, line);
        if (c->n > 0 && c->edges[c->n].t_ns < c->edges[c->n - 1].t_ns)
            die("time runs backwards", line);
        c->n++;
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* First pass: nominal rate and usual number of pulses. */
static struct hx711_config look_through(const struct capture *c, int64_t *ret_period_ns)
{
    static const uint16_t rates[] = {10, 20, 80, 320};
    struct hx711_config config = {
        .rate_sps = 80, .pulses = 25, .sck_high_max_us = HX711_SCK_HIGH_MAX_US};
    int64_t *starts = calloc(c->n + 1, sizeof(*starts)), edge_ns = INT64_MIN / 2, off, best = 0;
    size_t n = 0, pulses = 0, seen[28] = {0};

    if (starts == NULL)
        die("out of memory", 0);
    for (size_t i = 1; i <= c->n; i++) {
        bool rise = i < c->n && c->edges[i].sck && !c->edges[i - 1].sck;
        bool pause = i == c->n || (rise && c->edges[i].t_ns - edge_ns > FIRST_GAP_NS);

        if (pause && n > 0) {
            seen[pulses <= 27 ? pulses : 0]++;
            n -= pulses < FRAME_PULSES; /* not a whole frame: says nothing about the rate */
        }
        if (pause && i < c->n) {
            starts[n++] = c->edges[i].t_ns;
            pulses = 0;
        }
        if (rise)
            pulses++;
        if (rise)
            edge_ns = c->edges[i].t_ns;
    }
    for (uint8_t p = 25; p <= 27; p++)
        if (seen[p] > seen[config.pulses])
            config.pulses = p;
    for (size_t i = 0; i + 1 < n; i++)
        starts[i] = starts[i + 1] - starts[i];
    *ret_period_ns = 12500000;
    if (n > 1) {
        qsort(starts, n - 1, sizeof(*starts), by_value);
        *ret_period_ns = starts[(n - 1) / 2];
    }
    free(starts);
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        off = llabs(*ret_period_ns * rates[i] - 1000000000) / rates[i]; /* in ns */
        if (i == 0 || off < best) {
            best = off;
            config.rate_sps = rates[i];
        }
    }
    return config;
}

static void print(struct decoder *d, const struct hx711_result *results, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct hx711_result *r = &results[i];
        unsigned p = d->lines[0].gain_pulses;

        printf("%" PRId64 ",%" PRId32 ",%d,%s,%s\n", d->lines[0].ready_ns, r->counts,
               p == 25   ? 128
               : p == 26 ? 32
               : p == 27 ? 64
                         : 0,
               r->reason == HX711_GOOD ? "good" : "refused",
               r->reason == HX711_GOOD ? "" : hx711_reason_name(r->reason));
        d->lines[0] = d->lines[1];
        d->lines_n--;
    }
}

/* The frame that was being clocked is over. The gain of its conversion was selected by the one before. */
static void finish(struct decoder *d)
{
    struct hx711_result results[HX711_RESULTS_MAX];
    uint8_t own = d->frame.pulses;

    if (!d->clocking)
        return;
    d->clocking = false;
    d->lines[d->lines_n++].gain_pulses =
        d->last_pulses >= 25 && d->last_pulses <= 27 ? d->last_pulses : own;
    d->last_pulses = own;
    print(d, results, hx711_stream_push(&d->stream, &d->frame, results));
}

static void on_rise(struct decoder *d, const struct edge *e, bool dout)
{
    if (d->clocking &&
        ((d->frame.pulses >= FRAME_PULSES && d->ready_again) || e->t_ns - d->fall_ns > d->break_ns))
        finish(d);
    if (!d->clocking) {
        int64_t ready_us = d->ready_ns / 1000;

        d->lines[d->lines_n].ready_ns = dout ? e->t_ns : d->ready_ns;
        hx711_frame_begin(&d->frame, ready_us, ready_us, e->t_ns / 1000, dout);
        d->clocking = true;
    }
    d->rise_ns = e->t_ns;
    d->ready_again = false;
}

static void on_fall(struct decoder *d, const struct edge *e)
{
    hx711_frame_pulse(&d->frame, d->rise_ns / 1000, (e->t_ns + 999) / 1000, e->dout);
    hx711_frame_end(&d->frame, (e->t_ns + 999) / 1000, e->dout);
    d->fall_ns = e->t_ns;
}

static void decode(struct decoder *d, const struct capture *c)
{
    struct hx711_result results[HX711_RESULTS_MAX];

    d->ready_ns = c->n > 0 ? c->edges[0].t_ns : 0;
    for (size_t i = 1; i < c->n; i++) {
        const struct edge *was = &c->edges[i - 1], *e = &c->edges[i];

        if (!e->sck && !was->sck && was->dout && !e->dout) {
            d->ready_ns = e->t_ns;
            d->ready_again = true;
        }
        if (e->sck && !was->sck)
            on_rise(d, e, was->dout);
        else if (!e->sck && was->sck && d->clocking)
            on_fall(d, e);
    }
    finish(d);
    print(d, results, hx711_stream_end(&d->stream, results));
}

int main(int argc, char **argv)
{
    struct capture capture = {.edges = NULL};
    struct decoder d = {.clocking = false};
    struct hx711_config config;

    (void)argv;
    if (argc > 1) {
        printf(
            "usage: hx711-decode < edges.csv\n"
            "reads t_ns,sck,dout (a row for each change), writes t_ns,raw,gain,verdict,reason\n");
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    read_capture(&capture, stdin);
    config = look_through(&capture, &d.break_ns);
    d.break_ns = d.break_ns / 4 * 3;
    hx711_stream_init(&d.stream, &config);
    printf("t_ns,raw,gain,verdict,reason\n");
    decode(&d, &capture);
    free(capture.edges);
    return 0;
}
