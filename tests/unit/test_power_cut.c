/* Power cuts between any two commits: whatever was lost, the stock is right in the end and every change in
 * the committed log is finished exactly once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shop_rig.h"

#define UNIT  500000.0
#define BEGIN (8 * S)
#define END   (40 * S)
#define FINAL 16

/* Twelve packs on a tared plate, then half a minute of a shop's life. */
static struct rig *scenario(void)
{
    struct rig *r = rig_new(80);

    rig_run(r, 2 * S);
    rig_command(r, COMMAND_TARE, "cmd-1", "p1", 0);
    world_step(&r->world, 3 * S, 12 * UNIT);
    rig_run(r, BEGIN);
    world_step(&r->world, BEGIN + 1 * S, -1 * UNIT);
    world_step(&r->world, BEGIN + 4 * S, -2 * UNIT);
    world_step(&r->world, BEGIN + 7 * S, 1 * UNIT);
    world_hand(&r->world, BEGIN + 10 * S, BEGIN + 13 * S, 2200000);
    world_step(&r->world, BEGIN + 15 * S, -1 * UNIT);
    world_step(&r->world, BEGIN + 15 * S + 600 * MS, -1 * UNIT);
    world_step(&r->world, BEGIN + 19 * S, 2 * UNIT);
    world_step(&r->world, BEGIN + 22 * S, 6 * UNIT);
    return r;
}

/* The same moment again, to try another end from here. */
static struct rig *copy(const struct rig *from)
{
    struct rig *r = malloc(sizeof(*r));

    if (r == NULL)
        abort();
    memcpy(r, from, sizeof(*r));
    r->shop.plan = &r->plan;
    return r;
}

/* From now on nothing reaches the disk. */
static void lose_commits(struct rig *r)
{
    r->commits_max = r->commits;
}

/* The power is gone for `down_us`; then the brain starts over the database. */
static void cut_power(struct rig *r, int64_t down_us)
{
    r->now_us += down_us;
    r->commits_max = INT32_MAX;
    rig_boot(r);
}

static bool is_end(const struct event *e)
{
    return e->u.shelf_pick.change.stage != STAGE_PROVISIONAL;
}

/* Every change_id: revisions 0, 1, 2 ... and one end, which is the last. */
static bool changes_are_finished_once(const struct rig *r)
{
    for (int i = 0; i < r->log_n; i++) {
        const char *id = r->log[i].u.shelf_pick.change.change_id;
        int32_t rev = 0;
        bool ended = false;

        if (!rig_is_shelf(&r->log[i]))
            continue;
        for (int j = 0; j < r->log_n; j++) {
            const struct event *e = &r->log[j];

            if (!rig_is_shelf(e) || strcmp(e->u.shelf_pick.change.change_id, id) != 0)
                continue;
            if (ended || e->u.shelf_pick.change.rev != rev++)
                return false;
            ended = is_end(e);
        }
        if (!ended)
            return false;
    }
    return true;
}

static void check_end(struct rig *r, const char *how)
{
    int64_t sum = 0;
    int log_n;

    rig_run(r, END);
    for (int i = 0; i < r->log_n; i++)
        if (r->log[i].kind == EVENT_STOCK_CHANGED)
            sum += r->log[i].u.stock_changed.delta;
    if (rig_on_shelf(r) != FINAL || sum != FINAL || !changes_are_finished_once(r)) {
        rig_dump(r);
        fail_msg("%s: on shelf %d, sum of movements %d, should be %d", how, (int)rig_on_shelf(r),
                 (int)sum, FINAL);
    }
    /* What is stored is what is known: a restart in peace changes nothing. */
    log_n = r->log_n;
    cut_power(r, S);
    rig_run(r, END + 5 * S);
    if (r->log_n != log_n || rig_on_shelf(r) != FINAL) {
        rig_dump(r);
        fail_msg("%s: a restart at rest said something", how);
    }
}

static void without_a_cut_all_is_right(void **state)
{
    struct rig *r = scenario();

    (void)state;
    check_end(r, "no cut");
    assert_int_equal(rig_count(r, 0, STAGE_RETRACTED), 1); /* the hand */
    free(r);
}

static void a_cut_after_any_commit_loses_nothing(void **state)
{
    static const int64_t ahead_us[] = {0, 250 * MS, 3 * S}, down_us[] = {50 * MS, 2500 * MS};
    struct rig *r = scenario();
    int cuts = 0;

    (void)state;
    for (int seen = -1; r->now_us < END - 6 * S; rig_run(r, r->now_us + r->period_us)) {
        if (r->commits == seen)
            continue;
        seen = r->commits;
        for (size_t i = 0; i < 6; i++) {
            struct rig *x = copy(r);
            char how[80];

            snprintf(how, sizeof(how), "commit %d, %d ms ahead, %d ms down", seen,
                     (int)(ahead_us[i / 2] / MS), (int)(down_us[i % 2] / MS));
            lose_commits(x);
            rig_run(x, x->now_us + ahead_us[i / 2]);
            cut_power(x, down_us[i % 2]);
            check_end(x, how);
            free(x);
            cuts++;
        }
    }
    assert_true(cuts > 100);
    free(r);
}

static void many_cuts_in_a_row_lose_nothing(void **state)
{
    struct rig *r = scenario();

    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct rng rng = {.state = RIG_SEED + seed};
        struct rig *x = copy(r);
        char how[40];

        snprintf(how, sizeof(how), "seed %d", (int)(RIG_SEED + seed));
        rng_uniform(&rng);
        while (x->now_us < END - 8 * S) {
            rig_run(x, x->now_us + (int64_t)(rng_uniform(&rng) * 4 * S));
            lose_commits(x);
            rig_run(x, x->now_us + (int64_t)(rng_uniform(&rng) * 300 * MS));
            cut_power(x, (int64_t)(rng_uniform(&rng) * 2 * S));
        }
        check_end(x, how);
        free(x);
    }
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_cut_all_is_right),
        cmocka_unit_test(a_cut_after_any_commit_loses_nothing),
        cmocka_unit_test(many_cuts_in_a_row_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
