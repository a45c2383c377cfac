/* noren-hq: takes in what gateways send, acknowledges what is safe, serves the pages.
 *
 * One thread, one sd-event loop, one SQLite connection. A message from the broker goes through ingest.c into
 * a transaction that up to 200 messages or 50 ms share; after its commit the acks go out signed, and the
 * pages are told what changed. This file only ties the parts together.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "hq/ca.h"
#include "hq/device.h"
#include "hq/command.h"
#include "hq/desired.h"
#include "hq/log.h"
#include "hq/operator.h"
#include "hq/publish.h"
#include "hq/utc.h"
#include "io/file.h"
#include "noren/topic.h"
#include "noren/units.h"
#include "noren/wire.h"

/* Exit codes: 0 asked to stop, 1 cannot go on, 2 wrong usage or configuration. */
enum { EXIT_CANNOT = 1, EXIT_USAGE = 2 };

#define TICK_US         (15 * NOREN_US_PER_S)
#define PEER_US         (500 * NOREN_US_PER_MS) /* how often another replica's work is looked for */
#define SHARED_DELAY_US (2 * NOREN_US_PER_MS)   /* of a commit: the others wait for the lock */

/* --- what comes up --------------------------------------------------------------------------- */

/* Gateways were told to forget somebody: so do we, and tell all other gateways. */
static void honour_forgotten(struct hq *hq)
{
    int64_t n = store_int(&hq->store, 0, "SELECT count(*) FROM forgotten", "");
    int r;

    if (n == hq->forgotten_n)
        return;
    r = store_begin(&hq->store);
    if (r == 0)
        r = roster_honour(&hq->roster, &hq->store);
    if (r >= 0 && store_commit(&hq->store) != 0)
        r = -EIO;
    store_rollback(&hq->store);
    if (r < 0) {
        hq_log(HQ_ERROR, "cannot forget yet: %s; tried again with the next events", strerror(-r));
        return;
    }
    hq->forgotten_n = n;
    if (r > 0) {
        hq_log(HQ_NOTE, "%d members forgotten; take them out of %s too", r, hq->config.members);
        publish_all_members(hq);
    }
}

static void commit(struct hq *hq)
{
    struct ingest_result result;

    sd_event_source_set_enabled(hq->commit_timer, SD_EVENT_OFF);
    int r = ingest_commit(&hq->ingest, &result);
    if (r < 0) {
        if (!hq->commit_trouble)
            hq_log(HQ_ERROR,
                   "cannot store events: %s (%s); gateways keep them and send them again; check "
                   "space and permissions of %s",
                   strerror(-r), store_error(&hq->store), hq->config.data_dir);
        hq->commit_trouble = true;
        return;
    }
    if (hq->commit_trouble)
        hq_log(HQ_NOTE, "storing events works again");
    hq->commit_trouble = false;
    for (int i = 0; i < result.epochs_n; i++)
        publish_ack(hq, result.epochs[i]);
    honour_forgotten(hq);
    for (int i = 0; i < result.gateways_n; i++)
        publish_members(hq, result.gateways[i]);
    for (int i = 0; i < result.gateways_n; i++) {
        publish_keys(hq, result.gateways[i]);
        publish_desired(hq, result.gateways[i]);
    }
    if (result.changed & CHANGED_GATEWAYS) {
        publish_certificates(hq);
        publish_commands(hq); /* some waited for a gateway to come */
        (void)store_commit(&hq->store);
    }
    if (result.changed != 0 && hq->http != NULL)
        http_notify(hq->http, result.changed);
}

static int on_commit_timer(sd_event_source *source, uint64_t due_us, void *user)
{
    (void)source;
    (void)due_us;
    commit(user);
    return 0;
}

static void on_message(void *user, const char *topic, const void *payload, size_t n, bool retained)
{
    struct hq *hq = user;
    enum refusal why = ingest_message(&hq->ingest, topic, payload, n, retained, utc_now_us());

    if (why != REFUSAL_NONE && !hq->refusal_logged[why]) {
        hq->refusal_logged[why] = true;
        hq_log(HQ_WARNING, "refused a message on %s: %s; more of this kind are only counted", topic,
               refusal_text(why));
    }
    if (hq->ingest.pending >= INGEST_GROUP_MAX || hq->ingest.events >= INGEST_EVENTS_MAX) {
        commit(hq);
    } else if (hq->ingest.pending == 1) {
        sd_event_source_set_time_relative(hq->commit_timer,
                                          hq->store.shared ? SHARED_DELAY_US : INGEST_DELAY_US);
        sd_event_source_set_enabled(hq->commit_timer, SD_EVENT_ONESHOT);
    }
}

static void on_connected(void *user)
{
    struct hq *hq = user;

    commit(hq);
    publish_each(hq, "SELECT id FROM gateway", publish_keys);
    publish_each(hq, "SELECT id FROM epoch", publish_ack);
    publish_all_members(hq);
    publish_each(hq, "SELECT id FROM gateway", publish_desired);
    publish_commands(hq);
    commit(hq);
}

