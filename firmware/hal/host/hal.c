/* The host as a board: virtual time, a file as flash, stdout as the air.
 *
 * Time moves only when the device sleeps or looks at the clock, so a run of an hour takes milliseconds and is the
 * same every time. Environment: NOREN_PROVISION (file written by noren-provision), NOREN_FLASH (counter
 * pages; made when absent), NOREN_RUN_MS (how long to run, default 10000).
 */
#include "hal/hal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/counter.h"
#include "core/provision.h"

#define LOOK_US 1 /* what one look at the clock costs */

static int64_t now_us, end_us;
static uint8_t provision[PROVISION_SIZE];
static uint32_t flash[COUNTER_PAGES][COUNTER_PAGE_WORDS];

static void flash_file(const char *mode)
{
    const char *path = getenv("NOREN_FLASH");
    FILE *f = path != NULL ? fopen(path, mode) : NULL;
    size_t n = 0;

    if (f == NULL)
        return;
    n = mode[0] == 'r' ? fread(flash, 1, sizeof(flash), f) : fwrite(flash, 1, sizeof(flash), f);
    if (fclose(f) != 0 || n != sizeof(flash))
        fprintf(stderr, "host hal: %s holds %zu of %zu bytes\n", path, n, sizeof(flash));
}

void hal_init(void)
{
    const char *path = getenv("NOREN_PROVISION"), *run_ms = getenv("NOREN_RUN_MS");
    FILE *f = path != NULL ? fopen(path, "rb") : NULL;

    memset(provision, 0xff, sizeof(provision));
    memset(flash, 0xff, sizeof(flash));
    if (f != NULL) {
        if (fread(provision, 1, sizeof(provision), f) != sizeof(provision))
            fprintf(stderr, "host hal: %s is shorter than %zu bytes\n", path, sizeof(provision));
        (void)fclose(f);
    }
    flash_file("rb");
    end_us = (run_ms != NULL ? strtoll(run_ms, NULL, 10) : 10000) * 1000;
}

uint32_t hal_now_ms(void)
{
    return (uint32_t)(now_us / 1000);
}

int64_t hal_now_us(void)
{
    return now_us += LOOK_US;
}

void hal_sleep_until(uint32_t due_ms)
{
    int32_t left_ms = (int32_t)(due_ms - hal_now_ms());

    if (left_ms > 0)
        now_us += (int64_t)left_ms * 1000;
}

const uint8_t *hal_provision(size_t *ret_n)
{
    *ret_n = sizeof(provision);
    return provision;
}

static const uint32_t *const pages[COUNTER_PAGES] = {flash[0], flash[1]};

uint32_t hal_counter_load(void)
{
    return counter_latest(pages);
}

void hal_counter_store(uint32_t value)
{
    struct counter_write w = counter_next(pages, value);

    if (w.erase)
        memset(flash[w.page], 0xff, sizeof(flash[w.page]));
    flash[w.page][w.word] = w.value;
    flash[w.page][w.word + 1] = ~w.value;
    flash_file("wb");
}

void hal_irq_off(void)
{
}

void hal_irq_on(void)
{
}

void hal_advertise(const uint8_t *ad, size_t n)
{
    (void)ad; /* the trace already shows it */
    (void)n;
}

void hal_trace(const char *line)
{
    puts(line);
}

bool hal_running(void)
{
    return now_us < end_us;
}
