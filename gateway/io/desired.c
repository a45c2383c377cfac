/* Desired state; see desired.h. The config and its trial are desired_config.c. */
#include "io/desired.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/json.h"
#include "io/desired_parts.h"
#include "io/file.h"
#include "io/log.h"
#include "noren/topic.h"

#define STATE_SIZE 4096

/* --- files -------------------------------------------------------------------------------------- */

void desired_path(const struct desired *ds, const char *name, char ret[DESIRED_PATH_SIZE + 32])
{
    snprintf(ret, DESIRED_PATH_SIZE + 32, "%s/%s", ds->dir, name);
}

static int write_bundle(const struct desired *ds, enum bundle_kind kind, const char *token,
                        size_t n)
{
    char path[DESIRED_PATH_SIZE + 32], name[32];

    snprintf(name, sizeof(name), "%s.jws", bundle_name(kind));
    desired_path(ds, name, path);
    return file_write(path, token, n);
}

static int read_bundle(const struct desired *ds, enum bundle_kind kind, char **ret_token,
                       size_t *ret_n)
{
    char path[DESIRED_PATH_SIZE + 32], name[32];

    snprintf(name, sizeof(name), "%s.jws", bundle_name(kind));
    desired_path(ds, name, path);
    return file_read(path, RELAY_PACKET_MAX, ret_token, ret_n);
}

const char *desired_us(const struct norend *d, char ret[BUNDLE_TO_SIZE])
{
    snprintf(ret, BUNDLE_TO_SIZE, "%s/%s/%s", d->config.tenant, d->config.store, d->config.gateway);
    return ret;
}

/* A key signed it, from hq.pub along the chain that is kept: what was taken while a key was in force stays
 * good when that key is retired. Only for what this gateway has checked and kept itself. */
static int open_by_chain(const struct norend *d, enum bundle_kind kind, const char *token, size_t n,
                         struct bundle *ret, char error[BUNDLE_ERROR_SIZE])
{
    char us[BUNDLE_TO_SIZE], path[CONFIG_PATH_SIZE], *chain = NULL, ignored[BUNDLE_ERROR_SIZE];
    struct jws_key *key = NULL;
    size_t chain_n = 0;
    int64_t revision;
    int rc = -EBADMSG;

    desired_us(d, us);
    if (config_path(path, d->config.dir, "hq.pub") == 0 && jws_key_load(&key, path) == 0)
        rc = bundle_open(ret, kind, key, token, n, us, error);
    if (key != NULL && rc == -EBADMSG)
        (void)read_bundle(&d->desired, BUNDLE_KEYS, &chain, &chain_n);
    for (const char *at = chain, *end = chain + chain_n; rc == -EBADMSG && at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));

        line_end = line_end != NULL ? line_end : end;
        if (bundle_follow_keys(key, at, (size_t)(line_end - at), us, &revision, ignored) == 1)
            rc = bundle_open(ret, kind, key, token, n, us, error);
        at = line_end + 1;
    }
    free(chain);
    jws_key_free(key);
    return rc;
}

int desired_open_kept(const struct norend *d, enum bundle_kind kind, const char *name,
                      struct bundle *ret, char error[BUNDLE_ERROR_SIZE])
{
    char us[BUNDLE_TO_SIZE], path[DESIRED_PATH_SIZE + 32], *token = NULL;
    size_t n;
    int rc;

    desired_path(&d->desired, name, path);
    rc = file_read(path, RELAY_PACKET_MAX, &token, &n);
    if (rc != 0) {
        snprintf(error, BUNDLE_ERROR_SIZE, "%s", strerror(-rc));
        return rc;
    }
    rc = bundle_open(ret, kind, d->hq_key, token, n, desired_us(d, us), error);
    if (rc == -EBADMSG)
        rc = open_by_chain(d, kind, token, n, ret, error);
    free(token);
    return rc;
}

static int open_kept(const struct norend *d, enum bundle_kind kind, struct bundle *ret,
                     char error[BUNDLE_ERROR_SIZE])
{
    char name[32];

    snprintf(name, sizeof(name), "%s.jws", bundle_name(kind));
    return desired_open_kept(d, kind, name, ret, error);
}

/* --- what became of one ------------------------------------------------------------------------- */

