/* Server-sent events; see sse.h. */
#include "hq/sse.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hq/project.h"

struct sse_stream {
    struct sse *owner;
    struct sse_stream *next, **link;
    struct MHD_Connection *connection;
    int64_t cursor; /* id of the last event sent */
    int changed;
    bool ping, greeted, suspended;
    char *text; /* being sent */
    size_t n, sent;
};

static const struct {
    int bit;
    const char *name;
} NAMES[] = {
    {CHANGED_FIXTURES, "fixtures"}, {CHANGED_MEMBERS, "members"},   {CHANGED_OFFERS, "offers"},
    {CHANGED_ALERTS, "alerts"},     {CHANGED_GATEWAYS, "gateways"},
};

static void print_changed(int changed, FILE *f)
{
    const char *comma = "";

    if ((changed & ~CHANGED_EVENTS) == 0)
        return;
    fputs("event: changed\ndata: [", f);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if (changed & NAMES[i].bit) {
            fprintf(f, "%s\"%s\"", comma, NAMES[i].name);
            comma = ",";
        }
    fputs("]\n\n", f);
}

/* Gathers what there is to say now; nothing leaves n = 0. */
static int refill(struct sse_stream *st)
{
    FILE *f;

    free(st->text);
    st->text = NULL;
    st->n = st->sent = 0;
    f = open_memstream(&st->text, &st->n);
    if (f == NULL)
        return -1;
    if (!st->greeted)
        fputs("retry: 1000\n: noren-hq\n\n", f);
    else if (st->ping)
        fputs(": still here\n\n", f);
    int r = api_print_stream(st->owner->api, &st->cursor, f);
    print_changed(st->changed, f);
    st->greeted = true;
    st->ping = false;
    st->changed = 0;
    return fclose(f) != 0 || r < 0 ? -1 : 0;
}

static ssize_t read_stream(void *user, uint64_t position, char *buf, size_t max)
{
    struct sse_stream *st = user;

    (void)position;
    if (st->owner->closing)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (st->sent == st->n && refill(st) < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (st->n == 0) {
        st->suspended = true;
        MHD_suspend_connection(st->connection);
        return 0;
    }
    size_t n = st->n - st->sent < max ? st->n - st->sent : max;
    memcpy(buf, st->text + st->sent, n);
    st->sent += n;
    return (ssize_t)n;
}

static void free_stream(void *user)
{
    struct sse_stream *st = user;

    *st->link = st->next;
    if (st->next != NULL)
        st->next->link = st->link;
    st->owner->n--;
    free(st->text);
    free(st);
}

struct MHD_Response *sse_open(struct sse *s, struct MHD_Connection *connection, int64_t after)
{
    if (s->n >= SSE_STREAMS_MAX || s->closing)
        return NULL;
    struct sse_stream *st = calloc(1, sizeof(*st));
    if (st == NULL)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, st, free_stream);
    if (response == NULL) {
        free(st);
        return NULL;
    }
    *st = (struct sse_stream){
        .owner = s, .connection = connection, .next = s->first, .link = &s->first};
    st->cursor = after >= 0 ? after : s->api->ingest->committed_id;
    if (s->first != NULL)
        s->first->link = &st->next;
    s->first = st;
    s->n++;
    MHD_add_response_header(response, "Content-Type", "text/event-stream; charset=utf-8");
    return response;
}

static void wake(struct sse_stream *st)
{
    if (!st->suspended)
        return;
    st->suspended = false;
    MHD_resume_connection(st->connection);
}

void sse_notify(struct sse *s, int changed)
{
    for (struct sse_stream *st = s->first; st != NULL; st = st->next) {
        st->changed |= changed;
        wake(st);
    }
}

void sse_ping(struct sse *s)
{
    for (struct sse_stream *st = s->first; st != NULL; st = st->next) {
        st->ping = true;
        wake(st);
    }
}

void sse_end_all(struct sse *s)
{
    s->closing = true;
    for (struct sse_stream *st = s->first; st != NULL; st = st->next)
        wake(st);
}
