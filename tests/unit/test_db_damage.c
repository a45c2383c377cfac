/* Every way a disk lets the durable state down: full, corrupt, an old copy, no memory left. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "db_rig.h"

static void test_an_old_copy_begins_a_new_epoch(void **state)
{
    struct db *d = open_db();
    char epoch[DB_EPOCH_SIZE];
    struct db_row row;

    (void)state;
    memcpy(epoch, db_identity(d)->epoch, sizeof(epoch));
    put(d, 0, "x");
    db_close(d);
    d = open_db();
    put(d, 1, "w"); /* offline: number 2, which HQ knows as another event */
    assert_int_equal(db_commit(d, 1), 0);
    put(d, 2, "y"); /* waits, and had number 3 */
    /* less than what is committed here, yet nothing was given out: HQ's number 2 is not this one */
    assert_int_equal(db_ack(d, "hq", epoch, 2), 1);
    assert_string_not_equal(db_identity(d)->epoch, epoch);
    assert_string_equal(db_identity(d)->prev_epoch, epoch);
    assert_int_equal(db_next(d, 0, &row), 0);
    assert_int_equal(db_ack(d, "hq", epoch, 8), -ESTALE);
    assert_int_equal(db_commit(d, 3), 0);
    memcpy(epoch, db_identity(d)->epoch, sizeof(epoch));
    db_close(d);
    d = open_db();
    assert_string_equal(db_identity(d)->epoch, epoch);
    assert_int_equal(db_identity(d)->committed, 2);
    assert_string_equal(stored(d), "y");
    assert_int_equal(db_next(d, 0, &row), 1);
    assert_int_equal(row.seq, 1);
    assert_int_equal(row.t_us, 1);
    assert_int_equal(db_next(d, 1, &row), 1);
    assert_int_equal(row.t_us, 2);
    assert_int_equal(db_next(d, 2, &row), 0);
    db_close(d);
}

static void test_what_finds_no_room_is_a_gap(void **state)
{
    struct db *d = open_db();
    char last[512];
    uint64_t head;

    (void)state;
    put(d, 0, "x");
    assert_int_equal(db_commit(d, 1), 0);
    assert_int_equal(db_pragma(d, "max_page_count=1"), 0); /* the disk takes nothing */
    for (int i = 0; i < 20000; i++)
        put(d, i, "y");
    assert_int_equal(db_commit(d, 2), -ENOSPC);
    assert_true(db_counters(d).events_dropped > 0);
    head = db_identity(d)->enqueued;
    assert_int_equal(head, 20001); /* what is given up has numbers */
    assert_int_equal(db_pragma(d, "max_page_count=100000"), 0);
    assert_int_equal(db_commit(d, 3), 0);
    assert_int_equal(db_counters(d).outbox_rows, 20001 - db_counters(d).events_dropped + 1);
    assert_int_equal(walk(d, "noren.gateway.gap", last, sizeof(last)), 1);
    assert_non_null(strstr(last, "\"last_seq\":20001,\"reason\":\"no memory\""));
    put(d, 4, "z");
    assert_int_equal(db_commit(d, 5), 0);
    assert_int_equal(db_identity(d)->committed, 20002);
    db_close(d);
}

static void test_full_database_loses_nothing(void **state)
{
    struct db *d = open_db();
    uint64_t n = 0;

    (void)state;
    assert_int_equal(db_pragma(d, "max_page_count=16"), 0);
    while (n < 10000) {
        put(d, (int64_t)n, "full");
        n++;
        if (db_commit(d, (int64_t)n) != 0)
            break;
    }
    assert_true(n < 10000);
    assert_non_null(strstr(db_problem(d), "free space"));
    assert_int_equal(db_counters(d).commit_failures, 1);
    for (int i = 0; i < 20; i++, n++)
        put(d, (int64_t)n, "later"); /* sensing goes on */
    assert_int_equal(db_commit(d, 0), -ENOSPC);
    assert_int_equal(db_deadline(d), 1000000); /* tried again, but not at every pick */
    put(d, 1, "later");
    n++;
    assert_int_equal(db_deadline(d), 1000000);
    /* HQ acks what is on disk: the rows go, and what waited finds room */
    assert_int_equal(ack(d, "hq", db_identity(d)->epoch, db_identity(d)->committed), 0);
    assert_int_equal(db_commit(d, 2), 0);
    assert_string_equal(db_problem(d), "");
    assert_string_equal(stored(d), "later");
    assert_int_equal(db_identity(d)->committed, n);
    assert_true(count_rows(d) >= n - db_identity(d)->acked);
    assert_int_equal(db_counters(d).outbox_rows, n - db_identity(d)->acked);
    assert_int_equal(db_counters(d).events_dropped, 0);
    db_close(d);
}

