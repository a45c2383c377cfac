/* Ingest; see ingest.h. */
#include "hq/ingest.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hq/ack.h"
#include "hq/arena.h"
#include "hq/command.h"
#include "hq/state.h"

static const char last_event_sql[] = "SELECT max(id) FROM event";

void ingest_init(struct ingest *in, struct store *store)
{
    memset(in, 0, sizeof(*in));
    in->store = store;
    in->committed_id = store_int(store, 0, last_event_sql, "");
}

void ingest_look(struct ingest *in)
{
    in->committed_id = store_int(in->store, in->committed_id, last_event_sql, "");
}

static enum refusal refuse(struct ingest *in, enum refusal why)
{
    in->counters.refused[why]++;
    return why;
}

/* Adds to a set; it has room for one entry a message, and batches are of one epoch. */
static void remember(int64_t *set, int *n, int64_t value)
{
    for (int i = 0; i < *n; i++)
        if (set[i] == value)
            return;
    if (*n < INGEST_GROUP_MAX)
        set[(*n)++] = value;
}

/* An error of the database: the transaction is lost, whatever follows in it. */
static void fail(struct ingest *in)
{
    in->failed = true;
}

/* A number whose event is unusable must not stop all later ones: it is put aside, whole, and the ack may
 * pass it. Without a readable number nothing can be done but count. */
static void put_aside(struct ingest *in, int64_t gateway_id, const struct message_event *e,
                      enum refusal why)
{
    if (e->epoch == NULL)
        return;
    int64_t epoch_id = ack_find_epoch(in->store, gateway_id, e->epoch);
    char *body = json_dumps(e->json, JSON_COMPACT | JSON_REAL_PRECISION(15));
    int r = epoch_id < 0 ? -EIO
                         : store_run(in->store,
                                     "INSERT INTO covered(epoch_id, first_seq, last_seq, reason,"
                                     " body) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                                     "iiiss", epoch_id, e->seq, e->seq, refusal_name(why), body);

    free(body);
    if (r < 0)
        fail(in);
    else
        remember(in->epochs, &in->epochs_n, epoch_id);
}

/* An event as it came. To write it anew from its tree took half of what an event cost here. */
struct event_text {
    const char *at;
    int n;
};

/* Unknown times are no numbers of ours: -1 and 0 become NULL. */
static int insert_event(struct ingest *in, int64_t epoch_id, const struct message_event *e,
                        const struct event_text *text, const char *class, int64_t utc_us)
{
    return store_run(in->store,
                     "INSERT INTO event(epoch_id, seq, class, type, utc_us, bootid, tus, clock,"
                     " received_us, body)"
                     " VALUES(?, ?, ?, ?, nullif(?, 0), ?, nullif(?, -1), ?, ?, ?)"
                     " ON CONFLICT(epoch_id, seq) DO NOTHING",
                     "iissisisit", epoch_id, e->seq, class, e->type, e->utc_us, e->bootid, e->tus,
                     e->clock, utc_us, text->at, text->n);
}

static enum refusal take_event(struct ingest *in, const struct topic *topic, int64_t gateway_id,
                               const json_t *json, const struct event_text *text, int64_t utc_us)
{
    struct message_event e;
    enum refusal why = message_read_event(json, topic, &e);

    if (why != REFUSAL_NONE) {
        put_aside(in, gateway_id, &e, why);
        return refuse(in, why);
    }
    int64_t epoch_id = ack_find_epoch(in->store, gateway_id, e.epoch);
    int r = epoch_id < 0 ? -EIO : insert_event(in, epoch_id, &e, text, topic->leaf, utc_us);
    if (r < 0) {
        fail(in);
        return REFUSAL_NONE;
    }
    remember(in->epochs, &in->epochs_n, epoch_id);
    if (r == 0) {
        in->counters.duplicates++;
        /* a gap stands at a number of its own range: the event itself may have come before it was shed */
        if (strcmp(e.type, "noren.gateway.gap") == 0 &&
            project_event(in->store, gateway_id, epoch_id, &e, utc_us) < 0)
            fail(in);
        return REFUSAL_NONE;
    }
    in->counters.events++;
    in->events++;
    r = project_event(in->store, gateway_id, epoch_id, &e, e.utc_us > 0 ? e.utc_us : utc_us);
    if (r < 0)
        fail(in);
    else
        in->changed |= r;
    return REFUSAL_NONE;
}

/* The next value of an array in `text` from `*at` on, whose tree was read already: it is well formed, and only
 * strings and brackets matter. `*at` is then behind it. */
static struct event_text next_text(const char *text, size_t n, size_t *at)
{
    bool quoted = false;
    int depth = 0;
    size_t i = *at, from;

