/* One connection to a broker; see mqtt.h. */
#include "io/mqtt.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"

#define KEEPALIVE_S      30    /* unless the broker's CONNACK says otherwise */
#define SESSION_EXPIRY_S 86400 /* the broker keeps commands for a gateway that is away for a day */
#define CONNACK_LIMIT_MS 20000
#define GOODBYE_LIMIT_MS 1000
#define POLL_MS          500 /* loop_misc wants a call a second */
#define FULL_MS          20  /* the owner's list of events is full: look again */
#define READS_MAX        256 /* per turn, so that writing gets its share */
#define FILTERS_MAX      8
#define PACKET_OVERHEAD  512 /* topic and properties of a PUBLISH, rounded up */

struct mqtt {
    const struct relay_options *o;
    const struct mqtt_attempt *a;
    const struct mqtt_calls *calls;
    void *user;
    struct mosquitto *lib;
    struct flight flight;
    struct mqtt_limits limits;
    int64_t began_ms;
    bool ready, failed;
    bool more; /* TLS may hold bytes that poll() does not see */
    char tls_error[200];
    struct mqtt_end end;
};

static int64_t now_ms(void)
{
    return clock_boot_us() / 1000;
}

/* The first reason counts; what follows from it does not. */
static void fail(struct mqtt *m, const char *why, const char *remedy)
{
    if (m->failed)
        return;
    m->failed = true;
    snprintf(m->end.why, sizeof(m->end.why), "%s:%u: %s%s%s%s%s", m->a->host, m->a->port, why,
             m->tls_error[0] != '\0' ? " (" : "", m->tls_error, m->tls_error[0] != '\0' ? ")" : "",
             remedy);
}

/* "; check cert and key in [mqtt] of noren.conf" */
static void fail_check(struct mqtt *m, const char *why, const char *keys, const char *more)
{
    char remedy[RELAY_TEXT_SIZE];

    snprintf(remedy, sizeof(remedy), "; check %s in %s%s", keys, m->o->where, more);
    fail(m, why, remedy);
}

static void join(const struct mqtt *m, const char *topic, char ret[RELAY_PATH_SIZE])
{
    if (m->o->prefix != NULL)
        snprintf(ret, RELAY_PATH_SIZE, "%s/%s", m->o->prefix, topic);
    else
        snprintf(ret, RELAY_PATH_SIZE, "%s", topic);
}

/* --- callbacks of libmosquitto ------------------------------------------------------------------ */

static void on_log(struct mosquitto *lib, void *user, int level, const char *text)
{
    struct mqtt *m = user;

    (void)lib;
    /* the only place where the library says what TLS did not like */
    if (level == MOSQ_LOG_ERR && strncmp(text, "OpenSSL Error", 13) == 0) {
        const char *last = strrchr(text, ':');

        snprintf(m->tls_error, sizeof(m->tls_error), "%.190s", last != NULL ? last + 1 : text);
    }
}

/* MQTT 5, 4.13: the broker names another one, "host:port" and perhaps more, separated by spaces. */
static void note_reference(struct mqtt *m, int reason, const mosquitto_property *props)
{
    char *text = NULL, *host, *port;

    if (reason != MQTT_RC_USE_ANOTHER_SERVER && reason != MQTT_RC_SERVER_MOVED)
        return;
    if (mosquitto_property_read_string(props, MQTT_PROP_SERVER_REFERENCE, &text, false) == NULL)
        return;
    host = text;
    host[strcspn(host, " ")] = '\0';
    port = strrchr(host, ':');
    m->end.port = m->o->port;
    if (port != NULL && strchr(port, ']') == NULL) {
        unsigned long n = strtoul(port + 1, NULL, 10);

        *port = '\0';
        m->end.port = n > 0 && n < 65536 ? (uint32_t)n : m->o->port;
    }
    if (host[0] == '[' && strchr(host, ']') != NULL) { /* an IPv6 address */
        host++;
        host[strcspn(host, "]")] = '\0';
    }
    if (host[0] != '\0' && strlen(host) < sizeof(m->end.host)) {
        memcpy(m->end.host, host, strlen(host) + 1);
        m->end.moved = true;
    }
    free(text);
}

static void become_ready(struct mqtt *m)
{
    m->ready = true;
    m->calls->ready(m->user, &m->limits);
}

