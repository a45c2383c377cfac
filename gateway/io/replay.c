/* The replay engine: merging inputs and stepping the core; see replay.h. What it runs on (plan, names,
 * members) is prepared in replay_world.c. */
#include "io/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/radio.h"
#include "io/replay_world.h"

/* The core may ask to be called again at once while a batch is full; more often than this without an end
 * would be a fault of ours. */
#define TICKS_AT_ONCE_MAX 100000
/* How often the token table looks at the time. */
#define CLOCK_PITCH_US (30 * NOREN_US_PER_S)

struct replay {
    const struct replay_options *options;
    struct replay_summary *sum;
    struct replay_world world;
    struct shop shop;
    struct batch batch;
    int64_t due_us;
    int64_t radio_clock_us; /* when the token table looked last */
    bool follow;            /* ticks come from a recording */
};

/* --- stepping ----------------------------------------------------------------------------------- */

static void emit(struct replay *r)
{
    for (size_t i = 0; i < r->batch.events_n; i++) {
        const struct event *e = &r->batch.events[i];
        int64_t utc = r->shop.clock_known ? e->t_us + r->shop.utc_offset_us : 0;

        r->sum->events++;
        r->sum->events_by_kind[e->kind]++;
        r->options->event(r->options->arg, e, r->shop.plan, utc,
                          r->shop.clock_known ? r->shop.clock_quality : CLOCK_FLOOR);
    }
}

static void step(struct replay *r, const struct obs *o)
{
    r->due_us = shop_step(&r->shop, o, &r->batch);
    emit(r);
}

/* Feeds the timers that are due up to `until_us`. */
static int tick(struct replay *r, int64_t until_us)
{
    int at_once = 0;

    while (!r->follow && r->due_us <= until_us) {
        struct obs o = {.kind = OBS_TICK, .t_us = r->due_us};

        if (o.t_us <= r->shop.now_us) {
            o.t_us = r->shop.now_us;
            if (++at_once > TICKS_AT_ONCE_MAX)
                return -ELOOP;
        } else {
            at_once = 0;
        }
        r->sum->ticks++;
        step(r, &o);
    }
    return 0;
}

static int feed(struct replay *r, const struct obs *o)
{
    int64_t refused = r->shop.refused;
    int e = tick(r, o->t_us);

    if (e < 0)
        return e;
    r->sum->observations++;
    step(r, o);
    if (r->shop.refused != refused)
        refusals_add(&r->sum->refusals, "replay", 0, "an observation went back in time",
                     "inputs of different starts cannot be merged");
    /* a full batch asks for the rest at once */
    return tick(r, o->t_us);
}

/* --- items -------------------------------------------------------------------------------------- */

static int refuse(struct replay *r, const struct source *s, const struct item *item,
                  const char *reason, const char *remedy)
{
    refusals_add(&r->sum->refusals, s->name, item->line, reason, remedy);
    return 0;
}

static int feed_sighting(struct replay *r, const struct source *s, const struct item *item)
{
    uint32_t receiver = names_find(&r->world.receivers, item->place.p, item->place.n);
    struct obs o = {.kind = OBS_SIGHTING, .t_us = item->t_us};

    if (receiver == NAMES_NONE)
        return refuse(r, s, item, "a receiver is not in the map", "add it to receivers");
    if (!world_identify(&r->world, item->who.p, item->who.n, &o))
        return refuse(r, s, item, "an identity is not in the members file",
                      "add it, or leave out --members");
    o.u.sighting.receiver = (uint16_t)receiver;
    o.u.sighting.rssi_dbm = (int16_t)item->value;
    return feed(r, &o);
}

static int feed_reading(struct replay *r, const struct source *s, const struct item *item)
{
    struct obs o = {.kind = item->kind == ITEM_MASS ? OBS_MASS : OBS_CELL, .t_us = item->t_us};
    struct names *names = item->kind == ITEM_MASS ? &r->world.plates : &r->world.cells;
    uint32_t place = names_find(names, item->place.p, item->place.n);

    if (place == NAMES_NONE && item->kind == ITEM_MASS)
        return refuse(r, s, item, "a plate is not in the planogram", "add it to plates");
    if (place == NAMES_NONE)
        return refuse(r, s, item, "a load cell is not in the planogram",
                      "add it to the cells of its plate");
    if (item->kind == ITEM_MASS) {
        o.u.mass.plate = (uint16_t)place;
        o.u.mass.mass_mg = item->value;
        return feed(r, &o);
    }
    o.u.cell.cell = (uint16_t)place;
    o.u.cell.counts = (int32_t)item->value;
    /* The ends of the 24-bit range are how these ADCs say "beyond my input" (HX711 data sheet). */
    if (item->value == (1 << 23) - 1 || item->value == -(1 << 23))
        o.u.cell.fault = CELL_SATURATED;
    return feed(r, &o);
}

