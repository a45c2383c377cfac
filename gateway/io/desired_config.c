/* The config bundle and its trial; see desired.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/desired_parts.h"
#include "io/file.h"
#include "io/log.h"

#define CONFIG_FILE "config.jws"
#define TRIAL_FILE  "config.trial"
/* The revision that failed its trial, in decimal. */
#define FAILED_FILE "config.failed"

static const char *host_of(const struct desired *ds, const struct bundle_config *c)
{
    return c->host[0] != '\0' ? c->host : ds->file_host;
}

static uint32_t port_of(const struct desired *ds, const struct bundle_config *c)
{
    return c->host[0] != '\0' ? c->port : ds->file_port;
}

static bool same_broker(const struct desired *ds, const struct bundle_config *a,
                        const struct bundle_config *b)
{
    return strcmp(host_of(ds, a), host_of(ds, b)) == 0 && port_of(ds, a) == port_of(ds, b);
}

static void use_broker(struct norend *d, const struct bundle_config *c)
{
    char host[BUNDLE_HOST_SIZE];

    snprintf(host, sizeof(host), "%s", host_of(&d->desired, c));
    memcpy(d->config.mqtt.host, host, sizeof(host));
    d->config.mqtt.port = port_of(&d->desired, c);
}

static void use_storage(struct norend *d, const struct bundle_config *c)
{
    struct db_limits limits = DB_LIMITS_DEFAULT;

    if (c->quota_mb > 0)
        limits.quota_bytes = c->quota_mb << 20;
    if (c->keep_mb > 0)
        limits.kept_bytes = c->keep_mb << 20;
    if (c->keep_h > 0)
        limits.kept_us = c->keep_h * 3600 * NOREN_US_PER_S;
    db_set_limits(d->db, &limits);
}

static void put_in_force(struct norend *d, const struct bundle_config *c)
{
    d->desired.config = *c;
    use_broker(d, c);
    use_storage(d, c);
}

/* --- trial -------------------------------------------------------------------------------------- */

static int64_t failed_revision(const struct desired *ds)
{
    char path[DESIRED_PATH_SIZE + 32], *text = NULL;
    int64_t revision = 0;
    size_t n;

    desired_path(ds, FAILED_FILE, path);
    if (file_read(path, 64, &text, &n) == 0)
        revision = strtoll(text, NULL, 10);
    free(text);
    return revision;
}

/* The revision is not tried again, whatever happens next. */
static void note_failed(struct norend *d, int64_t revision, const char *why)
{
    struct desired_bundle *b = &d->desired.bundles[BUNDLE_CONFIG];
    char path[DESIRED_PATH_SIZE + 32], text[32];
    int n = snprintf(text, sizeof(text), "%lld\n", (long long)revision), rc;

    desired_path(&d->desired, FAILED_FILE, path);
    rc = file_write(path, text, (size_t)n);
    if (rc != 0)
        log_line(LOG_LEVEL_ERROR, "%s: %s", path, strerror(-rc));
    desired_path(&d->desired, TRIAL_FILE, path);
    (void)unlink(path);
    b->refused_revision = revision;
    snprintf(b->error, sizeof(b->error), "%s; the config before holds again", why);
    log_line(LOG_LEVEL_WARNING, "desired/config: revision %lld: %s", (long long)revision, b->error);
}

static void roll_back(struct norend *d)
{
    struct desired *ds = &d->desired;
    char why[BUNDLE_HOST_SIZE + 96];

    snprintf(why, sizeof(why), "no acknowledgement of headquarters through %s:%u within %lld s",
             ds->config.host, ds->config.port, (long long)ds->config.confirm_s);
    ds->trial = TRIAL_NONE;
    note_failed(d, ds->trial_revision, why);
    put_in_force(d, &ds->before);
    relay_move(d->relay, d->config.mqtt.host, d->config.mqtt.port);
    desired_audit(d, BUNDLE_CONFIG, ds->trial_revision, "rolled_back", "no ack");
    desired_report(d);
}

static void confirm(struct norend *d)
{
    struct desired *ds = &d->desired;
    char from[DESIRED_PATH_SIZE + 32], to[DESIRED_PATH_SIZE + 32], error[BUNDLE_ERROR_SIZE];

    desired_path(ds, TRIAL_FILE, from);
    desired_path(ds, CONFIG_FILE, to);
    ds->trial = TRIAL_NONE;
    if (rename(from, to) == 0) {
        desired_accept(d, BUNDLE_CONFIG, ds->trial_revision);
        return;
    }
    snprintf(error, sizeof(error), "it works, but %s cannot be kept: %s", to, strerror(errno));
    desired_refuse(d, BUNDLE_CONFIG, ds->trial_revision, "storage", error);
}

