/* The firmware of every board: read, think, act, sleep. What differs is behind the hal; what decides is in
 * core/. Each advertisement is also traced as a line "AD <hex>", which is how a test sees what goes out.
 */
#include <string.h>

#include "cells.h"
#include "core/device.h"
#include "hal/hal.h"

static void trace_ad(const uint8_t *ad, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char line[3 + 2 * NOREN_NODE_AD_SIZE + 1] = "AD ";
    char *p = line + 3;

    for (size_t i = 0; i < n; i++) {
        *p++ = digits[ad[i] >> 4];
        *p++ = digits[ad[i] & 15];
    }
    *p = '\0';
    hal_trace(line);
}

static void act(const struct device_out *out)
{
    if (out->store)
        hal_counter_store(out->counter);
    if (out->ad_n > 0) {
        trace_ad(out->ad, out->ad_n);
        hal_advertise(out->ad, out->ad_n);
    }
}

int main(void)
{
    static struct device device;
    static struct cells cells;
    struct provision config;
    struct device_in in;
    struct device_out out;
    const uint8_t *page;
    const char *problem;
    size_t n;

    hal_init();
    page = hal_provision(&n);
    problem = provision_parse(page, n, &config);
    if (problem != NULL) { /* says so for ever: a device without a key must not send anything */
        for (uint32_t due_ms = 0; hal_running(); due_ms += 1000) {
            hal_sleep_until(due_ms);
            hal_trace(problem);
        }
        return 1;
    }
    cells_init(&cells, config.kind == DEVICE_SHELF_NODE ? config.cells_n : 0);
    device_init(&device, &config, hal_counter_load(), hal_now_ms());
    for (uint32_t due_ms = 0; hal_running();) {
        uint32_t look_ms;

        hal_sleep_until(due_ms);
        memset(&in, 0, sizeof(in));
        in.counter = hal_counter_load();
        look_ms = cells_read(&cells, &in);
        due_ms = device_step(&device, &in, hal_now_ms(), &out);
        if (cells.n > 0 && (int32_t)(look_ms - due_ms) < 0)
            due_ms = look_ms;
        act(&out);
    }
    return 0;
}
