/* Retained state; see state.h. */
#include "hq/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hq/ack.h"

static int put_names(struct store *s, int64_t gateway_id, const json_t *plates)
{
    size_t i, k;
    const json_t *plate, *facing;

    json_array_foreach((json_t *)plates, i, plate)
    {
        json_array_foreach(json_object_get(plate, "facings"), k, facing)
        {
            const json_t *gtin = json_object_get(facing, "gtin");
            const json_t *name = json_object_get(facing, "name");

            if (!json_is_string(gtin) || !json_is_string(name))
                return -EINVAL;
            int r = store_run(s,
                              "INSERT INTO product(gateway_id, gtin, name) VALUES(?, ?, ?)"
                              " ON CONFLICT DO UPDATE SET name = excluded.name"
                              " WHERE name != excluded.name",
                              "ijj", gateway_id, gtin, name);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int take_fixture(struct store *s, const struct topic *topic, int64_t gateway_id,
                        const json_t *json, int64_t utc_us)
{
    if (json == NULL) {
        int r = store_run(s, "DELETE FROM fixture WHERE gateway_id = ? AND fixture = ?", "is",
                          gateway_id, topic->leaf);

        return r < 0 ? r : CHANGED_FIXTURES;
    }
    const char *id = json_string_value(json_object_get(json, "fixture"));
    const json_t *plates = json_object_get(json, "plates");
    if (id == NULL || strcmp(id, topic->leaf) != 0 || !json_is_array(plates))
        return -EINVAL;
    int r = put_names(s, gateway_id, plates);
    if (r < 0)
        return r;
    char *body = json_dumps(json, JSON_COMPACT);
    r = store_run(s,
                  "INSERT INTO fixture(gateway_id, fixture, body, received_us) VALUES(?, ?, ?, ?)"
                  " ON CONFLICT DO UPDATE SET body = excluded.body,"
                  " received_us = excluded.received_us",
                  "issi", gateway_id, topic->leaf, body, utc_us);
    free(body);
    return r < 0 ? r : CHANGED_FIXTURES;
}

static int take_store(struct store *s, int64_t gateway_id, const json_t *json)
{
    char *body = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    int r = store_run(s, "UPDATE gateway SET occupancy = ? WHERE id = ?", "si", body, gateway_id);

    free(body);
    return r < 0 ? r : CHANGED_GATEWAYS;
}

/* The will is the broker's word about a connection that is gone; when a new session was born meanwhile, an
 * old session's will says nothing. */
static int take_will(struct store *s, int64_t gateway_id, const char *session, int64_t utc_us)
{
    int r = store_run(s,
                      "UPDATE gateway SET online = 0, online_changed_us = ? WHERE id = ?"
                      " AND (session IS NULL OR session = ?)"
                      " AND online IS NOT 0",
                      "iis", utc_us, gateway_id, session);

    return r < 0 ? r : r > 0 ? CHANGED_GATEWAYS : 0;
}

static int take_gateway(struct store *s, int64_t gateway_id, const json_t *json, int64_t utc_us)
{
    if (json == NULL)
        return take_will(s, gateway_id, NULL, utc_us);
    const json_t *online = json_object_get(json, "online");
    const char *session = json_string_value(json_object_get(json, "session"));
    if (!json_is_boolean(online) || session == NULL)
        return -EINVAL;
    if (json_is_false(online))
        return take_will(s, gateway_id, session, utc_us);
    const char *epoch = json_string_value(json_object_get(json, "epoch"));
    const char *prev = json_string_value(json_object_get(json, "prev_epoch"));
    if (!message_is_epoch(epoch) || (prev != NULL && !message_is_epoch(prev)))
        return -EINVAL;
    int64_t r = prev != NULL && strcmp(prev, epoch) != 0
                    ? ack_order_epochs(s, gateway_id, prev, epoch)
                    : ack_find_epoch(s, gateway_id, epoch);
    if (r < 0)
        return (int)r;
    /* what was signed for the connection before is of no use any more: it goes out again now */
    if (store_run(s,
                  "UPDATE command SET sent_us = 0 WHERE gateway_id = ?1 AND answer IS NULL"
                  " AND EXISTS (SELECT 1 FROM gateway WHERE id = ?1 AND session IS NOT ?2)",
                  "is", gateway_id, session) < 0)
        return -EIO;
    char *body = json_dumps(json, JSON_COMPACT);
    r = store_run(s,
                  "UPDATE gateway SET online_changed_us = iif(online IS 1, online_changed_us, ?2),"
                  " online = 1, session = ?3, birth = ?4 WHERE id = ?1",
                  "iiss", gateway_id, utc_us, session, body);
    free(body);
    return r < 0 ? (int)r : CHANGED_GATEWAYS;
}

static int take_desired(struct store *s, int64_t gateway_id, const json_t *json, int64_t utc_us)
{
    char *body = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    int r = body != NULL
                ? store_run(s,
                            "INSERT INTO desired(gateway_id, body, received_us)"
                            " VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET body ="
                            " excluded.body, received_us = excluded.received_us",
                            "isi", gateway_id, body, utc_us)
                : store_run(s, "DELETE FROM desired WHERE gateway_id = ?", "i", gateway_id);

    free(body);
    return r < 0 ? r : CHANGED_GATEWAYS;
}

/* What it asks for is looked at after the commit (publish_certificates). Empty: it has what it wanted. */
static int take_claim(struct store *s, int64_t gateway_id, const json_t *json)
{
    char *body;
    int r;

    if (json == NULL) {
        r = store_run(s, "DELETE FROM claim WHERE gateway_id = ?", "i", gateway_id);
        return r < 0 ? r : 0;
    }
    if (!json_is_string(json_object_get(json, "certificate")) ||
        !json_is_string(json_object_get(json, "request")) ||
        !json_is_string(json_object_get(json, "proof")))
        return -EINVAL;
    body = json_dumps(json, JSON_COMPACT);
    r = store_run(s,
                  "INSERT INTO claim(gateway_id, body) VALUES(?, ?)"
                  " ON CONFLICT DO UPDATE SET body = excluded.body",
                  "is", gateway_id, body);
    free(body);
    return r < 0 ? r : CHANGED_GATEWAYS;
}

int state_take(struct store *s, const struct topic *topic, int64_t gateway_id, const json_t *json,
               int64_t utc_us)
{
    if (json != NULL && !json_is_object(json))
        return -EINVAL;
    switch (topic->kind) {
    case TOPIC_FIXTURE:
        return take_fixture(s, topic, gateway_id, json, utc_us);
    case TOPIC_STORE:
        return take_store(s, gateway_id, json);
    case TOPIC_GATEWAY:
        return take_gateway(s, gateway_id, json, utc_us);
    case TOPIC_DESIRED:
        return take_desired(s, gateway_id, json, utc_us);
    case TOPIC_CERTIFICATE:
        return take_claim(s, gateway_id, json);
    case TOPIC_ANSWER:
    case TOPIC_EVENT:
        break;
    }
    return -EINVAL;
}
