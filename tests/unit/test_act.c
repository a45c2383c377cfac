/* Lights, on the simulated board and in virtual time: who is told what, and when. Real lines are the business
 * of tests/kernel. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/act.h"
#include "io/sim.h"

#define SECOND INT64_C(1000000)

static const struct board board = {
    .radios = {{.receiver = "door", .kind = RADIO_SIM}},
    .radios_n = 1,
    .leds = {{.id = "led1", .kind = LED_SIM},
             {.id = "led2", .kind = LED_SIM},
             {.id = "gone", .kind = LED_GPIO, .chip = "no-such-chip", .line = 3}},
    .leds_n = 3,
};

struct fixture {
    char dir[32], path[64];
    struct sim *sim;
    struct act *act;
    int fd; /* who looks at the lights */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct ble_packet packet;

    snprintf(f->dir, sizeof(f->dir), "/tmp/noren-act-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/sim.sock", f->dir);
    f->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(f->fd, (struct sockaddr *)&to, sizeof(to.sun_family)) < 0)
        return -1;
    memcpy(to.sun_path, f->path, sizeof(f->path));
    *state = f;
    if (sim_open(&f->sim, f->path, &board) != 0 ||
        connect(f->fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        send(f->fd, "watch\n", 6, 0) != 6 || sim_read(f->sim, &packet, 1) != 0)
        return -1;
    return act_open(&f->act, &board, f->sim);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    act_close(f->act);
    close(f->fd);
    sim_close(f->sim);
    rmdir(f->dir);
    free(f);
    return 0;
}

/* The next thing that the watcher is told; "" when it is told nothing. */
static const char *told(const struct fixture *f)
{
    static char line[64];
    ssize_t n = recv(f->fd, line, sizeof(line) - 1, 0);

    line[n > 0 ? n : 0] = '\0';
    return line;
}

static void forget(const struct fixture *f)
{
    while (told(f)[0] != '\0')
        ;
}

/* Lets time pass as the event loop does: called at each moment that act_tick() asked for. */
static void pass(const struct fixture *f, int64_t *now_us, int64_t until_us)
{
    for (;;) {
        int64_t next_us = act_tick(f->act, *now_us);

        assert_true(next_us > *now_us);
        if (next_us > until_us)
            break;
        *now_us = next_us;
    }
    *now_us = until_us;
}

static void test_blinks_for_its_time_and_no_longer(void **state)
{
    struct fixture *f = *state;
    int64_t now_us = 5 * SECOND;
    int edges = 0;

    forget(f);
    assert_int_equal(act_tick(f->act, now_us), INT64_MAX);
    assert_int_equal(act_locate(f->act, "led1", "p1", 3 * SECOND, now_us), 0);
    assert_string_equal(told(f), "led led1 on");
    pass(f, &now_us, 8 * SECOND);
    for (const char *next; (next = told(f))[0] != '\0'; edges++)
        assert_string_equal(next, edges % 2 == 0 ? "led led1 off" : "led led1 on");
    assert_int_equal(edges, 11); /* 3 s at 2 Hz: on six times, off six times */
    assert_int_equal(act_tick(f->act, now_us), INT64_MAX);
}

static void test_plates_take_turns_on_one_light(void **state)
{
    struct fixture *f = *state;
    struct act_light l;
    int64_t now_us = 0;

    assert_int_equal(act_locate(f->act, "led1", "p1", 2 * SECOND, now_us), 0);
    assert_int_equal(act_locate(f->act, "led1", "p2", 4 * SECOND, now_us), 0);
    assert_int_equal(act_locate(f->act, "led2", "p3", 4 * SECOND, now_us), 0);
    assert_true(act_light(f->act, 0, now_us, &l) && l.blinks && l.left_us == 2 * SECOND);
    assert_true(act_light(f->act, 1, now_us, &l) && !l.blinks && l.left_us == 4 * SECOND);
    assert_string_equal(l.plate, "p2");
    assert_true(act_light(f->act, 2, now_us, &l) && l.blinks);
    assert_string_equal(l.led, "led2");
    assert_false(act_light(f->act, 3, now_us, &l));
    pass(f, &now_us, 3 * SECOND); /* p1 has ended, p2 blinks for a second already */
    assert_true(act_light(f->act, 0, now_us, &l) && l.blinks && l.left_us == 3 * SECOND);
    assert_string_equal(l.plate, "p2");
    pass(f, &now_us, 6 * SECOND);
    assert_false(act_light(f->act, 0, now_us, &l));
}

/* A loop that was held up for long starts the next one when the one before was due to end. */
static void test_late_tick(void **state)
{
    struct fixture *f = *state;
    struct act_light l;

    assert_int_equal(act_locate(f->act, "led1", "p1", 2 * SECOND, 0), 0);
    assert_int_equal(act_locate(f->act, "led1", "p2", 2 * SECOND, 0), 0);
    (void)act_tick(f->act, 3 * SECOND);
    assert_true(act_light(f->act, 0, 3 * SECOND, &l) && l.left_us == SECOND);
    assert_int_equal(act_tick(f->act, 60 * SECOND), INT64_MAX);
}

static void test_asked_again_extends(void **state)
{
    struct fixture *f = *state;
    struct act_light l;
    int64_t now_us = 0;

    assert_int_equal(act_locate(f->act, "led1", "p1", 10 * SECOND, 0), 0);
    pass(f, &now_us, 6 * SECOND);
    assert_int_equal(act_locate(f->act, "led1", "p1", 10 * SECOND, now_us), 0);
    assert_true(act_light(f->act, 0, now_us, &l) && l.left_us == 10 * SECOND);
    assert_int_equal(act_locate(f->act, "led1", "p1", 2 * SECOND, now_us), 0); /* never shortens */
    assert_true(act_light(f->act, 0, now_us, &l) && l.left_us == 10 * SECOND);
    assert_false(act_light(f->act, 1, now_us, &l));
}

static void test_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    char plate[8];

    for (int i = 0; i < ACT_REQUESTS_MAX; i++) {
        snprintf(plate, sizeof(plate), "p%d", i);
        assert_int_equal(act_locate(f->act, "led1", plate, SECOND, 0), 0);
    }
    assert_int_equal(act_locate(f->act, "led2", "q", SECOND, 0), -ENOSPC);
    assert_int_equal(act_locate(f->act, "led1", "p3", 2 * SECOND, 0), 0); /* not one more */
    assert_int_equal(act_locate(f->act, "led2", "q", SECOND, SECOND), 0); /* one has ended */
}

static void test_what_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct act_light l;

    assert_int_equal(act_locate(f->act, "led9", "p1", SECOND, 0), -ENOENT);
    assert_true(act_locate(f->act, "gone", "p1", SECOND, 0) < 0);
    assert_non_null(strstr(act_problem(f->act, 2), "led gone: "));
    assert_null(act_problem(f->act, 0));
    assert_null(act_problem(f->act, 3));
    assert_false(act_light(f->act, 0, 0, &l));
}

static void test_dark_after_close(void **state)
{
    struct fixture *f = *state;

    forget(f);
    assert_int_equal(act_locate(f->act, "led2", "p1", SECOND, 0), 0);
    assert_string_equal(told(f), "led led2 on");
    act_close(f->act);
    f->act = NULL;
    assert_string_equal(told(f), "led led2 off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_blinks_for_its_time_and_no_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_plates_take_turns_on_one_light, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_tick, setup, teardown),
        cmocka_unit_test_setup_teardown(test_asked_again_extends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dark_after_close, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
