/* What tests of the database share: a folder, a gateway's small life, and a look at what is there. */
#ifndef NOREN_TESTS_DB_RIG_H
#define NOREN_TESTS_DB_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/db.h"

static char dir[64];
static char note[DB_ERROR_SIZE];

static inline struct db *open_db(void)
{
    struct db *d = NULL;

    if (db_open(&d, dir, "gw1", "boot-1", note) != 0)
        fail_msg("%s", note);
    return d;
}

/* One settled pick and one record, as a step would give them. */
static inline void put(struct db *d, int64_t now_us, const char *value)
{
    static struct batch b;
    struct event *e;

    batch_clear(&b);
    e = batch_event(&b, EVENT_SHELF_PICK, now_us);
    e->u.shelf_pick.change.stage = STAGE_SETTLED;
    strcpy(e->u.shelf_pick.change.plate, "p1");
    snprintf(batch_record(&b, RECORD_FACING, "p1/04901234567894")->value, RECORD_VALUE_SIZE, "%s",
             value);
    db_apply(d, &b, now_us);
}

static inline int remember(void *user, const struct record *r)
{
    memcpy(user, r->value, sizeof(r->value));
    return 0;
}

/* The one record's value on disk. */
static inline const char *stored(struct db *d)
{
    static char value[RECORD_VALUE_SIZE];

    value[0] = '\0';
    assert_int_equal(db_restore(d, remember, value), 0);
    return value;
}

static inline uint64_t count_rows(struct db *d)
{
    struct db_row row;
    uint64_t n = 0, after = 0;

    while (db_next(d, after, &row) == 1) {
        assert_true(row.seq > after);
        after = row.seq;
        n++;
    }
    return n;
}

/* HQ acks what it was given. */
static inline int ack(struct db *d, const char *hq_id, const char *epoch, uint64_t seq)
{
    struct db_row row;

    for (uint64_t after = 0; after < seq && db_next(d, after, &row) == 1; after = row.seq)
        ;
    return db_ack(d, hq_id, epoch, seq);
}

/* One event of a kind, for a member or a product as the number says. */
static inline void put_kind(struct db *d, enum event_kind kind, int i)
{
    static struct batch b;
    struct event *e;

    batch_clear(&b);
    e = batch_event(&b, kind, i);
    if (kind == EVENT_VISIT_OPENED) {
        e->u.visit_opened.who.kind = WHO_MEMBER;
        snprintf(e->u.visit_opened.who.ref, sizeof(e->u.visit_opened.who.ref), "m%d", i % 3);
    } else if (kind == EVENT_STOCK_CHANGED) {
        snprintf(e->u.stock_changed.plate, sizeof(e->u.stock_changed.plate), "p%d", i % 3);
        e->u.stock_changed.on_shelf = i;
    }
    db_apply(d, &b, i);
}

/* Walks the rows: every number once or in a gap; how many of `type` are left, their last data in `ret_last`. */
static inline int walk(struct db *d, const char *type, char *ret_last, size_t size)
{
    uint64_t covered = db_identity(d)->acked, at = 0;
    struct db_row row;
    int n = 0;

    while (db_next(d, at, &row) == 1) {
        uint64_t first = row.seq;
        const char *text = strstr(row.data, "first_seq\":");

        if (strcmp(row.type, "noren.gateway.gap") == 0 && text != NULL)
            first = strtoull(text + strlen("first_seq\":"), NULL, 10);
        assert_int_equal(first, covered + 1); /* in order, without a hole, nothing named twice */
        covered = at = row.seq;
        if (strcmp(row.type, type) != 0)
            continue;
        n++;
        snprintf(ret_last, size, "%s", row.data);
    }
    assert_int_equal(covered, db_identity(d)->committed);
    return n;
}

/* Without its acked rows, as if they had been too many. */
static inline struct db *open_tight(int64_t kept_bytes)
{
    struct db *d = open_db();
    struct db_limits limits = DB_LIMITS_DEFAULT;

    limits.kept_bytes = kept_bytes;
    db_set_limits(d, &limits);
    return d;
}

static inline int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/noren-db-XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static inline int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command); // NOLINT(cert-env33-c): our own temporary folder
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
