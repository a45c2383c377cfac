/* The dispatcher; see command.h. */
#include "io/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/control.h"
#include "io/db_journal.h"
#include "io/request.h"
#include "noren/topic.h"

#define SKEW_SYNCED_US  (60 * NOREN_US_PER_S)
#define SKEW_HELD_US    (600 * NOREN_US_PER_S) /* a board's crystal in a few months without NTP */
#define LOCAL_LIFE_US   (24 * 3600 * NOREN_US_PER_S)
#define AUDITS_A_MINUTE 20
#define MINUTE_US       (60 * NOREN_US_PER_S)
/* Tokens of the relay: deliver.c's end far below. */
#define TOKEN_ANSWERS ((uint64_t)1 << 62)

const char *command_refusal_name(enum command_refusal r)
{
    static const char *const names[COMMAND_REFUSALS] = {
#define X(name, text) [COMMAND_##name] = text,
        COMMAND_REFUSALS_TABLE(X)
#undef X
    };

    return r == COMMAND_DONE ? "done" : names[r];
}

/* --- audit -------------------------------------------------------------------------------------- */

static void copy_id(char ret[NOREN_ID_SIZE], const char *text)
{
    snprintf(ret, NOREN_ID_SIZE, "%s", text != NULL ? text : "");
}

void command_audit(struct norend *d, const struct command_audit *a)
{
    int64_t now_us = clock_boot_us();
    struct event e = {.kind = EVENT_GATEWAY_AUDIT, .t_us = now_us};
    struct event_gateway_audit *f = &e.u.gateway_audit;

    copy_id(f->command_id, a->id);
    copy_id(f->name, a->name);
    copy_id(f->source, a->source);
    copy_id(f->actor, a->actor);
    copy_id(f->outcome, a->outcome);
    copy_id(f->reason, a->reason);
    copy_id(f->subject, a->subject);
    f->count = a->count;
    engine_emit(&d->engine, &e, now_us);
}

/* What it was about, as far as that is a thing: never a member. */
static const char *subject_of(const json_t *flat)
{
    static const char *const keys[] = {"plate", "target", "gtin", "task_id", "cell", NULL};
    const char *text = json_string_value(json_object_get(json_object_get(flat, "sale"), "sale_id"));

    for (int i = 0; text == NULL && keys[i] != NULL; i++)
        text = json_string_value(json_object_get(flat, keys[i]));
    return text;
}

static const char *source_name(enum control_rights source)
{
    return source == CONTROL_LOCAL ? "local" : source == CONTROL_STORE ? "store" : "hq";
}

/* Refusals and repeats cost whoever sends them nothing, so there is a bound. */
static void audit_bounded(struct norend *d, const struct command_audit *a)
{
    if (d->commands.audited >= AUDITS_A_MINUTE) {
        d->commands.unaudited++;
        return;
    }
    d->commands.audited++;
    command_audit(d, a);
}

void command_minute(struct norend *d, int64_t now_us)
{
    if (now_us < d->commands.minute_us)
        return;
    if (d->commands.unaudited > 0)
        command_audit(d, &(struct command_audit){.source = "hq",
                                                 .outcome = "refused",
                                                 .reason = "flood",
                                                 .count = d->commands.unaudited});
    d->commands.minute_us = now_us + MINUTE_US;
    d->commands.audited = 0;
    d->commands.unaudited = 0;
}

/* --- doing -------------------------------------------------------------------------------------- */

/* A request with where it came from, and what became of it. */
struct order {
    struct request r;
    enum control_rights source;
    const char *actor;
    enum command_refusal refusal;
    bool repeated, changes;
    char error[REQUEST_ERROR_SIZE];
    char *answer; /* LOCAL_ANSWER_MAX bytes */
    size_t n;
};

static bool refuse(struct order *o, enum command_refusal why, const char *text)
{
    o->refusal = why;
    if (text != NULL)
        snprintf(o->error, sizeof(o->error), "%s", text);
    return false;
}

