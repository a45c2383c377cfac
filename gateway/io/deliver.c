/* Delivery; see deliver.h. */
#include "io/deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "io/clock.h"
#include "io/doc.h"
#include "io/drain.h"
#include "io/reason.h"
#include "noren/topic.h"

#define SLOTS_MAX       (FIXTURES_MAX + 4) /* state/fixture/+, store, gateway, desired, certificate */
#define BACKLOG_FROM    200                /* rows behind: from here on in batches */
#define BATCH_BYTES_MAX 64000
#define PACKET_OVERHEAD 1024      /* of a batch, in the broker's largest packet */
#define FLIGHT_BYTES    (1 << 20) /* of batches handed to the relay: its memory is ours */
#define AHEAD_MAX       20000 /* rows sent beyond HQ's ack: a dead HQ must not fill the broker */
#define RESEND_MIN_US   (10 * NOREN_US_PER_S)
#define RESEND_MAX_US   (300 * NOREN_US_PER_S)
#define HEAR_US         (3 * NOREN_US_PER_S) /* how long HQ's retained ack is waited for, once */
#define PAUSE_MIN_US    (2 * NOREN_US_PER_S) /* after a refusal, doubling */
#define PAUSE_MAX_US    (300 * NOREN_US_PER_S)
#define PROBLEM_SIZE    300

/* Tokens of the relay: a state slot's number, or this and more for events. */
#define TOKEN_EVENTS ((uint64_t)1 << 32)

/* One retained topic. */
struct slot {
    char topic[RELAY_TOPIC_SIZE];
    char *json; /* the latest value */
    size_t n;
    bool dirty, in_flight;
};

/* A message with events that has no PUBACK yet, or is behind one that has none. */
struct sent {
    uint64_t first, last;
    size_t bytes;
    enum event_class class;
    bool gap; /* the one event is a gap */
    bool open, good;
};

struct deliver {
    struct deliver_options o;
    bool connected;
    int version;
    size_t batch_max; /* bytes, what the broker takes */
    uint32_t generation;
    uint64_t cursor;      /* last number handed to the relay */
    uint64_t next_token;  /* of the next message; the ring's oldest is sent_n tokens before it */
    uint64_t round_token; /* the first one since sending started again */
    struct sent ring[RELAY_WINDOW];
    size_t sent_n, open_bytes;
    uint64_t confirmed;   /* last number with a PUBACK on this connection, ... */
    int64_t resend_at_us; /* ... and HQ's ack does not follow by then */
    int64_t resend_delay_us;
    bool behind; /* HQ's last word is less than what it acked before: ... */
    uint64_t behind_seq;
    char session[RELAY_TEXT_SIZE];
    int64_t hear_until_us; /* await_ack(); 0: need not */
    bool heard;
    int64_t pause_until_us, pause_delay_us;
    struct drain drain;
    bool capped;           /* a backlog waits for it */
    uint64_t single_until; /* up to here one by one: a batch was refused, for one of them */
    bool refused;          /* the owner has to take `refusal` out */
    struct deliver_refusal refusal;
    char problem[PROBLEM_SIZE];
    struct slot slots[SLOTS_MAX];
    size_t slots_n;
    struct deliver_counters counters;
    char batch[BATCH_BYTES_MAX + EVENT_CLOUD_SIZE + 2];
};

int deliver_open(struct deliver **ret_deliver, const struct deliver_options *options)
{
    struct deliver *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return -ENOMEM;
    d->o = *options;
    d->drain.per_s = options->drain_per_s;
    d->resend_delay_us = RESEND_MIN_US;
    d->pause_delay_us = PAUSE_MIN_US;
    d->next_token = TOKEN_EVENTS;
    d->resend_at_us = NOREN_NEVER_US;
    /* first: birth before all else */
    snprintf(d->slots[d->slots_n++].topic, sizeof(d->slots[0].topic), NOREN_TOPIC_GATEWAY);
    *ret_deliver = d;
    return 0;
}

void deliver_close(struct deliver *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->slots_n; i++)
        free(d->slots[i].json);
    free(d);
}

/* --- retained state ----------------------------------------------------------------------------- */

