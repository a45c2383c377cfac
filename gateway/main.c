/* norend: the gateway daemon. It reads like a table of contents, and is the only file that knows everything:
 *
 *   configure   noren.conf, board, planogram, map, campaigns, HQ's key
 *   start       database, delivery and relay thread, the brain with what the database remembers, sources
 *   turn        wait (sd-event) -> sources -> brain -> commit at its deadline -> delivery
 *   stop        commit, close; a SIGKILL at any point loses nothing that HQ or a shelf relies on
 *
 * One thread does all of it but sampling and MQTT, so nothing in here needs a lock. The watchdog is fed by
 * the event loop itself and only while there is progress (norend_pet): a loop that hangs, in a commit or anywhere
 * else, or a sampling thread that does, is one that systemd restarts.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "io/log.h"
#include "io/metrics.h"
#include "io/norend.h"
#include "noren/topic.h"

#define SECOND_US      (1 * NOREN_US_PER_S)
#define BACKUP_TURN_US (10 * NOREN_US_PER_MS) /* and then its next portion */
#define MINUTE_US      (60 * NOREN_US_PER_S)

static struct norend daemon_state; /* about two megabytes: not for the stack */

/* --- turn --------------------------------------------------------------------------------------- */

/* Once a second: what a crash may cost of a recording. One that cannot be written ends, the shop goes on. */
static void keep_recording(struct norend *d)
{
    if (d->engine.recorder != NULL && d->engine.record_error == 0)
        d->engine.record_error = recorder_flush(d->engine.recorder);
    if (d->recorder == NULL || d->engine.record_error == 0)
        return;
    log_line(LOG_LEVEL_ERROR, "%s: recording ended: %s; free some space and start again to record",
             d->record_file, strerror(-d->engine.record_error));
    (void)recorder_close(d->recorder);
    d->recorder = d->engine.recorder = NULL;
}

/* Lights and the store beacon. Returns when they want to be called next. */
static int64_t act(struct norend *d, int64_t now_us)
{
    int64_t next_us = act_tick(d->act, now_us);

    if (d->beacon != NULL && now_us >= d->next_beacon_us) {
        enum clock_quality quality;
        int64_t utc_us = clock_utc_us(&quality);

        d->next_beacon_us = bluez_beacon_tick(d->beacon, d->sources.ble, now_us,
                                              quality == CLOCK_FLOOR ? -1 : utc_us);
    }
    return d->beacon != NULL && d->next_beacon_us < next_us ? d->next_beacon_us : next_us;
}

/* What is due by the clock. Returns when it next wants to be called, or -errno to end. */
static int64_t do_due(struct norend *d, int64_t now_us)
{
    int64_t next_us;

    if (now_us >= d->next_second_us) {
        const char *complaint = sources_tick(&d->sources, now_us);

        uplink_tick(d, now_us);
        if (complaint != NULL)
            log_line(LOG_LEVEL_WARNING, "%s; the rest goes on", complaint);
        complaint = d->bus != NULL ? bus_complaint(d->bus, now_us) : NULL;
        if (complaint != NULL)
            log_line(LOG_LEVEL_WARNING, "%s", complaint);
        engine_second(&d->engine);
        desired_second(d, now_us);
        keep_recording(d);
        norend_pet(d, now_us);
        metrics_write(d, now_us);
        d->next_second_us = now_us + SECOND_US;
    }
    if (now_us >= d->next_minute_us) {
        struct event health = control_health(d, now_us);

        engine_clock(&d->engine, now_us);
        engine_expire_members(&d->engine);
        command_minute(d, now_us);
        engine_emit(&d->engine, &health, now_us);
        (void)malloc_trim(0); /* what a burst left free among what is in use */
        d->next_minute_us = now_us + MINUTE_US;
    }
    if (d->bus != NULL)
        bus_pump(d->bus, now_us);
    engine_tick(&d->engine, now_us);
    if (now_us >= db_deadline(d->db) && norend_commit(d, now_us) != 0)
        return -EUCLEAN;
    deliver_pump(d->deliver, now_us);
    command_pump(d);
    if (db_backup_step(d->db) == 1)
        return now_us + BACKUP_TURN_US;
    next_us = act(d, now_us);
    if (d->next_second_us < next_us)
        next_us = d->next_second_us;
    if (d->engine.deadline_us < next_us)
        next_us = d->engine.deadline_us;
    if (db_deadline(d->db) < next_us)
        next_us = db_deadline(d->db);
    if (deliver_deadline(d->deliver) < next_us)
        next_us = deliver_deadline(d->deliver);
    if (d->bus != NULL && bus_deadline(d->bus) < next_us)
        next_us = bus_deadline(d->bus);
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
    norend_read_relay(user);
    return 0;
}

static int on_bus(sd_event_source *s, int fd, uint32_t events, void *user)
{
    struct norend *d = user;

    (void)s, (void)fd, (void)events;
    bus_read(d->bus);
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
        norend_reload(user);
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
    if (rc >= 0 && d->bus != NULL)
        rc = sd_event_add_io(loop, NULL, bus_fd(d->bus), EPOLLIN, on_bus, d);
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
    rc = norend_start(d, plan);
    if (rc == 0)
        rc = sd_event_new(&loop);
    if (rc >= 0)
        rc = watch(d, loop);
    if (rc >= 0)
        rc = run(d, loop);
    if (rc < 0)
        log_line(LOG_LEVEL_ERROR, "ending: %s", strerror(-rc));
    norend_stop(d);
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

/* Memory that is given up goes back to the system. Left alone, malloc takes a large block that was freed for the
 * sign of more to come, and puts the next ones on the heap, where what lies above keeps them: a members document
 * and what it is read with cost half a megabyte for ever. Threads with heaps of their own cost a quarter more; the
 * relay's allocates little, the sampling threads nothing. */
static void bound_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    (void)mallopt(M_ARENA_MAX, 1);
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

    bound_memory();
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
    if (norend_configure(&daemon_state, dir, &plan) != 0)
        return EXIT_FAILURE;
    if (!check) {
        desired_load(&daemon_state, &plan);
        return serve(&daemon_state, &plan);
    }
    if (daemon_state.config.role == ROLE_RECEIVER)
        printf("%s: ok: receiver with %u radios and %u banks of cells\n", dir,
               daemon_state.config.board.radios_n, daemon_state.config.board.banks_n);
    else
        printf("%s: ok: %u plates, %u zones, %u campaigns\n", dir, plan.plan->plates_n,
               plan.plan->zones_n, plan.plan->campaigns_n);
    engine_plan_free(&plan);
    jws_key_free(daemon_state.hq_key);
    return EXIT_SUCCESS;
}
