/* What the gateway can be asked. One table, one row a command; those about stock are control_stock.c.
 *
 * A command is an observation like any other, so it is in the recording.
 */
#include "io/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Resident memory in KiB: the second number of statm, in pages. */
static int64_t resident_kb(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    char line[128] = "", *space = NULL;

    if (f == NULL)
        return 0;
    if (fgets(line, sizeof(line), f) != NULL)
        space = strchr(line, ' ');
    fclose(f);
    return space != NULL ? strtoll(space, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024) : 0;
}

/* Bytes that this process made the kernel write to storage, since it started: the wear of the card. */
static int64_t written_bytes(void)
{
    FILE *f = fopen("/proc/self/io", "re");
    char line[128];
    int64_t n = 0;

    if (f == NULL)
        return 0;
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "write_bytes:", 12) == 0)
            n = strtoll(line + 12, NULL, 10);
    fclose(f);
    return n;
}

struct event control_health(const struct norend *d, int64_t now_us)
{
    struct event e = {.kind = EVENT_GATEWAY_HEALTH, .t_us = now_us};
    struct adc_counters adc = sources_adc_counters(&d->sources);
    const struct radio_counters *radio = &d->engine.radio.counters;

    e.u.gateway_health.uptime_s = (now_us - d->started_us) / NOREN_US_PER_S;
    e.u.gateway_health.adverts = radio->reports;
    e.u.gateway_health.adverts_refused = radio->refused_hci + radio->refused_ad;
    e.u.gateway_health.adverts_lost =
        d->sources.ble != NULL ? ble_counters(d->sources.ble).lost : 0;
    e.u.gateway_health.frames_good = adc.frames_good;
    e.u.gateway_health.frames_refused = adc.frames_refused;
    e.u.gateway_health.outbox_rows = db_counters(d->db).outbox_rows;
    e.u.gateway_health.rss_kb = resident_kb();
    return e;
}

/* At the rate since the start. */
static int64_t per_day(int64_t n, int64_t us)
{
    return us > NOREN_US_PER_S ? (int64_t)((double)n * 86400.0 * 1e6 / (double)us) : 0;
}

size_t control_counters(const struct norend *d, int64_t now_us,
                        struct control_counter ret[CONTROL_COUNTERS_MAX])
{
    struct event health = control_health(d, now_us);
    struct db_counters db = db_counters(d->db);
    struct deliver_counters out = deliver_counters(d->deliver);
    struct adc_counters adc = sources_adc_counters(&d->sources);
    int64_t committed = db.events_committed;
    struct ble_counters ble =
        d->sources.ble != NULL ? ble_counters(d->sources.ble) : (struct ble_counters){0};
    const struct control_counter rows[] = {
        {"adverts", health.u.gateway_health.adverts},
        {"adverts_refused", health.u.gateway_health.adverts_refused},
        {"adverts_lost", health.u.gateway_health.adverts_lost},
        {"tokens_resolved", d->engine.radio.counters.tokens_resolved},
        {"tokens_unknown", d->engine.radio.counters.tokens_unknown},
        {"unknown_beyond_bound", d->engine.radio.crowd.overflow},
        {"tokens_early", d->engine.radio.counters.tokens_early},
        {"tokens_late", d->engine.radio.counters.tokens_late},
        {"tags_resolved", d->engine.radio.counters.tags_resolved},
        {"eids_unknown", d->engine.radio.counters.eids_unknown},
        {"members", (int64_t)d->engine.radio.members.n},
        {"tags", (int64_t)d->engine.radio.tags.n},
        {"tracked", d->engine.shop->people.locate.tracks_n},
        {"sightings_without_consent", d->engine.radio.counters.no_consent},
        {"tokens_of_twins", d->engine.radio.counters.twins},
        {"sightings_of_staff", d->engine.radio.counters.staff},
        {"checkins", d->checkins_taken},
        {"checkins_refused", d->checkins_refused},
        {"sensors_good", d->engine.radio.counters.sensors_good},
        {"sensors_refused", d->engine.radio.counters.sensors_refused},
        {"adverts_coded", d->engine.radio.counters.coded},
        {"adverts_joined", d->engine.radio.counters.joined},
        {"adverts_cut", d->engine.radio.counters.cut + d->engine.radio.counters.overlong},
        {"scan_readds", ble.scan.readds},
        {"scan_power_cycles", ble.scan.power_cycles},
        {"scan_reports", ble.scan.reports},
        {"scan_removed_by_others", ble.scan.removals},
        {"scan_refusals", ble.scan.refused},
        {"scan_unanswered", ble.scan.unanswered},
        {"adapters_returned", ble.scan.returns},
        {"frames_good", adc.frames_good},
        {"frames_refused", adc.frames_refused},
        {"readings_lost", adc.ring_overflows},
        {"sim_refused", d->sources.sim != NULL ? sim_refused(d->sources.sim) : 0},
        {"unknown_receiver", d->sources.unknown_receiver},
        {"observations_refused", d->engine.shop->refused},
        {"commits", db.commits},
        {"commit_failures", db.commit_failures},
        {"events_dropped", db.events_dropped},
        {"outbox_rows", db.outbox_rows},
        {"kept_bytes", db.kept_bytes},
        {"events_shed", db.events_shed},
        {"written_bytes", written_bytes()},
        {"written_bytes_per_day", per_day(written_bytes(), now_us - d->started_us)},
        {"commits_per_hour", per_day(db.commits, now_us - d->started_us) / 24},
        {"written_bytes_per_event", committed > 0 ? written_bytes() / committed : 0},
        {"published", out.published},
        {"batches", out.batches},
        {"resends", out.resends},
        {"connections", out.connections},
        {"publishes_refused", out.refused},
        {"acks", out.acks},
        {"acks_refused", out.acks_refused},
        {"commands_done", d->commands.counters.done},
        {"commands_asked", d->commands.counters.asked},
        {"commands_repeated", d->commands.counters.repeated},
        {"answers_dropped", d->commands.counters.answers_dropped},
        {"sales", d->engine.shop->shelf.sale_counters.sales},
        {"sales_repeated", d->engine.shop->shelf.sale_counters.repeated},
        {"sales_refused", d->sales_refused},
        {"sale_lines_unknown", d->sale_lines_unknown},
        {"sold_unseen", d->engine.shop->shelf.sale_counters.shortfall},
        {"rss_kb", health.u.gateway_health.rss_kb},
    };