static void print_one(const struct norend *d, enum bundle_kind kind, struct json *j)
{
    const struct desired_bundle *b = &d->desired.bundles[kind];

    json_key(j, bundle_name(kind));
    json_open(j, '{');
    json_key(j, "revision");
    if (b->revision > 0)
        json_i64(j, b->revision);
    else
        json_nil(j);
    if (kind == BUNDLE_CONFIG && d->desired.trial != TRIAL_NONE)
        json_key_i64(j, "trial_revision", d->desired.trial_revision);
    if (b->error[0] != '\0') {
        json_key(j, "refused");
        json_open(j, '{');
        json_key(j, "revision");
        if (b->refused_revision > 0)
            json_i64(j, b->refused_revision);
        else
            json_nil(j);
        json_key_str(j, "error", b->error);
        json_close(j, '}');
    }
    json_close(j, '}');
}

void desired_print(const struct norend *d, struct json *j)
{
    json_open(j, '{');
    for (int i = 0; i < BUNDLES; i++)
        print_one(d, (enum bundle_kind)i, j);
    json_close(j, '}');
}

void desired_report(struct norend *d)
{
    char buf[STATE_SIZE];
    struct json j = json_init(buf, sizeof(buf));
    int n;

    desired_print(d, &j);
    n = json_end(&j);
    if (n > 0)
        (void)deliver_state(d->deliver, NOREN_TOPIC_BUNDLES, buf, (size_t)n);
}

void desired_audit(struct norend *d, enum bundle_kind kind, int64_t revision, const char *outcome,
                   const char *reason)
{
    char name[NOREN_ID_SIZE], subject[NOREN_ID_SIZE] = "";

    snprintf(name, sizeof(name), "desired/%s", bundle_name(kind));
    if (revision > 0)
        snprintf(subject, sizeof(subject), "%lld", (long long)revision);
    command_audit(d, &(struct command_audit){.name = name,
                                             .source = "hq",
                                             .outcome = outcome,
                                             .reason = reason,
                                             .subject = subject,
                                             .count = 1});
}

/* The same refusal again is no news: brokers repeat what they retain. */
void desired_refuse(struct norend *d, enum bundle_kind kind, int64_t revision, const char *reason,
                    const char *error)
{
    struct desired_bundle *b = &d->desired.bundles[kind];

    if (b->refused_revision == revision && strcmp(b->error, error) == 0)
        return;
    b->refused_revision = revision;
    snprintf(b->error, sizeof(b->error), "%s", error);
    log_line(LOG_LEVEL_WARNING, "desired/%s: %s; refused, what was in force stays",
             bundle_name(kind), error);
    desired_audit(d, kind, revision, "refused", reason);
    desired_report(d);
}

void desired_accept(struct norend *d, enum bundle_kind kind, int64_t revision)
{
    struct desired_bundle *b = &d->desired.bundles[kind];

    b->revision = revision;
    b->refused_revision = 0;
    b->error[0] = '\0';
    free(b->waiting);
    b->waiting = NULL;
    log_line(LOG_LEVEL_INFO, "desired/%s: revision %lld is in force", bundle_name(kind),
             (long long)revision);
    desired_audit(d, kind, revision, "done", NULL);
    desired_report(d);
}

/* --- planogram and campaigns -------------------------------------------------------------------- */

/* Texts of the plan's documents, out of bundles or of the configuration folder. */
static int gather(const struct norend *d, struct bundle *planogram, struct bundle *campaigns,
                  struct engine_plan *p, char error[ENGINE_ERROR_SIZE])
{
    int rc = 0;

    if (planogram != NULL) {
        p->text[DOCUMENT_PLANOGRAM] = planogram->document;
        p->n[DOCUMENT_PLANOGRAM] = planogram->document_n;
        p->text[DOCUMENT_MAP] = planogram->map;
        p->n[DOCUMENT_MAP] = planogram->map_n;
        planogram->document = planogram->map = NULL;
    } else {
        rc = engine_read_document(p, DOCUMENT_MAP, d->config.dir, error);
        if (rc == 0)
            rc = engine_read_document(p, DOCUMENT_PLANOGRAM, d->config.dir, error);
    }
    if (rc == 0 && campaigns != NULL) {
        p->text[DOCUMENT_CAMPAIGNS] = campaigns->document;
        p->n[DOCUMENT_CAMPAIGNS] = campaigns->document_n;
        campaigns->document = NULL;
    } else if (rc == 0) {
        rc = engine_read_document(p, DOCUMENT_CAMPAIGNS, d->config.dir, error);
    }
    return rc;
}

