/* The broker connection; see broker.h. */
#include "hq/broker.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "hq/log.h"
#include "noren/units.h"

#define KEEPALIVE_S       30
#define SESSION_EXPIRY_S  3600
#define RETRY_MIN_US      (500 * NOREN_US_PER_MS)
#define RETRY_MAX_US      (30 * NOREN_US_PER_S)
#define STABLE_US         (30 * NOREN_US_PER_S) /* only a connection that lasted resets the back-off */
#define MISC_US           NOREN_US_PER_S
#define SUBSCRIPTIONS     2
#define SUBSCRIPTION_SIZE (NOREN_ID_SIZE + 32)

struct broker {
    struct mosquitto *mosq;
    sd_event *loop;
    sd_event_source *io, *timer;
    const struct hq_config *config;
    const struct broker_calls *calls;
    void *user;
    bool begun;     /* a first connect was tried: from now on mosquitto_reconnect() */
    bool connected; /* CONNACK said yes */
    bool lost;      /* the library closed the socket, or must */
    int64_t backoff_us;
    uint64_t connected_at_us;
    char last_trouble[160]; /* logged once while it stays the same */
};

static uint64_t loop_now(const struct broker *b)
{
    uint64_t now = 0;

    sd_event_now(b->loop, CLOCK_MONOTONIC, &now);
    return now;
}

static void trouble(struct broker *b, const char *what, const char *remedy)
{
    char text[sizeof(b->last_trouble)];

    snprintf(text, sizeof(text), "%s; %s", what, remedy);
    if (strcmp(text, b->last_trouble) == 0)
        return;
    memcpy(b->last_trouble, text, sizeof(text));
    hq_log(HQ_WARNING, "broker %s:%u: %s; trying again", b->config->mqtt.host, b->config->mqtt.port,
           text);
}

/* Full jitter: a thousand clients that lost the same broker come back spread out. */
static uint64_t next_delay(struct broker *b)
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = UINT32_MAX / 2;
    if (b->connected_at_us != 0 && loop_now(b) - b->connected_at_us > (uint64_t)STABLE_US)
        b->backoff_us = RETRY_MIN_US;
    uint64_t delay =
        (uint64_t)(b->backoff_us / 4) + (uint64_t)b->backoff_us * 3 / 4 * random / UINT32_MAX;
    b->backoff_us = b->backoff_us * 2 < RETRY_MAX_US ? b->backoff_us * 2 : RETRY_MAX_US;
    return delay;
}

static void wake_in(struct broker *b, uint64_t delay_us)
{
    sd_event_source_set_time(b->timer, loop_now(b) + delay_us);
    sd_event_source_set_enabled(b->timer, SD_EVENT_ONESHOT);
}

static void let_go(struct broker *b)
{
    b->io = sd_event_source_disable_unref(b->io);
    if (b->connected)
        hq_log(HQ_WARNING, "broker %s:%u: connection lost", b->config->mqtt.host,
               b->config->mqtt.port);
    b->connected = false;
    b->lost = false;
    wake_in(b, next_delay(b));
    b->connected_at_us = 0;
}

/* After anything that may have queued output or closed the socket. */
static void settle(struct broker *b)
{
    if (b->lost || mosquitto_socket(b->mosq) < 0) {
        if (b->io != NULL)
            let_go(b);
        return;
    }
    sd_event_source_set_io_events(b->io, EPOLLIN | (mosquitto_want_write(b->mosq) ? EPOLLOUT : 0u));
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct broker *b = user;
    int rc = MOSQ_ERR_SUCCESS;

    (void)source;
    (void)fd;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        rc = mosquitto_loop_read(b->mosq, 1);
    if (rc == MOSQ_ERR_SUCCESS && mosquitto_want_write(b->mosq))
        rc = mosquitto_loop_write(b->mosq, 1);
    if (rc != MOSQ_ERR_SUCCESS) {
        if (!b->connected)
            trouble(b, mosquitto_strerror(rc),
                    "is it an MQTT 5 broker, and do the certificates fit?");
        b->lost = true;
    }
    settle(b);
    return 0;
}

static int connect_first(struct broker *b)
{
    mosquitto_property *properties = NULL;

    mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, SESSION_EXPIRY_S);
    int rc = mosquitto_connect_bind_v5(b->mosq, b->config->mqtt.host, (int)b->config->mqtt.port,
                                       KEEPALIVE_S, NULL, properties);
    mosquitto_property_free_all(&properties);
    return rc;
}

static void try_connect(struct broker *b)
{
    int rc = b->begun ? mosquitto_reconnect(b->mosq) : connect_first(b);

    b->begun = true;
    int fd = mosquitto_socket(b->mosq);
    if (rc != MOSQ_ERR_SUCCESS || fd < 0) {
        trouble(b, rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc),
                "is it running, and are host, port, ca, cert and key right?");
        wake_in(b, next_delay(b));
        return;
    }
    b->lost = false;
    if (sd_event_add_io(b->loop, &b->io, fd, EPOLLIN, on_io, b) < 0) {
        b->io = NULL;
        wake_in(b, next_delay(b));
        return;
    }
    wake_in(b, MISC_US);
    settle(b);
}

/* One timer for both: the library's housekeeping while there is a socket, the next try while there is none. */
static int on_timer(sd_event_source *source, uint64_t due_us, void *user)
{
    struct broker *b = user;

    (void)source;
    (void)due_us;
    if (b->io == NULL) {
        try_connect(b);
        return 0;
    }
    wake_in(b, MISC_US);
    if (mosquitto_loop_misc(b->mosq) != MOSQ_ERR_SUCCESS)
        b->lost = true;
    settle(b);
    return 0;
}

