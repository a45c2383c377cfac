/* Delivery; see deliver.h. */
#include "io/deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "io/clock.h"
#include "io/doc.h"
#include "noren/topic.h"

#define SLOTS_MAX       (FIXTURES_MAX + 2) /* state/fixture/+, state/store, state/gateway */
#define BACKLOG_FROM    200                /* rows behind: from here on in batches */
#define BATCH_BYTES_MAX 64000
#define AHEAD_MAX       5000 /* rows sent beyond HQ's ack: a dead HQ must not fill the broker */
#define RESEND_MIN_US   (10 * NOREN_US_PER_S)
#define RESEND_MAX_US   (300 * NOREN_US_PER_S)
#define PAUSE_US        (5 * NOREN_US_PER_S) /* after 0x97 quota exceeded or 0x83 */
#define HEAR_US         (3 * NOREN_US_PER_S) /* how long HQ's retained ack is waited for, once */

/* Tokens of the relay: a state slot's number, or this and more for events. */
#define TOKEN_EVENTS ((uint64_t)1 << 32)

/* One retained topic. */
struct slot {
    char topic[RELAY_TOPIC_SIZE];
    char *json; /* the latest value */
    size_t n;
    bool dirty, in_flight;
};

struct deliver {
    struct deliver_options o;
    bool connected;
    uint32_t generation;
    uint64_t cursor; /* last number handed to the relay */
    uint64_t next_token;
    size_t in_flight;     /* event messages without PUBACK */
    int64_t resend_at_us; /* if HQ's ack has not moved by then */
    int64_t resend_delay_us;
    bool behind; /* HQ's last word is less than what it acked before: ... */
    uint64_t behind_seq;
    char session[RELAY_TEXT_SIZE];
    int64_t pause_until_us;
    int64_t hear_until_us; /* await_ack(); 0: need not */
    bool heard;
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
    d->resend_delay_us = RESEND_MIN_US;
    d->next_token = TOKEN_EVENTS;
    d->resend_at_us = NOREN_NEVER_US;
    strcpy(d->slots[d->slots_n++].topic, NOREN_TOPIC_GATEWAY); /* first: birth before all else */
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
static bool publish(struct deliver *d, enum event_class class, const char *type, const char *bytes,
                    size_t n)
{
    char topic[RELAY_TOPIC_SIZE];

    snprintf(topic, sizeof(topic), NOREN_TOPIC_EVT, event_class_name(class));
    if (relay_send(d->o.relay, d->generation, d->next_token,
                   &(struct relay_message){
                       .topic = topic, .content_type = type, .payload = bytes, .n = n, .qos = 1}) !=
        0)
        return false;
    d->next_token++;
    d->in_flight++;
    d->counters.published++;
    return true;
}

/* One event as one message. Returns the last number that went, 0 for nothing. */
static uint64_t send_single(struct deliver *d)
{
    struct db_row row;
    int n;

    if (db_next(d->o.db, d->cursor, &row) != 1)
        return 0;
    n = print_row(d, &row, d->batch, sizeof(d->batch));
    if (n < 0 || !publish(d, row.class, NOREN_CONTENT_EVENT, d->batch, (size_t)n))
        return 0;
    return row.seq;
}

/* As many consecutive events of one class as a batch holds. */
static uint64_t send_batch(struct deliver *d)
{
    uint64_t last = d->cursor;
    enum event_class class = CLASS_COUNT;
    struct db_row row;
    size_t n = 0;

    while (n < BATCH_BYTES_MAX && db_next(d->o.db, last, &row) == 1) {
        int printed;

        if (class != CLASS_COUNT && (row.class != class || row.seq != last + 1))
            break;
        printed = print_row(d, &row, d->batch + n + 1, EVENT_CLOUD_SIZE);
        if (printed < 0 || (n > 0 && n + (size_t)printed + 2 > BATCH_BYTES_MAX))
            break;
        d->batch[n] = n == 0 ? '[' : ',';
        n += 1 + (size_t)printed;
        class = row.class;
        last = row.seq;
    }
    if (n == 0)
        return 0;
    d->batch[n++] = ']';
    if (!publish(d, class, NOREN_CONTENT_BATCH, d->batch, n))
        return 0;
    d->counters.batches++;
    return last;
}

static void pump_events(struct deliver *d, int64_t now_us)
{
    const struct db_identity *id = db_identity(d->o.db);

    /* the relay's list has room for all state beside a full window of events */
    while (d->in_flight < RELAY_WINDOW && d->cursor < id->committed &&
           d->cursor - id->acked < AHEAD_MAX) {
        uint64_t last = id->committed - d->cursor > BACKLOG_FROM ? send_batch(d) : send_single(d);

        if (last == 0)
            return;
        if (d->cursor == id->acked) /* the first one that HQ has not acked: the clock starts */
            d->resend_at_us = now_us + d->resend_delay_us;
        d->cursor = last;
    }
}

/* Once in a process nothing is sent before HQ's retained ack, which comes with the subscription: it shows an old
 * copy of the database for what it is (db_ack) while none of its numbers has been used again. */
static void await_ack(struct deliver *d, int64_t now_us)
{
    if (d->heard || db_identity(d->o.db)->hq_id[0] == '\0')
        return;
    d->hear_until_us = now_us + HEAR_US;
    d->heard = true;
}

static void start_again(struct deliver *d)
{
    d->cursor = db_identity(d->o.db)->acked;
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
    d->resend_at_us = d->cursor == id->acked ? NOREN_NEVER_US : now_us + d->resend_delay_us;
}

static void on_published(struct deliver *d, const struct relay_event *e, int64_t now_us)
{
    if (e->generation != d->generation)
        return;
    if (e->token < TOKEN_EVENTS) {
        d->slots[e->token].in_flight = false;
        d->slots[e->token].dirty |= e->reason >= 0x80;
    } else if (d->in_flight > 0) {
        d->in_flight--;
    }
    if (e->reason < 0x80)
        return;
    /* 0x97 and 0x83 mean "later"; for the others time and a person are the remedy too: whatever the
     * broker did not take stays in the outbox until HQ acks it */
    d->counters.refused++;
    d->counters.last_reason = e->reason;
    d->pause_until_us = now_us + PAUSE_US;
    start_again(d);
}

bool deliver_event(struct deliver *d, const struct relay_event *e, int64_t now_us)
{
    switch (e->kind) {
    case RELAY_CONNECTED:
        d->connected = true;
        d->generation = e->generation;
        d->in_flight = 0;
        d->pause_until_us = 0;
        d->resend_delay_us = RESEND_MIN_US;
        await_ack(d, now_us);
        start_again(d);
        for (size_t i = 0; i < d->slots_n; i++) {
            d->slots[i].in_flight = false;
            d->slots[i].dirty = true; /* the broker may have lost what it retained */
        }
        snprintf(d->session, sizeof(d->session), "%s", e->text);
        give_birth(d);
        return true;
    case RELAY_DISCONNECTED:
        d->connected = false;
        d->in_flight = 0;
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

bool deliver_connected(const struct deliver *d)
{
    return d->connected;
}

struct deliver_counters deliver_counters(const struct deliver *d)
{
    return d->counters;
}