    while (i < n && strchr(", \t\r\n", text[i]) != NULL)
        i++;
    for (from = i; i < n; i++) {
        char c = text[i];

        if (quoted && c == '\\')
            i++; /* the one after it is no quote */
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && depth == 0 && (c == ',' || c == ']'))
            break;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
    }
    *at = i;
    return (struct event_text){text + from, (int)(i - from)};
}

static enum refusal take_events(struct ingest *in, const struct topic *topic, int64_t gateway_id,
                                const json_t *json, const char *text, size_t n, int64_t utc_us)
{
    enum refusal first = REFUSAL_NONE;
    size_t i, at;
    const json_t *one;

    if (!json_is_array(json))
        return take_event(in, topic, gateway_id, json, &(struct event_text){text, (int)n}, utc_us);
    if (json_array_size(json) == 0)
        return refuse(in, REFUSAL_SHAPE);
    at = strcspn(text, "[") + 1;
    json_array_foreach((json_t *)json, i, one)
    {
        struct event_text part = next_text(text, n, &at);
        enum refusal why = take_event(in, topic, gateway_id, one, &part, utc_us);

        if (first == REFUSAL_NONE)
            first = why;
    }
    return first;
}

/* The row of a gateway, made when it is first heard. Negative on a database error. */
static int64_t find_gateway(struct ingest *in, const struct topic *t)
{
    static const char FIND[] =
        "SELECT id FROM gateway WHERE tenant = ? AND store = ? AND gateway = ?";
    int64_t id = store_int(in->store, -1, FIND, "sss", t->tenant, t->store, t->gateway);

    if (id >= 0)
        return id;
    if (store_run(in->store, "INSERT INTO gateway(tenant, store, gateway) VALUES(?, ?, ?)", "sss",
                  t->tenant, t->store, t->gateway) < 0)
        return -1;
    id = store_int(in->store, -1, FIND, "sss", t->tenant, t->store, t->gateway);
    if (id >= 0) {
        remember(in->gateways, &in->gateways_n, id);
        in->changed |= CHANGED_GATEWAYS;
    }
    return id;
}

/* Data age counts from what the gateway itself says now: not from the broker's copy of what it once said, nor
 * from its will, which is the broker's word. */
static void note_seen(struct ingest *in, const struct topic *t, int64_t gateway_id,
                      const json_t *json, bool retained, int64_t utc_us)
{
    bool will = t->kind == TOPIC_GATEWAY && !json_is_true(json_object_get(json, "online"));

    if (!retained && !will &&
        store_run(in->store, "UPDATE gateway SET seen_us = ? WHERE id = ?", "ii", utc_us,
                  gateway_id) < 0)
        fail(in);
}

/* A gateway that comes is told where it stands: the ack that the broker retains may be gone with the broker's
 * memory, or be an older one that a replica sent late. */
