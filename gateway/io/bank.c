/* Reading a bank of weight ADCs; see bank.h. */
#include "io/bank.h"

#include <assert.h>
#include <string.h>

#define SECOND_US      INT64_C(1000000)
#define POWER_CYCLE_US 150 /* the datasheet asks for more than 60 */
#define WAKE_US        100 /* what a sleeping thread may be late by on an ordinary day */
#define RATE_US        (2 * SECOND_US)
#define EDGES_MIN      8

void bank_init(struct bank *b, const struct board_bank *config, const struct bank_bus *bus)
{
    const struct hx711_config chip = {
        .rate_sps = (uint16_t)config->rate_sps,
        .pulses = config->gain == 32   ? 26
                  : config->gain == 64 ? 27
                                       : 25,
        .sck_high_max_us = (uint16_t)config->sck_high_max_us,
        .shared = config->sck_n == 1 && config->cells_n > 1,
    };
    int64_t now = bus->now_us(bus->ctx);

    assert(config->sck_n <= 1 || config->sck_n == config->cells_n);
    *b = (struct bank){
        .bus = *bus,
        .cells_n = config->cells_n,
        .groups_n = config->sck_n > 0 ? config->sck_n : config->cells_n,
        .pulses = chip.pulses,
        .nominal_us = (int32_t)(SECOND_US / config->rate_sps),
    };
    for (uint8_t i = 0; i < b->groups_n; i++) {
        b->groups[i] = (struct bank_group){.line = i, .first = i, .n = 1};
        if (chip.shared)
            b->groups[i].n = b->cells_n;
    }
    for (int i = 0; i < b->cells_n; i++) {
        struct bank_cell *c = &b->cells[i];
        struct hx711_result none[HX711_RESULTS_MAX];

        hx711_stream_init(&c->stream, &chip);
        hx711_stream_reset(&c->stream, now, none);
        c->seen_high_us = c->heard_us = c->good_us = c->rate_us = c->edge_us = now;
        c->report_us = now + SECOND_US;
        c->lead_us = INT32_MAX / 2; /* begins at the most */
        c->expected_until_us = now + 6 * (int64_t)hx711_stream_period_us(&c->stream);
    }
}

/* --- results ------------------------------------------------------------------------------------ */

static void report(struct bank *b, uint8_t cell, enum cell_fault fault, int64_t now,
                   struct bank_reading **ret)
{
    b->cells[cell].report_us = now + SECOND_US;
    *(*ret)++ = (struct bank_reading){.t_us = now, .cell = cell, .fault = fault};
}

/* What a result means to whoever judges the cell; CELL_OK: it says nothing about the cell. */
static enum cell_fault fault_of(enum hx711_reason reason)
{
    switch (reason) {
    case HX711_GOOD:
    case HX711_NOT_READY:
    case HX711_LATE_START:
    case HX711_SETTLING:
    case HX711_REASONS:
        break;
    case HX711_SCK_HIGH:
    case HX711_LATE_END:
    case HX711_PULSES:
    case HX711_EXTRA_BITS:
    case HX711_DOUT_LOW:
    case HX711_GAP:
    case HX711_PATTERN:
        return CELL_CORRUPT;
    case HX711_CLIP:
        return CELL_SATURATED;
    }
    return CELL_OK;
}

static void take(struct bank *b, uint8_t cell, const struct hx711_result *results, size_t n,
                 int64_t now, struct bank_reading **ret)
{
    struct bank_cell *c = &b->cells[cell];

    for (size_t i = 0; i < n; i++) {
        enum cell_fault fault = fault_of(results[i].reason);

        if (results[i].reason == HX711_GAP && c->excused)
            fault = CELL_OK;
        if (results[i].reason == HX711_GOOD) {
            c->good_us = results[i].ready_us;
            c->excused = false;
            if (!c->off_rate)
                c->report_us = 0; /* the next fault is news */
            *(*ret)++ = (struct bank_reading){
                .t_us = results[i].ready_us, .cell = cell, .counts = results[i].counts};
        } else if (fault != CELL_OK) {
            if (fault == CELL_SATURATED)
                c->good_us = now; /* the chip works, its input does not */
            *(*ret)++ = (struct bank_reading){.t_us = now, .cell = cell, .fault = fault};
        }
    }
}