void desired_event(struct norend *d, const struct relay_event *e)
{
    struct desired *ds = &d->desired;

    if (ds->trial != TRIAL_MOVED || e->kind != RELAY_CONNECTED)
        return;
    desired_audit(d, BUNDLE_CONFIG, ds->trial_revision, "done", "trial");
    (void)norend_commit(d, clock_boot_us());
    ds->trial_seq = db_identity(d->db)->enqueued;
    ds->trial = TRIAL_SENT;
}

void desired_second(struct norend *d, int64_t now_us)
{
    struct desired *ds = &d->desired;

    if (ds->trial == TRIAL_NONE)
        return;
    if (ds->trial == TRIAL_SENT && db_identity(d->db)->acked >= ds->trial_seq)
        confirm(d);
    else if (now_us >= ds->trial_until_us)
        roll_back(d);
}

/* --- taking ------------------------------------------------------------------------------------- */

static void begin_trial(struct norend *d, const struct bundle *b)
{
    struct desired *ds = &d->desired;

    if (ds->trial == TRIAL_NONE) /* a third one goes back to the first, not to the second */
        ds->before = ds->config;
    ds->trial = TRIAL_MOVED;
    ds->trial_revision = b->revision;
    ds->trial_until_us = clock_boot_us() + b->config.confirm_s * NOREN_US_PER_S;
    put_in_force(d, &b->config);
    log_line(LOG_LEVEL_INFO,
             "desired/config: revision %lld names the broker %s:%u; it has %lld s to prove itself",
             (long long)b->revision, d->config.mqtt.host, d->config.mqtt.port,
             (long long)b->config.confirm_s);
    relay_move(d->relay, d->config.mqtt.host, d->config.mqtt.port);
    desired_report(d);
}

void desired_take_config(struct norend *d, const struct bundle *b, const char *token, size_t n)
{
    struct desired *ds = &d->desired;
    bool on_trial = ds->trial != TRIAL_NONE;
    /* what an unproved broker says is no proof either: compared with the one before */
    bool moves = !same_broker(ds, on_trial ? &ds->before : &ds->config, &b->config);
    char path[DESIRED_PATH_SIZE + 32], error[BUNDLE_ERROR_SIZE];
    int rc;

    if (on_trial && b->revision <= ds->trial_revision)
        return; /* the one on trial, which the new broker retains too */
    if (b->revision <= failed_revision(ds)) {
        if (ds->bundles[BUNDLE_CONFIG].refused_revision !=
            b->revision) /* else it is known, and why */
            desired_refuse(d, BUNDLE_CONFIG, b->revision, "rolled back",
                           "failed its trial before; publish a later revision");
        return;
    }
    desired_path(ds, moves ? TRIAL_FILE : CONFIG_FILE, path);
    rc = file_write(path, token, n);
    if (rc != 0) {
        snprintf(error, sizeof(error), "cannot be kept: %s; look at the disk of the gateway",
                 strerror(-rc));
        desired_refuse(d, BUNDLE_CONFIG, b->revision, "storage", error);
    } else if (moves) {
        begin_trial(d, b);
    } else {
        ds->trial = TRIAL_NONE;
        put_in_force(d, &b->config);
        if (on_trial) { /* headquarters thought better of it */
            desired_path(ds, TRIAL_FILE, path);
            (void)unlink(path);
            relay_move(d->relay, d->config.mqtt.host, d->config.mqtt.port);
        }
        desired_accept(d, BUNDLE_CONFIG, b->revision);
    }
}

/* --- start -------------------------------------------------------------------------------------- */

void desired_load_config(struct norend *d)
{
    struct desired *ds = &d->desired;
    char error[BUNDLE_ERROR_SIZE];
    struct bundle b;
    int rc;

    snprintf(ds->file_host, sizeof(ds->file_host), "%s", d->config.mqtt.host);
    ds->file_port = d->config.mqtt.port;
    rc = desired_open_kept(d, BUNDLE_CONFIG, CONFIG_FILE, &b, error);
    if (rc == 0) {
        ds->config = b.config;
        ds->bundles[BUNDLE_CONFIG].revision = b.revision;
        use_broker(d, &ds->config);
        bundle_free(&b);
    } else if (rc != -ENOENT) {
        log_line(LOG_LEVEL_ERROR, "%s/" CONFIG_FILE ": %s; noren.conf holds", ds->dir, error);
    }
    if (desired_open_kept(d, BUNDLE_CONFIG, TRIAL_FILE, &b, error) == 0) {
        note_failed(d, b.revision, "the gateway was restarted during the trial");
        bundle_free(&b);
    }
}

void desired_start(struct norend *d)
{
    struct desired_bundle *b = &d->desired.bundles[BUNDLE_CONFIG];

    use_storage(d, &d->desired.config);
    if (b->error[0] != '\0')
        desired_audit(d, BUNDLE_CONFIG, b->refused_revision, "rolled_back", "restart");
    desired_report(d);
}