/* Makes a plan of these two bundles (NULL: of the configuration folder), which lose their documents. */
static int make_plan(const struct norend *d, struct bundle *planogram, struct bundle *campaigns,
                     struct engine_plan *ret, char error[ENGINE_ERROR_SIZE])
{
    const char *const where[DOCUMENTS] = {
        [DOCUMENT_MAP] = planogram != NULL ? "map." : "map.json: ",
        [DOCUMENT_PLANOGRAM] = planogram != NULL ? "planogram." : "planogram.json: ",
        [DOCUMENT_CAMPAIGNS] = campaigns != NULL ? "" : "campaigns.json: "};
    struct engine_plan p = {.plan = NULL};
    int rc = gather(d, planogram, campaigns, &p, error);

    if (rc == 0)
        rc = engine_parse_plan(&p, where, error);
    if (rc == 0 && clock_set_zone(p.plan->time_zone) != 0) {
        snprintf(error, ENGINE_ERROR_SIZE,
                 "%stime_zone: no zone \"%s\" on this machine; write one like Asia/Tokyo",
                 where[DOCUMENT_PLANOGRAM], p.plan->time_zone);
        rc = -EINVAL;
    }
    if (rc != 0) {
        engine_plan_free(&p);
        if (d->engine.plan != NULL)
            (void)clock_set_zone(d->engine.plan->time_zone);
    } else {
        *ret = p;
    }
    return rc;
}

/* A token with what it says, on its way into force. */
struct proposal {
    const char *token; /* NULL: what is in force */
    size_t n;
    struct bundle b;
    bool open;
};

static int open_proposal(const struct norend *d, enum bundle_kind kind, struct proposal *c,
                         char error[BUNDLE_ERROR_SIZE])
{
    char us[BUNDLE_TO_SIZE];
    int rc;

    if (c->token != NULL)
        rc = bundle_open(&c->b, kind, d->hq_key, c->token, c->n, desired_us(d, us), error);
    else
        rc = open_kept(d, kind, &c->b, error);
    c->open = rc == 0;
    return c->token == NULL ? 0 : rc; /* kept ones that cannot be read: the configuration folder */
}

/* Puts a planogram and campaigns into force together; a NULL token keeps what is. */
static int put_in_force(struct norend *d, struct proposal *planogram, struct proposal *campaigns,
                        char error[ENGINE_ERROR_SIZE])
{
    struct engine_plan plan;
    int64_t now_us = clock_boot_us();
    int rc = open_proposal(d, BUNDLE_PLANOGRAM, planogram, error);

    if (rc == 0)
        rc = open_proposal(d, BUNDLE_CAMPAIGNS, campaigns, error);
    if (rc == 0)
        rc = make_plan(d, planogram->open ? &planogram->b : NULL,
                       campaigns->open ? &campaigns->b : NULL, &plan, error);
    if (rc == 0 && planogram->token != NULL)
        rc = write_bundle(&d->desired, BUNDLE_PLANOGRAM, planogram->token, planogram->n);
    if (rc == 0 && campaigns->token != NULL)
        rc = write_bundle(&d->desired, BUNDLE_CAMPAIGNS, campaigns->token, campaigns->n);
    if (rc < 0 && error[0] == '\0')
        snprintf(error, ENGINE_ERROR_SIZE, "cannot be kept: %s; look at the disk of the gateway",
                 strerror(-rc));
    if (rc == 0) {
        engine_set_plan(&d->engine, &plan, now_us);
        sources_set_plan(&d->sources, d->engine.plan);
    }
    bundle_free(&planogram->b);
    bundle_free(&campaigns->b);
    return rc;
}

static void keep_waiting(struct desired_bundle *b, const char *token, size_t n)
{
    char *copy = n <= DESIRED_WAIT_MAX ? malloc(n) : NULL;

    free(b->waiting);
    b->waiting = copy;
    b->waiting_n = n;
    if (copy != NULL)
        memcpy(copy, token, n);
}