    _Static_assert(sizeof(rows) / sizeof(rows[0]) <= CONTROL_COUNTERS_MAX, "a longer array");
    memcpy(ret, rows, sizeof(rows));
    return sizeof(rows) / sizeof(rows[0]);
}

static void print_counters(const struct norend *d, struct json *j, int64_t now_us)
{
    struct control_counter rows[CONTROL_COUNTERS_MAX];
    size_t n = control_counters(d, now_us, rows);
    struct adc_counters adc = sources_adc_counters(&d->sources);

    json_key(j, "counters");
    json_open(j, '{');
    for (size_t i = 0; i < n; i++)
        json_key_i64(j, rows[i].name, rows[i].value);
    for (int i = HX711_GOOD + 1; i < HX711_REASONS; i++) { /* why frames were refused */
        char name[32];

        snprintf(name, sizeof(name), "frames_%s", hx711_reason_name((enum hx711_reason)i));
        json_key_i64(j, name, adc.by_reason[i]);
    }
    for (int i = 0; i < COMMAND_REFUSALS; i++) { /* why commands were not done */
        char name[48];

        snprintf(name, sizeof(name), "commands_%s", command_refusal_name((enum command_refusal)i));
        json_key_i64(j, name, d->commands.counters.refused[i]);
    }
    json_close(j, '}');
}

static void print_beacon(const struct norend *d, struct json *j)
{
    struct bluez_beacon_state b;

    if (d->beacon == NULL)
        return;
    b = bluez_beacon_state(d->beacon);
    json_key_str(j, "beacon", b.on_air ? "on air" : "silent");
    json_key_i64(j, "beacon_major", d->config.beacon.major);
    json_key_i64(j, "beacon_minor", b.minor);
    json_key_i64(j, "beacon_instance", b.instance);
    json_key_i64(j, "beacon_added", b.added);
    json_key_i64(j, "beacon_steps", b.steps);
}

