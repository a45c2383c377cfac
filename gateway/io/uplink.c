/* The way to headquarters; see uplink.h. */
#include "io/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/log.h"
#include "io/norend.h"

#define LOOK_US        (60 * NOREN_US_PER_S)
#define ALERT_KIND     "event_refused"
#define ALERT_US       (3600 * NOREN_US_PER_S)
#define DEAD_BYTES_MAX (1 << 20) /* then the file becomes .1 and a new one begins */
#define CERT_WARN_S    (14 * 86400)
#define DEAD_LINE_SIZE (EVENT_DATA_SIZE + 256)

/* --- refused events ----------------------------------------------------------------------------- */

static bool names_a_member(enum event_class class)
{
    return class == CLASS_VISIT || class == CLASS_OFFER;
}

static size_t print_dead(const struct db_row *row, const char *epoch, int reason,
                         char line[DEAD_LINE_SIZE])
{
    struct json j = json_init(line, DEAD_LINE_SIZE - 1);
    int n;

    json_open(&j, '{');
    json_key_str(&j, "epoch", epoch);
    json_key_i64(&j, "seq", (int64_t)row->seq);
    json_key_str(&j, "type", row->type);
    json_key_i64(&j, "reason", reason);
    if (!names_a_member(row->class)) {
        json_key(&j, "data");
        json_raw(&j, row->data);
    }
    json_close(&j, '}');
    n = json_end(&j);
    if (n < 0)
        return 0;
    line[n] = '\n';
    return (size_t)n + 1;
}

static int keep_dead(const struct norend *d, const char *line, size_t n)
{
    char path[CONFIG_PATH_SIZE + 32], old[CONFIG_PATH_SIZE + 40];
    struct stat st;
    int fd, rc = 0;

    snprintf(path, sizeof(path), "%s/dead-letters.jsonl", d->config.data_dir);
    snprintf(old, sizeof(old), "%s.1", path);
    if (stat(path, &st) == 0 && st.st_size > DEAD_BYTES_MAX)
        (void)rename(path, old);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (write(fd, line, n) != (ssize_t)n || fsync(fd) != 0)
        rc = -EIO;
    close(fd);
    return rc;
}

static void raise_alert(struct norend *d, const struct deliver_refusal *r, int64_t now_us)
{
    struct uplink *u = &d->uplink;
    char subject[40];

    /* an alert about alerts would be refused like them, for ever */
    if (u->alert_until_us == 0 && r->class != CLASS_ALERT) {
        snprintf(u->alert_id, sizeof(u->alert_id), "refused-%.8s-%llu", db_identity(d->db)->epoch,
                 (unsigned long long)r->seq);
        snprintf(subject, sizeof(subject), "evt/%s 0x%02x", event_class_name(r->class),
                 (unsigned)r->reason);
        engine_raise_alert(&d->engine, u->alert_id, ALERT_KIND, subject, now_us);
    }
    if (u->alert_until_us != 0 || r->class != CLASS_ALERT)
        u->alert_until_us = now_us + ALERT_US;
}

static void clear_alert(struct norend *d, int64_t now_us)
{
    d->uplink.alert_until_us = 0;
    engine_clear_alert(&d->engine, d->uplink.alert_id, ALERT_KIND, now_us);
}

/* The alert, the gap and what else waits are one after the other in the same stream; if the disk takes none of
 * it, the next second tries again. */
