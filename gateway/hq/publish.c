/* What goes down: see publish.h. */
#include "hq/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hq/ack.h"
#include "hq/ca.h"
#include "hq/command.h"
#include "hq/log.h"
#include "hq/utc.h"
#include "io/file.h"
#include "noren/topic.h"
#include "noren/wire.h"

/* For how long a gateway may be away before it has to ask again. */
#define CERTIFICATE_VALID_S 3600
/* Root of "tenant/store/gateway", and the bundle's name. */
#define TO_TOPIC "noren/1/%s/" NOREN_TOPIC_DESIRED

/* Names of a gateway, "tenant/store/gateway", and of its store. */
static bool find_gateway(struct hq *hq, int64_t gateway_id, char ret_to[BUNDLE_TO_SIZE],
                         char ret_store[NOREN_ID_SIZE])
{
    sqlite3_stmt *stmt = store_bind(
        &hq->store, "SELECT tenant, store, gateway FROM gateway WHERE id = ?", "i", gateway_id);

    if (stmt == NULL || sqlite3_step(stmt) != SQLITE_ROW)
        return false;
    snprintf(ret_to, BUNDLE_TO_SIZE, "%s/%s/%s", (const char *)sqlite3_column_text(stmt, 0),
             (const char *)sqlite3_column_text(stmt, 1),
             (const char *)sqlite3_column_text(stmt, 2));
    snprintf(ret_store, NOREN_ID_SIZE, "%s", (const char *)sqlite3_column_text(stmt, 1));
    sqlite3_reset(stmt);
    return true;
}

static void publish_signed(struct hq *hq, const char *topic, const char *payload)
{
    char *token = NULL;

    if (!broker_connected(hq->broker)) /* connected() publishes everything anyway */
        return;
    int r = jws_sign(hq->key, payload, strlen(payload), &token);
    if (r == 0)
        r = broker_publish(hq->broker, topic, token, strlen(token), NOREN_CONTENT_JWS);
    if (r < 0)
        hq_log(HQ_ERROR, "cannot publish %s: %s", topic, strerror(-r));
    free(token);
}

void publish_ack(struct hq *hq, int64_t epoch_id)
{
    char topic[ACK_TOPIC_SIZE], payload[ACK_PAYLOAD_SIZE];

    if (ack_print(&hq->store, epoch_id, topic, payload) == 0)
        publish_signed(hq, topic, payload);
}

/* One retained message a part; those that a smaller bundle no longer has are taken back. */
static void publish_parts(struct hq *hq, const char *to, const struct roster_parts *parts)
{
    char topic[ACK_TOPIC_SIZE];

    for (size_t i = 0; i < parts->n || i < parts->stale; i++) {
        if (i == 0)
            snprintf(topic, sizeof(topic), TO_TOPIC, to, "members");
        else
            snprintf(topic, sizeof(topic), TO_TOPIC "/%zu", to, "members", i);
        if (i < parts->n)
            publish_signed(hq, topic, parts->payloads[i]);
        else if (broker_connected(hq->broker))
            (void)broker_publish(hq->broker, topic, "", 0, NOREN_CONTENT_JWS);
    }
}

void publish_members(struct hq *hq, int64_t gateway_id)
{
    char to[BUNDLE_TO_SIZE], store_name[NOREN_ID_SIZE];
    struct roster_parts parts = {.n = 0};

    if (!find_gateway(hq, gateway_id, to, store_name))
        return;
    int r = store_begin(&hq->store);
    if (r == 0)
        r = roster_print(&hq->roster, &hq->store, gateway_id, store_name,
                         utc_now_us() / NOREN_US_PER_S, &parts);
    if (r == 0)
        r = store_commit(&hq->store);
    if (r == 0)
        publish_parts(hq, to, &parts);
    else
        hq_log(HQ_ERROR, "cannot make the members bundle for %s: %s", to, strerror(-r));
    store_rollback(&hq->store);
    roster_parts_free(&parts);
}

/* What the folder `desired` has for a gateway; `all`, or what is new. */
static void publish_folder(struct hq *hq, int64_t gateway_id, bool all)
{
    static const enum bundle_kind KINDS[] = {BUNDLE_PLANOGRAM, BUNDLE_CAMPAIGNS, BUNDLE_CONFIG};
    char to[BUNDLE_TO_SIZE], store_name[NOREN_ID_SIZE], topic[ACK_TOPIC_SIZE];

    if (hq->config.desired[0] == '\0' || !find_gateway(hq, gateway_id, to, store_name))
        return;
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        char *payload = NULL, error[DESIRED_ERROR_SIZE] = "";
        bool is_new = false;
        int r = store_begin(&hq->store);

        if (r == 0)
            r = desired_make(&hq->store, hq->config.desired, KINDS[i], gateway_id, to, store_name,
                             utc_now_us() / NOREN_US_PER_S, &payload, &is_new, error);
        int committed = store_commit(&hq->store);
        snprintf(topic, sizeof(topic), TO_TOPIC, to, bundle_name(KINDS[i]));
        if (r == 1 && payload != NULL && committed == 0 && (is_new || all))
            publish_signed(hq, topic, payload);
        if (r < 0 && r != -ENOENT && strcmp(hq->desired_trouble, error) != 0) {
            memcpy(hq->desired_trouble, error, sizeof(error));
            hq_log(HQ_ERROR, "%s; not published", error);
        }
        free(payload);
    }
}