/* Where nobody looked for a while, edges were missed, and the one that was seen next may have come long before:
 * neither the interval that ends there counts nor the one that begins there. */
static void count_edge(struct bank_cell *c)
{
    if (!c->unwatched && c->edge_us != 0) {
        c->edges++;
        c->watched_us += c->low_us - c->edge_us;
    }
    c->edge_us = c->unwatched ? 0 : c->low_us;
    c->unwatched = false;
}

/* The learnt conversion time is the better measure while values come, else edges are counted. */
static void watch_rate(struct bank *b, struct bank_cell *c, int64_t now)
{
    int64_t period = hx711_stream_period_us(&c->stream);

    if (now - c->rate_us < RATE_US)
        return;
    if (now - c->good_us > SECOND_US)
        period = c->edges > 0 ? c->watched_us / c->edges : 0;
    if (c->edges >= EDGES_MIN || !c->excused) /* a few intervals between pauses say little */
        c->off_rate =
            period * 5 < b->nominal_us * INT64_C(4) || period * 4 > b->nominal_us * INT64_C(5);
    c->edges = 0;
    c->watched_us = 0;
    c->rate_us = now;
}

/* --- clocking ----------------------------------------------------------------------------------- */

/* Clocks one frame out of a group. Only the chips that were low have a frame; the others are not awaited
 * any more and get the pulses along, which a chip that is not ready ignores. */
static int clock_group(struct bank *b, const struct bank_group *g,
                       struct hx711_frame frames[BOARD_BANK_CELLS_MAX])
{
    const struct bank_bus *bus = &b->bus;
    int64_t rise = bus->now_us(bus->ctx), fall;
    uint32_t levels = 0;
    int r;

    for (int i = g->first; i < g->first + g->n; i++) {
        const struct bank_cell *c = &b->cells[i];

        hx711_frame_begin(&frames[i], c->seen_high_us, c->low_us, rise, !c->low);
    }
    for (int pulse = 0; pulse < b->pulses; pulse++) {
        rise = bus->now_us(bus->ctx);
        r = bus->set_sck(bus->ctx, g->line, true);
        if (r >= 0)
            r = bus->set_sck(bus->ctx, g->line, false);
        if (r < 0)
            return r;
        fall = bus->now_us(bus->ctx);
        r = bus->get_dout(bus->ctx, &levels);
        if (r < 0)
            return r;
        for (int i = g->first; i < g->first + g->n; i++)
            hx711_frame_pulse(&frames[i], rise, fall, (levels >> i & 1) != 0);
    }
    r = bus->get_dout(bus->ctx, &levels);
    if (r < 0)
        return r;
    fall = bus->now_us(bus->ctx);
    for (int i = g->first; i < g->first + g->n; i++)
        hx711_frame_end(&frames[i], fall, (levels >> i & 1) != 0);
    return 0;
}

static int read_group(struct bank *b, struct bank_group *g, struct bank_reading **ret)
{
    struct hx711_frame frames[BOARD_BANK_CELLS_MAX];
    struct hx711_result results[HX711_RESULTS_MAX];
    int r = clock_group(b, g, frames);
    int64_t now = b->bus.now_us(b->bus.ctx);

    for (uint8_t i = g->first; i < g->first + g->n; i++) {
        struct bank_cell *c = &b->cells[i];

        if (c->pending && r == 0) {
            take(b, i, results, hx711_stream_push(&c->stream, &frames[i], results), now, ret);
            c->heard_us = now;
            count_edge(c);
        }
        watch_rate(b, c, now);
        if (!c->stream.timed && !c->off_rate && (c->pending || now < c->expected_until_us))
            c->expected_until_us = now + 6 * (int64_t)hx711_stream_period_us(&c->stream);
        c->pending = false;
        c->seen_high_us = now;
    }
    return r;
}

