/* The relay thread; see relay.h. */
#include "io/relay.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "noren/topic.h"

#define KEEPALIVE_S       30
#define SESSION_EXPIRY_S  86400 /* the broker keeps commands for a gateway that is away for a day */
#define CONNACK_TIMEOUT_S 20
#define BACKOFF_BASE_MS   1000
#define BACKOFF_MAX_MS    300000
#define STABLE_S          60 /* only a connection that lasted resets the back-off */
#define POLL_MS           500
#define EVENTS_MAX        512 /* above: stop reading, TCP pushes back on the broker */
#define OUT_MAX           (RELAY_WINDOW + 200)

/* A message on its way out. */
struct out {
    struct mail link;
    uint32_t generation;
    uint64_t token;
    bool retain;
    const char *content_type; /* static strings only */
    char topic[RELAY_TOPIC_SIZE];
    size_t n;
    char payload[];
};

struct in_flight {
    int mid;
    uint64_t token;
    bool used;
};

struct relay {
    struct relay_options o;
    pthread_t thread;
    struct mailbox out;    /* of struct out: main -> thread */
    struct mailbox events; /* of struct relay_event: thread -> main */
    atomic_bool stop;

    /* the thread's own */
    struct mosquitto *mosq;
    struct in_flight in_flight[RELAY_WINDOW];
    size_t in_flight_n;
    uint32_t generation;
    char session[24];
    char run_id[9];
    bool ready, failed;
    char why[RELAY_TEXT_SIZE];
    char tls_error[200];
    unsigned attempts;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
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

static void report(struct relay *r, enum relay_event_kind kind, const char *text)
{
    struct relay_event *e = new_event(kind, NULL, 0);

    if (e == NULL)
        return;
    snprintf(e->text, sizeof(e->text), "%s", text);
    put_event(r, e);
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

int relay_send(struct relay *r, uint32_t generation, uint64_t token, const char *topic,
               const char *content_type, const void *payload, size_t n, bool retain)
{
    struct out *m = malloc(sizeof(*m) + n);
    int rc;

    if (m == NULL)
        return -ENOMEM;
    m->generation = generation;
    m->token = token;
    m->retain = retain;
    m->content_type = content_type;
    snprintf(m->topic, sizeof(m->topic), "%s", topic);
    m->n = n;
    memcpy(m->payload, payload, n);
    rc = mailbox_put(&r->out, &m->link, OUT_MAX);
    if (rc != 0)
        free(m);
    return rc;
}

/* --- callbacks of libmosquitto, in the thread --------------------------------------------------- */

static void fail(struct relay *r, const char *why, const char *remedy)
{
    if (r->failed)
        return;
    r->failed = true;
    snprintf(r->why, sizeof(r->why), "%s:%u: %s%s%s%s%s", r->o.host, r->o.port, why,
             r->tls_error[0] != '\0' ? " (" : "", r->tls_error, r->tls_error[0] != '\0' ? ")" : "",
             remedy);
}

static void on_log(struct mosquitto *m, void *user, int level, const char *text)
{
    struct relay *r = user;

    (void)m;
    /* the only place where the library says what TLS did not like */
    if (level == MOSQ_LOG_ERR && strncmp(text, "OpenSSL Error", 13) == 0) {
        const char *last = strrchr(text, ':');

        snprintf(r->tls_error, sizeof(r->tls_error), "%.190s", last != NULL ? last + 1 : text);
    }
}

static void on_connect(struct mosquitto *m, void *user, int rc, int flags,
                       const mosquitto_property *props)
{
    static char *const topics[] = {"ack", "desired/#", "cmd/#"};
    struct relay *r = user;
    char full[3][RELAY_TOPIC_SIZE], *subscribe[3];

    (void)flags, (void)props;
    if (rc != 0) {
        fail(r, mosquitto_reason_string(rc),
             ": the broker refused us; check that its ACL and users know this certificate's CN");
        return;
    }
    for (int i = 0; i < 3; i++) {
        snprintf(full[i], sizeof(full[i]), "%s/%s", r->o.root, topics[i]);
        subscribe[i] = full[i];
    }
    if (mosquitto_subscribe_multiple(m, NULL, 3, subscribe, 1, 0, NULL) != MOSQ_ERR_SUCCESS)
        fail(r, "subscribe failed", ": see the broker's log");
}

static void on_subscribe(struct mosquitto *m, void *user, int mid, int n, const int *granted,
                         const mosquitto_property *props)
{
    struct relay *r = user;

    (void)m, (void)mid, (void)props;
    for (int i = 0; i < n; i++) {
        if (granted[i] >= 0x80) {
            fail(r, "the broker refused a subscription",
                 ": its ACL must let this gateway read ack, desired/# and cmd/# under its root");
            return;
        }
    }
    r->ready = true;
    report(r, RELAY_CONNECTED, r->session);
}

static void on_disconnect(struct mosquitto *m, void *user, int rc, const mosquitto_property *props)
{
    struct relay *r = user;

    (void)m, (void)props;
    if (rc >= 0x80)
        fail(r, mosquitto_reason_string(rc), ": the broker closed the connection");
}

static void on_publish(struct mosquitto *m, void *user, int mid, int reason,
                       const mosquitto_property *props)
{
    struct relay *r = user;

    (void)m, (void)props;
    for (size_t i = 0; i < RELAY_WINDOW; i++) {
        struct relay_event *e;

        if (!r->in_flight[i].used || r->in_flight[i].mid != mid)
            continue;
        r->in_flight[i].used = false;
        r->in_flight_n--;
        e = new_event(RELAY_PUBLISHED, NULL, 0);
        if (e == NULL)
            return; /* the ack timeout sends it again */
        e->token = r->in_flight[i].token;
        e->reason = reason;
        put_event(r, e);
        return;
    }
}

static void on_message(struct mosquitto *m, void *user, const struct mosquitto_message *msg,
                       const mosquitto_property *props)
{
    struct relay *r = user;
    size_t root_n = strlen(r->o.root);
    struct relay_event *e;

    (void)m, (void)props;
    if (strncmp(msg->topic, r->o.root, root_n) != 0 || msg->topic[root_n] != '/' ||
        strlen(msg->topic + root_n + 1) >= RELAY_TOPIC_SIZE || msg->payloadlen < 0)
        return; /* not ours: a broker that sends it is broken or hostile */
    e = new_event(RELAY_MESSAGE, msg->payload, (size_t)msg->payloadlen);
    if (e == NULL)
        return;
    e->retained = msg->retain;
    snprintf(e->topic, sizeof(e->topic), "%s", msg->topic + root_n + 1);
    put_event(r, e);
}

/* --- one connection ----------------------------------------------------------------------------- */

static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
    (void)buf, (void)size, (void)rwflag, (void)user;
    return 0; /* a key with a passphrase must not make a daemon ask a terminal */
}

/* False (and the reason is noted) when a file that TLS needs cannot be read. */
static bool files_readable(struct relay *r)
{
    const char *const files[] = {r->o.ca, r->o.cert, r->o.key};
    char why[RELAY_TEXT_SIZE];

    for (int i = 0; i < 3; i++) {
        if (access(files[i], R_OK) != 0) {
            snprintf(why, sizeof(why), "cannot read %.250s: %s", files[i], strerror(errno));
            fail(r, why, "; check [mqtt] ca, cert and key in noren.conf");
            return false;
        }
    }
    return true;
}

static bool set_will(struct relay *r)
{
    char topic[2 * RELAY_TOPIC_SIZE], payload[96];
    mosquitto_property *props = NULL;
    int n = snprintf(payload, sizeof(payload), "{\"online\":false,\"session\":\"%s\"}", r->session);
    int rc;

    snprintf(topic, sizeof(topic), "%s/" NOREN_TOPIC_GATEWAY, r->o.root);
    mosquitto_property_add_string(&props, MQTT_PROP_CONTENT_TYPE, "application/json");
    rc = mosquitto_will_set_v5(r->mosq, topic, n, payload, 1, true, props);
    if (rc != MOSQ_ERR_SUCCESS)
        mosquitto_property_free_all(&props); /* on success the library owns them */
    return rc == MOSQ_ERR_SUCCESS;
}

static bool prepare(struct relay *r)
{
    snprintf(r->session, sizeof(r->session), "%s-%u", r->run_id, ++r->generation);
    r->ready = r->failed = false;
    r->tls_error[0] = '\0';
    memset(r->in_flight, 0, sizeof(r->in_flight));
    r->in_flight_n = 0;
    if (!files_readable(r))
        return false;
    r->mosq = mosquitto_new(r->o.client_id, false, r);
    if (r->mosq == NULL) {
        fail(r, "out of memory", "");
        return false;
    }
    mosquitto_int_option(r->mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_max_inflight_messages_set(r->mosq, RELAY_WINDOW);
    mosquitto_log_callback_set(r->mosq, on_log);
    mosquitto_connect_v5_callback_set(r->mosq, on_connect);
    mosquitto_subscribe_v5_callback_set(r->mosq, on_subscribe);
    mosquitto_disconnect_v5_callback_set(r->mosq, on_disconnect);
    mosquitto_publish_v5_callback_set(r->mosq, on_publish);
    mosquitto_message_v5_callback_set(r->mosq, on_message);
    if (mosquitto_tls_set(r->mosq, r->o.ca, NULL, r->o.cert, r->o.key, no_passphrase) !=
            MOSQ_ERR_SUCCESS ||
        /* "tlsv1.2" is a floor; the default lets 1.1 in before 2.0.16 */
        mosquitto_tls_opts_set(r->mosq, 1, "tlsv1.2", NULL) != MOSQ_ERR_SUCCESS || !set_will(r)) {
        fail(r, "TLS cannot be set up", "; check [mqtt] ca, cert and key in noren.conf");
        return false;
    }
    return true;
}

static void explain_lost(struct relay *r, int rc)
{
    if (r->ready)
        fail(r, "connection lost", rc == MOSQ_ERR_KEEPALIVE ? ": the broker fell silent" : "");
    else
        fail(r, "closed before the broker accepted us",
             "; it may not trust our certificate: check [mqtt] cert and key, and the broker's log");
}

static void explain_connect(struct relay *r, int rc, int error)
{
    if (rc == MOSQ_ERR_EAI || rc == MOSQ_ERR_LOOKUP)
        fail(r, "the name does not resolve", "; check [mqtt] host in noren.conf, and DNS");
    else if (rc == MOSQ_ERR_ERRNO && error == ECONNREFUSED)
        fail(r, "connection refused", "; is the broker running, is [mqtt] port right?");
    else if (rc == MOSQ_ERR_ERRNO && error == EPROTO) /* an alert that came during the handshake */
        explain_lost(r, rc);
    else if (rc == MOSQ_ERR_ERRNO)
        fail(r, strerror(error), "; check the network between gateway and broker");
    else
        fail(r, mosquitto_strerror(rc),
             "; check [mqtt] ca, cert and key: is the broker's certificate signed by this CA, for "
             "this "
             "host name, and in date?");
}

static bool connect_broker(struct relay *r)
{
    mosquitto_property *props = NULL;
    int rc, error;

    mosquitto_property_add_int32(&props, MQTT_PROP_SESSION_EXPIRY_INTERVAL, SESSION_EXPIRY_S);
    mosquitto_property_add_int32(&props, MQTT_PROP_MAXIMUM_PACKET_SIZE, RELAY_PACKET_MAX);
    errno = 0;
    rc = mosquitto_connect_bind_v5(r->mosq, r->o.host, (int)r->o.port, KEEPALIVE_S, NULL, props);
    error = errno;
    mosquitto_property_free_all(&props);
    if (rc == MOSQ_ERR_SUCCESS)
        return true;
    explain_connect(r, rc, error);
    return false;
}

/* Publishes what waits, as far as the window allows. Only after SUBACK: the library would queue it in
 * memory, and queue it again after a failure. */
static void publish_waiting(struct relay *r)
{
    struct out *m;

    while (r->ready && !r->failed && r->in_flight_n < RELAY_WINDOW && (m = take_out(r)) != NULL) {
        char topic[2 * RELAY_TOPIC_SIZE];
        mosquitto_property *props = NULL;
        size_t slot = 0;
        int rc;

        if (m->generation != r->generation) {
            free(m);
            continue;
        }
        while (r->in_flight[slot].used)
            slot++;
        snprintf(topic, sizeof(topic), "%s/%s", r->o.root, m->topic);
        mosquitto_property_add_string(&props, MQTT_PROP_CONTENT_TYPE, m->content_type);
        rc = mosquitto_publish_v5(r->mosq, &r->in_flight[slot].mid, topic, (int)m->n, m->payload, 1,
                                  m->retain, props);
        mosquitto_property_free_all(&props);
        if (rc == MOSQ_ERR_SUCCESS) {
            r->in_flight[slot].used = true;
            r->in_flight[slot].token = m->token;
            r->in_flight_n++;
        } else {
            fail(r, mosquitto_strerror(rc), ": publishing failed");
        }
        free(m);
    }
}

/* Reads until the socket is empty: bytes that TLS has already taken off it do not show in poll(). Returns
 * the library's verdict; `ret_more` tells that it stopped before the end. */
static int read_all(struct relay *r, bool *ret_more)
{
    int rc = MOSQ_ERR_SUCCESS;

    *ret_more = true;
    for (int i = 0; i < 256 && rc == MOSQ_ERR_SUCCESS && !r->failed && may_read(r); i++) {
        errno = 0;
        rc = mosquitto_loop_read(r->mosq, 1);
        if (rc == MOSQ_ERR_SUCCESS && errno == EAGAIN) {
            *ret_more = false;
            break;
        }
    }
    return rc;
}

/* One turn: wait, read, write, keep alive. False when the connection is over. */
static bool turn(struct relay *r, bool *more)
{
    /* messages are looked at only while they can be sent: the descriptor stays readable until all are */
    bool can_send = r->ready && r->in_flight_n < RELAY_WINDOW;
    struct pollfd fds[2] = {{.fd = mosquitto_socket(r->mosq)},
                            {.fd = r->out.fd, .events = (short)(can_send ? POLLIN : 0)}};
    int rc = MOSQ_ERR_SUCCESS;
    bool room = may_read(r);

    if (fds[0].fd < 0) {
        explain_lost(r, MOSQ_ERR_CONN_LOST);
        return false;
    }
    fds[0].events = (short)((room ? POLLIN : 0) | (mosquitto_want_write(r->mosq) ? POLLOUT : 0));
    if (poll(fds, 2, !room ? 20 : *more ? 0 : POLL_MS) < 0 && errno != EINTR)
        return false;
    if (room && (*more || (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0))
        rc = read_all(r, more);
    publish_waiting(r);
    if (rc == MOSQ_ERR_SUCCESS && mosquitto_want_write(r->mosq))
        rc = mosquitto_loop_write(r->mosq, 1);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_loop_misc(r->mosq);
    if (rc == MOSQ_ERR_SUCCESS && !r->failed)
        return true;
    explain_lost(r, rc);
    return false;
}

/* A goodbye with which the broker publishes the will: this gateway is offline, and not by accident. */
static void say_goodbye(struct relay *r)
{
    int64_t until = now_ms() + 1000;

    if (mosquitto_disconnect_v5(r->mosq, MQTT_RC_DISCONNECT_WITH_WILL_MSG, NULL) !=
        MOSQ_ERR_SUCCESS)
        return;
    while (mosquitto_socket(r->mosq) >= 0 && mosquitto_want_write(r->mosq) && now_ms() < until) {
        if (mosquitto_loop_write(r->mosq, 1) != MOSQ_ERR_SUCCESS)
            break;
    }
}

static void serve(struct relay *r)
{
    int64_t began = now_ms();
    bool more = false;

    if (!prepare(r) || !connect_broker(r))
        return;
    while (!atomic_load(&r->stop)) {
        if (!turn(r, &more))
            break;
        if (!r->ready && now_ms() - began > CONNACK_TIMEOUT_S * 1000) {
            fail(r, "no answer to CONNECT", "; is this port really an MQTT broker with TLS?");
            break;
        }
    }
    if (r->ready && now_ms() - began > STABLE_S * 1000)
        r->attempts = 0;
    if (!r->failed)
        say_goodbye(r);
}

/* The outbox sends it again. */
static void drop_waiting(struct relay *r)
{
    struct out *m;

    while ((m = take_out(r)) != NULL)
        free(m);
}

/* Full jitter: anything between nothing and the bound, which doubles with every attempt. */
static void back_off(struct relay *r)
{
    int64_t bound = BACKOFF_BASE_MS, until;
    uint32_t random = 0;

    for (unsigned i = 0; i < r->attempts && bound < BACKOFF_MAX_MS; i++)
        bound *= 2;
    if (bound > BACKOFF_MAX_MS)
        bound = BACKOFF_MAX_MS;
    r->attempts++;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = (uint32_t)now_ms();
    until = now_ms() + (int64_t)(random % (uint32_t)bound);
    while (!atomic_load(&r->stop) && now_ms() < until) {
        struct pollfd wake = {.fd = r->out.fd, .events = POLLIN};

        if (poll(&wake, 1, (int)(until - now_ms()) + 1) > 0)
            drop_waiting(r); /* for a connection that is gone */
    }
}

static void *run(void *user)
{
    struct relay *r = user;

    while (!atomic_load(&r->stop)) {
        serve(r);
        mosquitto_destroy(r->mosq);
        r->mosq = NULL;
        if (atomic_load(&r->stop))
            break;
        report(r, RELAY_DISCONNECTED, r->why);
        drop_waiting(r);
        back_off(r);
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
    mosquitto_lib_cleanup();
    free(r);
}

int relay_open(struct relay **ret_relay, const struct relay_options *options)
{
    struct relay *r = calloc(1, sizeof(*r));
    uint32_t random = 0;
    int rc;

    if (r == NULL)
        return -ENOMEM;
    mosquitto_lib_init();
    r->o = *options;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = (uint32_t)now_ms();
    snprintf(r->run_id, sizeof(r->run_id), "%08x", random);
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
