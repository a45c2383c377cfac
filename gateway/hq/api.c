/* The JSON API; see api.h. */
#include "hq/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hq/command.h"
#include "hq/utc.h"

#define STREAM_ROWS "64"

json_t *api_error(const char *what, const char *remedy)
{
    return json_pack("{s:s,s:s}", "error", what, "remedy", remedy);
}

static int64_t limit_or(const struct api_query *query, int64_t otherwise)
{
    int64_t limit = query->limit < 0 ? otherwise : query->limit;

    return limit > API_LIMIT_MAX ? API_LIMIT_MAX : limit;
}

static json_t *get_stores(const struct api *api, const struct api_query *query)
{
    (void)query;
    return store_rows(api->store,
                      "SELECT tenant, store, count(*) AS gateways,"
                      " sum(online IS 1) AS online, max(seen_us) AS seen_us"
                      " FROM gateway GROUP BY tenant, store ORDER BY tenant, store",
                      "");
}

static json_t *get_gateways(const struct api *api, const struct api_query *query)
{
    return store_rows(
        api->store,
        "SELECT tenant, store, gateway, online AS \"online:bool\", online_changed_us, seen_us,"
        " birth AS \"birth:json\", occupancy AS \"occupancy:json\", (SELECT epoch FROM epoch WHERE"
        " gateway_id = gateway.id ORDER BY ordinal DESC) AS epoch, (SELECT acked FROM epoch WHERE"
        " gateway_id = gateway.id ORDER BY ordinal DESC) AS acked, (SELECT body FROM desired WHERE"
        " gateway_id = gateway.id) AS \"desired:json\""
        " FROM gateway WHERE ?1 IS NULL OR store = ?1 ORDER BY tenant, store, gateway",
        "s", query->store);
}

/* A count that an event brought after the state was made is the newer truth. */
static void correct_facing(const struct api *api, int64_t gateway_id, const json_t *as_of,
                           const json_t *plate, json_t *facing)
{
    json_t *newer = store_rows(
        api->store,
        "SELECT on_shelf, atp, atp_lower_bound AS \"atp_lower_bound:bool\""
        " FROM stock JOIN epoch ON epoch.id = epoch_id"
        " WHERE stock.gateway_id = ?1 AND gtin = ?2 AND plate = ?3 AND (ordinal > (SELECT ordinal"
        " FROM epoch WHERE gateway_id = ?1 AND epoch = ?4) OR (epoch = ?4 AND seq > ?5))",
        "ijjjj", gateway_id, json_object_get(facing, "gtin"), json_object_get(plate, "plate"),
        json_object_get(as_of, "epoch"), json_object_get(as_of, "seq"));

    if (json_array_size(newer) > 0)
        json_object_update(facing, json_array_get(newer, 0));
    json_decref(newer);
}

static void correct_fixture(const struct api *api, int64_t gateway_id, json_t *body)
{
    const json_t *as_of = json_object_get(body, "as_of");
    size_t i, k;
    json_t *plate, *facing;

    json_array_foreach(json_object_get(body, "plates"), i, plate)
    {
        json_array_foreach(json_object_get(plate, "facings"), k, facing)
            correct_facing(api, gateway_id, as_of, plate, facing);
    }
}

static json_t *get_fixtures(const struct api *api, const struct api_query *query)
{
    json_t *rows = store_rows(
        api->store,
        "SELECT gateway_id, store, gateway, received_us, body AS \"body:json\" FROM fixture"
        " JOIN gateway ON gateway.id = gateway_id WHERE ?1 IS NULL OR store = ?1"
        " ORDER BY store, gateway, fixture",
        "s", query->store);
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
    {
        json_t *body = json_incref(json_object_get(row, "body"));

        correct_fixture(api, json_integer_value(json_object_get(row, "gateway_id")), body);
        json_object_del(row, "gateway_id");
        json_object_del(row, "body");
        json_object_update_missing(row, body);
        json_decref(body);
    }
    return rows;
}

