/* Load cells of a device; see cells.h. */
#include "cells.h"

#include "board.h"
#include "hal/hal.h"

#define DEAD_PERIODS 8 /* conversions without a ready edge until a chip is no longer waited for */
#define LOOKS        8 /* looks a conversion: check C1 needs the ready edge to within T/4 */
#define GAIN_128     25

void cells_init(struct cells *c, uint8_t n)
{
    const struct hx711_config config = {.rate_sps = BOARD_RATE_SPS,
                                        .pulses = GAIN_128,
                                        .sck_high_max_us = HX711_SCK_HIGH_MAX_US,
                                        .shared = n > 1};
    struct hx711_result unused[HX711_RESULTS_MAX];
    int64_t now_us = hal_now_us();

    c->n = n < BOARD_CELLS ? n : BOARD_CELLS;
    c->period_us = 1000000 / BOARD_RATE_SPS;
    hal_sck(false);
    for (uint8_t i = 0; i < c->n; i++) {
        hx711_stream_init(&c->cell[i].stream, &config);
        (void)hx711_stream_reset(&c->cell[i].stream, now_us, unused);
        c->cell[i].seen_high_us = now_us;
        c->cell[i].ready_us = 0;
        c->cell[i].alive_us = now_us;
    }
}

/* True when at least one chip is ready and every chip that is alive is. */
static bool bank_ready(struct cells *c, int64_t now_us)
{
    bool any = false, all = true;

    for (uint8_t i = 0; i < c->n; i++) {
        struct cell *cell = &c->cell[i];

        if (hal_dout(i)) {
            cell->seen_high_us = now_us;
            cell->ready_us = 0;
            all &= now_us - cell->alive_us > DEAD_PERIODS * c->period_us;
        } else {
            if (cell->ready_us == 0)
                cell->ready_us = now_us;
            cell->alive_us = now_us;
            any = true;
        }
    }
    return any && all;
}

/* Interrupts are off only while PD_SCK is high: 60 us there powers the chips down (datasheet, T3). */
static void pulse(struct cells *c)
{
    int64_t rise_us, fall_us;

    hal_irq_off();
    rise_us = hal_now_us();
    hal_sck(true);
    hal_sck(false);
    fall_us = hal_now_us();
    hal_irq_on();
    for (uint8_t i = 0; i < c->n; i++)
        hx711_frame_pulse(&c->cell[i].frame, rise_us, fall_us, hal_dout(i));
}

static void clock_frame(struct cells *c)
{
    for (uint8_t i = 0; i < c->n; i++) {
        struct cell *cell = &c->cell[i];

        hx711_frame_begin(&cell->frame, cell->seen_high_us, cell->ready_us, hal_now_us(),
                          hal_dout(i));
    }
    for (int k = 0; k < GAIN_128; k++)
        pulse(c);
    for (uint8_t i = 0; i < c->n; i++)
        hx711_frame_end(&c->cell[i].frame, hal_now_us(), hal_dout(i));
}

static void take(const struct hx711_result *r, size_t n, uint8_t i, struct device_in *in)
{
    for (size_t k = 0; k < n; k++) {
        if (r[k].reason == HX711_GOOD) {
            in->sampled[i] = true;
            in->counts[i] = r[k].counts;
        }
    }
}

uint32_t cells_read(struct cells *c, struct device_in *in)
{
    struct hx711_result r[HX711_RESULTS_MAX];
    int64_t now_us = hal_now_us();
    bool ready = c->n > 0 && bank_ready(c, now_us);

    if (ready)
        clock_frame(c);
    for (uint8_t i = 0; i < c->n; i++) {
        struct cell *cell = &c->cell[i];

        if (ready && cell->ready_us != 0) {
            take(r, hx711_stream_push(&cell->stream, &cell->frame, r), i, in);
            cell->seen_high_us = hal_now_us(); /* a frame ends with DOUT high (check C4) */
            cell->ready_us = 0;
        } else {
            take(r, hx711_stream_wait(&cell->stream, cell->seen_high_us, r), i, in);
        }
    }
    return hal_now_ms() + (uint32_t)(c->period_us / 1000 / LOOKS);
}
