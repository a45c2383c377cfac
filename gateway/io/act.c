/* Lights that show people where something is; see act.h. */
#include "io/act.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/gpio.h"
#include "io/sim.h"

struct led {
    const struct board_led *config;
    struct gpio *gpio; /* NULL: simulated, or not to be had */
    bool on;
    char problem[ACT_PROBLEM_SIZE]; /* "" = fine */
};

struct request {
    uint8_t led;
    char plate[NOREN_ID_SIZE];
    int64_t start_us; /* INT64_MAX while it waits */
    int64_t duration_us;
};

struct act {
    struct sim *sim;
    struct led leds[BOARD_LEDS_MAX];
    size_t leds_n;
    struct request queue[ACT_REQUESTS_MAX]; /* in order of arrival */
    size_t queue_n;
};

/* --- one LED ------------------------------------------------------------------------------------ */

static int complain(struct led *l, int rc)
{
    const char *remedy = rc == -ENODEV  ? "no chip with that label: gpiodetect prints what there is"
                         : rc == -EBUSY ? "the line is taken: gpioinfo says by whom"
                         : rc == -EACCES || rc == -EPERM
                             ? "let the user norend runs as open /dev/gpiochip*"
                             : "check its section in the board file";

    snprintf(l->problem, sizeof(l->problem), "led %s: %s; %s", l->config->id, strerror(-rc),
             remedy);
    return rc;
}

static int put(struct act *a, struct led *l, bool on)
{
    int r = 0;

    switch (l->config->kind) {
    case LED_GPIO:
        r = l->gpio != NULL ? gpio_set(l->gpio, 0, on != l->config->active_low) : -ENODEV;
        break;
    case LED_SIM:
        sim_led(a->sim, l->config->id, on);
        break;
    }
    if (r < 0)
        return complain(l, r);
    l->on = on;
    return 0;
}

/* The shim drives a new output low; one that is lit by low is put right at once, a flash of microseconds. */
static int take(struct act *a, struct led *l)
{
    if (l->config->kind == LED_GPIO && l->gpio == NULL) {
        int r = gpio_open(&l->gpio, l->config->chip, &l->config->line, 1, NULL, 0);

        if (r < 0)
            return complain(l, r);
    }
    l->problem[0] = '\0';
    return put(a, l, false);
}

int act_open(struct act **ret_act, const struct board *board, struct sim *sim)
{
    struct act *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return -ENOMEM;
    a->sim = sim;
    for (; a->leds_n < board->leds_n; a->leds_n++) {
        a->leds[a->leds_n].config = &board->leds[a->leds_n];
        (void)take(a, &a->leds[a->leds_n]);
    }
    *ret_act = a;
    return 0;
}

void act_close(struct act *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->leds_n; i++) {
        if (a->leds[i].on)
            (void)put(a, &a->leds[i], false);
        gpio_close(a->leds[i].gpio);
    }
    free(a);
}

const char *act_problem(const struct act *a, size_t i)
{
    return i < a->leds_n && a->leds[i].problem[0] != '\0' ? a->leds[i].problem : NULL;
}

/* --- the queue ---------------------------------------------------------------------------------- */

static struct request *find_plate(struct act *a, size_t led, const char *plate)
{
    for (size_t i = 0; i < a->queue_n; i++)
        if (a->queue[i].led == led && strcmp(a->queue[i].plate, plate) == 0)
            return &a->queue[i];
    return NULL;
}

/* What an LED blinks for: the oldest of its requests. */
static struct request *front(struct act *a, size_t led)
{
    for (size_t i = 0; i < a->queue_n; i++)
        if (a->queue[i].led == led)
            return &a->queue[i];
    return NULL;
}

static void extend(struct request *q, int64_t duration_us, int64_t now_us)
{
    int64_t gone_us = q->start_us == INT64_MAX ? 0 : now_us - q->start_us;

    if (gone_us + duration_us > q->duration_us)
        q->duration_us = gone_us + duration_us;
}

int act_locate(struct act *a, const char *led, const char *plate, int64_t duration_us,
               int64_t now_us)
{
    struct request *q;
    size_t i = 0;
    int r;

    while (i < a->leds_n && strcmp(a->leds[i].config->id, led) != 0)
        i++;
    if (i == a->leds_n)
        return -ENOENT;
    if (a->leds[i].problem[0] != '\0') { /* perhaps what was wrong has been put right */
        r = take(a, &a->leds[i]);
        if (r < 0)
            return r;
    }
    (void)act_tick(a, now_us); /* what has ended makes room */
    q = find_plate(a, i, plate);
    if (q == NULL && a->queue_n == ACT_REQUESTS_MAX)
        return -ENOSPC;
    if (q != NULL) {
        extend(q, duration_us, now_us);
    } else {
        q = &a->queue[a->queue_n++];
        *q = (struct request){.led = (uint8_t)i, .start_us = INT64_MAX, .duration_us = duration_us};
        snprintf(q->plate, sizeof(q->plate), "%s", plate);
    }
    (void)act_tick(a, now_us);
    return a->leds[i].problem[0] != '\0' ? -EIO : 0;
}

static void drop(struct act *a, struct request *q)
{
    size_t i = (size_t)(q - a->queue);

    memmove(q, q + 1, (a->queue_n - i - 1) * sizeof(*q));
    a->queue_n--;
}

/* Ends what has had its time and starts the next; a request follows when the one before was due to end, not
 * when we looked. Returns when the LED wants to be looked at again. */
static int64_t turn(struct act *a, size_t led, int64_t now_us)
{
    struct led *l = &a->leds[led];
    struct request *q;
    int64_t begin_us = now_us, phase, end_us, edge_us;
    bool on;

    while ((q = front(a, led)) != NULL) {
        if (q->start_us == INT64_MAX)
            q->start_us = begin_us;
        begin_us = q->start_us + q->duration_us;
        if (now_us < begin_us)
            break;
        drop(a, q);
    }
    if (q == NULL) {
        if (l->on)
            (void)put(a, l, false);
        return INT64_MAX;
    }
    phase = (now_us - q->start_us) / ACT_BLINK_HALF_US;
    on = phase % 2 == 0;
    if (on != l->on)
        (void)put(a, l, on);
    end_us = q->start_us + q->duration_us;
    edge_us = q->start_us + (phase + 1) * ACT_BLINK_HALF_US;
    return edge_us < end_us ? edge_us : end_us;
}

int64_t act_tick(struct act *a, int64_t now_us)
{
    int64_t next_us = INT64_MAX;

    for (size_t i = 0; i < a->leds_n; i++) {
        int64_t t = turn(a, i, now_us);

        next_us = t < next_us ? t : next_us;
    }
    return next_us;
}

bool act_light(const struct act *a, size_t i, int64_t now_us, struct act_light *ret)
{
    const struct request *q;

    if (i >= a->queue_n)
        return false;
    q = &a->queue[i];
    ret->led = a->leds[q->led].config->id;
    ret->plate = q->plate;
    ret->blinks = q->start_us != INT64_MAX;
    ret->left_us = q->duration_us - (ret->blinks ? now_us - q->start_us : 0);
    return true;
}
