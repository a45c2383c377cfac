/* norend: the gateway daemon. It reads like a table of contents, and is the only file that knows everything:
 *
 *   configure   noren.conf, board, planogram, map, campaigns, HQ's key
 *   start       database, delivery and relay thread, the brain with what the database remembers, sources
 *   turn        wait (sd-event) -> sources -> brain -> commit at its deadline -> delivery
 *   stop        commit, close; a SIGKILL at any point loses nothing that HQ or a shelf relies on
 *
 * One thread does all of it but sampling and MQTT, so nothing in here needs a lock. The watchdog is fed by
 * the event loop itself: a loop that hangs, in a commit or anywhere else, is one that systemd restarts.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "io/log.h"
#include "io/norend.h"
#include "noren/topic.h"

#define SECOND_US (1 * NOREN_US_PER_S)
#define MINUTE_US (60 * NOREN_US_PER_S)

static struct norend daemon_state; /* about two megabytes: not for the stack */

/* --- configure ---------------------------------------------------------------------------------- */

static int configure(struct norend *d, const char *dir, struct engine_plan *ret_plan)
{
    char error[ENGINE_ERROR_SIZE > INI_ERROR_SIZE ? ENGINE_ERROR_SIZE : INI_ERROR_SIZE] = "";
    char path[CONFIG_PATH_SIZE];
    int rc = config_load(&d->config, dir, error);

    if (rc == 0)
        rc = engine_read_plan(ret_plan, dir, error);
    if (rc != 0) {
        log_line(LOG_LEVEL_ERROR, "%s", error);
        return rc;
    }
    rc = config_path(path, dir, "hq.pub");
    if (rc == 0)
        rc = jws_key_load(&d->hq_key, path);
    if (rc != 0)
        log_line(LOG_LEVEL_ERROR, "%s: %s; put headquarters' public key (Ed25519, PEM) there", path,
                 rc == -EINVAL ? "not an Ed25519 key" : strerror(-rc));
    return rc;
}

/* SIGHUP: the documents are read again; a mistake in them keeps what is in force. */
static void reload(struct norend *d)
{
    char error[ENGINE_ERROR_SIZE] = "";
    struct engine_plan plan;

    if (engine_read_plan(&plan, d->config.dir, error) != 0) {
        log_line(LOG_LEVEL_ERROR, "reload: %s; what was in force stays", error);
        return;
    }
    engine_set_plan(&d->engine, &plan, clock_boot_us());
    sources_set_plan(&d->sources, d->engine.plan);
    log_line(LOG_LEVEL_INFO, "reloaded the plan of %s", d->config.dir);
}

/* --- what comes from headquarters --------------------------------------------------------------- */

static void take_message(struct norend *d, const struct relay_event *e)
{
    char error[ENGINE_ERROR_SIZE];
    int rc;

    if (strcmp(e->topic, "desired/members") == 0) {
        rc = engine_members(&d->engine, d->hq_key, e->payload, e->n, error);
        if (rc < 0)
            log_line(LOG_LEVEL_WARNING, "%s", error);
        else if (rc > 0)
            log_line(LOG_LEVEL_INFO, "members: revision %lld, %zu members",
                     (long long)d->engine.members_revision, d->engine.radio.members.n);
    } else if (strncmp(e->topic, "cmd/", 4) == 0) {
        d->commands_refused++;
    }
}

/* Says that a connection came or went; a reason once until there was a connection again. */
static void note_connection(struct norend *d, const struct relay_event *e)
{
    if (e->kind == RELAY_CONNECTED) {
        log_line(LOG_LEVEL_INFO, "connected to %s:%u", d->config.mqtt.host, d->config.mqtt.port);
        d->relay_problem[0] = '\0';
        memset(d->relay_said, 0, sizeof(d->relay_said));
    } else if (e->kind == RELAY_DISCONNECTED) {
        snprintf(d->relay_problem, sizeof(d->relay_problem), "%s", e->text);
        for (int i = 0; i < 4; i++) {
            if (strcmp(d->relay_said[i], e->text) == 0)
                return;
        }
        memcpy(d->relay_said[d->relay_said_n++ % 4], d->relay_problem, RELAY_TEXT_SIZE);
        log_line(LOG_LEVEL_WARNING, "%s; events are kept, trying again", e->text);
    }
}

static void read_relay(struct norend *d)
{
    struct relay_event *e;

    while ((e = relay_next(d->relay)) != NULL) {
        note_connection(d, e);
        if (!deliver_event(d->deliver, e, clock_boot_us()))
            take_message(d, e);
        free(e);
    }
}

/* --- turn --------------------------------------------------------------------------------------- */

