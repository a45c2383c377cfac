/* The database and the log of a test: everything that was emitted and stored, as the shell would hold it. */
#ifndef NOREN_TEST_BOOKS_H
#define NOREN_TEST_BOOKS_H

#include <stdlib.h>
#include <string.h>

#include "core/batch.h"

#define LOG_MAX  4096
#define ROWS_MAX 256

static struct batch *out;
static struct event *events;
static size_t events_n;
static struct record *rows;
static size_t rows_n;

/* Zeroed memory or the end: a test without memory has nothing to say. */
static void *must_calloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL)
        abort();
    return p;
}

static void books_open(void)
{
    out = must_calloc(1, sizeof(*out));
    events = must_calloc(LOG_MAX, sizeof(*events));
    rows = must_calloc(ROWS_MAX, sizeof(*rows));
    events_n = rows_n = 0;
}

static void books_close(void)
{
    free(out);
    free(events);
    free(rows);
}

static void store(const struct record *r)
{
    size_t i = 0;

    while (i < rows_n && (rows[i].kind != r->kind || strcmp(rows[i].key, r->key) != 0))
        i++;
    if (r->value[0] == '\0') {
        if (i < rows_n)
            rows[i] = rows[--rows_n];
        return;
    }
    assert_true(i < ROWS_MAX);
    rows[i] = *r;
    rows_n += i == rows_n;
}

/* What the shell does with a batch: events and rows in one transaction. */
static void commit(void)
{
    for (size_t i = 0; i < out->events_n; i++) {
        assert_true(events_n < LOG_MAX);
        events[events_n++] = out->events[i];
    }
    for (size_t i = 0; i < out->records_n; i++)
        store(&out->records[i]);
    batch_clear(out);
}

#endif
