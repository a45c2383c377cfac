/* The store-local broker; see bus.h. */
#include "io/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/bus_json.h"
#include "io/bus_out.h"
#include "io/clock.h"
#include "io/complaint.h"
#include "io/doc.h"
#include "io/order.h"
#include "io/relay.h"
#include "noren/topic.h"

/* Observations of other boards are let go this long after their moment: a batch waits 100 ms at most, and a
 * store's network takes the rest. */
#define DELAY_US (250 * NOREN_US_PER_MS)
/* Older ones are of no use: whoever it was is elsewhere. */
#define LATE_US (10 * NOREN_US_PER_S)
/* Two boards under NTP agree to milliseconds; people are placed by seconds. */
#define SKEW_US (3 * NOREN_US_PER_S)
struct bus {
    struct bus_options o;
    struct relay *relay;
    bool up;
    bool stuck; /* the relay's list is full: there is news when it is not */
    uint32_t generation;
    uint64_t token;
    struct order *order;    /* store board */
    struct bus_out *out;    /* receiver board */
    uint32_t seen;          /* plans of the engine */
    uint32_t own_receivers; /* wired to this board, by index into `seen` */
    uint64_t own_cells[CELLS_MAX / 64];
    char problem[RELAY_TEXT_SIZE];
    struct complaints complaints;
    /* The last thing wrong with another board, and when: status shows it while it is news. */
    char trouble[COMPLAINT_SIZE];
    int64_t trouble_us;
    int64_t skew_us[RECEIVERS_MAX]; /* before then the brain is not told again */
    struct bus_counters c;
    struct bus_batch batch;
    char text[BUS_MESSAGE_SIZE];
};

int bus_open(struct bus **ret_bus, const struct bus_options *options)
{
    static const char *const store[] = {NOREN_LOCAL_SALE, NOREN_LOCAL_STOCK, NOREN_LOCAL_SIGHTINGS,
                                        NOREN_LOCAL_CELLS, NULL};
    const struct config *c = options->config;
    struct bus *b = calloc(1, sizeof(*b));
    struct relay_options relay = {.host = c->local.host,
                                  .port = c->local.port,
                                  .ca = c->local.ca[0] != '\0' ? c->local.ca : NULL,
                                  .cert = c->local.cert[0] != '\0' ? c->local.cert : NULL,
                                  .key = c->local.key[0] != '\0' ? c->local.key : NULL,
                                  .user = c->local.user[0] != '\0' ? c->local.user : NULL,
                                  .password =
                                      c->local.password[0] != '\0' ? c->local.password : NULL,
                                  .client_id = c->gateway,
                                  .subscribe = options->board == NULL ? store : NULL,
                                  .clean = options->board != NULL,
                                  .where = "[local] of noren.conf"};
    int rc = -ENOMEM;

    if (b == NULL)
        return rc;
    b->o = *options;
    if (options->board == NULL) {
        b->order = malloc(sizeof(*b->order));
        if (b->order != NULL)
            order_init(b->order, DELAY_US);
    } else {
        b->out = calloc(1, sizeof(*b->out));
    }
    if (b->order != NULL || b->out != NULL)
        rc = relay_open(&b->relay, &relay);
    if (rc != 0) {
        bus_close(b);
        return rc;
    }
    *ret_bus = b;
    return 0;
}

void bus_close(struct bus *b)
{
    if (b == NULL)
        return;
    relay_close(b->relay, 1000);
    free(b->order);
    free(b->out);
    free(b);
}

int bus_fd(const struct bus *b)
{
    return relay_fd(b->relay);
}

/* --- answers ------------------------------------------------------------------------------------ */