int deliver_state(struct deliver *d, const char *topic, const char *json, size_t n)
{
    size_t i = 0;
    char *copy;

    while (i < d->slots_n && strcmp(d->slots[i].topic, topic) != 0)
        i++;
    if (i == SLOTS_MAX || strlen(topic) >= sizeof(d->slots[i].topic))
        return -ENOSPC;
    copy = malloc(n);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, json, n);
    if (i == d->slots_n) {
        d->slots_n++;
        snprintf(d->slots[i].topic, sizeof(d->slots[i].topic), "%s", topic);
    }
    free(d->slots[i].json);
    d->slots[i].json = copy;
    d->slots[i].n = n;
    d->slots[i].dirty = true;
    return 0;
}

static void pump_state(struct deliver *d)
{
    for (size_t i = 0; i < d->slots_n; i++) {
        struct slot *s = &d->slots[i];

        if (!s->dirty || s->in_flight)
            continue;
        if (relay_send(d->o.relay, d->generation, i,
                       &(struct relay_message){.topic = s->topic,
                                               .content_type = "application/json",
                                               .payload = s->json,
                                               .n = s->n,
                                               .qos = 1,
                                               .retain = true}) != 0)
            return;
        s->dirty = false;
        s->in_flight = true;
    }
}

/* The birth: who is here now, in which epoch and with which numbers. */
static void give_birth(struct deliver *d)
{
    const struct db_identity *id = db_identity(d->o.db);
    char json[1024], prev[DB_EPOCH_SIZE + 2] = "null";
    enum clock_quality quality;
    int n;

    (void)clock_utc_us(&quality);
    if (id->prev_epoch[0] != '\0')
        snprintf(prev, sizeof(prev), "\"%s\"", id->prev_epoch);
    n = snprintf(json, sizeof(json),
                 "{\"online\":true,\"session\":\"%s\",\"bootid\":\"%s\",\"epoch\":\"%s\","
                 "\"prev_epoch\":%s,\"seq_head\":%llu,\"version\":\"" NOREN_VERSION
                 "\",\"clock\":\"%s\"}",
                 d->session, d->o.bootid, id->epoch, prev, (unsigned long long)id->committed,
                 event_clock_name(quality));
    if (n > 0 && n < (int)sizeof(json))
        (void)deliver_state(d, NOREN_TOPIC_GATEWAY, json, (size_t)n); /* no memory: next time */
}

/* --- events ------------------------------------------------------------------------------------- */

static int print_row(const struct deliver *d, const struct db_row *row, char *buf, size_t size)
{
    struct event_envelope env = {
        .tenant = d->o.tenant,
        .store = d->o.store,
        .gateway = d->o.gateway,
        .epoch = db_identity(d->o.db)->epoch,
        .bootid = row->boot->bootid,
        .seq = row->seq,
        .t_us = row->t_us,
        .utc_us = row->boot->quality == CLOCK_FLOOR ? 0 : row->boot->offset_us + row->t_us,
        .quality = row->boot->quality,
    };

    return event_print_cloud(&env, row->type, row->data, buf, size);
}

/* Hands one message over. True when the relay took it. */
static bool publish(struct deliver *d, const struct sent *what, const char *type, const char *bytes)
{
    char topic[RELAY_TOPIC_SIZE];

    snprintf(topic, sizeof(topic), NOREN_TOPIC_EVT, event_class_name(what->class));
    if (relay_send(d->o.relay, d->generation, d->next_token,
                   &(struct relay_message){.topic = topic,
                                           .content_type = type,
                                           .payload = bytes,
                                           .n = what->bytes,
                                           .qos = 1}) != 0)
        return false;
    d->ring[d->next_token++ % RELAY_WINDOW] = *what;
    d->sent_n++;
    d->open_bytes += what->bytes;
    d->counters.published++;
    return true;
}

/* One event as one message. Returns the last number that went, 0 for nothing. */
static uint64_t send_single(struct deliver *d)
{
    struct sent what = {.open = true};
    struct db_row row;
    int n;

    if (db_next(d->o.db, d->cursor, &row) != 1)
        return 0;
    n = print_row(d, &row, d->batch, sizeof(d->batch));
    if (n < 0)
        return 0;
    what.first = d->cursor + 1;
    what.last = row.seq;
    what.bytes = (size_t)n;
    what.class = row.class;
    what.gap = strcmp(row.type, event_type(EVENT_GATEWAY_GAP)) == 0;
    return publish(d, &what, NOREN_CONTENT_EVENT, d->batch) ? row.seq : 0;
}