static void test_disk_full_loses_nothing(void **state)
{
    struct rlimit was, tight;
    struct db *d = open_db();

    (void)state;
    put(d, 0, "before");
    assert_int_equal(db_commit(d, 0), 0);
    /* a limit on file size makes the write itself fail, as a full file system does */
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    tight = (struct rlimit){.rlim_cur = 4096, .rlim_max = was.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    put(d, 1, "during");
    assert_true(db_commit(d, 1) < 0);
    assert_true(db_problem(d)[0] != '\0');
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(db_commit(d, 2), 0);
    db_close(d);
    d = open_db();
    assert_string_equal(stored(d), "during");
    assert_int_equal(count_rows(d), 2);
    db_close(d);
}

static void scribble(long at, const char *bytes, size_t n)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/noren.db", dir);
    f = fopen(path, "r+");
    assert_non_null(f);
    fseek(f, at, SEEK_SET);
    fwrite(bytes, 1, n, f);
    fclose(f);
}

/* Whatever page is hit: every number that HQ lacks is there once or in a gap, or, when the file does not say any more
 * who it was, a new epoch begins. */
static void test_any_damaged_page_loses_nothing_silently(void **state)
{
    char epoch[DB_EPOCH_SIZE], path[128], junk[4096], command[300], last[512];
    int kept = 0, anew = 0;

    (void)state;
    memset(junk, 0xa5, sizeof(junk));
    for (int page = 0; page < 30; page++) {
        struct db *d = open_db();
        uint64_t committed;

        for (int i = 0; i < 300; i++)
            put(d, i, "x");
        assert_int_equal(db_commit(d, 1), 0);
        if (ack(d, "hq", db_identity(d)->epoch, 40) == 0)
            assert_int_equal(db_commit(d, 2), 0);
        committed = db_identity(d)->committed;
        memcpy(epoch, db_identity(d)->epoch, sizeof(epoch));
        db_close(d);
        scribble(page * 4096L + (page == 0 ? 100 : 0), junk, page == 0 ? 3996 : 4096);
        d = open_db();
        if (note[0] == '\0') {
            assert_int_equal(count_rows(d), 300); /* beyond the end */
        } else if (strcmp(db_identity(d)->epoch, epoch) == 0) {
            assert_int_equal(db_identity(d)->committed, committed);
            (void)walk(d, "noren.shelf.pick", last, sizeof(last));
            kept++;
        } else {
            assert_string_equal(db_identity(d)->acked == 0 ? "" : "acked", "");
            anew++;
        }
        db_close(d);
        snprintf(path, sizeof(path), "%s/noren.db", dir);
        snprintf(command, sizeof(command), "rm -f %s*", path);
        assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): our own temporary folder
    }
    printf("30 pages: %d salvaged, %d with a new epoch\n", kept, anew);
    assert_true(kept >= 12);
}

static void test_corrupt_file_is_set_aside(void **state)
{
    struct db *d = open_db();
    char epoch[DB_EPOCH_SIZE], path[128], junk[4096], alert[40];
    int saved;

    (void)state;
    for (int i = 0; i < 200; i++)
        put(d, i, "x");
    assert_int_equal(db_commit(d, 1), 0);
    memcpy(epoch, db_identity(d)->epoch, sizeof(epoch));
    db_close(d);
    memset(junk, 0xa5, sizeof(junk));
    scribble(12 * 4096L, junk, sizeof(junk)); /* a page in the middle of the outbox */
    d = open_db();
    assert_non_null(strstr(note, "quarantine-1"));
    /* the unsent rows first, under the numbers that they had: walk() finds each once, or in a gap */
    assert_string_equal(db_identity(d)->epoch, epoch);
    assert_int_equal(db_identity(d)->enqueued, 200);
    assert_string_equal(stored(d),
                        ""); /* state comes back from the sensors, not from a damaged file */
    saved = walk(d, "noren.shelf.pick", junk, sizeof(junk));
    assert_true(saved > 150 && saved < 200); /* a page of 4 KiB has some 12 of them */
    assert_int_equal(walk(d, "noren.gateway.gap", junk, sizeof(junk)), 1);
    assert_non_null(strstr(junk, "database corrupt"));
    assert_string_equal(db_take_alert(d), "database_corrupt");
    snprintf(alert, sizeof(alert), "%s", db_alert_id(d));
    put(d, 300,
        "new"); /* has no number of the old epoch: it may have been given to something else */
    assert_int_equal(db_commit(d, 300), 0);
    assert_int_equal(count_rows(d), saved + 1);
    assert_false(db_alert_over(d));
    db_close(d);
    d = open_db(); /* a restart forgets none of it */
    assert_string_equal(db_take_alert(d), "database_corrupt");
    assert_string_equal(db_alert_id(d), alert);
    assert_int_equal(ack(d, "hq", epoch, 200), 1); /* HQ has it all: now a new epoch begins */
    assert_null(db_take_alert(d));
    assert_int_equal(db_commit(d, 301), 0);
    assert_string_equal(db_identity(d)->prev_epoch, epoch);
    assert_string_not_equal(db_identity(d)->epoch, epoch);
    assert_int_equal(db_identity(d)->enqueued, 1);
    assert_string_equal(stored(d), "new");
    assert_false(db_alert_over(d));
    assert_int_equal(ack(d, "hq", db_identity(d)->epoch, 1), 0);
    assert_true(db_alert_over(d)); /* it follows: the matter is over */
    db_clear_alert(d);
    assert_int_equal(db_commit(d, 302), 0);
    db_close(d);
    d = open_db();
    assert_null(db_take_alert(d));
    db_close(d);
    scribble(0, junk, 100); /* the header itself: nothing is known of the old epoch */
    d = open_db();
    assert_non_null(strstr(note, "quarantine-2"));
    assert_string_equal(db_identity(d)->prev_epoch, "");
    put(d, 0, "again");
    assert_int_equal(db_commit(d, 1), 0);
    db_close(d);
    d = open_db();
    assert_string_equal(note, "");
    assert_string_equal(stored(d), "again");
    db_close(d);
    snprintf(path, sizeof(path), "%s/noren.db.quarantine-1", dir);
    assert_int_equal(access(path, F_OK), 0);
}

