/* The relay thread: its lists, its loop, its back-off; see relay.h. */
#include "io/relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "io/backoff.h"
#include "io/clock.h"
#include "io/mqtt.h"

#define EVENTS_MAX 512 /* above: stop reading, TCP pushes back on the broker */
#define OUT_MAX    (RELAY_WINDOW + 200)
#define OLD_MS     3600000 /* how long a broker that wants 3.1.1 is not asked for 5 again */

/* A message on its way out. */
struct out {
    struct mail link;
    uint32_t generation;
    uint64_t token;
    struct relay_message m; /* its pointers are into what follows */
    char topic[RELAY_TOPIC_SIZE];
    uint8_t correlation[RELAY_CORRELATION_SIZE];
    char payload[];
};

struct relay {
    struct relay_options o;
    pthread_t thread;
    struct mailbox out;    /* of struct out: main -> thread */
    struct mailbox events; /* of struct relay_event: thread -> main */
    atomic_bool stop, renew;
    pthread_mutex_t aim_lock; /* of what follows: where to */
    char host[sizeof(((struct mqtt_attempt *)NULL)->host)];
    uint32_t port;

    /* the thread's own */
    uint32_t generation;
    char session[32]; /* never the same twice: captured commands are for others */
    char run_id[17];
    int64_t ready_at_ms; /* of this connection, 0: not yet */
    int64_t old_until_ms;
    struct backoff backoff;
    struct mqtt_attempt attempt;
};

static int64_t now_ms(void)
{
    return clock_boot_us() / 1000;
}

static uint32_t random32(void)
{
    uint32_t random;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = (uint32_t)now_ms() * 2654435761u; /* early boot: better than the same for all */
    return random;
}

/* --- lists -------------------------------------------------------------------------------------- */

static void put_event(struct relay *r, struct relay_event *e)
{
    e->generation = r->generation;
    /* may_read() keeps it well below; what is in flight when it says no is bounded by the window */
    if (mailbox_put(&r->events, &e->link, SIZE_MAX) != 0)
        free(e);
}

static struct relay_event *new_event(enum relay_event_kind kind, const void *payload, size_t n)
{
    struct relay_event *e = calloc(1, sizeof(*e) + n + 1);

    if (e == NULL)
        return NULL;
    e->kind = kind;
    e->n = n;
    if (n > 0)
        memcpy(e->payload, payload, n);
    return e;
}

struct relay_event *relay_next(struct relay *r)
{
    return (struct relay_event *)mailbox_take(&r->events); /* link is its first member */
}

static bool may_read(struct relay *r)
{
    return mailbox_count(&r->events) < EVENTS_MAX;
}

static struct out *take_out(struct relay *r)
{
    return (struct out *)mailbox_take(&r->out);
}

int relay_send(struct relay *r, uint32_t generation, uint64_t token, const struct relay_message *m)
{
    struct out *o;
    int rc;

    if (strlen(m->topic) >= RELAY_TOPIC_SIZE || m->correlation_n > RELAY_CORRELATION_SIZE)
        return -EINVAL;
    o = malloc(sizeof(*o) + m->n);
    if (o == NULL)
        return -ENOMEM;
    o->generation = generation;
    o->token = token;
    o->m = *m;
    memcpy(o->topic, m->topic, strlen(m->topic) + 1);
    if (m->correlation_n > 0)
        memcpy(o->correlation, m->correlation, m->correlation_n);
    if (m->n > 0)
        memcpy(o->payload, m->payload, m->n);
    o->m.topic = o->topic;
    o->m.correlation = o->correlation;
    o->m.payload = o->payload;
    rc = mailbox_put(&r->out, &o->link, r->o.queue_max != 0 ? r->o.queue_max : OUT_MAX);
    if (rc != 0)
        free(o);
    return rc;
}

/* --- what the connection says ------------------------------------------------------------------- */

static void on_ready(void *user, const struct mqtt_limits *limits)
{
    struct relay *r = user;
    struct relay_event *e = new_event(RELAY_CONNECTED, NULL, 0);

    r->ready_at_ms = now_ms();
    if (e == NULL)
        return;
    snprintf(e->text, sizeof(e->text), "%s", r->session);
    e->version = limits->version;
    e->packet_max = limits->packet_max;
    e->session_kept = limits->session_kept;
    put_event(r, e);
}

static void on_published(void *user, uint64_t token, int reason)
{
    struct relay_event *e = new_event(RELAY_PUBLISHED, NULL, 0);

    if (e == NULL)
        return; /* the ack timeout sends it again */
    e->token = token;
    e->reason = reason;
    put_event(user, e);
}

static void on_message(void *user, const struct relay_message *m, const char *response_topic)
{
    struct relay_event *e = new_event(RELAY_MESSAGE, m->payload, m->n);

    if (e == NULL)
        return;
    e->retained = m->retain;
    snprintf(e->topic, sizeof(e->topic), "%s", m->topic);
    if (strlen(response_topic) < sizeof(e->response_topic))
        memcpy(e->response_topic, response_topic, strlen(response_topic) + 1);
    if (m->correlation_n > 0)
        memcpy(e->correlation, m->correlation, m->correlation_n);
    e->correlation_n = m->correlation_n;
    put_event(user, e);
}

/* --- one connection after the other ------------------------------------------------------------- */