/* Says it where the asker wants to hear it, or for sales in one place for all. */
static void send_answer(struct bus *b, const struct relay_event *e, const char *fallback,
                        const char *text, size_t n)
{
    struct relay_message m = {.topic = e->response_topic[0] != '\0' ? e->response_topic : fallback,
                              .content_type = "application/json",
                              .payload = text,
                              .n = n,
                              .qos = 1,
                              .correlation = e->correlation,
                              .correlation_n = e->correlation_n,
                              .expiry_s = 60};

    /* This board may write more than a till may: it does not write wherever it is told. */
    if (m.topic == NULL || strncmp(m.topic, "local/", 6) != 0 ||
        strncmp(m.topic, "local/sighting/", 15) == 0 || strncmp(m.topic, "local/cells/", 12) == 0 ||
        strcmp(m.topic, NOREN_LOCAL_SALE) == 0 || strcmp(m.topic, NOREN_LOCAL_STOCK) == 0 ||
        relay_send(b->relay, b->generation, b->token++, &m) != 0)
        b->c.answers_dropped++;
}

static void refuse(struct bus *b, const struct relay_event *e, const char *fallback,
                   const char *why)
{
    char text[COMPLAINT_SIZE + 64];
    struct json j = json_init(text, sizeof(text));
    int n;

    json_open(&j, '{');
    json_key_bool(&j, "ok", false);
    json_key_str(&j, "error", why);
    json_close(&j, '}');
    n = json_end(&j);
    if (n > 0)
        send_answer(b, e, fallback, text, (size_t)n);
    b->c.refused++;
    complaints_add(&b->complaints, "%s: %s; refused", e->topic, why);
}

/* The sale's own id, or one that says where it came from, to tell answers apart. */
static json_t *id_of(json_t *payload)
{
    json_t *id = json_object_get(payload, "sale_id");
    size_t n = json_string_length(id);

    return n > 0 && n < NOREN_ID_SIZE ? json_incref(id) : json_string("local");
}

/* A request of the control socket around the payload; NULL without memory. Takes over the payload. */
static json_t *wrap(const char *name, json_t *payload, bool is_sale)
{
    json_t *id = id_of(payload), *outer = is_sale ? json_object() : payload;

    if (is_sale && json_object_set_new(outer, "sale", payload) != 0) {
        json_decref(outer);
        outer = NULL;
    }
    if (json_object_set_new(outer, "id", id) != 0 ||
        json_object_set_new(outer, "name", json_string(name)) != 0) {
        json_decref(outer);
        return NULL;
    }
    return outer;
}

static void on_request(struct bus *b, const struct relay_event *e, const char *name, bool is_sale)
{
    const char *fallback = is_sale ? NOREN_LOCAL_SALE_RESULT : NULL;
    char why[BUS_ERROR_SIZE] = "", line[LOCAL_LINE_MAX], answer[LOCAL_ANSWER_MAX];
    struct doc doc = doc_load(e->payload, e->n, why, sizeof(why));
    json_t *request;
    size_t n;

    if (!json_is_object(doc.v)) {
        json_decref(doc.v);
        refuse(b, e, fallback, why[0] != '\0' ? why : "must be a JSON object");
        return;
    }
    request = wrap(name, doc.v, is_sale);
    n = request != NULL ? json_dumpb(request, line, sizeof(line), JSON_COMPACT) : 0;
    json_decref(request);
    if (n == 0 || n > sizeof(line)) {
        refuse(b, e, fallback, "is longer than 16 KB; say it in parts");
        return;
    }
    n = b->o.answer(b->o.user, 0, line, n, answer);
    if (is_sale)
        b->c.sales++;
    else
        b->c.queries++;
    if (n > 0 && n < sizeof(answer) && strncmp(answer, "{\"id\"", 5) == 0 &&
        strstr(answer, "\"ok\":false") != NULL) /* LOCAL_ANSWER_MAX includes a NUL */
        complaints_add(&b->complaints, "%s: %.300s", e->topic, answer);
    if (n > 0)
        send_answer(b, e, fallback, answer, n);
}

/* --- what other boards tell --------------------------------------------------------------------- */

/* What is wired to this board is heard and weighed here and nowhere else. */
static void learn_own(struct bus *b, const struct plan *plan)
{
    const struct board *board = &b->o.config->board;

    b->own_receivers = 0;
    memset(b->own_cells, 0, sizeof(b->own_cells));
    for (int i = 0; i < board->radios_n; i++) {
        uint16_t r = plan_find_receiver(plan, board->radios[i].receiver);

        b->own_receivers |= r != NO_INDEX ? UINT32_C(1) << r : 0;
    }
    for (int i = 0; i < board->banks_n; i++)
        for (int k = 0; k < board->banks[i].cells_n; k++) {
            uint16_t cell = plan_find_cell(plan, board->banks[i].cells[k]);

            if (cell != NO_INDEX)
                b->own_cells[cell / 64] |= UINT64_C(1) << cell % 64;
        }
}