static void take_out_refused(struct norend *d, int64_t now_us)
{
    struct deliver_refusal r;
    char line[DEAD_LINE_SIZE], reason[24];
    struct db_row row;
    size_t n;

    if (!deliver_refused(d->deliver, &r))
        return;
    if (db_next(d->db, r.seq - 1, &row) != 1 || row.seq != r.seq) {
        deliver_resume(d->deliver); /* it went another way meanwhile: shed, acked, forgotten */
        return;
    }
    log_line(LOG_LEVEL_ERROR,
             "the broker refused event %llu (%s) for good, reason 0x%02x: it is in "
             "dead-letters.jsonl, a gap takes its number; look at the broker's ACL and limits",
             (unsigned long long)r.seq, row.type, (unsigned)r.reason);
    n = print_dead(&row, db_identity(d->db)->epoch, r.reason, line);
    if (n == 0 || keep_dead(d, line, n) != 0)
        log_line(LOG_LEVEL_ERROR, "%s/dead-letters.jsonl cannot be written", d->config.data_dir);
    raise_alert(d, &r, now_us);
    snprintf(reason, sizeof(reason), "refused 0x%02x", (unsigned)r.reason);
    if (db_dead_letter(d->db, r.seq, reason, now_us) != 0)
        return;
    d->uplink.dead_letters++;
    deliver_resume(d->deliver);
}

/* --- the certificate ---------------------------------------------------------------------------- */

void uplink_begin(struct norend *d)
{
    renew_begin(d);
    d->uplink.cert.cert = d->config.mqtt.cert;
    d->uplink.cert.key = d->config.mqtt.key;
    (void)cert_note(&d->uplink.cert); /* a connection will say what is wrong with it */
}

static void look_at_files(struct norend *d)
{
    int rc = cert_renewed(&d->uplink.cert);

    if (rc == 1) {
        log_line(LOG_LEVEL_INFO, "%s was renewed: connecting with it", d->config.mqtt.cert);
        d->uplink.pair_said = false;
        relay_renew(d->relay);
    } else if (rc < 0 && !d->uplink.pair_said) {
        d->uplink.pair_said = true;
        log_line(LOG_LEVEL_WARNING,
                 "%s and %s changed, but are no pair that is valid: the connection goes on with "
                 "the old ones until it ends",
                 d->config.mqtt.cert, d->config.mqtt.key);
    }
}

void uplink_tick(struct norend *d, int64_t now_us)
{
    take_out_refused(d, now_us);
    if (d->uplink.alert_until_us != 0 && now_us >= d->uplink.alert_until_us)
        clear_alert(d, now_us);
    if (now_us < d->uplink.next_look_us)
        return;
    look_at_files(d);
    renew_look(d, now_us);
    d->uplink.next_look_us = now_us + LOOK_US;
}

/* --- status ------------------------------------------------------------------------------------- */

/* What MQTT 3.1.1 cannot do, and what that means here. */
static void print_lacks(struct json *j)
{
    json_key(j, "lacks");
    json_open(j, '[');
    json_str(j,
             "reasons of refused publishes: a refusal is only noticed when HQ's ack stands still");
    json_str(j, "expiry of messages at the broker, content types, request and response properties");
    json_str(j, "the broker's limits for window and packet size; ack = puback is refused");
    json_close(j, ']');
}

void uplink_print(const struct norend *d, struct json *j)
{
    int version = deliver_version(d->deliver);
    enum clock_quality quality;
    int64_t left_s = d->uplink.cert.not_after_s - clock_utc_us(&quality) / NOREN_US_PER_S;

    json_key(j, "uplink");
    json_open(j, '{');
    json_key_str(j, "host", d->config.mqtt.host);
    json_key_i64(j, "port", d->config.mqtt.port);
    json_key(j, "mqtt");
    if (version == 0)
        json_nil(j);
    else
        json_str(j, version == 5 ? "5" : "3.1.1");
    if (version == 4)
        print_lacks(j);
    json_key_str(j, "ack", d->config.mqtt.ack == 1 ? "puback" : "hq");
    json_key_bool(j, "session_kept", deliver_counters(d->deliver).session_kept);
    json_key_i64(j, "dead_letters", d->uplink.dead_letters);
    json_key_i64(j, "cert_expires_s", d->uplink.cert.not_after_s != 0 ? left_s : 0);
    json_key(j, "cert_expires_soon");
    json_bool(j, d->uplink.cert.not_after_s != 0 && quality != CLOCK_FLOOR && left_s < CERT_WARN_S);
    renew_print(d, j);
    json_close(j, '}');
}