static void publish_waiting(struct relay *r, struct mqtt *m)
{
    struct out *o;

    while (mqtt_room(m) && (o = take_out(r)) != NULL) {
        if (o->generation == r->generation)
            mqtt_publish(m, o->token, &o->m);
        free(o);
    }
}

static void drop_waiting(struct relay *r)
{
    struct out *o;

    while ((o = take_out(r)) != NULL)
        free(o); /* for a connection that is gone: the outbox sends it again */
}

static void aim(struct relay *r)
{
    struct mqtt_attempt *a = &r->attempt;

    snprintf(r->session, sizeof(r->session), "%s-%u", r->run_id, ++r->generation);
    a->session = r->session;
    a->version = now_ms() < r->old_until_ms ? 4 : 5;
    if (a->host[0] == '\0') {
        pthread_mutex_lock(&r->aim_lock);
        memcpy(a->host, r->host, sizeof(a->host));
        a->port = r->port;
        pthread_mutex_unlock(&r->aim_lock);
    }
    r->ready_at_ms = 0;
}

/* Where the next attempt goes. True: at once, the broker told us what to do differently. */
static bool follow(struct relay *r, const struct mqtt_end *end)
{
    r->attempt.host[0] = '\0'; /* a reference that fails is forgotten */
    if (end->old_version) {
        r->old_until_ms = now_ms() + OLD_MS;
        return true;
    }
    if (end->moved) {
        memcpy(r->attempt.host, end->host, sizeof(r->attempt.host));
        r->attempt.port = end->port;
    }
    return false; /* two brokers that send us to each other must not make us run */
}

/* True: connect again at once. */
static bool serve(struct relay *r)
{
    static const struct mqtt_calls calls = {on_ready, on_published, on_message};
    struct mqtt_end end = {0};
    struct mqtt *m;
    bool alive = true, renew;

    aim(r);
    m = mqtt_open(&r->o, &r->attempt, &calls, r, &end);
    if (m != NULL) {
        while (alive && !atomic_load(&r->stop) && !atomic_load(&r->renew)) {
            publish_waiting(r, m);
            alive = mqtt_turn(m, r->out.fd, may_read(r));
        }
        if (alive)
            mqtt_goodbye(m, atomic_load(&r->stop));
        mqtt_close(m, &end);
    }
    renew = atomic_exchange(&r->renew, false) && alive;
    if (!renew && !atomic_load(&r->stop)) {
        struct relay_event *e = new_event(RELAY_DISCONNECTED, NULL, 0);

        if (e != NULL) {
            memcpy(e->text, end.why, sizeof(e->text));
            put_event(r, e);
        }
    }
    return follow(r, &end) || renew;
}

static void pause_for(struct relay *r, int64_t wait_ms)
{
    int64_t until = now_ms() + wait_ms;

    while (!atomic_load(&r->stop) && !atomic_load(&r->renew) && now_ms() < until) {
        struct pollfd wake = {.fd = r->out.fd, .events = POLLIN};

        if (poll(&wake, 1, (int)(until - now_ms()) + 1) > 0)
            drop_waiting(r);
    }
}

static void *run(void *user)
{
    struct relay *r = user;

    if (r->o.spread)
        pause_for(r, backoff_first_ms(now_ms(), random32()));
    while (!atomic_load(&r->stop)) {
        bool at_once = serve(r);
        int64_t ready_ms = r->ready_at_ms != 0 ? now_ms() - r->ready_at_ms : 0;

        drop_waiting(r);
        if (!at_once)
            pause_for(r, backoff_next_ms(&r->backoff, ready_ms, random32()));
    }
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------- */

int relay_fd(const struct relay *r)
{
    return r->events.fd;
}

static void relay_free(struct relay *r)
{
    mailbox_destroy(&r->out);
    mailbox_destroy(&r->events);
    mqtt_stop();
    pthread_mutex_destroy(&r->aim_lock);
    free(r);
}

int relay_open(struct relay **ret_relay, const struct relay_options *options)
{
    struct relay *r = calloc(1, sizeof(*r));
    int rc;

    if (r == NULL)
        return -ENOMEM;
    mqtt_start();
    r->o = *options;
    pthread_mutex_init(&r->aim_lock, NULL);
    snprintf(r->host, sizeof(r->host), "%s", options->host);
    r->port = options->port;
    snprintf(r->run_id, sizeof(r->run_id), "%08x%08x", random32(), random32());
    rc = mailbox_init(&r->out);
    if (mailbox_init(&r->events) != 0 || rc != 0)
        rc = -EMFILE;
    if (rc == 0)
        rc = -pthread_create(&r->thread, NULL, run, r);
    if (rc != 0) {
        relay_free(r);
        return rc;
    }
    *ret_relay = r;
    return 0;
}

void relay_renew(struct relay *r)
{
    atomic_store(&r->renew, true);
    mailbox_wake(&r->out);
}

void relay_move(struct relay *r, const char *host, uint32_t port)
{
    pthread_mutex_lock(&r->aim_lock);
    snprintf(r->host, sizeof(r->host), "%s", host);
    r->port = port;
    pthread_mutex_unlock(&r->aim_lock);
    relay_renew(r);
}

void relay_close(struct relay *r, int timeout_ms)
{
    struct timespec until;

    if (r == NULL)
        return;
    atomic_store(&r->stop, true);
    mailbox_wake(&r->out);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    if (pthread_timedjoin_np(r->thread, NULL, &until) == 0)
        relay_free(r);
    /* else it sits in a name resolution: its memory stays until the process ends */
}