static void note_birth(struct ingest *in, const struct topic *t, int64_t gateway_id,
                       const json_t *json)
{
    const char *epoch = json_string_value(json_object_get(json, "epoch"));
    int64_t id;

    if (t->kind != TOPIC_GATEWAY || in->failed || epoch == NULL || !message_is_epoch(epoch))
        return;
    id = ack_find_epoch(in->store, gateway_id, epoch);
    if (id >= 0)
        remember(in->epochs, &in->epochs_n, id);
}

/* An empty payload deletes a retained message; for everything else it is an error. */
static enum refusal take_state(struct ingest *in, const struct topic *t, int64_t gateway_id,
                               const json_t *json, int64_t utc_us)
{
    int r = state_take(in->store, t, gateway_id, json, utc_us);

    in->counters.states++;
    if (r == -EINVAL)
        return refuse(in, REFUSAL_STATE);
    if (r < 0)
        fail(in);
    else
        in->changed |= r;
    note_birth(in, t, gateway_id, json);
    return REFUSAL_NONE;
}

static enum refusal take_answer(struct ingest *in, int64_t gateway_id, const json_t *json,
                                int64_t utc_us)
{
    int r = command_answered(in->store, gateway_id, json, utc_us);

    if (r == -EINVAL)
        return refuse(in, REFUSAL_ANSWER);
    if (r < 0)
        fail(in);
    else
        in->changed |= r;
    return REFUSAL_NONE;
}

enum refusal ingest_message(struct ingest *in, const char *topic, const void *payload, size_t n,
                            bool retained, int64_t utc_us)
{
    struct topic t;
    json_t *json = NULL;

    in->counters.messages++;
    if (topic_parse(topic, &t) < 0)
        return refuse(in, REFUSAL_TOPIC);
    if ((t.kind == TOPIC_EVENT || t.kind == TOPIC_ANSWER) && retained)
        return refuse(in, REFUSAL_RETAINED);
    if (n > MESSAGE_MAX || (n == 0 && (t.kind == TOPIC_EVENT || t.kind == TOPIC_ANSWER)))
        return refuse(in, REFUSAL_SIZE);
    if (n > 0) {
        arena_begin(n);
        json = json_loadb(payload, n, JSON_REJECT_DUPLICATES, NULL);
        arena_end();
        if (json == NULL)
            return refuse(in, REFUSAL_JSON);
    }
    if (store_begin(in->store) < 0)
        fail(in);
    in->pending++;
    int64_t gateway_id = in->failed ? -1 : find_gateway(in, &t);
    enum refusal why = REFUSAL_NONE;
    if (gateway_id < 0) {
        fail(in);
    } else {
        note_seen(in, &t, gateway_id, json, retained, utc_us);
        why = t.kind == TOPIC_EVENT    ? take_events(in, &t, gateway_id, json, payload, n, utc_us)
              : t.kind == TOPIC_ANSWER ? take_answer(in, gateway_id, json, utc_us)
                                       : take_state(in, &t, gateway_id, json, utc_us);
    }
    json_decref(json);
    return why;
}

int ingest_commit(struct ingest *in, struct ingest_result *ret)
{
    int r = in->failed ? -EIO : 0;

    for (int i = 0; r == 0 && i < in->epochs_n; i++)
        if (ack_advance(in->store, in->epochs[i]) < 0)
            r = -EIO;
    if (r == 0)
        r = store_commit(in->store);
    if (r == 0) {
        in->counters.commits++;
        if (in->changed & CHANGED_EVENTS)
            in->committed_id = store_int(in->store, in->committed_id, last_event_sql, "");
        ret->changed = in->changed;
        ret->epochs_n = in->epochs_n;
        ret->gateways_n = in->gateways_n;
        memcpy(ret->epochs, in->epochs, sizeof(ret->epochs));
        memcpy(ret->gateways, in->gateways, sizeof(ret->gateways));
    } else {
        in->counters.failed_commits++;
        store_rollback(in->store);
    }
    in->pending = in->events = in->changed = in->epochs_n = in->gateways_n = 0;
    in->failed = false;
    return r;
}