static int commit(struct norend *d, int64_t now_us)
{
    bool was_well = db_problem(d->db)[0] == '\0';
    int rc = engine_commit(&d->engine, now_us);

    if (rc != 0 && was_well)
        log_line(LOG_LEVEL_ERROR, "%s", db_problem(d->db));
    if (rc == 0 && !was_well)
        log_line(LOG_LEVEL_INFO, "the database takes commits again; nothing was lost");
    return rc == -EUCLEAN ? rc : 0;
}

/* What is due by the clock. Returns when it next wants to be called, or -errno to end. */
static int64_t do_due(struct norend *d, int64_t now_us)
{
    int64_t next_us;

    if (now_us >= d->next_second_us) {
        sources_tick(&d->sources, now_us);
        d->next_second_us = now_us + SECOND_US;
    }
    if (now_us >= d->next_minute_us) {
        struct event health = control_health(d, now_us);

        engine_clock(&d->engine, now_us);
        engine_emit(&d->engine, &health, now_us);
        d->next_minute_us = now_us + MINUTE_US;
    }
    engine_tick(&d->engine, now_us);
    if (now_us >= db_deadline(d->db) && commit(d, now_us) != 0)
        return -EUCLEAN;
    deliver_pump(d->deliver, now_us);
    next_us = d->next_second_us;
    if (d->engine.deadline_us < next_us)
        next_us = d->engine.deadline_us;
    if (db_deadline(d->db) < next_us)
        next_us = db_deadline(d->db);
    if (deliver_deadline(d->deliver) < next_us)
        next_us = deliver_deadline(d->deliver);
    return next_us;
}

static int on_sources(sd_event_source *s, int fd, uint32_t events, void *user)
{
    struct norend *d = user;

    (void)s, (void)fd, (void)events;
    sources_read(&d->sources, &d->engine);
    return 0;
}

static int on_relay(sd_event_source *s, int fd, uint32_t events, void *user)
{
    (void)s, (void)fd, (void)events;
    read_relay(user);
    return 0;
}

static int on_local(sd_event_source *s, int fd, uint32_t events, void *user)
{
    struct norend *d = user;

    (void)s, (void)fd, (void)events;
    local_serve(d->local);
    return 0;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *info, void *user)
{
    if (info->ssi_signo == SIGHUP)
        reload(user);
    else
        sd_event_exit(sd_event_source_get_event(s), 0);
    return 0;
}

static int watch(struct norend *d, sd_event *loop)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    int rc = 0;

    for (size_t i = 0; i < 3 && rc >= 0; i++)
        rc = sd_event_add_signal(loop, NULL, signals[i], on_signal, d);
    if (rc >= 0)
        rc = sd_event_add_io(loop, NULL, sources_fd(&d->sources), EPOLLIN, on_sources, d);
    if (rc >= 0)
        rc = sd_event_add_io(loop, NULL, relay_fd(d->relay), EPOLLIN, on_relay, d);
    if (rc >= 0)
        rc = sd_event_add_io(loop, NULL, local_fd(d->local), EPOLLIN, on_local, d);
    if (rc >= 0)
        rc = sd_event_set_watchdog(loop, true);
    return rc < 0 ? rc : 0;
}

static int run(struct norend *d, sd_event *loop)
{
    int rc = 0;

    sd_notifyf(0, "READY=1\nSTATUS=%s/%s/%s", d->config.tenant, d->config.store, d->config.gateway);
    while (rc >= 0 && sd_event_get_state(loop) != SD_EVENT_FINISHED) {
        int64_t now_us = clock_boot_us(), next_us = do_due(d, now_us);

        if (next_us < 0)
            return (int)next_us;
        rc = sd_event_run(loop, next_us > now_us ? (uint64_t)(next_us - now_us) : 0);
    }
    return rc < 0 ? rc : 0;
}

/* --- start and stop ----------------------------------------------------------------------------- */

static void say_problems(const struct norend *d)
{
    for (size_t i = 0; i < sizeof(d->sources.problems) / sizeof(d->sources.problems[0]); i++) {
        if (d->sources.problems[i][0] != '\0')
            log_line(LOG_LEVEL_WARNING, "%s; the rest goes on", d->sources.problems[i]);
    }
    if (d->engine.restore_refused > 0)
        log_line(
            LOG_LEVEL_WARNING,
            "%lld stored rows name nothing in the planogram; they are kept, counts of what was "
            "taken out of it come back with it",
            (long long)d->engine.restore_refused);
}