static json_t *get_offers(const struct api *api, const struct api_query *query)
{
    return store_rows(
        api->store,
        "SELECT offer_id, status, campaign, who, offer.gtin, name, zone, template, reason, utc_us,"
        " store, gateway FROM offer JOIN gateway ON gateway.id = offer.gateway_id LEFT JOIN product"
        " ON product.gateway_id = offer.gateway_id AND product.gtin = offer.gtin"
        " WHERE (?1 IS NULL OR store = ?1) AND (?2 IS NULL OR who = ?2)"
        " ORDER BY utc_us DESC, seq DESC LIMIT ?3",
        "ssi", query->store, query->ref, limit_or(query, 50));
}

static json_t *get_alerts(const struct api *api, const struct api_query *query)
{
    return store_rows(api->store,
                      "SELECT alert_id, kind, severity, subject, raised_us, cleared_us, store,"
                      " gateway FROM alert JOIN gateway ON gateway.id = gateway_id"
                      " WHERE ?1 IS NULL OR store = ?1"
                      " ORDER BY cleared_us IS NOT NULL, raised_us DESC LIMIT ?2",
                      "si", query->store, limit_or(query, 50));
}

static json_t *get_present(const struct api *api, const struct api_query *query)
{
    return store_rows(
        api->store,
        "SELECT iif(member, who, NULL) AS member_ref, iif(member, NULL, who) AS tag, visit_id,"
        " zone, zone_since_us, opened_us, store, gateway FROM presence"
        " JOIN gateway ON gateway.id = gateway_id"
        " WHERE closed_us IS NULL AND (?1 IS NULL OR store = ?1)"
        " ORDER BY store, gateway, zone, who",
        "s", query->store);
}

/* The page that stands for the app: what one member sees. The member's key never leaves the roster. */
static json_t *get_member(const struct api *api, const struct api_query *query)
{
    const json_t *known = roster_find(api->roster, query->ref);

    if (known == NULL)
        return NULL;
    json_t *visits = store_rows(
        api->store,
        "SELECT store, gateway, visit_id, zone, zone_since_us, opened_us, closed_us FROM presence"
        " JOIN gateway ON gateway.id = gateway_id WHERE who = ? AND member"
        " ORDER BY closed_us IS NOT NULL, opened_us DESC LIMIT 20",
        "s", query->ref);
    return json_pack("{s:s,s:O,s:O,s:o,s:o}", "member_ref", query->ref, "name",
                     json_object_get(known, "name"), "consent", json_object_get(known, "consent"),
                     "visits", visits, "offers", get_offers(api, query));
}

static json_t *get_members(const struct api *api, const struct api_query *query)
{
    return query->ref != NULL ? get_member(api, query) : get_present(api, query);
}

/* With `after`: the events that follow it. Without: the newest. Always in the order of their ids. */
static json_t *get_events(const struct api *api, const struct api_query *query)
{
#define EVENT_COLUMNS                                                                     \
    "SELECT id, store, gateway, class, type, utc_us, received_us, body AS \"event:json\"" \
    " FROM events"
    if (query->after >= 0)
        return store_rows(api->store,
                          EVENT_COLUMNS " WHERE id > ?1 AND (?2 IS NULL OR store = ?2)"
                                        " ORDER BY id LIMIT ?3",
                          "isi", query->after, query->store, limit_or(query, 100));
    return store_rows(api->store,
                      "SELECT id, store, gateway, class, type, utc_us, received_us,"
                      " body AS \"event:json\" FROM (SELECT * FROM events WHERE ?1 IS NULL"
                      " OR store = ?1 ORDER BY id DESC LIMIT ?2) ORDER BY id",
                      "si", query->store, limit_or(query, 100));
}

/* The event table's labels: one source for C, schemas and pages. */
static json_t *get_event_types(const struct api *api, const struct api_query *query)
{
    json_t *types = json_object();

    (void)api;
    (void)query;
#define EVENT(ID, id, wire, class, en, ja) \
    json_object_set_new(types, wire, json_pack("{s:s,s:s}", "en", en, "ja", ja));
#define FIELD(id, kind, name)
#define EVENT_END(id)
#include "noren/events.def"
    return types;
}

static json_t *get_commands(const struct api *api, const struct api_query *query)
{
    return command_list(api->store, query->store, query->ref, limit_or(query, 20), utc_now_us());
}