static void print_refusal(struct order *o)
{
    struct json j = json_init(o->answer, LOCAL_ANSWER_MAX);

    json_open(&j, '{');
    json_key_str(&j, "id", o->r.id);
    json_key_bool(&j, "ok", false);
    json_key_str(&j, "reason", command_refusal_name(o->refusal));
    json_key_str(&j, "error", o->error);
    json_close(&j, '}');
    o->n = (size_t)json_end(&j);
}

/* Runs the handler. What it refuses has changed nothing. */
static bool run(struct norend *d, const struct control_row *row, struct order *o)
{
    struct doc doc = {.v = o->r.flat, .error = o->error, .error_size = sizeof(o->error)};
    struct json j = json_init(o->answer, LOCAL_ANSWER_MAX);
    struct control_call call = {.d = d,
                                .doc = &doc,
                                .name = o->r.name,
                                .id = o->r.id,
                                .source = o->source,
                                .actor = o->actor,
                                .j = &j};
    int n;

    json_open(&j, '{');
    json_key_str(&j, "id", o->r.id);
    json_key_bool(&j, "ok", true);
    if (!row->run(&call))
        return refuse(o, COMMAND_REFUSED, NULL);
    json_close(&j, '}');
    n = json_end(&j);
    if (n < 0)
        return refuse(o, COMMAND_REFUSED, "done, but the answer is too long");
    o->n = (size_t)n;
    return true;
}

/* The answer that was given before, and a word that this is it. */
static bool answer_again(struct order *o, const struct journal_row *row)
{
    json_t *answer = json_loads(row->answer, 0, NULL);
    size_t n;

    if (strcmp(row->digest, o->r.digest) != 0) {
        json_decref(answer);
        return refuse(o, COMMAND_REUSED,
                      "this id was used for another command; give each command an id of its own");
    }
    json_object_set_new(answer, "repeated", json_true());
    n = json_dumpb(answer, o->answer, LOCAL_ANSWER_MAX, JSON_COMPACT);
    json_decref(answer);
    if (n == 0 || n > LOCAL_ANSWER_MAX)
        return refuse(o, COMMAND_STORAGE, "the journal's answer cannot be read");
    o->n = n;
    o->repeated = true;
    return true;
}

static int remember(struct norend *d, const struct order *o)
{
    struct journal_row row = {.source = o->source,
                              .issued_us = o->r.issued_us,
                              .expires_us = o->r.expires_us,
                              .answer = strndup(o->answer, o->n)};
    int rc;

    if (row.answer == NULL)
        return -ENOMEM;
    memcpy(row.id, o->r.id, sizeof(row.id));
    memcpy(row.digest, o->r.digest, sizeof(row.digest));
    rc = db_journal_put(d->db, &row);
    free(row.answer);
    return rc;
}

static void audit_order(struct norend *d, const struct order *o)
{
    bool refused = o->refusal != COMMAND_DONE;
    struct command_audit a = {.id = o->r.id,
                              .name = o->r.name,
                              .source = source_name(o->source),
                              .actor = o->actor,
                              .outcome = refused       ? "refused"
                                         : o->repeated ? "repeated"
                                                       : "done",
                              .reason = refused ? command_refusal_name(o->refusal) : "",
                              .subject = subject_of(o->r.flat),
                              .count = 1};

    if (refused || o->repeated)
        audit_bounded(d, &a);
    else
        command_audit(d, &a);
}

/* A command that changes something: once, and remembered with what it did. To headquarters a refusal is final
 * for its id: a command that was refused must not be done later because somebody kept it. A person at the
 * socket got the refusal at once, and may correct and repeat. */
