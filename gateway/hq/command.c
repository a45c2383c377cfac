/* Commands; see command.h. */
#include "hq/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/event.h"
#include "hq/project.h"
#include "noren/topic.h"
#include "noren/units.h"

#define VALID_MAX_S 86400

/* A name that can be a level of a topic. */
static bool is_name(const char *text)
{
    return text != NULL && text[0] != '\0' && strlen(text) < NOREN_ID_SIZE &&
           strpbrk(text, "/+#") == NULL;
}

static json_t *refuse(int status, const char *error, const char *remedy, int *ret_status,
                      const char **ret_error, const char **ret_remedy)
{
    *ret_status = status;
    *ret_error = error;
    *ret_remedy = remedy;
    return NULL;
}

static void random_id(char ret[NOREN_ID_SIZE])
{
    uint64_t number[2] = {0, 0};

    if (getrandom(number, sizeof(number), 0) != (ssize_t)sizeof(number))
        abort(); /* ids that repeat would make gateways refuse commands */
    snprintf(ret, NOREN_ID_SIZE, "hq-%016llx%016llx", (unsigned long long)number[0],
             (unsigned long long)number[1]);
}

static json_t *make_envelope(const json_t *request, const char *id, const char *to, int64_t utc_us,
                             int64_t expires_us)
{
    char issued[EVENT_TIME_SIZE], expires[EVENT_TIME_SIZE];
    json_t *args = json_object_get(request, "args");

    event_print_time(utc_us, issued);
    event_print_time(expires_us, expires);
    return json_pack("{s:s,s:O,s:s,s:O,s:s,s:s,s:o}", "id", id, "name",
                     json_object_get(request, "name"), "to", to, "actor",
                     json_object_get(request, "actor"), "issued_at", issued, "expires_at", expires,
                     "args", args != NULL ? json_incref(args) : json_object());
}

static bool known_keys(const json_t *request)
{
    static const char *const KEYS[] = {"gateway", "store", "name",    "actor",
                                       "args",    "id",    "valid_s", NULL};
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)request, key, value)
    {
        int i = 0;

        while (KEYS[i] != NULL && strcmp(KEYS[i], key) != 0)
            i++;
        if (KEYS[i] == NULL)
            return false;
    }
    return true;
}

/* The same id again is the same command, or a mistake. */
static json_t *give_again(struct store *s, const json_t *request, int64_t gateway_id,
                          const char *id)
{
    json_t *rows = store_rows(s,
                              "SELECT json_extract(envelope, '$.name') AS name,"
                              " json_extract(envelope, '$.args') AS \"args:json\" FROM command"
                              " WHERE id = ? AND gateway_id = ?",
                              "si", id, gateway_id);
    json_t *row = json_array_get(rows, 0), *args = json_object_get(request, "args");
    json_t *none = json_object();
    bool same = row != NULL &&
                json_equal(json_object_get(row, "name"), json_object_get(request, "name")) &&
                json_equal(json_object_get(row, "args"), args != NULL ? args : none);

    json_decref(none);
    json_decref(rows);
    return same ? json_string(id) : NULL;
}

json_t *command_give(struct store *s, const json_t *request, int64_t utc_us, int *ret_status,
                     const char **ret_error, const char **ret_remedy)
{
#define REFUSE(status, error, remedy) \
    return refuse(status, error, remedy, ret_status, ret_error, ret_remedy)
    const char *gateway = json_string_value(json_object_get(request, "gateway"));
    const char *store_name = json_string_value(json_object_get(request, "store"));
    const char *actor = json_string_value(json_object_get(request, "actor"));
    const char *given = json_string_value(json_object_get(request, "id"));
    const json_t *args = json_object_get(request, "args"),
                 *valid = json_object_get(request, "valid_s");
    int64_t valid_s = json_is_integer(valid) ? json_integer_value(valid) : COMMAND_VALID_S;
    char id[NOREN_ID_SIZE], to[3 * NOREN_ID_SIZE + 3];

    if (!json_is_object(request) || !known_keys(request))
        REFUSE(400, "not a command",
               "send {gateway, name, actor} and if needed store, args, id, valid_s");
    if (!is_name(gateway) || !is_name(json_string_value(json_object_get(request, "name"))))
        REFUSE(400, "gateway and name are needed", "name a gateway of /api/gateways and a command");
    if (actor == NULL || actor[0] == '\0' || strlen(actor) >= NOREN_ID_SIZE)
        REFUSE(400, "actor is needed", "say who gives the command, in at most 39 bytes");
    if (args != NULL && !json_is_object(args))
        REFUSE(400, "args must be an object", "send the command's arguments by name");
    if ((valid != NULL && !json_is_integer(valid)) || valid_s < 1 || valid_s > VALID_MAX_S)
        REFUSE(400, "valid_s must be 1 to 86400", "say for how many seconds it is good");
    if (json_object_get(request, "id") != NULL && !is_name(given))
        REFUSE(400, "id must be a text of 1 to 39 bytes", "or leave it out");
    json_t *rows = store_rows(s,
                              "SELECT id, tenant, store, gateway FROM gateway WHERE gateway = ?1"
                              " AND (?2 IS NULL OR store = ?2)",
                              "ss", gateway, store_name);
    if (json_array_size(rows) != 1) {
        bool several = json_array_size(rows) > 1;

        json_decref(rows);
        REFUSE(several ? 409 : 404, several ? "several gateways have that name" : "no such gateway",
               several ? "name the store too" : "GET /api/gateways lists them");
    }
    const json_t *row = json_array_get(rows, 0);
    int64_t gateway_id = json_integer_value(json_object_get(row, "id"));
    snprintf(to, sizeof(to), "%s/%s/%s", json_string_value(json_object_get(row, "tenant")),
             json_string_value(json_object_get(row, "store")), gateway);
    json_decref(rows);
    if (given != NULL)
        snprintf(id, sizeof(id), "%s", given);
    else
        random_id(id);
    int64_t expires_us = utc_us + valid_s * NOREN_US_PER_S;
    json_t *envelope = make_envelope(request, id, to, utc_us, expires_us);
    char *text = json_dumps(envelope, JSON_COMPACT | JSON_REAL_PRECISION(15));
    int r = text == NULL ? -ENOMEM
                         : store_run(s,
                                     "INSERT INTO command(id, gateway_id, envelope, issued_us,"
                                     " expires_us, sent_us) VALUES(?, ?, ?, ?, ?, 0)"
                                     " ON CONFLICT DO NOTHING",
                                     "sisii", id, gateway_id, text, utc_us, expires_us);
    json_decref(envelope);
    free(text);
    if (r < 0)
        REFUSE(500, "the command cannot be stored", "look at noren-hq's log");
    if (r > 0)
        return json_string(id);
    json_t *again = give_again(s, request, gateway_id, id);
    if (again == NULL)
        REFUSE(409, "that id stands for another command", "give each command an id of its own");
    return again;
#undef REFUSE
}

