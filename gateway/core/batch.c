/* The batch: a bounded list that a step fills. See batch.h for what it is for. */
#include "core/batch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void batch_clear(struct batch *b)
{
    b->events_n = 0;
    b->records_n = 0;
    memset(b->fixtures_dirty, 0, sizeof(b->fixtures_dirty));
    b->store_dirty = false;
}

bool batch_room(const struct batch *b, size_t events, size_t records)
{
    return b->events_n + events <= BATCH_EVENTS_MAX && b->records_n + records <= BATCH_RECORDS_MAX;
}

struct event *batch_event(struct batch *b, enum event_kind kind, int64_t t_us)
{
    struct event *e = &b->events[b->events_n];

    assert(b->events_n < BATCH_EVENTS_MAX);
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    e->t_us = t_us;
    b->events_n++;
    return e;
}

struct event_alert_raised *batch_raise_alert(struct batch *b, int64_t t_us, int64_t number,
                                             const char *kind, const char *severity,
                                             const char *subject)
{
    struct event_alert_raised *e = &batch_event(b, EVENT_ALERT_RAISED, t_us)->u.alert_raised;

    snprintf(e->alert_id, sizeof(e->alert_id), "a%" PRId64, number);
    snprintf(e->kind, sizeof(e->kind), "%s", kind);
    snprintf(e->severity, sizeof(e->severity), "%s", severity);
    snprintf(e->subject, sizeof(e->subject), "%s", subject);
    b->store_dirty = true;
    return e;
}

struct event_alert_cleared *batch_clear_alert(struct batch *b, int64_t t_us, int64_t number,
                                              const char *kind, const char *subject)
{
    struct event_alert_cleared *e = &batch_event(b, EVENT_ALERT_CLEARED, t_us)->u.alert_cleared;

    snprintf(e->alert_id, sizeof(e->alert_id), "a%" PRId64, number);
    snprintf(e->kind, sizeof(e->kind), "%s", kind);
    snprintf(e->subject, sizeof(e->subject), "%s", subject);
    b->store_dirty = true;
    return e;
}

struct record *batch_record(struct batch *b, enum record_kind kind, const char *key)
{
    struct record *r;

    for (size_t i = 0; i < b->records_n; i++) {
        r = &b->records[i];
        if (r->kind == kind && strcmp(r->key, key) == 0)
            return r;
    }
    assert(b->records_n < BATCH_RECORDS_MAX && strlen(key) < sizeof(r->key));
    r = &b->records[b->records_n++];
    memset(r, 0, sizeof(*r));
    r->kind = kind;
    memcpy(r->key, key, strlen(key) + 1);
    return r;
}
