/* Power cuts, full disks, I/O errors and no memory at every operation of the shipped io/db.c, on the crash
 * VFS. A little shop's log is written (events, records, acks, deletes, checkpoints, restarts), something
 * happens at operation i, the machine comes back, and the file must say the truth:
 *
 *   lost      a commit that was reported is not there
 *   doubled   a number stands for another event than the one that was reported under it
 *   state     a record does not agree with the events up to the last number
 *   gap       a hole between the rows
 *   corrupt   SQLite's integrity_check, or the file does not open as it is
 *
 * A harness that finds nothing proves nothing: the same cuts with synchronous=NORMAL and OFF must lose.
 *
 * usage: storage [SEED] [ROUNDS]    ROUNDS: seeds of what is kept after each cut, 1 in the suite
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/db.h"
#include "vfs.h"

#define DIR        "disk"
#define PLATES     4
#define EVENTS_MAX 512
#define OPENS_MAX  5 /* a daemon that cannot open its database is started again by systemd */

enum verdict { GOOD, LOST, DOUBLED, STATE, GAP, CORRUPT, STUCK, VERDICTS };

static const char *const NAMES[VERDICTS] = {"good", "lost",    "doubled", "state",
                                            "gap",  "corrupt", "stuck"};

/* What the test knows: which event was given which number, and what was reported as committed. */
struct truth {
    int incarnation; /* times the database was opened: the same number then is another event */
    int by_seq[EVENTS_MAX];
    uint64_t reported, attempted;
    uint64_t acked, acked_most; /* by the HQ of now, and by any */
    const char *pragma;
    int64_t quota; /* 0: the usual */
    bool stuck;
    int64_t shed; /* rows given up since the last start */
};

static char note[DB_ERROR_SIZE];

static int64_t delta_of(uint64_t seq)
{
    return (int64_t)(seq * 7 % 5) - 2;
}

static int64_t sum_of(int plate, uint64_t seq)
{
    int64_t sum = 0;

    for (uint64_t i = 1; i <= seq; i++)
        sum += i % PLATES == (uint64_t)plate ? delta_of(i) : 0;
    return sum;
}

/* --- the scenario ------------------------------------------------------------------------------- */

static struct db *start(struct truth *t)
{
    /* so little that acked rows are forgotten all the time */
    const struct db_limits limits = {.quota_bytes = t->quota != 0 ? t->quota : 512 << 20,
                                     .kept_bytes = 3000,
                                     .kept_us = 24 * 3600 * NOREN_US_PER_S};
    struct db *d = NULL;

    for (int i = 0; i < OPENS_MAX; i++) {
        if (db_open(&d, DIR, "gw1", "boot-1", note) != 0)
            continue;
        t->incarnation++;
        db_set_limits(d, &limits);
        /* checkpoints within the scenario, not only at its restarts */
        (void)db_pragma(d, "wal_autocheckpoint=12");
        if (t->pragma != NULL)
            (void)db_pragma(d, t->pragma);
        return d;
    }
    return NULL;
}

/* One step of the brain: an event and the record that agrees with it. */
static void put(struct truth *t, struct db *d, int64_t now_us)
{
    static struct batch b;
    uint64_t seq = db_identity(d)->enqueued + 1;
    struct event *e;
    char key[RECORD_KEY_SIZE];
    int plate = (int)(seq % PLATES);

    batch_clear(&b);
    e = batch_event(&b, EVENT_SHELF_PICK, now_us);
    e->u.shelf_pick.change.stage = STAGE_SETTLED;
    snprintf(e->u.shelf_pick.change.plate, sizeof(e->u.shelf_pick.change.plate), "p%d", plate);
    snprintf(e->u.shelf_pick.change.change_id, sizeof(e->u.shelf_pick.change.change_id),
             "c%" PRIu64 "-%d", seq, t->incarnation);
    e->u.shelf_pick.change.quantity = delta_of(seq);
    snprintf(key, sizeof(key), "p%d/x", plate);
    snprintf(batch_record(&b, RECORD_FACING, key)->value, RECORD_VALUE_SIZE, "%" PRId64,
             sum_of(plate, seq));
    db_apply(d, &b, now_us);
    if (seq < EVENTS_MAX && seq > t->reported)
        t->by_seq[seq] = t->incarnation;
}

static void commit(struct truth *t, struct db *d, int64_t now_us)
{
    t->attempted = db_identity(d)->enqueued;
    if (db_commit(d, now_us) == 0)
        t->reported = db_identity(d)->committed;
}

/* HQ gets the rows up to `seq` before it acks them. False when the disk does not give them. */
static bool give(struct db *d, uint64_t seq)
{
    struct db_row row = {0};

    while (row.seq < seq && db_next(d, row.seq, &row) == 1)
        ;
    return row.seq >= seq;
}