int command_next(struct store *s, int64_t before_us, int64_t utc_us, struct command_out *ret)
{
    sqlite3_stmt *stmt = store_bind(
        s,
        "SELECT command.id, tenant, store, gateway, json_extract(envelope, '$.name'),"
        " json_set(envelope, '$.session', session), expires_us"
        " FROM command JOIN gateway ON gateway.id = gateway_id WHERE answer IS NULL"
        " AND session IS NOT NULL AND expires_us > ?2 AND sent_us <= ?1 ORDER BY issued_us LIMIT 1",
        "ii", before_us, utc_us);
    char id[NOREN_ID_SIZE];
    int step;

    if (stmt == NULL)
        return -EIO;
    step = sqlite3_step(stmt);
    if (step != SQLITE_ROW) {
        sqlite3_reset(stmt);
        return step == SQLITE_DONE ? 0 : -EIO;
    }
    snprintf(id, sizeof(id), "%s", (const char *)sqlite3_column_text(stmt, 0));
    snprintf(ret->topic, sizeof(ret->topic), NOREN_TOPIC_ROOT "/" NOREN_TOPIC_CMD,
             (const char *)sqlite3_column_text(stmt, 1), (const char *)sqlite3_column_text(stmt, 2),
             (const char *)sqlite3_column_text(stmt, 3),
             (const char *)sqlite3_column_text(stmt, 4));
    ret->envelope = strdup((const char *)sqlite3_column_text(stmt, 5));
    ret->expires_us = sqlite3_column_int64(stmt, 6);
    sqlite3_reset(stmt);
    int r = ret->envelope == NULL
                ? -ENOMEM
                : store_run(s, "UPDATE command SET sent_us = ? WHERE id = ?", "is", utc_us, id);
    if (r < 0) {
        free(ret->envelope);
        return r;
    }
    return 1;
}

int command_answered(struct store *s, int64_t gateway_id, const json_t *answer, int64_t utc_us)
{
    const char *id = json_string_value(json_object_get(answer, "id"));
    char *text;
    int r;

    if (id == NULL || !json_is_boolean(json_object_get(answer, "ok")))
        return -EINVAL;
    text = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(15));
    if (text == NULL)
        return -ENOMEM;
    r = store_run(s,
                  "UPDATE command SET answer = ?, answered_us = ? WHERE id = ? AND gateway_id = ?"
                  " AND answer IS NULL",
                  "sisi", text, utc_us, id, gateway_id);
    free(text);
    return r < 0 ? r : r > 0 ? CHANGED_GATEWAYS : 0;
}

json_t *command_list(struct store *s, const char *store_name, const char *id, int64_t limit,
                     int64_t utc_us)
{
    return store_rows(
        s,
        "SELECT command.id, store, gateway, json_extract(envelope, '$.name') AS name,"
        " json_extract(envelope, '$.actor') AS actor, json_extract(envelope, '$.args') AS"
        " \"args:json\", issued_us, expires_us, answered_us, answer AS \"answer:json\","
        " iif(answer IS NULL, iif(expires_us > ?4, 'sent', 'expired'),"
        " iif(json_extract(answer, '$.ok'), 'done', 'refused')) AS status"
        " FROM command JOIN gateway ON gateway.id = gateway_id WHERE (?1 IS NULL OR store = ?1)"
        " AND (?2 IS NULL OR command.id = ?2) ORDER BY issued_us DESC LIMIT ?3",
        "ssii", store_name, id, limit, utc_us);
}