/* As many consecutive events of one class as a batch holds. */
static uint64_t send_batch(struct deliver *d)
{
    struct sent what = {.open = true, .first = d->cursor + 1, .last = d->cursor};
    struct db_row row;
    size_t n = 0;

    what.class = CLASS_COUNT;
    while (n < d->batch_max && db_next(d->o.db, what.last, &row) == 1) {
        int printed;

        if (what.class != CLASS_COUNT && (row.class != what.class || row.seq != what.last + 1))
            break;
        printed = print_row(d, &row, d->batch + n + 1, EVENT_CLOUD_SIZE);
        if (printed < 0 || (n > 0 && n + (size_t)printed + 2 > d->batch_max))
            break;
        d->batch[n] = n == 0 ? '[' : ',';
        n += 1 + (size_t)printed;
        what.class = row.class;
        what.last = row.seq;
    }
    if (n == 0)
        return 0;
    d->batch[n++] = ']';
    what.bytes = n;
    if (!publish(d, &what, NOREN_CONTENT_BATCH, d->batch))
        return 0;
    d->counters.batches++;
    return what.last;
}

/* Nothing goes while a PUBACK proves nothing although it is to be the ack. */
static bool may_send(const struct deliver *d)
{
    return !d->refused && !(d->o.puback && d->version != 5);
}

static void pump_events(struct deliver *d, int64_t now_us)
{
    const struct db_identity *id = db_identity(d->o.db);

    d->capped = false;
    /* the relay's list has room for all state beside a full window of events */
    while (may_send(d) && d->sent_n < RELAY_WINDOW && d->open_bytes < FLIGHT_BYTES &&
           d->cursor < id->committed && d->cursor - id->acked < AHEAD_MAX) {
        bool backlog = id->committed - d->cursor > BACKLOG_FROM;
        uint64_t last;

        d->capped = backlog && !drain_allows(&d->drain, now_us);
        if (d->capped)
            return;
        last = backlog && !d->o.single && d->cursor >= d->single_until ? send_batch(d)
                                                                       : send_single(d);
        if (last == 0)
            return;
        if (backlog)
            drain_took(&d->drain, last - d->cursor, now_us);
        d->cursor = last;
    }
}

/* Once in a process nothing is sent before HQ's retained ack, which comes with the subscription: it shows an old
 * copy of the database for what it is (db_ack) while none of its numbers has been used again. */
static void await_ack(struct deliver *d, int64_t now_us)
{
    if (d->heard || db_identity(d->o.db)->opened == 0)
        return;
    d->hear_until_us = now_us + HEAR_US;
    d->heard = true;
}

static void start_again(struct deliver *d)
{
    d->cursor = d->confirmed = db_identity(d->o.db)->acked;
    d->round_token = d->next_token;
    d->resend_at_us = NOREN_NEVER_US;
}

void deliver_pump(struct deliver *d, int64_t now_us)
{
    if (!d->connected || now_us < d->pause_until_us)
        return;
    d->pause_until_us = 0;
    if (now_us >= d->resend_at_us) {
        d->counters.resends++;
        d->resend_delay_us =
            2 * d->resend_delay_us < RESEND_MAX_US ? 2 * d->resend_delay_us : RESEND_MAX_US;
        if (d->behind) /* ... it has not caught up: it lost what it had */
            db_give_again(d->o.db, d->behind_seq);
        d->behind = false;
        start_again(d);
    }
    pump_state(d);
    if (now_us < d->hear_until_us)
        return;
    d->hear_until_us = 0;
    pump_events(d, now_us);
}

int64_t deliver_deadline(const struct deliver *d)
{
    if (!d->connected)
        return NOREN_NEVER_US;
    if (d->pause_until_us != 0)
        return d->pause_until_us;
    if (d->hear_until_us != 0)
        return d->hear_until_us;
    if (d->capped && d->drain.from_us < d->resend_at_us)
        return d->drain.from_us;
    return d->resend_at_us;
}

/* --- what comes back ---------------------------------------------------------------------------- */

/* An ack that is less than an earlier one is old news from one of two replicas, or from an HQ that was
 * restored from a backup without knowing it. Time tells: a replica reads the same database and says so with
 * its next ack; if there is none until the resend is due, HQ is given again what it lacks. */