/* `batches` commits with acks behind them and a restart now and then; the handle is closed in the end. */
static void run(struct truth *t, int batches)
{
    struct db *d = start(t);

    for (int i = 1; i <= batches && d != NULL; i++) {
        for (int k = 0; k <= i % 3; k++)
            put(t, d, i);
        commit(t, d, i);
        if (i % 4 == 0 && t->reported > 3) {
            uint64_t ack = t->reported - (uint64_t)(i % 3);

            if (ack > t->acked && give(d, ack) && db_ack(d, "hq", db_identity(d)->epoch, ack) == 0)
                t->acked = ack;
            if (t->acked > t->acked_most)
                t->acked_most = t->acked;
        }
        if (i % 7 == 0) { /* an HQ from an old backup */
            db_give_again(d, t->acked / 3);
            t->acked /= 3;
        }
        if (i % 9 == 0) {
            t->attempted = db_identity(d)->enqueued;
            db_close(d);
            d = start(t);
        }
    }
    if (d == NULL)
        return;
    commit(t, d, batches + 1);
    /* one more try, as a deadline would bring it: a single fault must not outlive itself */
    commit(t, d, batches + 2);
    t->stuck = t->reported != db_identity(d)->enqueued;
    t->shed = db_counters(d).events_shed;
    db_close(d);
}

/* --- the check ---------------------------------------------------------------------------------- */

struct seen {
    int64_t value[PLATES];
    bool there[PLATES];
};

static int take_record(void *user, const struct record *r)
{
    struct seen *s = user;
    int plate = r->key[1] - '0';

    if (plate < 0 || plate >= PLATES)
        return -1;
    s->value[plate] = strtoll(r->value, NULL, 10);
    s->there[plate] = true;
    return 0;
}

static enum verdict check_state(struct db *d)
{
    uint64_t committed = db_identity(d)->committed;
    struct seen s = {0};

    if (db_restore(d, take_record, &s) != 0)
        return STATE;
    for (int p = 0; p < PLATES; p++) {
        bool expected = committed >= (uint64_t)(p == 0 ? PLATES : p);

        if (s.there[p] != expected || (expected && s.value[p] != sum_of(p, committed)))
            return STATE;
    }
    return GOOD;
}

static uint64_t number_of(const struct db_row *row, const char *key)
{
    const char *at = strstr(row->data, key);

    return at == NULL ? 0 : strtoull(at + strlen(key) + 2, NULL, 10);
}

static enum verdict check_rows(const struct truth *t, struct db *d)
{
    const struct db_identity *id = db_identity(d);
    uint64_t after = 0;
    struct db_row row;
    int rc;

    while ((rc = db_next(d, after, &row)) == 1) {
        char change[48];

        if (strcmp(row.type, "noren.gateway.gap") == 0) { /* in its own range */
            if (number_of(&row, "last_seq") != row.seq ||
                number_of(&row, "first_seq") > (after == 0 ? id->acked : after) + 1)
                return GAP;
            after = row.seq;
            continue;
        }
        if ((after == 0 && row.seq > id->acked + 1) || (after != 0 && row.seq != after + 1))
            return GAP;
        snprintf(change, sizeof(change), "\"c%" PRIu64 "-%d\"", row.seq, t->by_seq[row.seq]);
        if (strstr(row.data, change) == NULL)
            return DOUBLED;
        after = row.seq;
    }
    if (rc != 0)
        return CORRUPT;
    return after == id->committed || (after == 0 && id->acked == id->committed) ? GOOD : GAP;
}

static int note_verdict(void *user, int n, char **values, char **names)
{
    (void)n, (void)names;
    *(bool *)user = strcmp(values[0], "ok") == 0;
    return 0;
}

static enum verdict check_integrity(void)
{
    bool ok = false;
    sqlite3 *sql;

    if (sqlite3_open(DIR "/noren.db", &sql) == SQLITE_OK &&
        sqlite3_exec(sql, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL) == SQLITE_OK)
        (void)sqlite3_exec(sql, "PRAGMA integrity_check", note_verdict, &ok, NULL);
    sqlite3_close(sql);
    return ok ? GOOD : CORRUPT;
}

/* After the machine came back: is it the truth, and does it go on from there? */
static enum verdict check(struct truth *t)
{
    const struct db_identity *id;
    enum verdict v = GOOD;
    struct db *d = NULL;

    if (db_open(&d, DIR, "gw1", "boot-2", note) != 0)
        return CORRUPT;
    id = db_identity(d);
    if (note[0] != '\0')
        v = CORRUPT;
    else if (id->committed < t->reported)
        v = LOST;
    else if (id->committed > t->attempted || id->acked > t->acked_most)
        v = STATE;
    if (v == GOOD)
        v = check_state(d);
    if (v == GOOD)
        v = check_rows(t, d);
    if (v == GOOD) {
        uint64_t before = id->committed;

        t->incarnation++;
        t->reported = before; /* what is there now keeps its number for ever */
        put(t, d, 1000);
        commit(t, d, 1001);
        v = t->reported == before + 1 ? check_rows(t, d) : STUCK;
    }
    db_close(d);
    return v == GOOD ? check_integrity() : v;
}

/* --- rounds ------------------------------------------------------------------------------------- */

struct score {
    int64_t rounds, by[VERDICTS];
};