static int on_minute(sd_event_source *source, uint64_t due_us, void *user)
{
    struct hq *hq = user;

    (void)due_us;
    if (noren_utc_date(utc_now_us() / NOREN_US_PER_S) != hq->date) {
        commit(hq);
        publish_all_members(hq);
    }
    commit(hq);
    publish_each(hq, "SELECT id FROM gateway", publish_new_desired);
    sd_event_source_set_time_relative(source, 60 * NOREN_US_PER_S);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* --- pages --- */

static int on_http(sd_event_source *source, int fd, uint32_t events, void *user)
{
    (void)source;
    (void)fd;
    (void)events;
    (void)user;
    return 0; /* it woke the loop, which runs the server after every wake-up */
}

static int on_tick(sd_event_source *source, uint64_t due_us, void *user)
{
    struct hq *hq = user;

    (void)due_us;
    http_tick(hq->http);
    publish_commands(hq);
    commit(hq);
    sd_event_source_set_time_relative(source, TICK_US);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* What another replica took in is news for the pages that this one serves. */
static int on_peer(sd_event_source *source, uint64_t due_us, void *user)
{
    struct hq *hq = user;
    int64_t version = store_int(&hq->store, -1, "PRAGMA data_version", "");

    (void)due_us;
    if (version != hq->data_version && !hq->store.in_transaction) {
        hq->data_version = version;
        ingest_look(&hq->ingest);
        if (hq->http != NULL)
            http_notify(hq->http, CHANGED_ALL);
    }
    sd_event_source_set_time_relative(source, PEER_US);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* The command is on the disk before it is on its way. */
static int on_commanded(void *user)
{
    struct hq *hq = user;

    commit(hq);
    if (hq->commit_trouble)
        return -EIO;
    publish_commands(hq);
    commit(hq);
    return 0;
}

static int open_http(struct hq *hq)
{
    const struct hq_config *c = &hq->config;

    hq->api = (struct api){.store = &hq->store,
                           .ingest = &hq->ingest,
                           .roster = &hq->roster,
                           .broker = hq->broker,
                           .commanded = on_commanded,
                           .user = hq,
                           .started_us = utc_now_us()};
    int r = http_open(&hq->http, c, &hq->api);
    if (r < 0) {
        hq_log(HQ_ERROR, "cannot listen on %s port %u: %s; set http_bind or http_port in [hq]",
               c->http_bind, c->http_port, strerror(-r));
        return r;
    }
    r = sd_event_add_io(hq->loop, &hq->http_io, http_fd(hq->http), EPOLLIN, on_http, hq);
    if (r >= 0)
        r = sd_event_add_time_relative(hq->loop, &hq->tick_timer, CLOCK_MONOTONIC, TICK_US, 0,
                                       on_tick, hq);
    if (r >= 0)
        hq_log(HQ_INFO, "pages at http://%s:%u/", c->http_bind, http_port(hq->http));
    return r;
}

static int run(struct hq *hq)
{
    while (sd_event_get_state(hq->loop) != SD_EVENT_FINISHED) {
        int r = sd_event_run(hq->loop, http_timeout_us(hq->http));

        if (r < 0)
            return r;
        http_run(hq->http);
    }
    return 0;
}

/* --- start and stop -------------------------------------------------------------------------- */

static int open_store(struct hq *hq)
{
    char path[CONFIG_PATH_SIZE + 16], error[256];

    if (mkdir(hq->config.data_dir, 0750) < 0 && errno != EEXIST) {
        hq_log(HQ_ERROR, "cannot make %s: %s; make it, or set data_dir", hq->config.data_dir,
               strerror(errno));
        return -errno;
    }
    snprintf(path, sizeof(path), "%s/hq.db", hq->config.data_dir);
    int r = hq->config.replica[0] != '\0' ? store_open_shared(&hq->store, path, error)
                                          : store_open(&hq->store, path, error);
    if (r < 0)
        hq_log(HQ_ERROR, "cannot open %s: %s; is another noren-hq running on it?", path, error);
    return r;
}

static int load_key(struct hq *hq)
{
    char *token = NULL;
    int r = jws_key_load(&hq->key, hq->config.key);

    if (r == 0)
        r = jws_sign(hq->key, "", 0, &token);
    free(token);
    if (r < 0)
        hq_log(HQ_ERROR,
               "cannot use %s: %s; it must be an Ed25519 private key (openssl genpkey "
               "-algorithm ed25519)",
               hq->config.key, strerror(-r));
    return r;
}

/* Everything that can be checked without touching anything. */
static int load(struct hq *hq, const char *path)
{
    char error[ROSTER_ERROR_SIZE];
    struct stat st;

    int r = hq_config_load(&hq->config, path, error);
    if (r == 0)
        r = roster_load(&hq->roster, hq->config.members, error);
    if (r < 0) {
        hq_log(HQ_ERROR, "%s", error);
        return r;
    }
    if (stat(hq->config.pages, &st) < 0 || !S_ISDIR(st.st_mode)) {
        hq_log(HQ_ERROR, "%s: pages = %s is not a folder; name gateway/dashboard", path,
               hq->config.pages);
        return -ENOTDIR;
    }
    return load_key(hq);
}

static int start(struct hq *hq)
{
    static const struct broker_calls CALLS = {.connected = on_connected, .message = on_message};
    sigset_t set;

    int r = open_store(hq);
    if (r < 0)
        return r;
    ingest_init(&hq->ingest, &hq->store);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    r = sd_event_default(&hq->loop);
    if (r >= 0)
        r = sd_event_add_signal(hq->loop, NULL, SIGTERM, NULL, NULL);
    if (r >= 0)
        r = sd_event_add_signal(hq->loop, NULL, SIGINT, NULL, NULL);
    if (r >= 0)
        r = sd_event_add_time_relative(hq->loop, &hq->commit_timer, CLOCK_MONOTONIC,
                                       INGEST_DELAY_US, 1000, on_commit_timer, hq);
    if (r >= 0)
        r = sd_event_add_time_relative(hq->loop, &hq->minute_timer, CLOCK_MONOTONIC,
                                       60 * NOREN_US_PER_S, 0, on_minute, hq);
    if (r >= 0 && hq->store.shared)
        r = sd_event_add_time_relative(hq->loop, &hq->peer_timer, CLOCK_MONOTONIC, PEER_US, 0,
                                       on_peer, hq);
    if (r >= 0)
        r = sd_event_set_watchdog(hq->loop, true);
    if (r >= 0) {
        r = broker_open(&hq->broker, hq->loop, &hq->config, &CALLS, hq);
        if (r < 0)
            hq_log(HQ_ERROR, "cannot use ca, cert or key of [mqtt]: %s; check the files",
                   strerror(-r));
    }
    if (r >= 0)
        r = open_http(hq);
    return r < 0 ? r : 0;
}

static void stop(struct hq *hq)
{
    if (hq->broker != NULL)
        commit(hq);
    http_close(hq->http);
    broker_close(hq->broker);
    sd_event_source_disable_unref(hq->http_io);
    sd_event_source_disable_unref(hq->tick_timer);
    sd_event_source_disable_unref(hq->minute_timer);
    sd_event_source_disable_unref(hq->peer_timer);
    sd_event_source_disable_unref(hq->commit_timer);
    sd_event_unref(hq->loop);
    if (hq->store.db != NULL)
        store_close(&hq->store);
    jws_key_free(hq->key);
    roster_free(&hq->roster);
}

static void print_help(FILE *f)
{
    fputs(
        "usage: noren-hq --config FILE [--check-config]\n"
        "       noren-hq ca init|approve ...   (issues gateways' certificates; ca --help)\n"
        "       noren-hq device MEMBERS_FILE   (device tags of addresses; device --help)\n"
        "Headquarters: stores what gateways send over MQTT, acknowledges it, serves the pages.\n"
        "  -c, --config FILE   hq.conf with [hq] data_dir, http_port (8080), http_bind\n"
        "                      (127.0.0.1), key, members, pages, desired, ca (the folder of\n"
        "                      `noren-hq ca`: renews gateways' certificates), replica and [mqtt]\n"
        "                      host, port\n"
        "                      (8883), ca, cert, key, tenant; file names are relative to the\n"
        "                      file's folder. `replica = NAME`: one of several noren-hq on this\n"
        "                      machine that share data_dir and the gateways' events\n"
        "      --check-config  say what is wrong, or nothing, and stop\n"
        "  -h, --help          this text\n"
        "      --version       the version\n"
        "exit: 0 stopped by a signal, 1 cannot go on, 2 wrong usage or configuration\n",
        f);
}

/* Returns -1 to go on, or the exit code. */
static int read_arguments(int argc, char **argv, const char **ret_config, bool *ret_check)
{
    static const struct option OPTIONS[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "c:h", OPTIONS, NULL)) != -1) {
        switch (option) {
        case 'c':
            *ret_config = optarg;
            break;
        case 'k':
            *ret_check = true;
            break;
        case 'h':
            print_help(stdout);
            return EXIT_SUCCESS;
        case 'v':
            puts("noren-hq " NOREN_VERSION);
            return EXIT_SUCCESS;
        default:
            print_help(stderr);
            return EXIT_USAGE;
        }
    }
    if (*ret_config == NULL || optind != argc) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    return -1;
}

int main(int argc, char **argv)
{
    static struct hq hq;
    const char *config = NULL;
    bool check = false;

    if (argc > 1 && strcmp(argv[1], "ca") == 0)
        return ca_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "command") == 0)
        return operator_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "device") == 0)
        return device_main(argc - 1, argv + 1);
    int code = read_arguments(argc, argv, &config, &check);
    if (code >= 0)
        return code;
    if (load(&hq, config) < 0) {
        code = EXIT_USAGE;
    } else if (check) {
        code = EXIT_SUCCESS;
    } else if (start(&hq) < 0) {
        code = EXIT_CANNOT;
    } else {
        sd_notify(0, "READY=1");
        hq_log(HQ_INFO, "started, hq_id %s", hq.store.hq_id);
        code = run(&hq) < 0 ? EXIT_CANNOT : EXIT_SUCCESS;
        sd_notify(0, "STOPPING=1");
    }
    stop(&hq);
    return code;
}