/* Another plan is in force: places have other numbers, what waits has the old ones. */
static void follow_plan(struct bus *b)
{
    if (b->order == NULL || b->seen == b->o.engine->plans)
        return;
    b->seen = b->o.engine->plans;
    learn_own(b, b->o.engine->plan);
    b->c.late += (int64_t)b->order->n;
    order_init(b->order, DELAY_US);
}

static uint16_t sender_of(struct bus *b, const char *id)
{
    const struct plan *plan = b->o.engine->plan;
    uint16_t r = plan_find_receiver(plan, id);

    follow_plan(b);
    if (r == NO_INDEX)
        complaints_add(
            &b->complaints,
            "receiver \"%.40s\" is not in map.json: what it says is refused; list it there", id);
    else if ((b->own_receivers >> r & 1) != 0)
        complaints_add(
            &b->complaints,
            "receiver \"%.40s\" is a radio of this board, yet another board uses its name; "
            "give that one another",
            id);
    else
        return r;
    b->c.unknown_receiver++;
    return NO_INDEX;
}

/* Another board's clock is off. A batch a second is enough for the brain to know (core/watch.h). */
static void tell_skew(struct bus *b, uint16_t receiver)
{
    struct obs o = {.kind = OBS_SKEW, .t_us = clock_boot_us(), .u.skew.receiver = receiver};

    if (o.t_us < b->skew_us[receiver])
        return;
    b->skew_us[receiver] = o.t_us + NOREN_US_PER_S;
    engine_feed(b->o.engine, &o);
}

/* Is the sender's clock one that our times can be compared with? */
static bool is_timely(struct bus *b, const char *id, uint16_t receiver,
                      const struct bus_batch *batch, int64_t utc_us, enum clock_quality ours)
{
    int64_t ahead_us = batch->sent_us - utc_us;

    if (ours != CLOCK_FLOOR && batch->quality != CLOCK_FLOOR && ahead_us < SKEW_US &&
        ahead_us > -SKEW_US)
        return true;
    b->c.wrong_clock += (int64_t)batch->n;
    b->trouble_us = clock_boot_us();
    if (ours != CLOCK_FLOOR) /* else the trouble is here, and the state of this gateway says so */
        tell_skew(b, receiver);
    if (ours == CLOCK_FLOOR || batch->quality == CLOCK_FLOOR)
        snprintf(b->trouble, sizeof(b->trouble),
                 "receiver \"%.40s\": %s clock was not set since it started; set up NTP there", id,
                 ours == CLOCK_FLOOR ? "this board's" : "its");
    else
        snprintf(b->trouble, sizeof(b->trouble),
                 "receiver \"%.40s\": its clock is %lld s %s ours; set up NTP on both", id,
                 (long long)((ahead_us < 0 ? -ahead_us : ahead_us) / NOREN_US_PER_S),
                 ahead_us < 0 ? "behind" : "ahead of");
    complaints_add(&b->complaints, "%s", b->trouble);
    return false;
}

static void take_one(struct bus *b, struct obs *o, int64_t utc_us, int64_t now_us)
{
    int64_t age_us = utc_us - o->t_us;

    if (age_us < -SKEW_US) {
        b->c.wrong_clock++;
        return;
    }
    if (age_us > LATE_US || age_us > now_us) {
        b->c.late++;
        return;
    }
    if (o->kind == OBS_SIGHTING && !engine_admit(b->o.engine, o)) {
        b->c.unwilling++;
        return;
    }
    o->t_us = now_us - age_us;
    if (!order_push(b->order, o))
        b->c.crowded++;
    else if (o->kind == OBS_SIGHTING || o->kind == OBS_CROWD)
        b->c.sightings++;
    else
        b->c.readings++;
}