static void subscribe(struct mqtt *m)
{
    char full[FILTERS_MAX][RELAY_PATH_SIZE], *filters[FILTERS_MAX];
    /* retain as published: a command that somebody retains is known as such already when it comes live; a 3.1.1
     * broker knows no options (MQTT 5, 3.8.3.1) */
    int options = m->a->version == 5 ? MQTT_SUB_OPT_RETAIN_AS_PUBLISHED : 0;
    int n = 0;

    while (m->o->subscribe != NULL && n < FILTERS_MAX && m->o->subscribe[n] != NULL) {
        join(m, m->o->subscribe[n], full[n]);
        filters[n] = full[n];
        n++;
    }
    if (n == 0)
        become_ready(m);
    else if (mosquitto_subscribe_multiple(m->lib, NULL, n, filters, 1, options, NULL) !=
             MOSQ_ERR_SUCCESS)
        fail(m, "subscribe failed", ": see the broker's log");
}

static void on_connect(struct mosquitto *lib, void *user, int reason, int flags,
                       const mosquitto_property *props)
{
    struct mqtt *m = user;
    uint16_t receive_max = FLIGHT_MAX;
    uint32_t packet_max = RELAY_PACKET_MAX;

    (void)lib;
    if (m->a->version == 5 && (reason == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION ||
                               reason == 1 /* the 3.1.1 code for it */)) {
        m->end.old_version = true;
        fail(m, "the broker does not speak MQTT 5", ": asking for 3.1.1");
        return;
    }
    if (reason != 0) {
        note_reference(m, reason, props);
        fail(m,
             m->a->version == 5 ? mosquitto_reason_string(reason)
                                : mosquitto_connack_string(reason),
             m->end.moved ? ": going where the broker sends us"
                          : ": the broker refused us; check that its ACL and users know this "
                            "certificate's CN");
        return;
    }
    if (props != NULL) {
        mosquitto_property_read_int16(props, MQTT_PROP_RECEIVE_MAXIMUM, &receive_max, false);
        mosquitto_property_read_int32(props, MQTT_PROP_MAXIMUM_PACKET_SIZE, &packet_max, false);
    }
    flight_begin(&m->flight, receive_max);
    m->limits.version = m->a->version;
    m->limits.session_kept = (flags & 1) != 0;
    m->limits.packet_max = packet_max < RELAY_PACKET_MAX ? packet_max : RELAY_PACKET_MAX;
    subscribe(m);
}

static void on_subscribe(struct mosquitto *lib, void *user, int mid, int n, const int *granted,
                         const mosquitto_property *props)
{
    struct mqtt *m = user;

    (void)lib, (void)mid, (void)props;
    for (int i = 0; i < n; i++) {
        if (granted[i] >= 0x80) {
            char why[RELAY_TEXT_SIZE], filter[RELAY_PATH_SIZE] = "";

            if (i < FILTERS_MAX)
                join(m, m->o->subscribe[i], filter);
            snprintf(why, sizeof(why), "the broker refused the subscription to %.200s", filter);
            fail(m, why, ": its ACL must let this gateway read that");
            return;
        }
    }
    if (!m->ready)
        become_ready(m);
}

static void on_disconnect(struct mosquitto *lib, void *user, int reason,
                          const mosquitto_property *props)
{
    struct mqtt *m = user;

    (void)lib;
    if (reason < 0x80)
        return;
    note_reference(m, reason, props);
    fail(m, mosquitto_reason_string(reason), ": the broker closed the connection");
}

static void on_publish(struct mosquitto *lib, void *user, int mid, int reason,
                       const mosquitto_property *props)
{
    struct mqtt *m = user;
    uint64_t token;

    (void)lib, (void)props;
    if (flight_acked(&m->flight, mid, now_ms(), &token)) /* else: QoS 0 */
        m->calls->published(m->user, token, reason);
}

/* Below the prefix, or NULL: a broker that sends anything else is broken or hostile. */
static const char *cut_prefix(const struct mqtt *m, const char *topic)
{
    size_t n = m->o->prefix != NULL ? strlen(m->o->prefix) : 0;

    if (n > 0 && (strncmp(topic, m->o->prefix, n) != 0 || topic[n] != '/'))
        return NULL;
    topic += n > 0 ? n + 1 : 0;
    return strlen(topic) < RELAY_TOPIC_SIZE ? topic : NULL;
}

