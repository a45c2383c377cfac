/* Real-time priority and locked memory: what this machine permits is said, refusals are named with their remedy, and
 * the same reading goes on without. A child process is limited, so that the test itself stays as it was. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "adc/hx711_sim.h"
#include "io/bank.h"
#include "io/realtime.h"

#ifdef __SANITIZE_ADDRESS__ /* AddressSanitizer says yes to mlockall() and does nothing */
#define LOCKS_FOR_SHOW true
#else
#define LOCKS_FOR_SHOW false
#endif
#define NOBODY      65534
#define FRAMES      40
#define PATIENCE_US INT64_C(60000000)

/* One chip in real time, read by a thread of ours: what adc.c does with lines. */
struct reader {
    struct hx711_sim chip;
    struct bank bank;
    int good, wrong;
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int set_sck(void *ctx, unsigned line, bool high)
{
    struct reader *r = ctx;

    (void)line;
    hx711_sim_sck(&r->chip, high, now_ns());
    return 0;
}

static int get_dout(void *ctx, uint32_t *ret_levels)
{
    struct reader *r = ctx;

    *ret_levels = hx711_sim_dout(&r->chip, now_ns());
    return 0;
}

static int64_t now_us(void *ctx)
{
    (void)ctx;
    return now_ns() / 1000;
}

static void wait_us(void *ctx, int32_t us)
{
    struct timespec t = {.tv_nsec = us * 1000L};

    (void)ctx;
    nanosleep(&t, NULL);
}

static void *run(void *arg)
{
    struct reader *r = arg;
    struct bank_reading readings[BANK_READINGS_MAX];
    int64_t end = now_us(NULL) + PATIENCE_US, next;

    while (r->good < FRAMES && now_us(NULL) < end) {
        size_t n = bank_poll(&r->bank, readings, &next);
        int64_t left = next - now_us(NULL);

        for (size_t i = 0; i < n; i++) {
            r->good += readings[i].fault == CELL_OK;
            r->wrong += readings[i].fault == CELL_OK && readings[i].counts != 123456;
        }
        if (left > 0)
            wait_us(NULL, left < 100000 ? (int32_t)left : 100000);
    }
    return NULL;
}

/* In a child: 0 when all is as it should be, else the line that is not. */
#define CHECK(what)          \
    do {                     \
        if (!(what))         \
            return __LINE__; \
    } while (0)

static int sample(struct realtime *ret_granted, int *ret_policy)
{
    struct board_bank config = {
        .cells_n = 1, .sck_n = 1, .rate_sps = 80, .gain = 128, .sck_high_max_us = 45};
    static struct reader r;
    struct bank_bus bus = {
        .ctx = &r, .set_sck = set_sck, .get_dout = get_dout, .now_us = now_us, .wait_us = wait_us};
    struct sched_param param;
    pthread_t thread;

    hx711_sim_init(&r.chip, now_ns(), 12500000, 1);
    r.chip.signal = 123456;
    bank_init(&r.bank, &config, &bus);
    CHECK(pthread_create(&thread, NULL, run, &r) == 0);
    *ret_granted = realtime_ask(thread);
    CHECK(pthread_getschedparam(thread, ret_policy, &param) == 0);
    CHECK(param.sched_priority == (ret_granted->priority ? REALTIME_PRIORITY : 0));
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(r.good == FRAMES);
    CHECK(r.wrong == 0);
    return 0;
}

static int limited(void)
{
    const struct rlimit none = {0, 0};
    struct realtime granted;
    int policy, line;

    CHECK(setrlimit(RLIMIT_RTPRIO, &none) == 0);
    CHECK(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
    CHECK(getuid() != 0 || (setgid(NOBODY) == 0 && setuid(NOBODY) == 0));
    line = sample(&granted, &policy);
    CHECK(line == 0);
    CHECK(!granted.priority && policy == SCHED_OTHER);
    CHECK(LOCKS_FOR_SHOW || !granted.memory);
    CHECK(strstr(realtime_missing(granted), "LimitRTPRIO=") != NULL);
    CHECK(strncmp(realtime_name(granted), "ordinary priority", 17) == 0);
    return 0;
}

static int as_permitted(void)
{
    struct realtime granted;
    int policy, line = sample(&granted, &policy);

    CHECK(line == 0);
    printf("permitted here: %s\n", realtime_name(granted));
    CHECK(policy == (granted.priority ? SCHED_FIFO : SCHED_OTHER));
    CHECK((realtime_missing(granted) == NULL) == (granted.priority && granted.memory));
    return 0;
}

static void in_child(int (*what)(void))
{
    int status;
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int line = what();

        if (line != 0)
            printf("test_realtime.c:%d: not so\n", line);
        (void)fflush(stdout);
        _exit(line != 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void without_permission_it_reads_on(void **state)
{
    (void)state;
    in_child(limited);
}

static void with_what_is_permitted_it_says_so(void **state)
{
    (void)state;
    in_child(as_permitted);
}

static void each_lack_has_its_remedy(void **state)
{
    (void)state;
    assert_null(realtime_missing((struct realtime){.priority = true, .memory = true}));
    assert_non_null(strstr(realtime_missing((struct realtime){.priority = true}), "LimitMEMLOCK="));
    assert_string_equal(realtime_name((struct realtime){.priority = true, .memory = true}),
                        "real-time priority, memory locked");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_permission_it_reads_on),
        cmocka_unit_test(with_what_is_permitted_it_says_so),
        cmocka_unit_test(each_lack_has_its_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