static bool do_once(struct norend *d, const struct control_row *row, struct order *o)
{
    struct journal_row before;
    int rc = db_journal_find(d->db, o->source, o->r.id, &before);
    bool good;

    o->changes = true;
    if (o->source == CONTROL_STORE) {
        if (rc == 1)
            free(before.answer);
        return run(d, row, o);
    }
    if (rc == 1) {
        good = answer_again(o, &before);
        free(before.answer);
        return good;
    }
    if (rc < 0 || db_journal_waiting(d->db) >= JOURNAL_WAITING_MAX)
        return refuse(o, COMMAND_STORAGE,
                      "the disk takes nothing, so nothing was done; norenctl status says why");
    if (o->source == CONTROL_HQ && o->r.issued_us <= db_journal_floor(d->db, CONTROL_HQ))
        return refuse(o, COMMAND_FORGOTTEN,
                      "so old that it may have been done already; give it again with a new id");
    good = run(d, row, o);
    if (!good)
        print_refusal(o);
    if ((good || o->source == CONTROL_HQ) && remember(d, o) != 0)
        d->commands.counters.refused[COMMAND_STORAGE]++;
    return good;
}

static bool dispatch(struct norend *d, struct order *o)
{
    struct doc doc = {.v = o->r.flat, .error = o->error, .error_size = sizeof(o->error)};
    const struct control_row *row = control_find(&doc, o->r.name);

    if (row == NULL)
        return refuse(o, COMMAND_UNKNOWN, NULL);
    if ((row->rights & o->source) == 0) {
        doc_refuse(&doc, "%s may not be given by %s; %s", row->name,
                   o->source == CONTROL_HQ      ? "headquarters"
                   : o->source == CONTROL_STORE ? "the broker of the store"
                                                : "the control socket",
                   o->source == CONTROL_LOCAL ? "headquarters has to send it"
                                              : "use norenctl on the gateway");
        return refuse(o, COMMAND_FORBIDDEN, NULL);
    }
    if ((row->rights & CONTROL_ASKS) != 0)
        return run(d, row, o);
    return do_once(d, row, o);
}

/* Dispatches, counts, audits, commits; leaves the answer in `o`. */
static void carry_out(struct norend *d, struct order *o)
{
    struct command_counters *c = &d->commands.counters;
    bool good = o->refusal == COMMAND_DONE && dispatch(d, o);

    if (good)
        *(o->repeated ? &c->repeated : o->changes ? &c->done : &c->asked) += 1;
    else
        c->refused[o->refusal]++;
    if (!good || o->source == CONTROL_HQ || (o->changes && o->source == CONTROL_LOCAL))
        audit_order(d, o);
    if (o->changes && norend_commit(d, clock_boot_us()) == 0 && db_problem(d->db)[0] != '\0' &&
        good && o->source != CONTROL_HQ) {
        good = refuse(o, COMMAND_STORAGE, NULL);
        snprintf(o->error, sizeof(o->error), "done, but not yet on disk: %s", db_problem(d->db));
    }
    if (!good)
        print_refusal(o);
}

/* --- the control socket ------------------------------------------------------------------------- */

static size_t answer_flat(struct norend *d, enum control_rights source, const char *actor,
                          const char *request, size_t n, char ret_answer[LOCAL_ANSWER_MAX])
{
    struct order o = {
        .source = source, .answer = ret_answer, .actor = actor, .refusal = COMMAND_DONE};
    enum clock_quality quality;

    if (!request_read_flat(&o.r, request, n, o.error)) {
        d->commands.counters.refused[COMMAND_MALFORMED]++;
        o.refusal = COMMAND_MALFORMED;
        print_refusal(&o);
        return o.n;
    }
    o.r.issued_us = clock_utc_us(&quality);
    o.r.expires_us = o.r.issued_us + LOCAL_LIFE_US;
    carry_out(d, &o);
    request_free(&o.r);
    return o.n;
}

size_t command_local(void *user, unsigned uid, const char *request, size_t n,
                     char ret_answer[LOCAL_ANSWER_MAX])
{
    char actor[NOREN_ID_SIZE];

    snprintf(actor, sizeof(actor), "uid:%u", uid);
    return answer_flat(user, CONTROL_LOCAL, actor, request, n, ret_answer);
}