static int start(struct norend *d, struct engine_plan *plan)
{
    static char root[3 * NOREN_ID_SIZE + 16];
    struct relay_options relay = {.host = d->config.mqtt.host,
                                  .port = d->config.mqtt.port,
                                  .ca = d->config.mqtt.ca,
                                  .cert = d->config.mqtt.cert,
                                  .key = d->config.mqtt.key,
                                  .client_id = d->config.gateway,
                                  .root = root};
    char note[DB_ERROR_SIZE], path[CONFIG_PATH_SIZE + 16];
    const char *what = "boot id";
    int rc = clock_bootid(d->bootid);

    d->started_us = clock_boot_us();
    snprintf(root, sizeof(root), NOREN_TOPIC_ROOT, d->config.tenant, d->config.store,
             d->config.gateway);
    (void)mkdir(d->config.data_dir, 0750); /* usually there; what follows says if it is not */
    (void)mkdir(d->config.run_dir, 0750);
    if (rc == 0) {
        rc = db_open(&d->db, d->config.data_dir, d->config.gateway, d->bootid, note);
        if (note[0] != '\0')
            log_line(rc != 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s", note);
        if (rc != 0)
            return rc;
        what = "relay thread";
        rc = relay_open(&d->relay, &relay);
    }
    if (rc == 0) {
        struct deliver_options deliver = {d->config.tenant, d->config.store, d->config.gateway,
                                          d->bootid,        d->db,           d->relay,
                                          d->hq_key};

        what = "delivery";
        rc = deliver_open(&d->deliver, &deliver);
    }
    if (rc == 0) {
        what = "stored state";
        rc = engine_init(&d->engine, plan, d->db, d->deliver, d->started_us);
    }
    if (rc == 0) {
        what = "sources";
        rc = sources_open(&d->sources, &d->config, d->engine.plan);
    }
    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/control.sock", d->config.run_dir);
        what = path;
        rc = local_open(&d->local, path, control_answer, d);
    }
    if (rc != 0) {
        log_line(LOG_LEVEL_ERROR, "%s: %s", what, strerror(-rc));
        return rc;
    }
    say_problems(d);
    log_line(LOG_LEVEL_INFO, "%s on board %s: %u plates, %u zones, epoch %s, %llu events so far",
             root, d->config.board.name, d->engine.plan->plates_n, d->engine.plan->zones_n,
             db_identity(d->db)->epoch, (unsigned long long)db_identity(d->db)->committed);
    return commit(d, clock_boot_us());
}

static void stop(struct norend *d)
{
    sd_notify(0, "STOPPING=1");
    local_close(d->local);
    if (d->engine.shop != NULL)
        sources_close(&d->sources);
    if (d->db != NULL && db_commit(d->db, clock_boot_us()) != 0)
        log_line(LOG_LEVEL_ERROR, "%s", db_problem(d->db));
    relay_close(d->relay, 2000);
    deliver_close(d->deliver);
    engine_free(&d->engine);
    db_close(d->db);
    jws_key_free(d->hq_key);
}

static int serve(struct norend *d, struct engine_plan *plan)
{
    sd_event *loop = NULL;
    sigset_t signals;
    int rc;

    /* blocked before there is a second thread: signals belong to the loop */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk, not a reason to die */
    rc = start(d, plan);
    if (rc == 0)
        rc = sd_event_new(&loop);
    if (rc >= 0)
        rc = watch(d, loop);
    if (rc >= 0)
        rc = run(d, loop);
    if (rc < 0)
        log_line(LOG_LEVEL_ERROR, "ending: %s", strerror(-rc));
    stop(d);
    sd_event_unref(loop);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int usage(FILE *to)
{
    fputs("usage: norend --config DIR [--record FILE]\n\n"
          "The gateway daemon of a store.\n\n"
          "  --config DIR    folder with noren.conf, planogram.json, map.json, campaigns.json, "
          "hq.pub\n"
          "  --record FILE   write everything that enters the brain to a new file, for norenctl "
          "replay\n"
          "  --check-config  only read the configuration; say file, line and remedy\n"
          "  --version\n  --help\n\n"
          "SIGHUP reads the documents again, SIGTERM ends. `norenctl status` asks how it is.\n",
          to);
    return to == stdout ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"record", required_argument, NULL, 'r'},
        {"check-config", no_argument, NULL, 'k'}, {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {0}};
    struct engine_plan plan = {0};
    const char *dir = NULL;
    bool check = false;
    int c;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'c')
            dir = optarg;
        else if (c == 'r')
            daemon_state.record_file = optarg;
        else if (c == 'k')
            check = true;
        else if (c == 'v')
            return puts("norend " NOREN_VERSION) < 0;
        else
            return usage(c == 'h' ? stdout : stderr);
    }
    if (dir == NULL || optind < argc)
        return usage(stderr);
    if (configure(&daemon_state, dir, &plan) != 0)
        return EXIT_FAILURE;
    if (!check)
        return serve(&daemon_state, &plan);
    printf("%s: ok: %u plates, %u zones, %u campaigns\n", dir, plan.plan->plates_n,
           plan.plan->zones_n, plan.plan->campaigns_n);
    engine_plan_free(&plan);
    jws_key_free(daemon_state.hq_key);
    return EXIT_SUCCESS;
}