/* Holds PD_SCK high until the chips power down, and lets them start again. */
static int power_cycle(struct bank *b, struct bank_group *g, struct bank_reading **ret)
{
    struct hx711_result results[HX711_RESULTS_MAX];
    int r = b->bus.set_sck(b->bus.ctx, g->line, true);
    int64_t now;

    b->bus.wait_us(b->bus.ctx, POWER_CYCLE_US);
    if (r == 0)
        r = b->bus.set_sck(b->bus.ctx, g->line, false);
    now = b->bus.now_us(b->bus.ctx);
    for (uint8_t i = g->first; i < g->first + g->n; i++) {
        struct bank_cell *c = &b->cells[i];

        take(b, i, results, hx711_stream_reset(&c->stream, now, results), now, ret);
        c->expected_until_us = now + 6 * (int64_t)hx711_stream_period_us(&c->stream);
    }
    return r;
}

/* --- waiting ------------------------------------------------------------------------------------ */

static int32_t look_step_us(const struct bank_cell *c)
{
    return hx711_stream_period_us(&c->stream) / 50;
}

/* An edge that was over at the first look is as good as unseen (C1): begin to look earlier next time. */
static void adapt_lead(struct bank_cell *c)
{
    int32_t period = hx711_stream_period_us(&c->stream);
    int32_t least = look_step_us(c) / 2 + WAKE_US, most = period / 10 * 3;

    c->lead_us = c->low_us - c->seen_high_us > period / 8 ? c->lead_us * 2 : c->lead_us / 8 * 7;
    if (c->lead_us < least)
        c->lead_us = least;
    if (c->lead_us > most)
        c->lead_us = most;
}

/* DOUT of one cell as a look between two moments found it. An edge lies between the last look that found
 * high and the first that finds low; both are taken on the side that makes the interval longer.
 * A chip that waits for its neighbours shows a short high when its next conversion overtakes it: the
 * first edge stays the one that counts (the frame logic knows the conversion time). */
static void see(struct bank_cell *c, bool low, int64_t before, int64_t after)
{
    c->low = low;
    if (!low && c->pending && ++c->highs > 1)
        c->pending = false; /* no blink: it was no edge */
    if (low)
        c->highs = 0;
    if (low && !c->pending) {
        c->pending = true;
        c->low_us = after;
        adapt_lead(c);
    } else if (!c->pending) {
        c->seen_high_us = before;
    }
}

static int look(struct bank *b, int64_t *ret_now)
{
    int64_t before = b->bus.now_us(b->bus.ctx), after;
    uint32_t levels;
    int r = b->bus.get_dout(b->bus.ctx, &levels);

    after = b->bus.now_us(b->bus.ctx);
    *ret_now = after;
    for (int i = 0; i < b->cells_n && r == 0; i++)
        see(&b->cells[i], (levels >> i & 1) == 0, before, after);
    return r;
}

/* Nobody looked since due_us: moves every measure of silence on by that time. */
static void excuse(struct bank *b, int64_t now)
{
    int64_t late = now - b->due_us;

    if (b->due_us == 0 || late <= b->nominal_us / 8)
        return;
    for (int i = 0; i < b->cells_n; i++) {
        struct bank_cell *c = &b->cells[i];

        c->excused = c->unwatched = true;
        c->heard_us += late;
        c->good_us += late;
        c->expected_until_us += late;
    }
}

/* On a shared PD_SCK a ready chip is overtaken by its next conversion while it waits for the others. Clocking
 * just then would read a mixture, so the group waits a little more until the chip has changed its bits. */
static bool is_changing(const struct bank_cell *c, int64_t now)
{
    int64_t period = hx711_stream_period_us(&c->stream), age = now - c->low_us;

    return age % period > period / 16 * 13 || (age >= period && age % period < period / 32);
}

/* True when the group should be clocked now: somebody is ready, and nobody alive is still to come. */
static bool is_due(struct bank *b, const struct bank_group *g, int64_t now,
                   struct bank_reading **ret)
{
    struct hx711_result results[HX711_RESULTS_MAX];
    bool any = false, missing = false, changing = false;
    int64_t newest_us = 0;