static void print(const char *what, const struct score *s)
{
    printf("%-26s rounds %6" PRId64, what, s->rounds);
    for (int v = LOST; v < VERDICTS; v++)
        printf(" %s %" PRId64, NAMES[v], s->by[v]);
    putchar('\n');
    fflush(stdout);
}

static void note_round(struct score *s, enum verdict v, const char *what, int64_t at, int how)
{
    s->rounds++;
    s->by[v]++;
    if (v != GOOD && getenv("VERBOSE") != NULL)
        printf("  %s: operation %" PRId64 " way %d: %s %s\n", what, at, how, NAMES[v], note);
}

static struct score cut_everywhere(const char *pragma, int64_t quota, uint64_t seed, int batches)
{
    struct score s = {0};

    for (int64_t at = 1;; at++) {
        for (int loss = VFS_KEEP; loss <= VFS_TEAR; loss++) {
            struct truth t = {.pragma = pragma, .quota = quota};

            vfs_format();
            vfs_arm(VFS_CUT, at);
            run(&t, batches);
            if (!vfs_hit()) {
                if (quota != 0 && t.shed == 0) /* then this was no test of shedding */
                    s.by[STUCK]++, s.rounds++;
                return s;
            }
            vfs_power_on((enum vfs_loss)loss, seed + (uint64_t)at);
            note_round(&s, check(&t), "cut", at, loss);
        }
    }
}

static struct score fail_everywhere(enum vfs_fault fault, uint64_t seed, int batches)
{
    bool stays = fault == VFS_EIO_STAYS || fault == VFS_FULL_STAYS;
    struct score s = {0};
    int64_t at = 0;
    bool hit = true;

    while (hit) {
        struct truth t = {0};
        enum verdict v;

        vfs_format();
        vfs_arm(fault, ++at);
        run(&t, batches);
        hit = vfs_hit();
        /* the space is for writes only: operations that need none pass, and the scan goes on */
        if (!hit && at < vfs_ops())
            hit = true;
        vfs_power_on(VFS_MIX, seed + (uint64_t)at);
        v = !stays && t.stuck ? STUCK : check(&t);
        note_round(&s, v, "fault", at, (int)fault);
    }
    return s;
}

static struct score starve_everywhere(bool stays, uint64_t seed, int batches)
{
    struct score s = {0};

    for (int64_t at = 1;; at++) {
        struct truth t = {0};
        bool hit;

        vfs_format();
        vfs_memory_arm(at, stays);
        run(&t, batches);
        hit = vfs_memory_count() >= at;
        vfs_memory_arm(0, false);
        if (!hit)
            return s;
        vfs_power_on(VFS_MIX, seed + (uint64_t)at);
        note_round(&s, !stays && t.stuck ? STUCK : check(&t), "memory", at, stays);
    }
}

static bool must_be_good(const char *what, struct score s, struct score *sum)
{
    print(what, &s);
    sum->rounds += s.rounds;
    for (int v = 0; v < VERDICTS; v++)
        sum->by[v] += s.by[v];
    return s.rounds > 100 && s.by[GOOD] == s.rounds;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1;
    bool good = true;
    struct score loose, sum = {0};

    vfs_memory_register();
    vfs_register();
    for (int i = 0; i < rounds; i++, seed++) {
        printf("seed %" PRIu64 "\n", seed);
        good &= must_be_good("power cut", cut_everywhere(NULL, 0, seed, 24), &sum);
        good &=
            must_be_good("power cut while shedding", cut_everywhere(NULL, 4096, seed, 24), &sum);
        good &= must_be_good("EIO once", fail_everywhere(VFS_EIO, seed, 24), &sum);
        good &= must_be_good("EIO from then on", fail_everywhere(VFS_EIO_STAYS, seed, 24), &sum);
        good &= must_be_good("ENOSPC once", fail_everywhere(VFS_FULL, seed, 24), &sum);
        good &=
            must_be_good("ENOSPC from then on", fail_everywhere(VFS_FULL_STAYS, seed, 24), &sum);
        good &= must_be_good("no memory once", starve_everywhere(false, seed, 6), &sum);
        good &= must_be_good("no memory from then on", starve_everywhere(true, seed, 6), &sum);
    }
    loose = cut_everywhere("synchronous=NORMAL", 0, seed, 24);
    print("synchronous=NORMAL", &loose);
    if (loose.by[LOST] == 0) {
        puts("FAILED: the harness does not see what synchronous=NORMAL loses");
        good = false;
    }
    loose = cut_everywhere("synchronous=OFF", 0, seed, 24);
    print("synchronous=OFF", &loose);
    if (loose.by[LOST] + loose.by[CORRUPT] == 0 || loose.by[CORRUPT] == 0) {
        puts("FAILED: the harness does not see what synchronous=OFF breaks");
        good = false;
    }
    printf("rounds %" PRId64 " lost %" PRId64 " doubled %" PRId64 "\n", sum.rounds, sum.by[LOST],
           sum.by[DOUBLED]);
    puts(good ? "storage: ok" : "FAILED: see the counts above; VERBOSE=1 names the operations");
    return good ? 0 : 1;
}