/* What is wrong now, as sentences with their remedies. */
static void print_problems(const struct norend *d, struct json *j)
{
    json_key(j, "problems");
    json_open(j, '[');
    if (d->relay_problem[0] != '\0')
        json_str(j, d->relay_problem);
    if (d->bus != NULL && bus_problem(d->bus)[0] != '\0')
        json_str(j, bus_problem(d->bus));
    if (d->relay_problem[0] == '\0' && deliver_problem(d->deliver)[0] != '\0')
        json_str(j, deliver_problem(d->deliver));
    if (db_problem(d->db)[0] != '\0')
        json_str(j, db_problem(d->db));
    if (d->engine.vault_problem[0] != '\0')
        json_str(j, d->engine.vault_problem);
    for (size_t i = 0; i < sizeof(d->sources.problems) / sizeof(d->sources.problems[0]); i++) {
        if (d->sources.problems[i][0] != '\0')
            json_str(j, d->sources.problems[i]);
    }
    if (d->beacon_problem[0] != '\0')
        json_str(j, d->beacon_problem);
    if (d->beacon != NULL && bluez_beacon_problem(d->beacon) != NULL)
        json_str(j, bluez_beacon_problem(d->beacon));
    control_print_cell_problems(d, j);
    for (size_t i = 0; i < BOARD_LEDS_MAX; i++) {
        if (act_problem(d->act, i) != NULL)
            json_str(j, act_problem(d->act, i));
    }
    json_close(j, ']');
}