void publish_desired(struct hq *hq, int64_t gateway_id)
{
    publish_folder(hq, gateway_id, true);
}

void publish_new_desired(struct hq *hq, int64_t gateway_id)
{
    publish_folder(hq, gateway_id, false);
}

/* The chain of keys is signed already, by each key for the next. */
void publish_keys(struct hq *hq, int64_t gateway_id)
{
    char path[CONFIG_PATH_SIZE + 16], to[BUNDLE_TO_SIZE], store_name[NOREN_ID_SIZE];
    char topic[ACK_TOPIC_SIZE], *chain = NULL;
    size_t n;

    snprintf(path, sizeof(path), "%s/keys.jws", hq->config.desired);
    if (hq->config.desired[0] == '\0' || file_read(path, 1 << 20, &chain, &n) != 0)
        return;
    if (find_gateway(hq, gateway_id, to, store_name)) {
        snprintf(topic, sizeof(topic), TO_TOPIC, to, "keys");
        (void)broker_publish(hq->broker, topic, chain, n, NOREN_CONTENT_JWS);
    }
    free(chain);
}

/* Commands that wait for an answer and were not sent for a while. */
void publish_commands(struct hq *hq)
{
    int64_t now_us = utc_now_us();
    struct command_out out;

    if (!broker_connected(hq->broker) || store_begin(&hq->store) < 0)
        return;
    while (command_next(&hq->store, now_us - COMMAND_RESEND_US, now_us, &out) == 1) {
        int64_t left_s = (out.expires_us - now_us) / NOREN_US_PER_S + 1;
        char *token = NULL;

        if (jws_sign(hq->key, out.envelope, strlen(out.envelope), &token) == 0)
            (void)broker_command(hq->broker, out.topic, token, strlen(token), (uint32_t)left_s);
        free(token);
        free(out.envelope);
    }
}

/* A certificate as a command, or a line in the log; one answer a claim either way: a gateway asks again. */
static void answer_claim(struct hq *hq, const json_t *row)
{
    const char *gateway = json_string_value(json_object_get(row, "gateway"));
    const json_t *body = json_object_get(row, "body");
    const struct ca_claim claim = {json_string_value(json_object_get(body, "certificate")),
                                   json_string_value(json_object_get(body, "request")),
                                   json_string_value(json_object_get(body, "proof"))};
    const char *error = NULL, *remedy = NULL, *fault;
    json_t *request, *id = NULL;
    char *pem = NULL;
    int status;

    fault = ca_renew(hq->config.ca, gateway, &claim, &pem);
    if (fault == NULL) {
        request =
            json_pack("{s:s,s:O,s:s,s:s,s:i,s:{s:s}}", "gateway", gateway, "store",
                      json_object_get(row, "store"), "name", "certificate", "actor", "headquarters",
                      "valid_s", CERTIFICATE_VALID_S, "args", "certificate", pem);
        id = command_give(&hq->store, request, utc_now_us(), &status, &error, &remedy);
        json_decref(request);
        fault = id == NULL ? error : NULL;
    }
    if (fault == NULL)
        hq_log(HQ_NOTE, "%s: certificate renewed", gateway);
    else
        hq_log(HQ_WARNING, "%s asks for a certificate, refused: %s", gateway, fault);
    json_decref(id);
    free(pem);
}

void publish_certificates(struct hq *hq)
{
    size_t i;
    const json_t *row;

    if (hq->config.ca[0] == '\0' || store_begin(&hq->store) < 0)
        return;
    json_t *rows = store_rows(&hq->store,
                              "SELECT gateway, store, body AS \"body:json\" FROM claim"
                              " JOIN gateway ON gateway.id = gateway_id",
                              "");
    json_array_foreach(rows, i, row) answer_claim(hq, row);
    if (json_array_size(rows) > 0 && store_run(&hq->store, "DELETE FROM claim", "") >= 0)
        publish_commands(hq);
    json_decref(rows);
    if (store_commit(&hq->store) < 0)
        hq_log(HQ_ERROR, "certificates were not renewed; gateways ask again");
}

void publish_each(struct hq *hq, const char *sql, void (*call)(struct hq *, int64_t))
{
    json_t *rows = store_rows(&hq->store, sql, "");
    size_t i;
    const json_t *row;

    json_array_foreach(rows, i, row) call(hq, json_integer_value(json_object_get(row, "id")));
    json_decref(rows);
}

void publish_all_members(struct hq *hq)
{
    hq->date = noren_utc_date(utc_now_us() / NOREN_US_PER_S);
    publish_each(hq, "SELECT id FROM gateway", publish_members);
}
