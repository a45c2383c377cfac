/* Configuring, starting, committing and stopping the daemon: the pieces of main.c that are not its loop.
 * Part of the program rather than of a library, so it may log. */
#include "io/norend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "io/copies.h"
#include "io/log.h"
#include "io/plan_json.h"
#include "noren/topic.h"

#define COMMIT_OVERDUE_US (10 * NOREN_US_PER_S)

int norend_configure(struct norend *d, const char *dir, struct engine_plan *ret_plan)
{
    char error[ENGINE_ERROR_SIZE > INI_ERROR_SIZE ? ENGINE_ERROR_SIZE : INI_ERROR_SIZE] = "";
    char path[CONFIG_PATH_SIZE];
    int rc = config_load(&d->config, dir, error);

    if (rc == 0) /* what a store is made of is for its store board to know */
        rc = d->config.role == ROLE_RECEIVER ? engine_no_plan(ret_plan)
                                             : engine_read_plan(ret_plan, dir, error);
    if (rc != 0) {
        log_line(LOG_LEVEL_ERROR, "%s", error);
        return rc;
    }
    rc = clock_set_zone(ret_plan->plan->time_zone);
    if (rc != 0) {
        log_line(LOG_LEVEL_ERROR,
                 "%s/planogram.json: time_zone: no zone \"%s\" on this machine; write one like "
                 "Asia/Tokyo, and install the package tzdata",
                 dir, ret_plan->plan->time_zone);
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

void norend_reload(struct norend *d)
{
    char error[ENGINE_ERROR_SIZE] = "";
    struct engine_plan plan;

    d->uplink.next_look_us = 0; /* at the certificate, within a second */
    if (d->config.role == ROLE_RECEIVER) {
        log_line(LOG_LEVEL_INFO, "a receiver has no plan to reload; restart it for another board");
        return;
    }
    if (desired_reload(d, &plan, error) != 0) {
        log_line(LOG_LEVEL_ERROR, "reload: %s; what was in force stays", error);
        return;
    }
    engine_set_plan(&d->engine, &plan, clock_boot_us());
    sources_set_plan(&d->sources, d->engine.plan);
    log_line(LOG_LEVEL_INFO, "reloaded the plan of %s", d->config.dir);
}

static void take_message(struct norend *d, const struct relay_event *e)
{
    char error[ENGINE_ERROR_SIZE];
    int rc;

    if (strcmp(e->topic, "desired/members") == 0 ||
        strncmp(e->topic, "desired/members/", 16) == 0) {
        if (e->n == 0)
            return; /* HQ took back a part that a smaller document does not need */
        rc = engine_members(&d->engine, d->hq_key, e->payload, e->n, error);
        if (rc < 0)
            log_line(LOG_LEVEL_WARNING, "%s", error);
        else if (rc > 0)
            log_line(LOG_LEVEL_INFO, "members: revision %lld, %zu members, %zu tags, %zu sensors",
                     (long long)d->engine.roll.revision, d->engine.radio.members.n,
                     d->engine.radio.tags.n, d->engine.radio.sensors_n);
    } else if (strncmp(e->topic, "desired/", 8) == 0) {
        desired_take(d, e);
    } else if (strncmp(e->topic, "cmd/", 4) == 0) {
        command_take(d, e);
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

static void clear_epoch_alert(struct norend *d)
{
    engine_clear_alert(&d->engine, db_alert_id(d->db), db_alert_kind(d->db), clock_boot_us());
    db_clear_alert(d->db);
    log_line(LOG_LEVEL_INFO, "headquarters follows the new epoch %s; the database is good again",
             db_identity(d->db)->epoch);
}

/* A new epoch is told, also to people: counts without a sensor may not be what they were. */
static void alert_epoch(struct norend *d)
{
    const char *kind = db_take_alert(d->db);
    const char *before = db_identity(d->db)->prev_epoch;

    if (db_alert_over(d->db))
        clear_epoch_alert(d);
    if (kind == NULL)
        return;
    engine_raise_alert(&d->engine, db_alert_id(d->db), kind, before[0] != '\0' ? before : "unknown",
                       clock_boot_us());
}

void norend_read_relay(struct norend *d)
{
    struct relay_event *e;

    while ((e = relay_next(d->relay)) != NULL) {
        char epoch[DB_EPOCH_SIZE];

        memcpy(epoch, db_identity(d->db)->epoch, sizeof(epoch));
        note_connection(d, e);
        desired_event(d, e);
        if (!command_event(d, e) && !deliver_event(d->deliver, e, clock_boot_us()))
            take_message(d, e);
        if (strcmp(epoch, db_identity(d->db)->epoch) != 0)
            log_line(
                LOG_LEVEL_WARNING,
                "headquarters has later numbers of epoch %s than the database: this file is an "
                "old copy; epoch %s begins, counts come back from the sensors",
                epoch, db_identity(d->db)->epoch);
        alert_epoch(d);
        free(e);
    }
    uplink_tick(d, clock_boot_us());
}

int norend_commit(struct norend *d, int64_t now_us)
{
    int rc = engine_commit(&d->engine, now_us);

    if (rc != 0 && !d->commit_failing)
        log_line(LOG_LEVEL_ERROR, "%s", db_problem(d->db));
    if (rc == 0 && d->commit_failing)
        log_line(LOG_LEVEL_INFO, "the database takes commits again; nothing was lost");
    d->commit_failing = rc != 0; /* not db_problem(): a command may have met the failure first */
    return rc == -EUCLEAN ? rc : 0;
}

/* The store beacon is worth a warning, not the gateway. */
static void open_beacon(struct norend *d)
{
    const struct config_beacon *c = &d->config.beacon;
    struct bluez_beacon_config config = {
        .adapter = c->hci, .major = (uint16_t)c->major, .power_1m_dbm = (int8_t)c->power_1m_dbm};
    int rc;

    if (!c->sent)
        return;
    memcpy(config.uuid, c->uuid, sizeof(config.uuid));
    memcpy(config.key, c->key, sizeof(config.key));
    rc = bluez_beacon_open(&d->beacon, &config, d->config.run_dir);
    if (rc == 0)
        return;
    snprintf(d->beacon_problem, sizeof(d->beacon_problem), "store beacon: %s; %s", strerror(-rc),
             rc == -EAFNOSUPPORT ? "load the kernel module bluetooth" : "see the kernel log");
    log_line(LOG_LEVEL_WARNING, "%s; the rest goes on", d->beacon_problem);
}

static void say_problems(const struct norend *d)
{
    for (size_t i = 0; i < sizeof(d->sources.problems) / sizeof(d->sources.problems[0]); i++) {
        if (d->sources.problems[i][0] != '\0')
            log_line(LOG_LEVEL_WARNING, "%s; the rest goes on", d->sources.problems[i]);
    }
    for (size_t i = 0; i < BOARD_LEDS_MAX; i++) {
        if (act_problem(d->act, i) != NULL)
            log_line(LOG_LEVEL_WARNING, "%s; the rest goes on", act_problem(d->act, i));
    }
    if (d->engine.restore_refused > 0)
        log_line(
            LOG_LEVEL_WARNING,
            "%lld stored rows name nothing in the planogram; they are kept, counts of what was "
            "taken out of it come back with it",
            (long long)d->engine.restore_refused);
}

/* Without a usable key the gateway would forget its members at the next power cut: say so, do not go on as if
 * it were no matter. What is in the vault and cannot be read is no reason not to start: HQ sends it again. */
static int open_vault(struct norend *d)
{
    char error[ENGINE_ERROR_SIZE] = "";
    int rc = engine_open_vault(&d->engine, d->config.data_dir, d->config.key_dir, d->hq_key, error);
    const struct engine *e = &d->engine;

    if (rc != 0 && e->vault == NULL) {
        log_line(LOG_LEVEL_ERROR, "%s", error);
        return rc;
    }
    control_load_checkins(d);
    if (error[0] != '\0')
        log_line(LOG_LEVEL_WARNING, "%s; headquarters will send it again", error);
    if (e->roll.in_force)
        log_line(LOG_LEVEL_INFO, "members: revision %lld at rest, %zu members, %zu tags",
                 (long long)e->roll.revision, e->radio.members.n, e->radio.tags.n);
    return 0;
}

/* The radios and cells of a receiver's own board, by the names that the store's map and planogram have. */
static int make_receiver_plan(struct norend *d)
{
    const struct board *b = &d->config.board;
    struct plan *p = malloc(sizeof(*p));

    if (p == NULL)
        return -ENOMEM;
    plan_clear(p);
    for (int i = 0; i < b->radios_n; i++)
        memcpy(p->receivers[p->receivers_n++].id, b->radios[i].receiver, NOREN_ID_SIZE);
    for (int i = 0; i < b->banks_n; i++)
        for (int k = 0; k < b->banks[i].cells_n; k++)
            memcpy(p->cells[p->cells_n++].id, b->banks[i].cells[k], NOREN_ID_SIZE);
    d->receiver_plan = p;
    return 0;
}

static int start_bus(struct norend *d)
{
    struct bus_options bus = {
        .config = &d->config, .engine = &d->engine, .answer = command_store, .user = d};
    int rc;

    if (d->config.local.host[0] == '\0')
        return 0;
    if (d->config.role == ROLE_RECEIVER) {
        rc = make_receiver_plan(d);
        if (rc != 0)
            return rc;
        bus.board = d->receiver_plan;
    }
    rc = bus_open(&d->bus, &bus);
    if (rc == 0 && d->config.role == ROLE_RECEIVER) {
        d->engine.forward = bus_forward;
        d->engine.forward_user = d->bus;
    }
    return rc;
}

int norend_start(struct norend *d, struct engine_plan *plan)
{
    static char root[3 * NOREN_ID_SIZE + 16], us[BUNDLE_TO_SIZE];
    static const char *const subscribe[] = {"ack", "desired/#", "cmd/#", NULL};
    struct relay_options relay = {.host = d->config.mqtt.host,
                                  .port = d->config.mqtt.port,
                                  .ca = d->config.mqtt.ca,
                                  .cert = d->config.mqtt.cert,
                                  .key = d->config.mqtt.key,
                                  .client_id = d->config.gateway,
                                  .prefix = root,
                                  .subscribe = subscribe,
                                  .will_topic = NOREN_TOPIC_GATEWAY,
                                  .where = "[mqtt] of noren.conf",
                                  .spread = true};
    char note[DB_ERROR_SIZE], path[CONFIG_PATH_SIZE + 16];
    const char *what = "boot id";
    int rc = clock_bootid(d->bootid);

    d->started_us = clock_boot_us();
    snprintf(root, sizeof(root), NOREN_TOPIC_ROOT, d->config.tenant, d->config.store,
             d->config.gateway);
    snprintf(us, sizeof(us), "%s/%s/%s", d->config.tenant, d->config.store, d->config.gateway);
    (void)mkdir(d->config.data_dir, 0750); /* usually there; what follows says if it is not */
    (void)mkdir(d->config.run_dir, 0750);
    if (rc == 0) {
        rc = db_open(&d->db, d->config.data_dir, d->config.gateway, d->bootid, note);
        if (note[0] != '\0')
            log_line(rc != 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s", note);
        if (rc != 0)
            return rc;
        what = "relay thread";
        uplink_begin(d);
        rc = relay_open(&d->relay, &relay);
    }
    if (rc == 0) {
        struct deliver_options deliver = {.tenant = d->config.tenant,
                                          .store = d->config.store,
                                          .gateway = d->config.gateway,
                                          .bootid = d->bootid,
                                          .db = d->db,
                                          .relay = d->relay,
                                          .hq_key = d->hq_key,
                                          .puback = d->config.mqtt.ack == 1,
                                          .single = d->config.mqtt.batch == 1,
                                          .drain_per_s = d->config.mqtt.drain_per_s};

        what = "delivery";
        rc = deliver_open(&d->deliver, &deliver);
    }
    if (rc == 0) {
        what = d->record_file;
        rc = d->record_file != NULL ? recorder_open(&d->recorder, d->record_file) : 0;
        if (rc == 0 && d->record_file != NULL) /* who is to be forgotten is in it too */
            rc = copies_note(d->config.data_dir, "recording", d->record_file);
        d->engine.recorder = d->recorder;
    }
    if (rc == 0) {
        what = "stored state";
        rc = engine_init(&d->engine, plan, d->db, d->deliver, d->started_us);
        for (uint16_t i = 0; rc == 0 && i < d->config.nodes_n; i++)
            radio_node_key(&d->engine.radio, d->config.nodes[i].node, d->config.nodes[i].key);
    }
    if (rc == 0) {
        what = "members at rest";
        d->engine.us = us;
        rc = open_vault(d);
    }
    if (rc == 0) {
        what = "connection to the store's broker";
        rc = start_bus(d);
    }
    if (rc == 0) {
        what = "sources";
        rc = sources_open(&d->sources, &d->config,
                          d->receiver_plan != NULL ? d->receiver_plan : d->engine.plan);
    }
    if (rc == 0) {
        what = "lights";
        rc = act_open(&d->act, &d->config.board, d->sources.sim);
        open_beacon(d);
    }
    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/control.sock", d->config.run_dir);
        what = path;
        rc = local_open(&d->local, path, command_local, d);
    }
    if (rc != 0) {
        log_line(LOG_LEVEL_ERROR, "%s: %s", what, strerror(-rc));
        return rc;
    }
    desired_start(d);
    say_problems(d);
    alert_epoch(d);
    if (d->receiver_plan != NULL)
        log_line(LOG_LEVEL_INFO,
                 "receiver: %u radios, %u cells go to the store board through %s:%u",
                 d->receiver_plan->receivers_n, d->receiver_plan->cells_n, d->config.local.host,
                 d->config.local.port);
    log_line(LOG_LEVEL_INFO, "%s on board %s: %u plates, %u zones, epoch %s, %llu events so far",
             root, d->config.board.name, d->engine.plan->plates_n, d->engine.plan->zones_n,
             db_identity(d->db)->epoch, (unsigned long long)db_identity(d->db)->committed);
    return norend_commit(d, clock_boot_us());
}

void norend_pet(struct norend *d, int64_t now_us)
{
    bool commits = db_deadline(d->db) > now_us - COMMIT_OVERDUE_US || db_problem(d->db)[0] != '\0';

    if (commits && sources_alive(&d->sources, now_us)) {
        d->stands_still = false;
        sd_notify(0, "WATCHDOG=1");
        return;
    }
    if (!d->stands_still)
        log_line(LOG_LEVEL_ERROR, "%s; the watchdog will restart norend",
                 commits ? "a sampling thread stands still" : "commits do not come through");
    d->stands_still = true;
}

void norend_stop(struct norend *d)
{
    sd_notify(0, "STOPPING=1");
    local_close(d->local);
    bluez_beacon_close(d->beacon);
    act_close(d->act); /* before the simulated board, which shows the lights */
    if (d->engine.shop != NULL)
        sources_close(&d->sources);
    if (d->db != NULL && db_commit(d->db, clock_boot_us()) != 0)
        log_line(LOG_LEVEL_ERROR, "%s", db_problem(d->db));
    if (d->recorder != NULL && recorder_close(d->recorder) != 0)
        log_line(LOG_LEVEL_WARNING, "the end of %s could not be written", d->record_file);
    bus_close(d->bus);
    relay_close(d->relay, 2000);
    deliver_close(d->deliver);
    engine_free(&d->engine);
    db_close(d->db);
    command_free(&d->commands);
    desired_free(&d->desired);
    jws_key_free(d->hq_key);
    free(d->receiver_plan);
}