/* A new one of `kind`: with what is in force of the other, else with what waits of the other. */
static void take_plan(struct norend *d, enum bundle_kind kind, const struct relay_event *e,
                      int64_t revision)
{
    struct proposal c[2] = {0}; /* planogram, campaigns */
    enum bundle_kind other = kind == BUNDLE_PLANOGRAM ? BUNDLE_CAMPAIGNS : BUNDLE_PLANOGRAM;
    struct desired_bundle *wait = &d->desired.bundles[other];
    int mine = kind == BUNDLE_CAMPAIGNS, theirs = !mine;
    char error[ENGINE_ERROR_SIZE] = "", ignored[ENGINE_ERROR_SIZE] = "";
    int64_t with = 0;
    int rc;

    c[mine] = (struct proposal){.token = e->payload, .n = e->n};
    rc = put_in_force(d, &c[0], &c[1], error);
    if (wait->waiting != NULL) { /* perhaps the other was waiting for this one */
        struct proposal w[2] = {0};

        if (rc != 0)
            w[mine] = (struct proposal){.token = e->payload, .n = e->n};
        w[theirs] = (struct proposal){.token = wait->waiting, .n = wait->waiting_n};
        if (put_in_force(d, &w[0], &w[1], ignored) == 0) {
            with = wait->refused_revision;
            rc = 0;
        }
    }
    if (rc == 0)
        desired_accept(d, kind, revision);
    if (with > 0)
        desired_accept(d, other, with);
    if (rc != 0) {
        keep_waiting(&d->desired.bundles[kind], e->payload, e->n);
        desired_refuse(d, kind, revision, "invalid", error);
    }
}

/* --- keys --------------------------------------------------------------------------------------- */

/* After a rotation the broker is asked for everything again: what the new key signed may have come before. */
static void take_keys(struct norend *d, const struct relay_event *e)
{
    char us[BUNDLE_TO_SIZE], error[BUNDLE_ERROR_SIZE] = "";
    uint8_t before[JWS_PUBLIC_SIZE];
    int64_t revision = 0;
    int steps, rc = jws_key_public(d->hq_key, before);

    if (rc != 0)
        return;
    steps = bundle_follow_keys(d->hq_key, e->payload, e->n, desired_us(d, us), &revision, error);
    if (steps == 0)
        return; /* how the key in force came to be ours, or nothing of headquarters' */
    if (steps > 0)
        rc = write_bundle(&d->desired, BUNDLE_KEYS, e->payload, e->n);
    if (steps > 0 && rc == 0) {
        desired_accept(d, BUNDLE_KEYS, revision);
        relay_renew(d->relay);
        return;
    }
    (void)jws_key_replace(d->hq_key, before);
    if (rc != 0)
        snprintf(error, sizeof(error), "cannot be kept: %s; look at the disk of the gateway",
                 strerror(-rc));
    desired_refuse(d, BUNDLE_KEYS, 0, "invalid", error);
}

static void load_keys(struct norend *d)
{
    char us[BUNDLE_TO_SIZE], error[BUNDLE_ERROR_SIZE] = "", *chain = NULL;
    size_t n;
    int rc = read_bundle(&d->desired, BUNDLE_KEYS, &chain, &n);

    if (rc == 0)
        rc = bundle_follow_keys(d->hq_key, chain, n, desired_us(d, us),
                                &d->desired.bundles[BUNDLE_KEYS].revision, error);
    free(chain);
    if (rc > 0)
        log_line(LOG_LEVEL_INFO,
                 "hq.pub is retired: headquarters signs with the key of revision %lld; put that "
                 "one into hq.pub when convenient",
                 (long long)d->desired.bundles[BUNDLE_KEYS].revision);
    else if (rc < 0 && rc != -ENOENT)
        log_line(LOG_LEVEL_ERROR, "%s/keys.jws: %s; the key before it is in force", d->desired.dir,
                 error[0] != '\0' ? error : strerror(-rc));
}

/* --- taking ------------------------------------------------------------------------------------- */

static const char *reason_of(int rc)
{
    return rc == -EBADMSG ? "forged" : rc == -EPERM ? "audience" : "malformed";
}