/* A backup, taken while events go on; put in place after the original gave more numbers to HQ. */
static void test_a_backup_goes_on_where_hq_is(void **state)
{
    struct db *d = open_db();
    char epoch[DB_EPOCH_SIZE], file[96], path[96];
    const char *said;
    struct stat st;
    struct db_row row;

    (void)state;
    memcpy(epoch, db_identity(d)->epoch, sizeof(epoch));
    for (int i = 0; i < 2000; i++)
        put(d, i, "x");
    assert_int_equal(db_commit(d, 1), 0);
    assert_int_equal(ack(d, "hq", epoch, 1998), 0);
    snprintf(file, sizeof(file), "%s/copy", dir);
    assert_int_equal(db_backup_start(d, file, note), 0);
    assert_int_equal(db_backup_start(d, "/nowhere/x", note), -EBUSY);
    assert_int_equal(db_backup_step(d), 1);
    put(d, 5000, "y"); /* number 2001, in the middle of it */
    assert_int_equal(db_commit(d, 5000), 0);
    while (db_backup_step(d) == 1)
        ;
    assert_false(db_backup_state(d, &said).running);
    assert_int_equal(db_backup_state(d, &said).error, 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(db_backup_start(d, file, note), -EEXIST);
    assert_int_equal(db_backup_start(d, "/nowhere/x", note), -ENOENT);
    put(d, 6000, "z"); /* 2002 is not in the copy */
    assert_int_equal(db_commit(d, 6000), 0);
    db_close(d);
    snprintf(path, sizeof(path), "%s/noren.db", dir);
    assert_int_equal(rename(file, path), 0);

    d = open_db();
    assert_non_null(strstr(note, "is a backup"));
    assert_string_equal(stored(d), "y");
    put(d, 1, "w"); /* would be 2002 a second time */
    assert_int_equal(db_commit(d, 1), 0);
    db_close(d);
    d = open_db(); /* a backup stays one over any number of starts */
    assert_int_equal(db_identity(d)->committed, 2002);
    assert_int_equal(db_next(d, 2000, &row), 1); /* what it holds goes under its own number */
    assert_int_equal(row.seq, 2001);
    assert_int_equal(db_next(d, 2001, &row), 0); /* what came later does not */
    assert_null(db_take_alert(d));
    assert_int_equal(db_ack(d, "hq", epoch, 2000), 0);
    assert_string_equal(db_identity(d)->epoch, epoch);
    assert_int_equal(db_ack(d, "hq", epoch, 2001), 1);
    assert_string_equal(db_take_alert(d), "database_copy");
    assert_int_equal(db_commit(d, 2), 0);
    assert_string_not_equal(db_identity(d)->epoch, epoch);
    assert_int_equal(db_next(d, 0, &row), 1);
    assert_int_equal(row.seq, 1);
    assert_int_equal(db_next(d, 1, &row), 0);
    db_close(d);
    d = open_db();
    assert_string_equal(note, "");
    assert_int_equal(db_identity(d)->committed, 1);
    db_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(test_an_old_copy_begins_a_new_epoch),
        WITH_DIR(test_what_finds_no_room_is_a_gap),
        WITH_DIR(test_a_backup_goes_on_where_hq_is),
        WITH_DIR(test_full_database_loses_nothing),
        WITH_DIR(test_disk_full_loses_nothing),
        WITH_DIR(test_corrupt_file_is_set_aside),
        WITH_DIR(test_any_damaged_page_loses_nothing_silently),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
