/* Reads a bank of two chips (the second is missing) through the GPIO shim, and tries what must fail.
 *
 * Built once with each shim, so that libgpiod 1.6 and 2.x are asked the same questions by the code that ships.
 * usage: gpio_reader LABEL COUNTS    exit 0: the first chip read COUNTS, give or take 1,000
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/bank.h"
#include "io/gpio.h"

#define READ_US INT64_C(90000000) /* an emulated CPU beside a build is slow */
#define ENOUGH  20
#define EXPECT(what, got, wanted)                                                        \
    do {                                                                                 \
        int value_ = (got);                                                              \
        if (value_ != (wanted)) {                                                        \
            printf("%s: %s, wanted %s\n", what, strerror(-value_), strerror(-(wanted))); \
            return 1;                                                                    \
        }                                                                                \
    } while (0)

static int64_t now_us(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void wait_us(void *ctx, int32_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L};

    (void)ctx;
    nanosleep(&t, NULL);
}

static int set_sck(void *ctx, unsigned line, bool high)
{
    return gpio_set(ctx, line, high);
}

static int get_dout(void *ctx, uint32_t *ret_levels)
{
    return gpio_get(ctx, ret_levels);
}

/* Reads until there is enough; returns the number of good values within 1,000 counts of what is expected. */
static int read_bank(struct gpio *gpio, long expected, int *ret_wrong, int *ret_absent)
{
    const struct board_bank config = {
        .cells_n = 2, .sck_n = 1, .rate_sps = 80, .gain = 128, .sck_high_max_us = 1000};
    const struct bank_bus bus = {.ctx = gpio,
                                 .set_sck = set_sck,
                                 .get_dout = get_dout,
                                 .now_us = now_us,
                                 .wait_us = wait_us};
    struct bank_reading readings[BANK_READINGS_MAX];
    struct bank bank;
    int64_t next, end;
    int good = 0;

    bank_init(&bank, &config, &bus);
    for (end = now_us(NULL) + READ_US; now_us(NULL) < end && (good < ENOUGH || *ret_absent == 0);) {
        size_t n = bank_poll(&bank, readings, &next);
        int64_t left = next - now_us(NULL);

        for (size_t i = 0; i < n; i++) {
            bool first = readings[i].cell == 0 && readings[i].fault == CELL_OK;
            bool near = labs(readings[i].counts - expected) < 1000;

            good += first && near;
            *ret_wrong += first && !near;
            *ret_absent += readings[i].cell == 1 && readings[i].fault == CELL_ABSENT;
        }
        if (left > 0)
            wait_us(NULL, left < 100000 ? (int32_t)left : 100000);
    }
    return good;
}

int main(int argc, char **argv)
{
    const uint32_t sck[] = {0}, dout[] = {1, 2}, beyond[] = {1000};
    struct gpio *gpio = NULL, *again = NULL;
    int good, wrong = 0, absent = 0;

    if (argc != 3)
        return 2;
    EXPECT("a label that no chip has", gpio_open(&again, "no-such-chip", sck, 1, dout, 2), -ENODEV);
    EXPECT("an offset that the chip does not have", gpio_open(&again, argv[1], sck, 1, beyond, 1),
           -EINVAL);
    EXPECT("open", gpio_open(&gpio, argv[1], sck, 1, dout, 2), 0);
    EXPECT("lines that are taken", gpio_open(&again, argv[1], sck, 1, dout, 2), -EBUSY);
    good = read_bank(gpio, strtol(argv[2], NULL, 10), &wrong, &absent);
    gpio_close(gpio);
    EXPECT("open again", gpio_open(&gpio, argv[1], sck, 1, dout, 2), 0);
    gpio_close(gpio);
    printf("%d good values, %d wrong ones, the missing chip was told %d times\n", good, wrong,
           absent);
    return good >= ENOUGH && wrong == 0 && absent > 0 ? 0 : 1;
}