static void on_message(struct mosquitto *lib, void *user, const struct mosquitto_message *got,
                       const mosquitto_property *props)
{
    struct mqtt *m = user;
    struct relay_message message = {.topic = cut_prefix(m, got->topic),
                                    .payload = got->payload,
                                    .n = got->payloadlen > 0 ? (size_t)got->payloadlen : 0,
                                    .qos = (uint8_t)got->qos,
                                    .retain = got->retain};
    char *response = NULL;
    void *correlation = NULL;
    uint16_t n = 0;

    (void)lib;
    if (message.topic == NULL)
        return;
    if (props != NULL) {
        mosquitto_property_read_string(props, MQTT_PROP_RESPONSE_TOPIC, &response, false);
        mosquitto_property_read_binary(props, MQTT_PROP_CORRELATION_DATA, &correlation, &n, false);
    }
    if (n <= RELAY_CORRELATION_SIZE) {
        message.correlation = correlation;
        message.correlation_n = n;
    }
    m->calls->message(m->user, &message, response != NULL ? response : "");
    free(response);
    free(correlation);
}

void mqtt_start(void)
{
    mosquitto_lib_init();
}

void mqtt_stop(void)
{
    mosquitto_lib_cleanup();
}

/* --- connecting --------------------------------------------------------------------------------- */

static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
    (void)buf, (void)size, (void)rwflag, (void)user;
    return 0; /* a key with a passphrase must not make a daemon ask a terminal */
}

/* False (and the reason is noted) when a file that TLS needs cannot be read. */
static bool files_readable(struct mqtt *m)
{
    const char *const files[] = {m->o->ca, m->o->cert, m->o->key};
    char why[RELAY_TEXT_SIZE];

    for (int i = 0; i < 3; i++) {
        if (files[i] != NULL && access(files[i], R_OK) != 0) {
            snprintf(why, sizeof(why), "cannot read %.250s: %s", files[i], strerror(errno));
            fail_check(m, why, "ca, cert and key", "");
            return false;
        }
    }
    return true;
}

static bool set_tls(struct mqtt *m)
{
    if (m->o->ca == NULL)
        return true;
    if (mosquitto_tls_set(m->lib, m->o->ca, NULL, m->o->cert, m->o->key, no_passphrase) ==
            MOSQ_ERR_SUCCESS &&
        /* "tlsv1.2" is a floor; the default lets 1.1 in before 2.0.16 */
        mosquitto_tls_opts_set(m->lib, 1, "tlsv1.2", NULL) == MOSQ_ERR_SUCCESS)
        return true;
    fail_check(m, "TLS cannot be set up", "ca, cert and key", "");
    return false;
}

static bool set_will(struct mqtt *m)
{
    char topic[RELAY_PATH_SIZE], payload[96];
    mosquitto_property *props = NULL;
    int n, rc;

    if (m->o->will_topic == NULL)
        return true;
    n = snprintf(payload, sizeof(payload), "{\"online\":false,\"session\":\"%s\"}", m->a->session);
    join(m, m->o->will_topic, topic);
    if (m->a->version == 5)
        mosquitto_property_add_string(&props, MQTT_PROP_CONTENT_TYPE, "application/json");
    rc = mosquitto_will_set_v5(m->lib, topic, n, payload, 1, true, props);
    if (rc != MOSQ_ERR_SUCCESS) {
        mosquitto_property_free_all(&props); /* on success the library owns them */
        fail(m, "out of memory", "");
    }
    return rc == MOSQ_ERR_SUCCESS;
}

