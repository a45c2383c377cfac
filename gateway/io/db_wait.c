/* What waits for its commit; see db_wait.h. */
#include "io/db_wait.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Hours of a busy store, at most about 16 MB. */
#define WAITING_MAX  16384
#define RECORDS_KEPT 64 /* room that stays between commits */
#define URGENT_US    (50 * NOREN_US_PER_MS)
#define STOCK_US     (250 * NOREN_US_PER_MS)
#define LAZY_US      (5 * NOREN_US_PER_S)

void db_wait_init(struct db_waiting *w)
{
    memset(w, 0, sizeof(*w));
    w->last = &w->first;
}

int64_t db_wait_delay_us(const struct event *e)
{
    switch (event_class(e->kind)) {
    case CLASS_OFFER:
    case CLASS_HOLD:
    case CLASS_ALERT:
    case CLASS_TASK:
        return URGENT_US;
    case CLASS_STOCK:
        /* the shelf's events share struct shelf_change as their first member */
        return e->kind == EVENT_SHELF_PICK && e->u.shelf_pick.change.stage == STAGE_PROVISIONAL
                   ? URGENT_US
                   : STOCK_US;
    case CLASS_VISIT:
    case CLASS_KPI:
    case CLASS_GATEWAY:
    case CLASS_COUNT:
        break;
    }
    return LAZY_US;
}

static struct db_pending *keep_event(struct db_waiting *w, const struct event *e, uint64_t seq)
{
    char data[EVENT_DATA_SIZE];
    int n = event_print_data(e, data, sizeof(data));
    struct db_pending *p;

    assert(n >= 0); /* EVENT_DATA_SIZE holds the data of any event */
    p = w->n < WAITING_MAX && w->lost_last == 0 ? malloc(sizeof(*p) + (size_t)n + 1) : NULL;
    if (p == NULL)
        return NULL;
    p->next = NULL;
    p->seq = seq;
    p->kind = e->kind;
    p->t_us = e->t_us;
    p->n = (size_t)n;
    memcpy(p->data, data, (size_t)n + 1);
    return p;
}

bool db_wait_event(struct db_waiting *w, const struct event *e, uint64_t seq)
{
    struct db_pending *p = keep_event(w, e, seq);

    if (p == NULL) {
        w->lost_first = w->lost_last == 0 ? seq : w->lost_first;
        w->lost_last = seq;
        return false;
    }
    *w->last = p;
    w->last = &p->next;
    w->n++;
    return true;
}

/* The same row again replaces the one that waits: its number is bounded by the brain's state. */
void db_wait_record(struct db_waiting *w, const struct record *r)
{
    for (size_t i = 0; i < w->records_n; i++) {
        if (w->records[i].kind == r->kind && strcmp(w->records[i].key, r->key) == 0) {
            w->records[i] = *r;
            return;
        }
    }
    if (w->records_n == w->records_cap) {
        size_t cap = w->records_cap == 0 ? RECORDS_KEPT : 2 * w->records_cap;
        struct record *grown = realloc(w->records, cap * sizeof(*grown));

        if (grown == NULL)
            abort(); /* state without memory for it: a restart brings back what is on disk */
        w->records = grown;
        w->records_cap = cap;
    }
    w->records[w->records_n++] = *r;
}

uint64_t db_wait_renumber(struct db_waiting *w, uint64_t seq)
{
    for (struct db_pending *p = w->first; p != NULL; p = p->next)
        p->seq = ++seq;
    if (w->lost_last != 0) {
        uint64_t n = w->lost_last - w->lost_first;

        w->lost_first = ++seq;
        w->lost_last = seq += n;
    }
    return seq;
}

bool db_wait_empty(const struct db_waiting *w)
{
    return w->first == NULL && w->records_n == 0 && w->lost_last == 0;
}

void db_wait_clear(struct db_waiting *w)
{
    while (w->first != NULL) {
        struct db_pending *p = w->first;

        w->first = p->next;
        free(p);
    }
    w->last = &w->first;
    w->n = 0;
    w->records_n = 0;
    w->lost_first = w->lost_last = 0;
    if (w->records_cap > RECORDS_KEPT) { /* a burst's room is not kept for the next one */
        free(w->records);
        w->records = NULL;
        w->records_cap = 0;
    }
}

void db_wait_free(struct db_waiting *w)
{
    db_wait_clear(w);
    free(w->records);
}