/* Each bank of load cells: how it is sampled, and what came of it. */
static void print_banks(const struct norend *d, struct json *j)
{
    json_key(j, "banks");
    json_open(j, '[');
    for (int i = 0; i < d->config.board.banks_n; i++) {
        const struct adc *adc = d->sources.adc[i];
        struct adc_counters counters = sources_bank_counters(&d->sources, i);

        json_open(j, '{');
        json_key_str(j, "bank", d->config.board.banks[i].id);
        json_key_str(j, "sampling",
                     adc != NULL                    ? adc_mode(adc)
                     : d->sources.iio[i] != NULL    ? "by the kernel"
                     : d->sources.serial[i] != NULL ? "by shelf nodes"
                                                    : "not open");
        json_key_i64(j, "frames_good", counters.frames_good);
        json_key_i64(j, "frames_refused", counters.frames_refused);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* Unknown phones by receiver, in the last five minutes; null below five. */
static void print_crowd(const struct norend *d, struct json *j)
{
    const struct plan *plan = d->engine.plan;

    json_key(j, "unknown_devices");
    json_open(j, '[');
    for (uint16_t i = 0; i < plan->receivers_n; i++) {
        uint32_t n = crowd_count(&d->engine.radio.crowd, i);

        json_open(j, '{');
        json_key_str(j, "receiver", plan->receivers[i].id);
        json_key(j, "devices");
        if (n > 0)
            json_i64(j, n);
        else
            json_nil(j);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void print_status(const struct norend *d, struct json *j)
{
    const struct db_identity *id = db_identity(d->db);
    int64_t now_us = clock_boot_us();

    json_key(j, "status");
    json_open(j, '{');
    json_key_str(j, "version", NOREN_VERSION);
    json_key_str(j, "tenant", d->config.tenant);
    json_key_str(j, "store", d->config.store);
    json_key_str(j, "gateway", d->config.gateway);
    json_key_str(j, "board", d->config.board.name);
    json_key_i64(j, "uptime_s", (now_us - d->started_us) / NOREN_US_PER_S);
    json_key_str(j, "clock", event_clock_name(d->engine.quality));
    json_key(j, "connected");
    json_bool(j, deliver_connected(d->deliver));
    json_key_str(j, "epoch", id->epoch);
    json_key_i64(j, "seq", (int64_t)id->committed);
    json_key_i64(j, "acked", (int64_t)id->acked);
    json_key_i64(j, "members_revision", d->engine.roll.in_force ? d->engine.roll.revision : -1);
    json_key_bool(j, "members_at_rest", d->engine.vault != NULL);
    uplink_print(d, j);
    print_crowd(d, j);
    json_key(j, "desired");
    desired_print(d, j);
    print_counters(d, j, now_us);
    control_print_lights(d, j);
    print_beacon(d, j);
    bus_print(d->bus, j);
    print_banks(d, j);
    print_problems(d, j);
    json_close(j, '}');
}

/* --- commands ----------------------------------------------------------------------------------- */

bool control_feed(struct control_call *c, struct obs *o)
{
    const struct shelf *shelf = &c->d->engine.shop->shelf;
    bool repeated = shelf_command_seen(shelf, c->id);
    int64_t refused = shelf->refused;

    o->t_us = clock_boot_us();
    snprintf(o->u.command.id, sizeof(o->u.command.id), "%s", c->id);
    if (o->u.command.actor[0] == '\0')
        snprintf(o->u.command.actor, sizeof(o->u.command.actor), "%s", c->actor);
    engine_feed(&c->d->engine, o);
    if (shelf->refused != refused)
        return doc_refuse(c->doc, "cannot be done as things are; nothing was changed");
    if (repeated)
        json_key_bool(c->j, "repeated", true);
    return true;
}

static bool control_status(struct control_call *c)
{
    print_status(c->d, c->j);
    return true;
}

static bool control_tare(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "plate", NULL};
    struct obs o = {.kind = OBS_COMMAND};

    o.u.command.kind = COMMAND_TARE;
    if (!doc_object(c->doc, keys) || !doc_id(c->doc, "plate", o.u.command.target))
        return false;
    if (plan_find_plate(c->d->engine.plan, o.u.command.target) == NO_INDEX)
        return doc_refuse(c->doc, "no plate \"%s\" in planogram.json", o.u.command.target);
    return control_feed(c, &o);
}

static bool control_recount(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "target", "quantity", NULL};
    const struct plan *plan = c->d->engine.plan;
    struct obs o = {.kind = OBS_COMMAND};

    o.u.command.kind = COMMAND_RECOUNT;
    if (!doc_object(c->doc, keys) || !doc_id(c->doc, "target", o.u.command.target) ||
        !doc_i64(c->doc, "quantity", 0, STOCK_UNITS_MAX, &o.u.command.quantity))
        return false;
    if (plan_find_plate(plan, o.u.command.target) == NO_INDEX &&
        plan_find_product(plan, o.u.command.target) == NO_INDEX)
        return doc_refuse(c->doc, "\"%s\" is neither a plate nor a GTIN of planogram.json",
                          o.u.command.target);
    return control_feed(c, &o);
}

static const struct control_row COMMANDS[] = {
    {"status", control_status, CONTROL_ALL | CONTROL_ASKS},
    {"tare", control_tare, CONTROL_LOCAL}, /* takes somebody who sees that the plate is empty */
    {"recount", control_recount, CONTROL_ALL},
    {"count", control_adjust, CONTROL_ALL},
    {"transfer_in", control_adjust, CONTROL_ALL},
    {"transfer_out", control_adjust, CONTROL_ALL},
    {"return", control_adjust, CONTROL_ALL},
    {"sale", control_sale, CONTROL_ALL | CONTROL_STORE},
    {"stock.query", control_stock, CONTROL_ALL | CONTROL_STORE | CONTROL_ASKS},
    {"tasks", control_tasks, CONTROL_ALL | CONTROL_ASKS},
    {"cells", control_cells, CONTROL_LOCAL | CONTROL_ASKS},
    {"calibrate", control_calibrate, CONTROL_LOCAL}, /* takes somebody with weights in hand */
    {"calibrations", control_calibrations, CONTROL_LOCAL | CONTROL_ASKS},
    {"claim", control_claim, CONTROL_ALL},
    {"locate", control_locate, CONTROL_ALL},
    {"backup", control_backup, CONTROL_LOCAL | CONTROL_ASKS}, /* names a file of this machine */
    {"certificate", control_certificate, CONTROL_HQ}, /* at the board: norenctl enroll --install */
    {"checkin", control_checkin, CONTROL_ALL},
    {"forget", control_forget, CONTROL_ALL},
};

#define COMMANDS_N (sizeof(COMMANDS) / sizeof(COMMANDS[0]))

const struct control_row *control_find(const struct doc *doc, const char *name)
{
    char list[512] = "";
    size_t n = 0;

    for (size_t i = 0; i < COMMANDS_N; i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    for (size_t i = 0; i < COMMANDS_N && n < sizeof(list); i++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
                              i == 0               ? ""
                              : i + 1 < COMMANDS_N ? ", "
                                                   : " and ",
                              COMMANDS[i].name);
    doc_refuse(doc, "no command \"%.40s\"; there are %s", name, list);
    return NULL;
}