void desired_take(struct norend *d, const struct relay_event *e)
{
    enum bundle_kind kind = bundle_find(e->topic + strlen("desired/"));
    char us[BUNDLE_TO_SIZE], error[BUNDLE_ERROR_SIZE] = "";
    struct desired_bundle *in_force;
    struct bundle b;
    int rc;

    if (kind == BUNDLES || e->n == 0)
        return; /* of a later version of headquarters, or taken back: what is in force stays */
    if (d->config.role == ROLE_RECEIVER && (kind == BUNDLE_PLANOGRAM || kind == BUNDLE_CAMPAIGNS))
        return; /* the store board's business */
    if (kind == BUNDLE_KEYS) {
        take_keys(d, e);
        return;
    }
    rc = bundle_open(&b, kind, d->hq_key, e->payload, e->n, desired_us(d, us), error);
    if (rc != 0) {
        desired_refuse(d, kind, 0, reason_of(rc), error);
        return;
    }
    in_force = &d->desired.bundles[kind];
    if (b.revision < in_force->revision) {
        snprintf(error, sizeof(error), "revision %lld is older than %lld, which is in force",
                 (long long)b.revision, (long long)in_force->revision);
        desired_refuse(d, kind, b.revision, "older", error);
    } else if (b.revision > in_force->revision) {
        if (kind == BUNDLE_CONFIG)
            desired_take_config(d, &b, e->payload, e->n);
        else
            take_plan(d, kind, e, b.revision);
        (void)norend_commit(d, clock_boot_us());
    }
    bundle_free(&b);
}

/* --- start and reload --------------------------------------------------------------------------- */

/* The plan with what is kept of bundles. Campaigns that do not fit any more (the disk was changed, or power went
 * between the two) are left out until headquarters sends them again. */
static int kept_plan(struct norend *d, struct engine_plan *ret, char error[ENGINE_ERROR_SIZE])
{
    struct bundle b[2];
    char why[2][BUNDLE_ERROR_SIZE];
    int rc[2] = {open_kept(d, BUNDLE_PLANOGRAM, &b[0], why[0]),
                 open_kept(d, BUNDLE_CAMPAIGNS, &b[1], why[1])};
    int made;

    for (int i = 0; i < 2; i++) {
        enum bundle_kind kind = i == 0 ? BUNDLE_PLANOGRAM : BUNDLE_CAMPAIGNS;

        d->desired.bundles[kind].revision = rc[i] == 0 ? b[i].revision : 0;
        if (rc[i] != 0 && rc[i] != -ENOENT)
            log_line(LOG_LEVEL_ERROR, "%s/%s.jws: %s; the configuration folder's holds",
                     d->desired.dir, bundle_name(kind), why[i]);
    }
    made = make_plan(d, rc[0] == 0 ? &b[0] : NULL, rc[1] == 0 ? &b[1] : NULL, ret, error);
    if (rc[0] == 0)
        bundle_free(&b[0]);
    if (rc[1] == 0)
        bundle_free(&b[1]);
    return made;
}

int desired_reload(struct norend *d, struct engine_plan *ret_plan,
                   char ret_error[ENGINE_ERROR_SIZE])
{
    int64_t before[BUNDLES];
    int rc;

    for (int i = 0; i < BUNDLES; i++)
        before[i] = d->desired.bundles[i].revision;
    rc = kept_plan(d, ret_plan, ret_error);
    for (int i = 0; rc != 0 && i < BUNDLES; i++)
        d->desired.bundles[i].revision = before[i];
    return rc;
}

void desired_load(struct norend *d, struct engine_plan *plan)
{
    char error[ENGINE_ERROR_SIZE] = "";
    struct engine_plan kept;
    struct desired *ds = &d->desired;

    (void)mkdir(d->config.data_dir, 0750); /* what follows says if that failed */
    snprintf(ds->dir, sizeof(ds->dir), "%s/desired", d->config.data_dir);
    if (mkdir(ds->dir, 0700) != 0 && errno != EEXIST)
        log_line(LOG_LEVEL_WARNING, "%s: %s; bundles cannot be kept", ds->dir, strerror(errno));
    load_keys(d);
    desired_load_config(d);
    if (d->config.role == ROLE_RECEIVER)
        return; /* it has no plan */
    if (kept_plan(d, &kept, error) != 0) {
        log_line(LOG_LEVEL_ERROR, "%s: %s; the configuration folder's plan holds", ds->dir, error);
        ds->bundles[BUNDLE_PLANOGRAM].revision = ds->bundles[BUNDLE_CAMPAIGNS].revision = 0;
        (void)clock_set_zone(plan->plan->time_zone);
        return;
    }
    engine_plan_free(plan);
    *plan = kept;
}

void desired_free(struct desired *ds)
{
    for (int i = 0; i < BUNDLES; i++)
        free(ds->bundles[i].waiting);
}