static bool prepare(struct mqtt *m)
{
    if (!files_readable(m))
        return false;
    m->lib = mosquitto_new(m->o->client_id, m->o->clean, m);
    if (m->lib == NULL) {
        fail(m, "out of memory", "");
        return false;
    }
    mosquitto_int_option(m->lib, MOSQ_OPT_PROTOCOL_VERSION,
                         m->a->version == 5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
    mosquitto_max_inflight_messages_set(m->lib, FLIGHT_MAX);
    mosquitto_log_callback_set(m->lib, on_log);
    mosquitto_connect_v5_callback_set(m->lib, on_connect);
    mosquitto_subscribe_v5_callback_set(m->lib, on_subscribe);
    mosquitto_disconnect_v5_callback_set(m->lib, on_disconnect);
    mosquitto_publish_v5_callback_set(m->lib, on_publish);
    mosquitto_message_v5_callback_set(m->lib, on_message);
    if (m->o->user != NULL &&
        mosquitto_username_pw_set(m->lib, m->o->user, m->o->password) != MOSQ_ERR_SUCCESS) {
        fail_check(m, "user name or password cannot be used", "user and password", "");
        return false;
    }
    return set_tls(m) && set_will(m);
}

static void explain_lost(struct mqtt *m, int rc)
{
    if (m->ready)
        fail(m, "connection lost", rc == MOSQ_ERR_KEEPALIVE ? ": the broker fell silent" : "");
    else if (m->o->cert != NULL)
        fail_check(m, "closed before the broker accepted us; it may not trust our certificate",
                   "cert and key", ", and the broker's log");
    else
        fail(m, "closed before the broker accepted us", ": see the broker's log");
}

static void explain_connect(struct mqtt *m, int rc, int error)
{
    if (rc == MOSQ_ERR_EAI || rc == MOSQ_ERR_LOOKUP)
        fail_check(m, "the name does not resolve", "host", ", and DNS");
    else if (rc == MOSQ_ERR_ERRNO && error == ECONNREFUSED)
        fail_check(m, "connection refused; is the broker running?", "port", "");
    else if (rc == MOSQ_ERR_ERRNO && error == EPROTO) /* an alert that came during the handshake */
        explain_lost(m, rc);
    else if (rc == MOSQ_ERR_ERRNO)
        fail(m, strerror(error), "; check the network between gateway and broker");
    else
        fail_check(
            m, mosquitto_strerror(rc), "ca, cert and key",
            ": is the broker's certificate signed by this CA, for this host name, and in date?");
}

static bool connect_broker(struct mqtt *m)
{
    mosquitto_property *props = NULL;
    int rc, error;

    if (m->a->version == 5) {
        mosquitto_property_add_int32(&props, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
                                     m->o->clean ? 0 : SESSION_EXPIRY_S);
        mosquitto_property_add_int32(&props, MQTT_PROP_MAXIMUM_PACKET_SIZE, RELAY_PACKET_MAX);
    }
    errno = 0;
    rc = mosquitto_connect_bind_v5(m->lib, m->a->host, (int)m->a->port, KEEPALIVE_S, NULL, props);
    error = errno;
    mosquitto_property_free_all(&props);
    m->began_ms = now_ms(); /* resolving may have taken its time */
    if (rc == MOSQ_ERR_SUCCESS)
        return true;
    explain_connect(m, rc, error);
    return false;
}

struct mqtt *mqtt_open(const struct relay_options *options, const struct mqtt_attempt *attempt,
                       const struct mqtt_calls *calls, void *user, struct mqtt_end *ret_end)
{
    struct mqtt *m = calloc(1, sizeof(*m));

    if (m == NULL) {
        *ret_end = (struct mqtt_end){.why = "out of memory"};
        return NULL;
    }
    m->o = options;
    m->a = attempt;
    m->calls = calls;
    m->user = user;
    if (prepare(m) && connect_broker(m))
        return m;
    mqtt_close(m, ret_end);
    return NULL;
}

void mqtt_close(struct mqtt *m, struct mqtt_end *ret_end)
{
    *ret_end = m->end;
    mosquitto_destroy(m->lib);
    free(m);
}

/* --- sending ------------------------------------------------------------------------------------ */

bool mqtt_room(const struct mqtt *m)
{
    /* what the socket did not take yet stays with the owner, not in the library's memory */
    return m->ready && !m->failed && flight_room(&m->flight) && !mosquitto_want_write(m->lib);
}

static mosquitto_property *properties(const struct mqtt *m, const struct relay_message *message)
{
    mosquitto_property *props = NULL;

    if (m->a->version != 5)
        return NULL;
    if (message->content_type != NULL)
        mosquitto_property_add_string(&props, MQTT_PROP_CONTENT_TYPE, message->content_type);
    if (message->correlation_n > 0)
        mosquitto_property_add_binary(&props, MQTT_PROP_CORRELATION_DATA, message->correlation,
                                      (uint16_t)message->correlation_n);
    if (message->expiry_s > 0)
        mosquitto_property_add_int32(&props, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, message->expiry_s);
    return props;
}

/* What the library refuses to send, as the reason with which a broker would. 0: it is no such case. */
static int refusal_reason(int rc)
{
    if (rc == MOSQ_ERR_OVERSIZE_PACKET || rc == MOSQ_ERR_PAYLOAD_SIZE)
        return MQTT_RC_PACKET_TOO_LARGE;
    if (rc == MOSQ_ERR_QOS_NOT_SUPPORTED)
        return MQTT_RC_QOS_NOT_SUPPORTED;
    if (rc == MOSQ_ERR_RETAIN_NOT_SUPPORTED)
        return MQTT_RC_RETAIN_NOT_SUPPORTED;
    if (rc == MOSQ_ERR_INVAL || rc == MOSQ_ERR_MALFORMED_UTF8)
        return MQTT_RC_TOPIC_NAME_INVALID;
    return 0;
}

void mqtt_publish(struct mqtt *m, uint64_t token, const struct relay_message *message)
{
    mosquitto_property *props = properties(m, message);
    char topic[RELAY_PATH_SIZE];
    int mid = 0, rc = MOSQ_ERR_OVERSIZE_PACKET, reason;

    join(m, message->topic, topic);
    if (message->n + PACKET_OVERHEAD <= m->limits.packet_max)
        rc = mosquitto_publish_v5(m->lib, &mid, topic, (int)message->n, message->payload,
                                  message->qos, message->retain, props);
    mosquitto_property_free_all(&props);
    reason = refusal_reason(rc);
    if (rc == MOSQ_ERR_SUCCESS && message->qos > 0)
        flight_sent(&m->flight, mid, token, message->n + PACKET_OVERHEAD, now_ms());
    else if (rc == MOSQ_ERR_SUCCESS || reason != 0)
        m->calls->published(m->user, token, reason);
    else
        fail(m, mosquitto_strerror(rc), ": publishing failed");
}

/* --- one turn ----------------------------------------------------------------------------------- */

/* Reads until the socket is empty: bytes that TLS has already taken off it do not show in poll(). */
static int read_all(struct mqtt *m)
{
    int rc = MOSQ_ERR_SUCCESS;

    m->more = true;
    for (int i = 0; i < READS_MAX && rc == MOSQ_ERR_SUCCESS && !m->failed; i++) {
        errno = 0;
        rc = mosquitto_loop_read(m->lib, 1);
        if (rc == MOSQ_ERR_SUCCESS && errno == EAGAIN) {
            m->more = false;
            break;
        }
    }
    /* a 3.1.1 broker's CONNACK has no properties, which newer libraries do not even begin to read */
    if (m->a->version == 5 && !m->ready && !m->failed &&
        (rc == MOSQ_ERR_PROTOCOL || rc == MOSQ_ERR_MALFORMED_PACKET))
        m->end.old_version = true;
    return rc;
}

static void check_time(struct mqtt *m)
{
    int64_t now = now_ms();

    if (!m->ready && now - m->began_ms > CONNACK_LIMIT_MS)
        fail(m, "no answer to CONNECT", "; is this port really an MQTT broker?");
    else if (m->ready && flight_overdue(&m->flight, now))
        fail(m, "the broker does not acknowledge what it gets", "; connecting again");
}

bool mqtt_turn(struct mqtt *m, int wake_fd, bool may_read)
{
    struct pollfd fds[2] = {{.fd = mosquitto_socket(m->lib)}, {.fd = wake_fd}};
    int rc = MOSQ_ERR_SUCCESS;

    if (fds[0].fd < 0) {
        explain_lost(m, MOSQ_ERR_CONN_LOST);
        return false;
    }
    fds[0].events = (short)((may_read ? POLLIN : 0) | (mosquitto_want_write(m->lib) ? POLLOUT : 0));
    fds[1].events = (short)(mqtt_room(m) ? POLLIN : 0);
    if (poll(fds, 2, !may_read ? FULL_MS : m->more ? 0 : POLL_MS) < 0 && errno != EINTR) {
        explain_lost(m, MOSQ_ERR_ERRNO);
        return false;
    }
    if (may_read && (m->more || (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0))
        rc = read_all(m);
    if (rc == MOSQ_ERR_SUCCESS && mosquitto_want_write(m->lib))
        rc = mosquitto_loop_write(m->lib, 1);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_loop_misc(m->lib);
    if (rc == MOSQ_ERR_SUCCESS)
        check_time(m);
    if (rc == MOSQ_ERR_SUCCESS && !m->failed)
        return true;
    explain_lost(m, rc);
    return false;
}

void mqtt_goodbye(struct mqtt *m, bool with_will)
{
    int64_t until = now_ms() + GOODBYE_LIMIT_MS;
    int reason = with_will ? MQTT_RC_DISCONNECT_WITH_WILL_MSG : 0;

    /* 3.1.1 has no goodbye with a will: only a connection that breaks publishes it */
    if (m->failed || (with_will && m->a->version != 5) ||
        mosquitto_disconnect_v5(m->lib, reason, NULL) != MOSQ_ERR_SUCCESS)
        return;
    while (mosquitto_socket(m->lib) >= 0 && mosquitto_want_write(m->lib) && now_ms() < until) {
        struct pollfd fd = {.fd = mosquitto_socket(m->lib), .events = POLLOUT};

        if (poll(&fd, 1, POLL_MS) < 0 || mosquitto_loop_write(m->lib, 1) != MOSQ_ERR_SUCCESS)
            break;
    }
}
