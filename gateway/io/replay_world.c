/* Preparing a replay; see replay_world.h. */
#include "io/replay_world.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "io/record.h"
#include "io/roll.h"

/* Nobody without a members file is held out of campaigns: the last bucket. */
#define BUCKET_LAST 9999

/* --- feeds -------------------------------------------------------------------------------------- */

void feed_advance(struct replay_feed *f)
{
    if (f->order != NULL && f->order_at < f->order_n) {
        const struct replay_place *p = &f->order[f->order_at++];

        f->source.at = p->at;
        f->source.line = p->line;
    } else if (f->order != NULL) {
        f->more = false;
        return;
    }
    f->more = f->source.reader->next(&f->source, &f->head);
    if (!f->more)
        return;
    if (f->head.kind == ITEM_DOCUMENT || f->head.kind == ITEM_RESTORE)
        f->head.t_us = f->last_us; /* they have no time of their own: now */
    f->head.t_us -= f->offset_us;
    if (f->head.t_us < f->last_us)
        f->head.t_us = f->last_us;
    f->last_us = f->head.t_us;
}

static int compare_places(const void *a, const void *b)
{
    const struct replay_place *x = a, *y = b;

    if (x->t_us != y->t_us)
        return x->t_us < y->t_us ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Makes the table by which an unsorted input is read in order. */
static int sort_feed(struct replay_feed *f, size_t items)
{
    struct source *s = &f->source;
    struct item item;
    char error[8];
    size_t at, n = 0;
    uint32_t line;

    f->order = malloc(items * sizeof(*f->order));
    if (f->order == NULL)
        return -ENOMEM;
    s->refusals = NULL;
    (void)s->reader->open(s, error, sizeof(error));
    for (at = s->at, line = s->line; n < items && s->reader->next(s, &item);
         at = s->at, line = s->line)
        f->order[n++] = (struct replay_place){item.t_us, at, line};
    f->order_n = n;
    qsort(f->order, n, sizeof(*f->order), compare_places);
    return 0;
}

/* --- places that no document gives -------------------------------------------------------------- */

static void copy_id(char ret[NOREN_ID_SIZE], const struct slice *s)
{
    memcpy(ret, s->p, s->n);
    ret[s->n] = 0;
}

/* Without a map every receiver is its own zone; one that the planogram names already is joined. */
static int add_receiver(struct replay_world *w, const struct slice *id)
{
    struct plan *p = w->plan;
    struct plan_receiver *r = &p->receivers[p->receivers_n];
    uint16_t zone;

    if (p->receivers_n == RECEIVERS_MAX)
        return 0;
    copy_id(r->id, id);
    zone = plan_find_zone(p, r->id);
    if (zone == NO_INDEX && p->zones_n < ZONES_MAX) {
        zone = p->zones_n++;
        memcpy(p->zones[zone].id, r->id, sizeof(r->id));
    }
    if (zone != NO_INDEX)
        p->zones[zone].receivers |= (uint32_t)1 << p->receivers_n;
    return names_add(&w->receivers, r->id, p->receivers_n++);
}

/* Without a planogram a plate has no products, and a cell that nobody knows has a plate of its own. */
static int add_plate(struct replay_world *w, const struct slice *id, bool cell)
{
    struct plan *p = w->plan;
    struct plan_plate *plate = &p->plates[p->plates_n];
    int e;

    if (p->plates_n == PLATES_MAX || (cell && p->cells_n == CELLS_MAX))
        return 0;
    if (p->fixtures_n == 0)
        memcpy(p->fixtures[p->fixtures_n++], "store", sizeof("store"));
    copy_id(plate->id, id);
    plate->zone = NO_INDEX;
    if (cell) {
        struct plan_cell *c = &p->cells[p->cells_n];

        *c = (struct plan_cell){.plate = p->plates_n, .node = -1};
        copy_id(c->id, id);
        plate->cells[plate->cells_n++] = p->cells_n;
        e = names_add(&w->cells, c->id, p->cells_n++);
        if (e < 0)
            return e;
    }
    return names_add(&w->plates, plate->id, p->plates_n++);
}

/* What is learnt from one item before the replay starts. */
static int discover(struct replay_world *w, const struct replay_options *o, const struct item *item)
{
    if (item->kind == ITEM_SIGHTING && o->map == NULL &&
        names_find(&w->receivers, item->place.p, item->place.n) == NAMES_NONE)
        return add_receiver(w, &item->place);
    if (item->kind == ITEM_MASS && o->planogram == NULL &&
        names_find(&w->plates, item->place.p, item->place.n) == NAMES_NONE)
        return add_plate(w, &item->place, false);
    if (item->kind == ITEM_CELL && o->planogram == NULL &&
        names_find(&w->cells, item->place.p, item->place.n) == NAMES_NONE)
        return add_plate(w, &item->place, true);
    if (item->kind == ITEM_PACKET && o->map == NULL) {
        char name[16];
        int n = snprintf(name, sizeof(name), "hci%u", item->adapter);
        struct slice id = {name, (size_t)n};

        if (names_find(&w->receivers, name, (size_t)n) == NAMES_NONE)
            return add_receiver(w, &id);
    }
    return 0;
}

/* Reads an input through once: counts what is malformed, learns names, sees whether it is in order. */
static int scan(struct replay_world *w, struct replay_feed *f, const struct replay_options *o,
                struct refusals *refusals, int64_t *ret_first)
{
    struct source *s = &f->source;
    struct item item;
    size_t n = 0;
    int64_t last = INT64_MIN;
    bool sorted = true;
    char error[8];
    int e = 0;

    assert(s->reader != NULL); /* source_open() found one */
    *ret_first = -1;
    s->refusals = refusals;
    while (e == 0 && s->reader->next(s, &item)) {
        if (n++ == 0)
            *ret_first = item.t_us;
        sorted = sorted && item.t_us >= last;
        last = item.t_us;
        if (!w->recording)
            e = discover(w, o, &item);
    }
    if (e == 0 && !sorted && s->reader == &reader_csv)
        e = sort_feed(f, n);
    s->refusals = NULL;
    (void)s->reader->open(s, error, sizeof(error));
    return e;
}

/* --- documents ---------------------------------------------------------------------------------- */

static char *read_file(const char *path, size_t *ret_n)
{
    FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t n = 0, cap = 0;

    if (f == NULL)
        return NULL;
    for (;;) {
        size_t got;

        if (n == cap) {
            char *bigger = realloc(text, cap = cap > 0 ? 2 * cap : 1 << 16);

            if (bigger == NULL)
                break;
            text = bigger;
        }
        got = fread(text + n, 1, cap - n, f);
        n += got;
        if (got == 0)
            break;
    }
    if (ferror(f) || n == cap) {
        free(text);
        text = NULL;
    }
    fclose(f);
    *ret_n = n;
    return text;
}

static const char *add_member(void *arg, const struct member *m)
{
    struct replay_world *w = arg;

    if (w->member_n == w->member_cap) {
        size_t cap = w->member_cap > 0 ? 2 * w->member_cap : 1024;
        struct replay_member *list = realloc(w->member_list, cap * sizeof(*list));

        if (list == NULL)
            return "out of memory";
        w->member_list = list;
        w->member_cap = cap;
    }
    memcpy(w->member_list[w->member_n].ref, m->ref, sizeof(m->ref));
    w->member_list[w->member_n].consent = m->consent;
    w->member_list[w->member_n++].bucket = m->bucket;
    return NULL;
}

static int read_members(struct replay_world *w, const char *json, size_t n, char *error)
{
    struct roll roll = {.head = {.parts = 0}};
    int e = roll_walk(json, n, add_member, w, error);

    w->members_given = true;
    if (e == 0 && (e = roll_read(&roll, json, n, error)) == 0) {
        (void)snprintf(error, PLAN_ERROR_SIZE, "is one of several parts; give it whole");
        e = -EINVAL;
    }
    if (e > 0) {
        roll_use(&roll, &w->radio);
        e = 0;
    }
    roll_free(&roll);
    for (size_t i = 0; e == 0 && i < w->member_n; i++)
        e = names_add(&w->members, w->member_list[i].ref, (uint32_t)i);
    return e;
}

/* Which reader belongs to which document. */
enum document { DOCUMENT_MAP, DOCUMENT_PLANOGRAM, DOCUMENT_CAMPAIGNS, DOCUMENT_MEMBERS };

static int read_json(struct replay_world *w, enum document which, const char *json, size_t n,
                     char error[PLAN_ERROR_SIZE])
{
    switch (which) {
    case DOCUMENT_MAP:
        return plan_read_map(w->plan, json, n, error);
    case DOCUMENT_PLANOGRAM:
        return plan_read_planogram(w->plan, json, n, error);
    case DOCUMENT_CAMPAIGNS:
        return plan_read_campaigns(w->plan, json, n, error);
    case DOCUMENT_MEMBERS:
        return read_members(w, json, n, error);
    }
    return -EINVAL;
}

static int read_document(struct replay_world *w, enum document which, const char *path, char *error,
                         size_t size)
{
    char sentence[PLAN_ERROR_SIZE] = "";
    size_t n = 0;
    char *json;
    int e;

    if (path == NULL)
        return 0;
    errno = 0;
    json = read_file(path, &n);
    if (json == NULL) {
        e = errno != 0 ? -errno : -ENOMEM;
        (void)snprintf(error, size, "%s: %s", path, strerror(-e));
        return e;
    }
    e = read_json(w, which, json, n, sentence);
    free(json);
    if (e < 0)
        (void)snprintf(error, size, "%s: %s", path, e == -EINVAL ? sentence : strerror(-e));
    return e;
}

static int index_plan(struct replay_world *w)
{
    const struct plan *p = w->plan;
    int e = 0;

    for (uint16_t i = 0; e == 0 && i < p->receivers_n; i++)
        e = names_add(&w->receivers, p->receivers[i].id, i);
    for (uint16_t i = 0; e == 0 && i < p->plates_n; i++)
        e = names_add(&w->plates, p->plates[i].id, i);
    for (uint16_t i = 0; e == 0 && i < p->cells_n; i++)
        e = names_add(&w->cells, p->cells[i].id, i);
    return e;
}

/* --- recorded plans ----------------------------------------------------------------------------- */

int world_keep_document(struct replay_world *w, const uint8_t *p, size_t n)
{
    if (w->documents_n < sizeof(w->documents) / sizeof(w->documents[0]))
        w->documents[w->documents_n++] = (struct replay_document){p, n};
    return 0;
}

/* Reads what stands under its name in a recorded line: {"map":{...}}. */
static int read_kept(struct replay_world *w, const struct replay_document *d, enum document which,
                     const char *name, char error[PLAN_ERROR_SIZE])
{
    json_t *line = json_loadb((const char *)d->p, d->n, 0, NULL);
    json_t *value = json_object_get(line, name);
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
    int e = 0;

    json_decref(line);
    if (line == NULL)
        (void)snprintf(error, PLAN_ERROR_SIZE, "a document is no JSON");
    if (line == NULL)
        return -EINVAL;
    if (text != NULL)
        e = read_json(w, which, text, strlen(text), error);
    free(text);
    return e;
}

int world_take_plan(struct replay_world *w, const struct plan **ret_plan,
                    char error[PLAN_ERROR_SIZE])
{
    static const char *const names[] = {"map", "planogram", "campaigns"};
    struct plan *old = w->plan;
    int e = 0;

    w->plan = w->spare;
    w->spare = old;
    plan_clear(w->plan);
    for (int which = 0; which < 3; which++)
        for (size_t i = 0; e == 0 && i < w->documents_n; i++)
            e = read_kept(w, &w->documents[i], (enum document)which, names[which], error);
    w->documents_n = 0;
    names_clear(&w->receivers);
    names_clear(&w->plates);
    names_clear(&w->cells);
    if (e < 0) { /* the old plan stays */
        w->spare = w->plan;
        w->plan = old;
    }
    *ret_plan = w->plan;
    return index_plan(w) < 0 ? -ENOMEM : e;
}

bool world_read_row(const uint8_t *p, size_t n, struct record *ret)
{
    json_t *line = json_loadb((const char *)p, n, 0, NULL);
    const char *kind = json_string_value(json_object_get(line, "restore"));
    const char *key = json_string_value(json_object_get(line, "key"));
    const char *value = json_string_value(json_object_get(line, "value"));
    bool good = false;

    memset(ret, 0, sizeof(*ret));
    if (kind != NULL && key != NULL && value != NULL && strlen(key) < sizeof(ret->key) &&
        strlen(value) < sizeof(ret->value)) {
        for (int k = 0; k < RECORD_KINDS && !good; k++) {
            ret->kind = (enum record_kind)k;
            good = strcmp(record_kind_name(ret->kind), kind) == 0;
        }
        memcpy(ret->key, key, strlen(key) + 1);
        memcpy(ret->value, value, strlen(value) + 1);
    }
    json_decref(line);
    return good;
}

/* --- the whole ---------------------------------------------------------------------------------- */

bool world_identify(struct replay_world *w, const char *who, size_t n, struct obs *o)
{
    const struct replay_member *m = NULL;

    if (w->members_given) {
        uint32_t i = names_find(&w->members, who, n);

        if (i == NAMES_NONE)
            return false;
        m = &w->member_list[i];
    }
    o->u.sighting.who.kind = WHO_MEMBER;
    memcpy(o->u.sighting.who.ref, who, n);
    o->u.sighting.consent = m != NULL ? m->consent : CONSENT_ALL;
    o->u.sighting.bucket = m != NULL ? m->bucket : BUCKET_LAST;
    o->u.sighting.path = PATH_TOKEN;
    return true;
}

uint16_t world_receiver(const struct replay_world *w, uint16_t adapter)
{
    char name[16];
    uint16_t i;

    (void)snprintf(name, sizeof(name), "hci%u", adapter);
    i = plan_find_receiver(w->plan, name);
    if (i == NO_INDEX && adapter < w->plan->receivers_n)
        i = adapter;
    return i;
}

/* The start of everything is the earliest stamp of the captures, or what --start says. */
static void place_in_time(struct replay_world *w, const int64_t *first, int64_t start_utc_us)
{
    int64_t base = -1;

    for (size_t i = 0; i < w->feeds_n; i++)
        if (w->feeds[i].source.absolute && first[i] >= 0 && (base < 0 || first[i] < base))
            base = first[i];
    for (size_t i = 0; i < w->feeds_n; i++)
        if (w->feeds[i].source.absolute)
            w->feeds[i].offset_us = base;
    w->start_utc_us = start_utc_us > 0 ? start_utc_us : base > 0 ? base : 0;
}

static int open_feeds(struct replay_world *w, const char *const *paths, size_t n, char *error,
                      size_t size)
{
    for (size_t i = 0; i < n; i++) {
        char sentence[256] = "";
        int e = source_open(&w->feeds[i].source, paths[i], sentence, sizeof(sentence));

        if (e < 0) {
            (void)snprintf(error, size, "%s: %s", paths[i],
                           e == -EINVAL && sentence[0] != 0 ? sentence : strerror(-e));
            return e;
        }
        w->feeds_n++;
        w->recording = w->recording || w->feeds[i].source.reader == &reader_recording;
    }
    return 0;
}

static int open_documents(struct replay_world *w, const struct replay_options *o, char *error,
                          size_t size)
{
    int e;

    if (w->recording && (o->map != NULL || o->planogram != NULL || o->campaigns != NULL)) {
        (void)snprintf(error, size,
                       "a recording has its plan in it; leave out --config, --map and --planogram");
        return -EINVAL;
    }
    if ((e = read_document(w, DOCUMENT_MAP, o->map, error, size)) < 0 ||
        (e = read_document(w, DOCUMENT_PLANOGRAM, o->planogram, error, size)) < 0 ||
        (e = read_document(w, DOCUMENT_CAMPAIGNS, o->campaigns, error, size)) < 0 ||
        (e = read_document(w, DOCUMENT_MEMBERS, o->members, error, size)) < 0)
        return e;
    return index_plan(w);
}

static int scan_feeds(struct replay_world *w, const struct replay_options *o,
                      struct refusals *refusals)
{
    int64_t *first = calloc(w->feeds_n + 1, sizeof(*first));
    int e = first != NULL ? 0 : -ENOMEM;

    for (size_t i = 0; e == 0 && i < w->feeds_n; i++)
        e = scan(w, &w->feeds[i], o, refusals, &first[i]);
    if (e == 0)
        place_in_time(w, first, o->start_utc_us);
    for (size_t i = 0; e == 0 && i < w->feeds_n; i++)
        feed_advance(&w->feeds[i]);
    free(first);
    return e;
}

int world_open(struct replay_world *w, const char *const *paths, size_t n,
               const struct replay_options *options, struct refusals *refusals, char *error,
               size_t size)
{
    int e;

    radio_init(&w->radio);
    w->plan = calloc(1, sizeof(*w->plan));
    w->spare = calloc(1, sizeof(*w->spare));
    w->feeds = calloc(n + 1, sizeof(*w->feeds));
    error[0] = 0;
    if (w->plan == NULL || w->spare == NULL || w->feeds == NULL)
        e = -ENOMEM;
    else if ((e = open_feeds(w, paths, n, error, size)) == 0 &&
             (e = open_documents(w, options, error, size)) == 0)
        e = scan_feeds(w, options, refusals);
    if (e < 0 && error[0] == 0)
        (void)snprintf(error, size, "%s", strerror(-e));
    return e;
}

void world_close(struct replay_world *w)
{
    for (size_t i = 0; i < w->feeds_n; i++) {
        source_close(&w->feeds[i].source);
        free(w->feeds[i].order);
    }
    free(w->feeds);
    free(w->plan);
    free(w->spare);
    free(w->member_list);
    names_clear(&w->receivers);
    names_clear(&w->plates);
    names_clear(&w->cells);
    names_clear(&w->members);
    roll_free_radio(&w->radio);
}