static json_t *get_health(const struct api *api, const struct api_query *query)
{
    const struct ingest_counters *c = &api->ingest->counters;
    json_t *refused = json_object();
    json_int_t now_us = utc_now_us();

    (void)query;
    for (int i = 0; i < REFUSALS; i++)
        json_object_set_new(refused, refusal_name((enum refusal)i), json_integer(c->refused[i]));
    return json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:{s:I,s:I,s:I,s:I,s:I,s:I,s:o}}", "version",
                     NOREN_VERSION, "hq_id", api->store->hq_id, "broker_connected",
                     broker_connected(api->broker), "started_us", (json_int_t)api->started_us,
                     "now_us", now_us, "last_event", (json_int_t)api->ingest->committed_id,
                     "counters", "messages", (json_int_t)c->messages, "events",
                     (json_int_t)c->events, "duplicates", (json_int_t)c->duplicates, "states",
                     (json_int_t)c->states, "commits", (json_int_t)c->commits, "failed_commits",
                     (json_int_t)c->failed_commits, "refused", refused);
}

static const struct resource {
    const char *path;
    json_t *(*get)(const struct api *api, const struct api_query *query);
} RESOURCES[] = {
    {"/api/stores", get_stores},     {"/api/gateways", get_gateways},
    {"/api/fixtures", get_fixtures}, {"/api/members", get_members},
    {"/api/offers", get_offers},     {"/api/alerts", get_alerts},
    {"/api/events", get_events},     {"/api/event-types", get_event_types},
    {"/api/commands", get_commands}, {"/api/health", get_health},
};

json_t *api_get(const struct api *api, const char *path, const struct api_query *query,
                int *ret_status)
{
    for (size_t i = 0; i < sizeof(RESOURCES) / sizeof(RESOURCES[0]); i++) {
        if (strcmp(RESOURCES[i].path, path) != 0)
            continue;
        json_t *answer = RESOURCES[i].get(api, query);

        *ret_status = 200;
        if (answer != NULL)
            return answer;
        if (RESOURCES[i].get == get_members && query->ref != NULL &&
            roster_find(api->roster, query->ref) == NULL) {
            *ret_status = 404;
            return api_error("no such member", "ask with a ref that is in the members file");
        }
        *ret_status = 500;
        return api_error(store_error(api->store), "look at noren-hq's log");
    }
    *ret_status = 404;
    return api_error("no such resource", "there are /api/stores, gateways, fixtures, members, "
                                         "offers, alerts, events, events/stream, event-types, "
                                         "commands, health");
}

json_t *api_post(const struct api *api, const char *path, const json_t *body, int *ret_status)
{
    const char *error = "the command cannot be stored", *remedy = "look at noren-hq's log";
    json_t *id = NULL;

    if (strcmp(path, "/api/commands") != 0) {
        *ret_status = 404;
        return api_error("nothing can be posted there", "POST to /api/commands");
    }
    *ret_status = 500;
    if (store_begin(api->store) == 0)
        id = command_give(api->store, body, utc_now_us(), ret_status, &error, &remedy);
    if (id == NULL)
        return api_error(error, remedy); /* what events brought into the transaction stays in it */
    if (api->commanded != NULL && api->commanded(api->user) != 0) {
        json_decref(id);
        *ret_status = 500;
        return api_error("the command cannot be stored", "look at noren-hq's log");
    }
    *ret_status = 202;
    return json_pack("{s:o}", "id", id);
}

int api_print_stream(const struct api *api, int64_t *cursor, FILE *f)
{
    json_t *rows = store_rows(
        api->store, EVENT_COLUMNS " WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT " STREAM_ROWS,
        "ii", *cursor, api->ingest->committed_id);
    size_t i;
    const json_t *row;

    if (rows == NULL)
        return -EIO;
    json_array_foreach(rows, i, row)
    {
        char *text = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(15));

        *cursor = json_integer_value(json_object_get(row, "id"));
        fprintf(f, "id: %lld\ndata: %s\n\n", (long long)*cursor, text != NULL ? text : "null");
        free(text);
    }
    int n = (int)json_array_size(rows);
    json_decref(rows);
    return n;
}