static int feed_packet(struct replay *r, const struct source *s, const struct item *item)
{
    struct obs heard[RADIO_OBS_MAX];
    struct radio_in in = {.t_us = item->t_us, .packet = item->bytes, .n = item->n};
    struct radio_counters before = r->world.radio.counters;
    size_t n;
    int e = 0;

    in.receiver = world_receiver(&r->world, item->adapter);
    if (in.receiver == NO_INDEX)
        return refuse(r, s, item, "an adapter has no receiver in the map",
                      "name a receiver hci0, hci1, ... or list one for each adapter");
    if (r->shop.clock_known && item->t_us - r->radio_clock_us >= CLOCK_PITCH_US) {
        radio_clock(&r->world.radio, item->t_us + r->shop.utc_offset_us, r->shop.clock_quality);
        r->radio_clock_us = item->t_us;
    }
    n = radio_step(&r->world.radio, &in, heard);
    if (r->world.radio.counters.refused_hci != before.refused_hci)
        refuse(r, s, item, "an HCI event whose lengths lie", "");
    if (r->world.radio.counters.refused_ad != before.refused_ad)
        refuse(r, s, item, "a malformed advertisement", "'norenctl decode' says why");
    r->sum->unresolved += n == 0;
    for (size_t i = 0; i < n && e == 0; i++)
        e = feed(r, &heard[i]);
    return e;
}

static int feed_text(struct replay *r, const struct source *s, const struct item *item)
{
    struct obs o;
    const char *wrong = "an observation before any plan";

    if (r->shop.plan != NULL)
        wrong = obs_parse((const char *)item->bytes, item->n, r->shop.plan, &o);
    if (wrong == NULL && o.kind == OBS_CLOCK &&
        (o.u.clock.utc_us < 0 || o.u.clock.utc_us > SOURCE_TIME_MAX_US))
        wrong = "a clock that is not in the years 1970 to 9999";
    if (wrong != NULL)
        return refuse(r, s, item, wrong, "the line is left out");
    if (o.kind == OBS_TICK) {
        r->sum->ticks++;
        step(r, &o);
        return 0;
    }
    return feed(r, &o);
}

static int feed_plan(struct replay *r, const struct source *s, const struct item *item)
{
    struct obs o = {.kind = OBS_PLAN, .t_us = item->t_us};
    char error[PLAN_ERROR_SIZE];
    int e = world_take_plan(&r->world, &o.u.plan, error);

    if (e == -EINVAL)
        return refuse(r, s, item, "a recorded plan is not understood", error);
    return e < 0 ? e : feed(r, &o);
}

static int feed_restore(struct replay *r, const struct source *s, const struct item *item)
{
    struct record row;

    if (!world_read_row(item->bytes, item->n, &row) || shop_restore(&r->shop, &row) < 0)
        return refuse(r, s, item, "a stored row is not understood", "the row is left out");
    return 0;
}

static int feed_item(struct replay *r, const struct source *s, const struct item *item)
{
    r->sum->items++;
    switch (item->kind) {
    case ITEM_SIGHTING:
        return feed_sighting(r, s, item);
    case ITEM_MASS:
    case ITEM_CELL:
        return feed_reading(r, s, item);
    case ITEM_PACKET:
        return feed_packet(r, s, item);
    case ITEM_TEXT:
        return feed_text(r, s, item);
    case ITEM_PLAN:
        return feed_plan(r, s, item);
    case ITEM_DOCUMENT:
        return world_keep_document(&r->world, item->bytes, item->n);
    case ITEM_RESTORE:
        return feed_restore(r, s, item);
    }
    return 0;
}

/* --- merging ------------------------------------------------------------------------------------ */

/* The feed with the earliest item; NULL when all have ended. Inputs are few: a scan beats a heap. */
static struct replay_feed *earliest(struct replay_world *w)
{
    struct replay_feed *best = NULL;

    for (size_t i = 0; i < w->feeds_n; i++)
        if (w->feeds[i].more && (best == NULL || w->feeds[i].head.t_us < best->head.t_us))
            best = &w->feeds[i];
    return best;
}

static int run(struct replay *r)
{
    struct replay_feed *f;
    int e = 0;

    if (!r->follow) {
        struct obs plan = {.kind = OBS_PLAN, .u.plan = r->world.plan};

        step(r, &plan);
        if (r->world.start_utc_us > 0) {
            struct obs clock = {.kind = OBS_CLOCK};

            clock.u.clock.utc_us = r->world.start_utc_us;
            clock.u.clock.quality = CLOCK_SYNCED;
            step(r, &clock);
        }
    }
    while (e == 0 && (f = earliest(&r->world)) != NULL) {
        e = feed_item(r, &f->source, &f->head);
        feed_advance(f);
    }
    return e < 0 ? e : tick(r, r->shop.now_us + REPLAY_TAIL_US);
}

int replay_run(const char *const *paths, size_t n, const struct replay_options *options,
               struct replay_summary *ret_summary, char *ret_error, size_t error_size)
{
    struct replay *r = calloc(1, sizeof(*r));
    int e;

    memset(ret_summary, 0, sizeof(*ret_summary));
    ret_summary->refusals.say = options->say;
    ret_summary->refusals.arg = options->arg;
    if (r == NULL)
        return -ENOMEM;
    r->options = options;
    r->sum = ret_summary;
    r->due_us = NOREN_NEVER_US;
    r->radio_clock_us = -CLOCK_PITCH_US;
    shop_init(&r->shop);
    e = world_open(&r->world, paths, n, options, &ret_summary->refusals, ret_error, error_size);
    if (e == 0) {
        r->follow = r->world.recording;
        e = run(r);
        if (e == -ELOOP)
            (void)snprintf(ret_error, error_size, "the core asks for ticks without an end");
        else if (e < 0)
            (void)snprintf(ret_error, error_size, "%s", strerror(-e));
    }
    world_close(&r->world);
    free(r);
    return e;
}