    for (uint8_t i = g->first; i < g->first + g->n; i++) {
        struct bank_cell *c = &b->cells[i];

        if (c->pending) {
            any = any || c->low;
            missing = missing || !c->low;
            changing = changing || (g->n > 1 && is_changing(c, now));
            newest_us = c->low_us > newest_us ? c->low_us : newest_us;
            continue;
        }
        take(b, i, results, hx711_stream_wait(&c->stream, c->seen_high_us, results), now, ret);
        if (!c->off_rate && (c->stream.timed || now < c->expected_until_us))
            missing = true;
    }
    if (changing && now - newest_us < hx711_stream_period_us(&b->cells[g->first].stream) / 2)
        return false; /* with many chips there may be no moment that suits all: then C1 decides */
    return any && !missing;
}

/* Reports what is wrong, at most once a second and cell. A group in which nobody answers is power-cycled;
 * one with a living chip is not, the cure would cost that one four conversions every second. */
static int check_faults(struct bank *b, struct bank_group *g, int64_t now,
                        struct bank_reading **ret)
{
    bool silent = true, reported = false;

    for (uint8_t i = g->first; i < g->first + g->n; i++) {
        struct bank_cell *c = &b->cells[i];
        bool absent = now - c->heard_us > SECOND_US;

        silent = silent && absent;
        if (now < c->report_us || (now - c->good_us <= SECOND_US && !c->off_rate))
            continue;
        if (!absent && !c->off_rate && c->excused)
            continue; /* whoever waits for values notices that there are none */
        report(b, i, absent ? CELL_ABSENT : c->off_rate ? CELL_RATE : CELL_CORRUPT, now, ret);
        reported = reported || absent;
    }
    return silent && reported ? power_cycle(b, g, ret) : 0;
}

/* When to look at a group again: just before the next edge that is expected, in small steps around it,
 * rarely when nobody is alive. */
static int64_t next_look(const struct bank *b, const struct bank_group *g, int64_t now)
{
    int64_t step = look_step_us(&b->cells[g->first]), next = INT64_MAX;
    bool ready = false;

    for (int i = g->first; i < g->first + g->n; i++) {
        const struct bank_cell *c = &b->cells[i];
        int64_t edge = now + step;

        if (c->pending && c->low) {
            ready = true; /* waits for the others */
            continue;
        }
        if (c->stream.timed && !c->pending)
            edge = c->stream.ready_lo_us + hx711_stream_period_us(&c->stream) - c->lead_us;
        else if (!c->pending && now >= c->expected_until_us)
            continue; /* dead */
        if (edge < next)
            next = edge;
    }
    if (next == INT64_MAX)
        return now + (ready ? 3 : 12) * step;
    return next > now + step ? next : now + step;
}

size_t bank_poll(struct bank *b, struct bank_reading ret[BANK_READINGS_MAX], int64_t *ret_next_us)
{
    struct bank_reading *out = ret;
    int64_t now, next = INT64_MAX, at;
    int looked;

    excuse(b, b->bus.now_us(b->bus.ctx));
    looked = look(b, &now);
    b->bus_error = looked;
    for (int i = 0; i < b->groups_n; i++) {
        struct bank_group *g = &b->groups[i];
        int r = looked, cured;

        if (r == 0 && is_due(b, g, now, &out))
            r = read_group(b, g, &out);
        cured = check_faults(b, g, now, &out);
        if (r < 0 || cured < 0)
            b->bus_error = r < 0 ? r : cured;
        at = next_look(b, g, b->bus.now_us(b->bus.ctx));
        if (at < next)
            next = at;
    }
    if (b->bus_error < 0) /* do not storm a bus that fails */
        next = now + hx711_stream_period_us(&b->cells[0].stream);
    b->due_us = next;
    *ret_next_us = next;
    return (size_t)(out - ret);
}

void bank_counts(const struct bank *b, int64_t ret[HX711_REASONS])
{
    memset(ret, 0, HX711_REASONS * sizeof(*ret));
    for (int i = 0; i < b->cells_n; i++)
        for (int reason = 0; reason < HX711_REASONS; reason++)
            ret[reason] += b->cells[i].stream.count[reason];
}
