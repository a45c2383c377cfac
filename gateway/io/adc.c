/* Sampling threads of weight ADC banks; see adc.h. What a bank is and when it is clocked: bank.h.
 *
 * The thread is real-time (SCHED_FIFO) and the process's memory locked where that is permitted, because a
 * preemption in the middle of a frame costs a power-down of the chip. RTPRIO is a limit (LimitRTPRIO= of the
 * unit), no capability. Without it everything works, with more refused frames. A bank of simulated chips has
 * nothing to lose and stays an ordinary thread.
 */
#include "io/adc.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "io/bank.h"
#include "io/clock.h"
#include "io/gpio.h"
#include "io/realtime.h"
#include "io/sim.h"

#define RING_SIZE  1024u /* a power of two; 16 cells at 80 SPS for 0.8 s */
#define STACK_SIZE ((size_t)256 * 1024)
#define LONGEST_US 100000 /* adc_close() waits for this at most */
#define US_PER_S   INT64_C(1000000)
#define NS_PER_US  1000L

struct adc {
    struct bank bank; /* the thread's own */
    uint16_t cells[BOARD_BANK_CELLS_MAX];
    struct gpio *gpio;       /* NULL: simulated */
    struct realtime granted; /* real lines only */
    int event_fd;
    pthread_t thread;
    atomic_bool stop;
    _Atomic int64_t counts[HX711_REASONS], overflows;
    _Atomic uint32_t turns; /* of the thread: it lives */
    /* one writer (the thread moves head), one reader (adc_read moves tail) */
    _Atomic uint32_t head, tail;
    struct bank_reading ring[RING_SIZE];
};

static int64_t now_us(void *ctx)
{
    (void)ctx;
    return clock_boot_us();
}