static void note_behind(struct deliver *d, uint64_t seq, int64_t now_us)
{
    d->behind = seq < db_identity(d->o.db)->acked;
    d->behind_seq = seq;
    if (d->behind && d->resend_at_us == NOREN_NEVER_US)
        d->resend_at_us = now_us + d->resend_delay_us;
}

static int read_ack(struct deliver *d, const char *json, size_t n, int64_t now_us)
{
    static const char *const keys[] = {"hq_id", "epoch", "seq", NULL};
    char error[160], hq_id[NOREN_ID_SIZE];
    struct doc doc = doc_load(json, n, error, sizeof(error));
    const char *epoch;
    int64_t seq;
    int rc = -EBADMSG;

    if (doc.v != NULL && doc_object(&doc, keys) && doc_id(&doc, "hq_id", hq_id) &&
        doc_string(&doc, "epoch", &epoch) && doc_i64(&doc, "seq", 0, INT64_MAX, &seq))
        rc = db_ack(d->o.db, hq_id, epoch, (uint64_t)seq);
    if (rc == 0)
        note_behind(d, (uint64_t)seq, now_us);
    json_decref(doc.v);
    return rc;
}

static void on_ack(struct deliver *d, const struct relay_event *e, int64_t now_us)
{
    const struct db_identity *id = db_identity(d->o.db);
    uint64_t before = id->acked;
    char *payload = NULL;
    size_t n;
    int rc = jws_verify(d->o.hq_key, e->payload, e->n, &payload, &n);

    if (rc == 0)
        rc = read_ack(d, payload, n, now_us);
    free(payload);
    if (rc == 1) {
        give_birth(d);
        start_again(d);
    }
    if (rc < 0 && rc != -ESTALE) { /* an old epoch's ack stays retained until HQ replaces it */
        d->counters.acks_refused++;
        return;
    }
    d->counters.acks++;
    d->heard = true;
    d->hear_until_us = 0;
    if (rc == 1 || id->acked == before)
        return;
    d->resend_delay_us = RESEND_MIN_US;
    if (id->acked < before) /* an HQ that has less: all that is held goes to it again */
        start_again(d);
    if (d->cursor < id->acked)
        d->cursor = id->acked;
    d->resend_at_us = d->confirmed <= id->acked ? NOREN_NEVER_US : now_us + d->resend_delay_us;
}

/* Sending stops for a while, longer each time, and starts again behind HQ's ack. */
static void pause_sending(struct deliver *d, int64_t now_us)
{
    d->pause_until_us = now_us + d->pause_delay_us;
    d->pause_delay_us = 2 * d->pause_delay_us < PAUSE_MAX_US ? 2 * d->pause_delay_us : PAUSE_MAX_US;
    start_again(d);
}

/* The broker did not take events: later, one by one, or never. */
static void on_refused(struct deliver *d, const struct sent *what, int reason, int64_t now_us)
{
    char topic[RELAY_TOPIC_SIZE];

    snprintf(topic, sizeof(topic), NOREN_TOPIC_EVT, event_class_name(what->class));
    reason_print(reason, topic, d->problem, sizeof(d->problem));
    if (reason_is_final(reason) && what->first != what->last && what->last > d->single_until)
        d->single_until = what->last; /* one of them: which? */
    else if (reason_is_final(reason) && what->last > d->single_until)
        d->single_until = what->last; /* once more, in case a person is at the ACL right now */
    else if (reason_is_final(reason) && !what->gap && !d->refused) {
        d->refused = true;
        d->refusal = (struct deliver_refusal){what->last, what->class, reason};
    }
    pause_sending(d, now_us);
}

/* What the broker confirmed in one piece from the ack on is acked, when a PUBACK is the ack. */
static void close_sent(struct deliver *d, int64_t now_us)
{
    const struct db_identity *id = db_identity(d->o.db);

    while (d->sent_n > 0) {
        struct sent *oldest = &d->ring[(d->next_token - d->sent_n) % RELAY_WINDOW];

        if (oldest->open)
            return;
        d->sent_n--;
        if (!oldest->good)
            continue;
        if (d->o.puback && oldest->first <= id->acked + 1 && oldest->last > id->acked)
            (void)db_ack(d->o.db, "puback", id->epoch, oldest->last); /* our own numbers */
        if (oldest->last > d->confirmed)
            d->confirmed = oldest->last;
        if (d->confirmed > id->acked && d->resend_at_us == NOREN_NEVER_US)
            d->resend_at_us = now_us + d->resend_delay_us;
    }
}

