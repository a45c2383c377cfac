/* The broker connection; see broker.h. */
#include "hq/broker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hq/log.h"
#include "io/relay.h"
#include "noren/topic.h"

#define QUEUE_MAX         20000 /* acks and members of every gateway after a connect */
#define EVENTS_PER_TURN   200   /* then the pages have their turn */
#define CLOSE_MS          2000
#define SUBSCRIPTION_SIZE (NOREN_ID_SIZE + 64)

struct broker {
    struct relay *relay;
    sd_event_source *io;
    const struct hq_config *config;
    const struct broker_calls *calls;
    void *user;
    bool connected;
    uint32_t generation;
    char id[2 * NOREN_ID_SIZE + 16];
    char filters[3][SUBSCRIPTION_SIZE];
    const char *subscribe[4];
    char last_trouble[RELAY_TEXT_SIZE]; /* logged once while it stays the same */
};

static void on_connected(struct broker *b, const struct relay_event *e)
{
    b->connected = true;
    b->generation = e->generation;
    b->last_trouble[0] = '\0';
    hq_log(HQ_INFO, "broker %s:%u: connected, tenant %s", b->config->mqtt.host,
           b->config->mqtt.port, b->config->mqtt.tenant);
    b->calls->connected(b->user);
}

static void on_disconnected(struct broker *b, const struct relay_event *e)
{
    b->connected = false;
    if (strcmp(b->last_trouble, e->text) == 0)
        return;
    memcpy(b->last_trouble, e->text, sizeof(b->last_trouble));
    hq_log(HQ_WARNING, "broker %s; trying again", e->text);
}

static void on_published(struct broker *b, const struct relay_event *e)
{
    char text[RELAY_TEXT_SIZE];

    if (e->reason < 0x80)
        return;
    snprintf(text, sizeof(text), "refuses what noren-hq publishes, reason 0x%02x",
             (unsigned)e->reason);
    if (strcmp(b->last_trouble, text) == 0)
        return;
    memcpy(b->last_trouble, text, sizeof(text));
    hq_log(HQ_WARNING,
           "broker %s:%u: %s; its ACL must let this certificate write ack, cmd and desired below "
           "noren/1/%s",
           b->config->mqtt.host, b->config->mqtt.port, text, b->config->mqtt.tenant);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct broker *b = user;
    struct relay_event *e;

    (void)source;
    (void)fd;
    (void)events;
    for (int i = 0; i < EVENTS_PER_TURN && (e = relay_next(b->relay)) != NULL; i++) {
        switch (e->kind) {
        case RELAY_CONNECTED:
            on_connected(b, e);
            break;
        case RELAY_DISCONNECTED:
            on_disconnected(b, e);
            break;
        case RELAY_PUBLISHED:
            on_published(b, e);
            break;
        case RELAY_MESSAGE:
            b->calls->message(b->user, e->topic, e->payload, e->n, e->retained);
            break;
        }
        free(e);
    }
    return 0;
}

/* What no retry can mend is said at start; files may come and go later. */
static int check_files(const struct hq_config *c)
{
    const char *const files[] = {c->mqtt.ca, c->mqtt.cert, c->mqtt.key};

    for (int i = 0; i < 3; i++)
        if (files[i][0] != '\0' && access(files[i], R_OK) != 0)
            return -errno;
    if (c->mqtt.ca[0] == '\0')
        hq_log(HQ_WARNING, "no ca in [mqtt]: the connection to the broker is not encrypted");
    return 0;
}

/* Events are shared out among replicas. Retained state is not: a shared subscription gets none of it when it
 * begins (MQTT 5, 4.8.2), and the latest value twice is the latest value. */
static void name_subscriptions(struct broker *b)
{
    const char *tenant = b->config->mqtt.tenant, *replica = b->config->replica;

    snprintf(b->id, sizeof(b->id), "noren-hq-%s%s%s", tenant, replica[0] != '\0' ? "-" : "",
             replica);
    snprintf(b->filters[0], SUBSCRIPTION_SIZE, "%snoren/1/%s/+/+/evt/+",
             replica[0] != '\0' ? "$share/noren-hq/" : "", tenant);
    snprintf(b->filters[1], SUBSCRIPTION_SIZE, "noren/1/%s/+/+/state/#", tenant);
    b->subscribe[0] = b->filters[0];
    b->subscribe[1] = b->filters[1];
    snprintf(b->filters[2], SUBSCRIPTION_SIZE, "noren/1/%s/+/+/rsp", tenant);
    b->subscribe[2] = b->filters[2];
}

int broker_open(struct broker **ret_broker, sd_event *loop, const struct hq_config *config,
                const struct broker_calls *calls, void *user)
{
    struct broker *b = calloc(1, sizeof(*b));
    struct relay_options options;
    int r = check_files(config);

    if (b == NULL)
        return -ENOMEM;
    b->config = config;
    b->calls = calls;
    b->user = user;
    name_subscriptions(b);
    options = (struct relay_options){
        .host = config->mqtt.host,
        .port = config->mqtt.port,
        .ca = config->mqtt.ca[0] != '\0' ? config->mqtt.ca : NULL,
        .cert = config->mqtt.cert[0] != '\0' ? config->mqtt.cert : NULL,
        .key = config->mqtt.key[0] != '\0' ? config->mqtt.key : NULL,
        .client_id = b->id,
        .subscribe = b->subscribe,
        /* what a replica that is gone would be kept for goes to the others instead */
        .clean = config->replica[0] != '\0',
        .where = "[mqtt] of hq.conf",
        .queue_max = QUEUE_MAX,
    };
    if (r == 0)
        r = relay_open(&b->relay, &options);
    if (r == 0)
        r = sd_event_add_io(loop, &b->io, relay_fd(b->relay), EPOLLIN, on_io, b);
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
    if (!b->connected)
        return -ENOTCONN;
    return relay_send(b->relay, b->generation, 0,
                      &(struct relay_message){.topic = topic,
                                              .content_type = content_type,
                                              .payload = payload,
                                              .n = n,
                                              .qos = 1,
                                              .retain = true});
}

int broker_command(struct broker *b, const char *topic, const void *payload, size_t n,
                   uint32_t expiry_s)
{
    if (!b->connected)
        return -ENOTCONN;
    return relay_send(b->relay, b->generation, 0,
                      &(struct relay_message){.topic = topic,
                                              .content_type = NOREN_CONTENT_JWS,
                                              .payload = payload,
                                              .n = n,
                                              .qos = 1,
                                              .expiry_s = expiry_s});
}

void broker_close(struct broker *b)
{
    if (b == NULL)
        return;
    sd_event_source_disable_unref(b->io);
    relay_close(b->relay, CLOSE_MS);
    free(b);
}