size_t command_store(void *user, unsigned uid, const char *request, size_t n,
                     char ret_answer[LOCAL_ANSWER_MAX])
{
    (void)uid;
    return answer_flat(user, CONTROL_STORE, "store", request, n, ret_answer);
}

/* --- headquarters ------------------------------------------------------------------------------- */

/* No answer: nothing says that headquarters asked us. */
static void drop(struct norend *d, const struct relay_event *e, enum command_refusal why)
{
    const char *name = strchr(e->topic, '/');

    d->commands.counters.refused[why]++;
    audit_bounded(d, &(struct command_audit){.name = name != NULL ? name + 1 : e->topic,
                                             .source = "hq",
                                             .outcome = "refused",
                                             .reason = command_refusal_name(why),
                                             .count = 1});
}

/* In time, as far as our clock can tell? */
static bool in_time(struct order *o, const struct control_row *row)
{
    enum clock_quality quality;
    int64_t now_us = clock_utc_us(&quality);
    int64_t skew_us = quality == CLOCK_SYNCED ? SKEW_SYNCED_US : SKEW_HELD_US;

    if (o->r.expires_us - o->r.issued_us > COMMAND_LIFE_US)
        return refuse(o, COMMAND_MALFORMED, "good for more than a day; expires_at is too late");
    if (quality == CLOCK_FLOOR) /* only "not before the build" is known */
        return (row != NULL && (row->rights & CONTROL_ASKS) != 0) ||
               refuse(o, COMMAND_CLOCK,
                      "the gateway does not know what time it is; connect it to an NTP server");
    if (now_us > o->r.expires_us + skew_us)
        return refuse(o, COMMAND_EXPIRED, "expired before it came; give it again");
    if (now_us < o->r.issued_us - skew_us)
        return refuse(o, COMMAND_EARLY,
                      "issued later than the gateway's clock says; look at both clocks");
    return true;
}

/* A place for an answer, NULL when all are taken. */
static struct command_answer *new_answer(struct norend *d)
{
    for (int i = 0; i < COMMAND_ANSWERS; i++)
        if (d->commands.answers[i].text == NULL)
            return &d->commands.answers[i];
    d->commands.counters.answers_dropped++;
    return NULL;
}

/* Where the requester wants it, if that is a place for answers of ours: properties are not signed. */
static void choose_topic(const struct norend *d, const struct relay_event *e,
                         char ret[RELAY_TOPIC_SIZE])
{
    char rsp[RELAY_PATH_SIZE];
    size_t root_n, n;

    n = (size_t)snprintf(rsp, sizeof(rsp), NOREN_TOPIC_ROOT "/" NOREN_TOPIC_RSP, d->config.tenant,
                         d->config.store, d->config.gateway);
    root_n = n - strlen(NOREN_TOPIC_RSP);
    if (strncmp(e->response_topic, rsp, n) == 0 && e->response_topic[n] == '/' &&
        strlen(e->response_topic + root_n) < RELAY_TOPIC_SIZE &&
        strpbrk(e->response_topic, "+#") == NULL)
        snprintf(ret, RELAY_TOPIC_SIZE, "%s", e->response_topic + root_n);
    else
        snprintf(ret, RELAY_TOPIC_SIZE, "%s", NOREN_TOPIC_RSP);
}

static void answer(struct norend *d, const struct relay_event *e, const struct order *o)
{
    struct command_answer *a = new_answer(d);
    char *text = a != NULL ? malloc(o->n) : NULL;

    if (text == NULL)
        return; /* the command comes again */
    *a = (struct command_answer){
        .text = text, .n = o->n, .correlation_n = e->correlation_n, .durable = o->changes};
    memcpy(text, o->answer, o->n);
    memcpy(a->correlation, e->correlation, sizeof(a->correlation));
    choose_topic(d, e, a->topic);
}