static void on_state_published(struct deliver *d, const struct relay_event *e, int64_t now_us)
{
    struct slot *s = &d->slots[e->token];

    s->in_flight = false;
    if (e->reason < REASON_ERROR)
        return;
    s->dirty = true;
    reason_print(e->reason, s->topic, d->problem, sizeof(d->problem));
    pause_sending(d, now_us);
}

static void on_published(struct deliver *d, const struct relay_event *e, int64_t now_us)
{
    struct sent what;

    if (e->generation != d->generation)
        return;
    if (e->reason >= REASON_ERROR) {
        d->counters.refused++;
        d->counters.last_reason = e->reason;
    }
    d->counters.unheard += e->reason == REASON_NO_SUBSCRIBERS;
    if (e->token < TOKEN_EVENTS) {
        on_state_published(d, e, now_us);
        return;
    }
    if (e->token >= d->next_token || d->next_token - e->token > d->sent_n)
        return;
    what = d->ring[e->token % RELAY_WINDOW];
    if (!what.open)
        return;
    d->ring[e->token % RELAY_WINDOW].open = false;
    d->ring[e->token % RELAY_WINDOW].good = e->reason < REASON_ERROR;
    d->open_bytes -= what.bytes;
    close_sent(d, now_us);
    if (e->token < d->round_token)
        return; /* only the first refusal of a round counts: it is the oldest row's */
    if (e->reason >= REASON_ERROR) {
        on_refused(d, &what, e->reason, now_us);
    } else if (d->pause_until_us == 0) {
        d->problem[0] = '\0';
        d->pause_delay_us = PAUSE_MIN_US;
    }
}

bool deliver_refused(const struct deliver *d, struct deliver_refusal *ret)
{
    if (d->refused)
        *ret = d->refusal;
    return d->refused;
}

void deliver_resume(struct deliver *d)
{
    d->refused = false;
    d->problem[0] = '\0';
    d->pause_until_us = 0;
    d->pause_delay_us = PAUSE_MIN_US;
    start_again(d);
}

static void begin_connection(struct deliver *d, const struct relay_event *e)
{
    d->connected = true;
    d->version = e->version;
    d->counters.connections++;
    d->counters.session_kept = e->session_kept;
    d->generation = e->generation;
    d->batch_max = BATCH_BYTES_MAX;
    if (e->packet_max < BATCH_BYTES_MAX + PACKET_OVERHEAD)
        d->batch_max = e->packet_max > 2 * PACKET_OVERHEAD ? e->packet_max - PACKET_OVERHEAD : 1;
    d->sent_n = d->open_bytes = 0;
    d->pause_until_us = 0;
    d->resend_delay_us = RESEND_MIN_US;
    d->problem[0] = '\0';
    start_again(d);
    for (size_t i = 0; i < d->slots_n; i++) {
        d->slots[i].in_flight = false;
        d->slots[i].dirty = true; /* the broker may have lost what it retained */
    }
    if (d->o.puback && d->version != 5)
        snprintf(
            d->problem, sizeof(d->problem),
            "ack = puback needs a broker with MQTT 5, this one speaks only 3.1.1, where a PUBACK "
            "does not tell what the ACL drops: events are kept and not sent; set ack = hq in "
            "noren.conf, or use another broker");
    snprintf(d->session, sizeof(d->session), "%s", e->text);
    give_birth(d);
}

bool deliver_event(struct deliver *d, const struct relay_event *e, int64_t now_us)
{
    switch (e->kind) {
    case RELAY_CONNECTED:
        await_ack(d, now_us);
        begin_connection(d, e);
        return true;
    case RELAY_DISCONNECTED:
        d->connected = false;
        return true;
    case RELAY_PUBLISHED:
        on_published(d, e, now_us);
        return true;
    case RELAY_MESSAGE:
        if (strcmp(e->topic, NOREN_TOPIC_ACK) != 0)
            return false;
        on_ack(d, e, now_us);
        return true;
    }
    return true;
}

int deliver_version(const struct deliver *d)
{
    return d->version;
}

const char *deliver_problem(const struct deliver *d)
{
    return d->problem;
}

bool deliver_connected(const struct deliver *d)
{
    return d->connected;
}

struct deliver_counters deliver_counters(const struct deliver *d)
{
    return d->counters;
}