static bool is_ours(const struct bus *b, const struct obs *o)
{
    return o->kind == OBS_CELL &&
           (b->own_cells[o->u.cell.cell / 64] >> o->u.cell.cell % 64 & 1) != 0;
}

static void on_batch(struct bus *b, const struct relay_event *e, const char *id, bool is_cells)
{
    enum clock_quality quality;
    const struct plan *plan = b->o.engine->plan;
    int64_t now_us = clock_boot_us(), utc_us = clock_utc_us(&quality);
    uint16_t receiver = sender_of(b, id);
    char why[BUS_ERROR_SIZE] = "";
    int rc;

    if (receiver == NO_INDEX)
        return;
    rc = is_cells ? bus_read_cells(e->payload, e->n, plan, &b->batch, why)
                  : bus_read_sightings(e->payload, e->n, &b->batch, why);
    if (rc != 0) {
        b->c.refused++;
        complaints_add(&b->complaints, "%s: %s; refused", e->topic, why);
        return;
    }
    b->c.unknown_cells += (int64_t)b->batch.unknown_cells;
    if (b->batch.unknown_cells > 0)
        complaints_add(&b->complaints,
                       "receiver \"%.40s\" weighs cells that no plate of planogram.json has", id);
    if (!is_timely(b, id, receiver, &b->batch, utc_us, quality))
        return;
    for (size_t i = 0; i < b->batch.n; i++) {
        struct obs *o = &b->batch.obs[i];

        if (o->kind == OBS_SIGHTING)
            o->u.sighting.receiver = receiver;
        if (o->kind == OBS_CROWD)
            o->u.crowd.receiver = receiver;
        if (!is_ours(b, o)) {
            take_one(b, o, utc_us, now_us);
            continue;
        }
        b->c.unknown_cells++;
        complaints_add(&b->complaints,
                       "receiver \"%.40s\" weighs cell \"%s\", which is wired to this board", id,
                       plan->cells[o->u.cell.cell].id);
    }
}

static const char *below(const char *topic, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(topic, prefix, n) == 0 && topic[n] != '\0' ? topic + n : NULL;
}

static void on_message(struct bus *b, const struct relay_event *e)
{
    const char *id;

    /* A retained sale or sighting would be news at every connection for ever. */
    if (e->retained) {
        b->c.refused++;
        complaints_add(&b->complaints, "%s: is retained; publish it without", e->topic);
    } else if (strcmp(e->topic, NOREN_LOCAL_SALE) == 0) {
        on_request(b, e, "sale", true);
    } else if (strcmp(e->topic, NOREN_LOCAL_STOCK) == 0) {
        on_request(b, e, "stock.query", false);
    } else if ((id = below(e->topic, "local/sighting/")) != NULL) {
        on_batch(b, e, id, false);
    } else if ((id = below(e->topic, "local/cells/")) != NULL) {
        on_batch(b, e, id, true);
    } else {
        b->c.refused++;
    }
}

void bus_read(struct bus *b)
{
    struct relay_event *e;

    b->stuck = false;
    while ((e = relay_next(b->relay)) != NULL) {
        switch (e->kind) {
        case RELAY_CONNECTED:
            b->up = true;
            b->generation = e->generation;
            b->problem[0] = '\0';
            break;
        case RELAY_DISCONNECTED:
            b->up = false;
            snprintf(b->problem, sizeof(b->problem), "%s", e->text);
            complaints_add(&b->complaints, "%.300s; trying again", e->text);
            break;
        case RELAY_PUBLISHED:
            if (e->generation == b->generation && e->reason >= 0x80)
                complaints_add(
                    &b->complaints,
                    "the store's broker refuses what this board writes (reason 0x%02x); let "
                    "its user write below local/",
                    (unsigned)e->reason);
            break;
        case RELAY_MESSAGE:
            on_message(b, e);
            break;
        }
        if (b->out != NULL && b->out->up != b->up)
            bus_out_up(b->out, b->up);
        free(e);
    }
}

/* --- what this board tells ---------------------------------------------------------------------- */

bool bus_forward(void *bus, const struct obs *o)
{
    struct bus *b = bus;

    return bus_out_push(b->out, o);
}