static void on_connect(struct mosquitto *mosq, void *user, int reason, int flags,
                       const mosquitto_property *properties)
{
    struct broker *b = user;
    char filters[SUBSCRIPTIONS][SUBSCRIPTION_SIZE];

    (void)flags;
    (void)properties;
    if (reason != 0) {
        trouble(b, mosquitto_reason_string(reason),
                "does the broker know noren-hq's certificate, and does it speak MQTT 5?");
        b->lost = true;
        return;
    }
    snprintf(filters[0], SUBSCRIPTION_SIZE, "noren/1/%s/+/+/evt/+", b->config->mqtt.tenant);
    snprintf(filters[1], SUBSCRIPTION_SIZE, "noren/1/%s/+/+/state/#", b->config->mqtt.tenant);
    char *const topics[SUBSCRIPTIONS] = {filters[0], filters[1]};
    if (mosquitto_subscribe_multiple(mosq, NULL, SUBSCRIPTIONS, topics, 1, 0, NULL) !=
        MOSQ_ERR_SUCCESS)
        b->lost = true;
}

static void on_subscribe(struct mosquitto *mosq, void *user, int mid, int n, const int *granted,
                         const mosquitto_property *properties)
{
    struct broker *b = user;

    (void)mosq;
    (void)mid;
    (void)properties;
    for (int i = 0; i < n; i++)
        if (granted[i] >= 0x80) {
            trouble(b, "subscription refused",
                    "the broker's ACL must let noren-hq read noren/1/TENANT/#");
            b->lost = true;
            return;
        }
    b->connected = true;
    b->connected_at_us = loop_now(b);
    b->last_trouble[0] = '\0';
    hq_log(HQ_INFO, "broker %s:%u: connected, tenant %s", b->config->mqtt.host,
           b->config->mqtt.port, b->config->mqtt.tenant);
    b->calls->connected(b->user);
}

static void on_disconnect(struct mosquitto *mosq, void *user, int reason,
                          const mosquitto_property *properties)
{
    struct broker *b = user;

    (void)mosq;
    (void)properties;
    if (reason >= 0x80)
        trouble(b, mosquitto_reason_string(reason), "the broker closed the connection");
    b->lost = true;
}

static void on_message(struct mosquitto *mosq, void *user, const struct mosquitto_message *m,
                       const mosquitto_property *properties)
{
    struct broker *b = user;

    (void)mosq;
    (void)properties;
    b->calls->message(b->user, m->topic, m->payload, (size_t)m->payloadlen, m->retain);
}

static int set_tls(struct broker *b)
{
    const struct hq_config *c = b->config;

    if (c->mqtt.ca[0] == '\0') {
        hq_log(HQ_WARNING, "no ca in [mqtt]: the connection to the broker is not encrypted");
        return 0;
    }
    const char *cert = c->mqtt.cert[0] != '\0' ? c->mqtt.cert : NULL;
    int rc =
        mosquitto_tls_set(b->mosq, c->mqtt.ca, NULL, cert, cert != NULL ? c->mqtt.key : NULL, NULL);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_tls_opts_set(b->mosq, 1, "tlsv1.2", NULL);
    return rc == MOSQ_ERR_SUCCESS ? 0 : rc == MOSQ_ERR_INVAL ? -ENOENT : -EINVAL;
}

int broker_open(struct broker **ret_broker, sd_event *loop, const struct hq_config *config,
                const struct broker_calls *calls, void *user)
{
    char id[NOREN_ID_SIZE + 16];
    struct broker *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return -ENOMEM;
    *b = (struct broker){
        .loop = loop, .config = config, .calls = calls, .user = user, .backoff_us = RETRY_MIN_US};
    mosquitto_lib_init();
    snprintf(id, sizeof(id), "noren-hq-%s", config->mqtt.tenant);
    b->mosq = mosquitto_new(id, false, b);
    int r = b->mosq == NULL ? -ENOMEM : set_tls(b);
    if (r == 0) {
        mosquitto_int_option(b->mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
        mosquitto_connect_v5_callback_set(b->mosq, on_connect);
        mosquitto_subscribe_v5_callback_set(b->mosq, on_subscribe);
        mosquitto_disconnect_v5_callback_set(b->mosq, on_disconnect);
        mosquitto_message_v5_callback_set(b->mosq, on_message);
        r = sd_event_add_time_relative(loop, &b->timer, CLOCK_MONOTONIC, 0, 0, on_timer, b);
    }
    if (r < 0) {
        broker_close(b);
        return r;
    }
    *ret_broker = b;
    return 0;
}

bool broker_connected(const struct broker *b)
{
    return b->connected;
}

int broker_publish(struct broker *b, const char *topic, const void *payload, size_t n,
                   const char *content_type)
{
    mosquitto_property *properties = NULL;

    if (!b->connected)
        return -ENOTCONN;
    mosquitto_property_add_string(&properties, MQTT_PROP_CONTENT_TYPE, content_type);
    int rc = mosquitto_publish_v5(b->mosq, NULL, topic, (int)n, payload, 1, true, properties);
    mosquitto_property_free_all(&properties);
    /* output may wait now: look again before the loop sleeps */
    if (b->io != NULL && mosquitto_want_write(b->mosq))
        sd_event_source_set_io_events(b->io, EPOLLIN | EPOLLOUT);
    return rc == MOSQ_ERR_SUCCESS ? 0 : -EIO;
}

void broker_close(struct broker *b)
{
    if (b == NULL)
        return;
    if (b->connected) {
        mosquitto_disconnect(b->mosq);
        mosquitto_loop_write(b->mosq, 1);
    }
    sd_event_source_disable_unref(b->io);
    sd_event_source_disable_unref(b->timer);
    mosquitto_destroy(b->mosq);
    mosquitto_lib_cleanup();
    free(b);
}