/* A command that is ours by signature and address. */
static void take_signed(struct norend *d, const struct relay_event *e, struct order *o)
{
    char ignored[REQUEST_ERROR_SIZE];
    struct doc doc = {.v = o->r.flat, .error = ignored, .error_size = sizeof(ignored)};

    if (strcmp(o->r.name, e->topic + strlen("cmd/")) != 0)
        refuse(o, COMMAND_MALFORMED, "the name is not the topic's");
    else
        (void)in_time(o, control_find(&doc, o->r.name));
    carry_out(d, o);
    answer(d, e, o);
    command_pump(d);
}

void command_take(struct norend *d, const struct relay_event *e)
{
    char buf[LOCAL_ANSWER_MAX], us[REQUEST_TO_SIZE], *payload = NULL;
    struct order o = {.source = CONTROL_HQ, .refusal = COMMAND_DONE, .answer = buf};
    enum command_refusal why = COMMAND_DONE;
    size_t n;

    if (e->retained)
        why = COMMAND_RETAINED;
    else if (e->n > COMMAND_SIZE_MAX)
        why = COMMAND_OVERSIZED;
    else if (jws_verify(d->hq_key, e->payload, e->n, &payload, &n) != 0)
        why = COMMAND_FORGED;
    else if (!request_read_envelope(&o.r, payload, n, o.error))
        why = COMMAND_MALFORMED;
    free(payload);
    if (why != COMMAND_DONE) {
        drop(d, e, why);
        return;
    }
    snprintf(us, sizeof(us), "%s/%s/%s", d->config.tenant, d->config.store, d->config.gateway);
    o.actor = o.r.actor;
    /* of another connection: the journal that knew it may be gone (a backup was restored, another file was set
     * aside), so it is not looked for there. Headquarters signs it again for this one while it waits. */
    if (strcmp(o.r.to, us) != 0)
        drop(d, e, COMMAND_AUDIENCE);
    else if (o.r.session[0] != '\0' && strcmp(o.r.session, d->commands.session) != 0)
        drop(d, e, COMMAND_SESSION);
    else
        take_signed(d, e, &o);
    request_free(&o.r);
}

/* --- answers ------------------------------------------------------------------------------------ */

bool command_event(struct norend *d, const struct relay_event *e)
{
    struct commands *c = &d->commands;
    struct command_answer *a;

    if (e->kind == RELAY_CONNECTED || e->kind == RELAY_DISCONNECTED) {
        c->connected = e->kind == RELAY_CONNECTED;
        c->generation = e->generation;
        snprintf(c->session, sizeof(c->session), "%s", c->connected ? e->text : "");
        for (int i = 0; i < COMMAND_ANSWERS; i++)
            c->answers[i].in_flight = false;
        return false;
    }
    if (e->kind != RELAY_PUBLISHED || e->token < TOKEN_ANSWERS)
        return false;
    a = &c->answers[(e->token - TOKEN_ANSWERS) % COMMAND_ANSWERS];
    if (e->generation == c->generation && a->in_flight) { /* taken or not: HQ asks again if not */
        free(a->text);
        *a = (struct command_answer){.text = NULL};
    }
    return true;
}

void command_pump(struct norend *d)
{
    struct commands *c = &d->commands;
    bool on_disk = db_journal_waiting(d->db) == 0;

    for (int i = 0; c->connected && i < COMMAND_ANSWERS; i++) {
        struct command_answer *a = &c->answers[i];
        struct relay_message m = {.topic = a->topic,
                                  .content_type = "application/json",
                                  .payload = a->text,
                                  .n = a->n,
                                  .qos = 1,
                                  .correlation = a->correlation,
                                  .correlation_n = a->correlation_n};

        if (a->text != NULL && !a->in_flight && (on_disk || !a->durable) &&
            relay_send(d->relay, c->generation, TOKEN_ANSWERS + (uint64_t)i, &m) == 0)
            a->in_flight = true;
    }
}

void command_free(struct commands *c)
{
    for (int i = 0; i < COMMAND_ANSWERS; i++)
        free(c->answers[i].text);
}
