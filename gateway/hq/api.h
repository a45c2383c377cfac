/* The JSON API. One function a resource; paths, parameters and status codes in one table.
 *
 * There is no login, so it listens on the loopback address unless told otherwise; and its one write, a command to a
 * gateway, is taken only while it does (http.c): who is logged in on HQ's machine may command.
 * Times are integers in microseconds since 1970 with _us in their name, as everywhere else.
 */
#ifndef NOREN_HQ_API_H
#define NOREN_HQ_API_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "hq/broker.h"
#include "hq/ingest.h"
#include "hq/roster.h"
#include "hq/store.h"

#define API_LIMIT_MAX 1000

/** What the API looks at; all borrowed. */
struct api {
    struct store *store;
    const struct ingest *ingest;
    const struct roster *roster;
    const struct broker *broker;
    int64_t started_us;           /**< UTC */
    int (*commanded)(void *user); /**< a command waits: commit and send it; 0 or -errno */
    void *user;
};

/** The parameters of a request; the strings are NULL when absent. */
struct api_query {
    const char *store, *ref;
    int64_t after; /**< events: id, exclusive; -1: absent */
    int64_t limit; /**< -1: absent */
};

/** Answers `path` ("/api/..."). Returns a new reference and sets the HTTP status (200, 400, 404, 500), or
 * NULL when there is no memory. */
json_t *api_get(const struct api *api, const char *path, const struct api_query *query,
                int *ret_status);

/** POST /api/commands with this body (hq/command.h): stored, and on its way. Sets 202 and returns {"id"}, or another
 * status and an error. */
json_t *api_post(const struct api *api, const char *path, const json_t *body, int *ret_status);

/** {"error": what, "remedy": remedy}; a new reference. */
json_t *api_error(const char *what, const char *remedy);

/** Writes events after `*cursor` as server-sent events (at most 64) and moves the cursor. Returns how
 * many, or -errno. */
int api_print_stream(const struct api *api, int64_t *cursor, FILE *f);

#endif