static void wait_us(void *ctx, int32_t us)
{
    struct timespec t = {.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * NS_PER_US};

    (void)ctx;
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static int lines_set_sck(void *ctx, unsigned line, bool high)
{
    return gpio_set(ctx, line, high);
}

static int lines_get_dout(void *ctx, uint32_t *ret_levels)
{
    return gpio_get(ctx, ret_levels);
}

/* --- the thread --------------------------------------------------------------------------------- */

/* False when the ring is full: the newest goes, because the main loop is what is late. */
static bool ring_put(struct adc *a, const struct bank_reading *r)
{
    uint32_t head = atomic_load_explicit(&a->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&a->tail, memory_order_acquire);

    if (head - tail == RING_SIZE)
        return false;
    a->ring[head % RING_SIZE] = *r;
    atomic_store_explicit(&a->head, head + 1, memory_order_release);
    return true;
}

static void hand_over(struct adc *a, const struct bank_reading *readings, size_t n)
{
    const uint64_t one = 1;
    int64_t counts[HX711_REASONS];

    for (size_t i = 0; i < n; i++)
        if (!ring_put(a, &readings[i]))
            atomic_fetch_add(&a->overflows, 1);
    bank_counts(&a->bank, counts);
    for (int i = 0; i < HX711_REASONS; i++)
        atomic_store_explicit(&a->counts[i], counts[i], memory_order_relaxed);
    if (n > 0 && write(a->event_fd, &one, sizeof(one)) < 0)
        return; /* the counter is full: the reader has been told often enough */
}

static void *run(void *arg)
{
    struct adc *a = arg;
    struct bank_reading readings[BANK_READINGS_MAX];
    int64_t next;

    while (!atomic_load_explicit(&a->stop, memory_order_relaxed)) {
        size_t n = bank_poll(&a->bank, readings, &next);
        int64_t left;

        atomic_fetch_add_explicit(&a->turns, 1, memory_order_relaxed);
        hand_over(a, readings, n);
        left = next - now_us(NULL);
        if (left > 0)
            wait_us(NULL, left < LONGEST_US ? (int32_t)left : LONGEST_US);
    }
    return NULL;
}

static int start_thread(struct adc *a)
{
    pthread_attr_t attr;
    int r = pthread_attr_init(&attr);

    if (r != 0)
        return -r;
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    r = pthread_create(&a->thread, &attr, run, a);
    pthread_attr_destroy(&attr);
    if (r != 0)
        return -r;
    pthread_setname_np(a->thread, "adc");
    if (a->gpio == NULL)
        return 0;
    a->granted = realtime_ask(a->thread);
    return 0;
}

/* --- interface ---------------------------------------------------------------------------------- */

static int open_bus(struct adc *a, const struct board_bank *bank, struct sim *sim,
                    struct bank_bus *ret_bus)
{
    int r;

    if (bank->kind == BANK_SIM) {
        *ret_bus = sim_bus(sim, bank);
        return ret_bus->ctx != NULL ? 0 : -ENODEV;
    }
    r = gpio_open(&a->gpio, bank->chip, bank->sck, bank->sck_n, bank->dout, bank->cells_n);
    if (r < 0)
        return r;
    *ret_bus = (struct bank_bus){.ctx = a->gpio,
                                 .set_sck = lines_set_sck,
                                 .get_dout = lines_get_dout,
                                 .now_us = now_us,
                                 .wait_us = wait_us};
    return 0;
}

int adc_open(struct adc **ret_adc, const struct board_bank *bank, const uint16_t *cells,
             struct sim *sim)
{
    struct adc *a = calloc(1, sizeof(*a));
    struct bank_bus bus;
    int r;

    if (a == NULL)
        return -ENOMEM;
    for (int i = 0; i < bank->cells_n; i++)
        a->cells[i] = cells[i];
    a->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = a->event_fd < 0 ? -errno : open_bus(a, bank, sim, &bus);
    if (r == 0) {
        bank_init(&a->bank, bank, &bus);
        r = start_thread(a);
    }
    if (r < 0) {
        gpio_close(a->gpio);
        if (a->event_fd >= 0)
            close(a->event_fd);
        free(a);
        return r;
    }
    *ret_adc = a;
    return 0;
}

int adc_fd(const struct adc *a)
{
    return a->event_fd;
}

int adc_read(struct adc *a, struct obs *ret, size_t cap)
{
    const uint64_t one = 1;
    uint64_t told;
    uint32_t tail = atomic_load_explicit(&a->tail, memory_order_relaxed);
    uint32_t head;
    size_t n = 0;

    /* first silence the eventfd, then look: what comes in between is told again */
    if (read(a->event_fd, &told, sizeof(told)) < 0 && errno != EAGAIN)
        return -errno;
    head = atomic_load_explicit(&a->head, memory_order_acquire);
    for (; tail != head && n < cap; tail++) {
        const struct bank_reading *r = &a->ring[tail % RING_SIZE];

        if (a->cells[r->cell] == NO_INDEX)
            continue;
        ret[n++] = (struct obs){
            .t_us = r->t_us,
            .kind = OBS_CELL,
            .u.cell = {.cell = a->cells[r->cell], .counts = r->counts, .fault = r->fault},
        };
    }
    atomic_store_explicit(&a->tail, tail, memory_order_release);
    if (tail != head && write(a->event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        return -errno;
    return (int)n;
}

const char *adc_degraded(const struct adc *a)
{
    return a->gpio != NULL ? realtime_missing(a->granted) : NULL;
}

const char *adc_mode(const struct adc *a)
{
    return a->gpio != NULL ? realtime_name(a->granted) : "simulated";
}

struct adc_counters adc_counters(const struct adc *a)
{
    struct adc_counters c = {
        .ring_overflows = atomic_load_explicit(&a->overflows, memory_order_relaxed),
    };

    for (int i = 0; i < HX711_REASONS; i++) {
        c.by_reason[i] = atomic_load_explicit(&a->counts[i], memory_order_relaxed);
        c.frames_refused += i == HX711_GOOD ? 0 : c.by_reason[i];
    }
    c.frames_good = c.by_reason[HX711_GOOD];
    return c;
}

uint32_t adc_turns(const struct adc *a)
{
    return atomic_load_explicit(&a->turns, memory_order_relaxed);
}

void adc_close(struct adc *a)
{
    if (a == NULL)
        return;
    atomic_store(&a->stop, true);
    pthread_join(a->thread, NULL);
    gpio_close(a->gpio);
    close(a->event_fd);
    free(a);
}