/* The name that the board's readings go by: its first radio's, or its own. */
static const char *cells_name(const struct bus *b)
{
    return b->o.board->receivers_n > 0 ? b->o.board->receivers[0].id : b->o.config->gateway;
}

/* Sends one batch; false when there is none, or no room for it. */
static bool send_batch(struct bus *b, struct bus_ring *ring, int64_t now_us)
{
    const struct plan *board = b->o.board;
    bool is_cells = ring == &b->out->cells;
    char topic[RELAY_TOPIC_SIZE];
    int64_t utc_us;
    int n;

    if (!b->up || !bus_out_next(b->out, ring, now_us, &b->batch))
        return false;
    utc_us = clock_utc_us(&b->batch.quality);
    b->batch.sent_us = utc_us;
    utc_us -= clock_boot_us();
    if (is_cells) {
        snprintf(topic, sizeof(topic), NOREN_LOCAL_CELLS_OF, cells_name(b));
        n = bus_print_cells(&b->batch, board, utc_us, b->text, sizeof(b->text));
    } else {
        snprintf(topic, sizeof(topic), NOREN_LOCAL_SIGHTINGS_OF,
                 board->receivers[bus_out_receiver(&b->batch.obs[0])].id);
        n = bus_print_sightings(&b->batch, utc_us, b->text, sizeof(b->text));
    }
    if (n > 0 && relay_send(b->relay, b->generation, b->token++,
                            &(struct relay_message){.topic = topic,
                                                    .content_type = "application/json",
                                                    .payload = b->text,
                                                    .n = (size_t)n}) != 0) {
        b->stuck = true;
        return false;
    }
    bus_out_done(ring);
    if (is_cells)
        b->c.readings += (int64_t)b->batch.n;
    else
        b->c.sightings += (int64_t)b->batch.n;
    return true;
}

void bus_pump(struct bus *b, int64_t now_us)
{
    struct obs o;

    follow_plan(b);
    while (b->order != NULL && order_pop(b->order, now_us, &o))
        engine_feed(b->o.engine, &o);
    if (b->out == NULL)
        return;
    while (send_batch(b, &b->out->cells, now_us) || send_batch(b, &b->out->sightings, now_us)) {
    }
}

int64_t bus_deadline(const struct bus *b)
{
    if (b->order != NULL)
        return order_deadline(b->order);
    return b->stuck ? NOREN_NEVER_US : bus_out_deadline(b->out);
}

/* --- how it is ---------------------------------------------------------------------------------- */

const char *bus_complaint(struct bus *b, int64_t now_us)
{
    return complaints_next(&b->complaints, now_us);
}

const char *bus_problem(const struct bus *b)
{
    bool news = b->trouble[0] != '\0' && clock_boot_us() - b->trouble_us < COMPLAINT_AGAIN_US;

    return b->problem[0] == '\0' && news ? b->trouble : b->problem;
}

struct bus_counters bus_counters(const struct bus *b)
{
    struct bus_counters c = b->c;

    if (b->out != NULL) {
        c.sightings_dropped = b->out->sightings_dropped;
        c.readings_replaced = b->out->readings_replaced;
    }
    return c;
}

void bus_print(const struct bus *b, struct json *j)
{
    struct bus_counters c;

    json_key(j, "local");
    if (b == NULL) {
        json_nil(j);
        return;
    }
    c = bus_counters(b);
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {
        {"sightings", c.sightings},
        {"readings", c.readings},
        {"sales", c.sales},
        {"queries", c.queries},
        {"refused", c.refused},
        {"unknown_receiver", c.unknown_receiver},
        {"unknown_cells", c.unknown_cells},
        {"wrong_clock", c.wrong_clock},
        {"unwilling", c.unwilling},
        {"late", c.late},
        {"crowded", c.crowded},
        {"sightings_dropped", c.sightings_dropped},
        {"readings_replaced", c.readings_replaced},
        {"answers_dropped", c.answers_dropped},
    };

    json_open(j, '{');
    json_key_bool(j, "connected", b->up);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        json_key_i64(j, rows[i].name, rows[i].value);
    json_close(j, '}');
}
