/* The hourly roll-up; see kpi.h. */
#include "core/kpi.h"

#include <stdio.h>
#include <string.h>

#define MINUTE_US (60 * NOREN_US_PER_S)
#define HOUR_US   (60 * MINUTE_US)
#define DAY_US    (24 * HOUR_US)

void kpi_init(struct kpi *k)
{
    memset(k, 0, sizeof(*k));
    k->due_us = NOREN_NEVER_US;
}

void kpi_plan(struct kpi *k, const struct plan *old_plan, const struct plan *plan,
              const struct shelf *shelf, int64_t now_us)
{
    if (old_plan == NULL)
        k->from_us = k->measured_us = now_us;
    for (uint16_t i = 0; i < plan->products_n; i++)
        if (old_plan == NULL || plan_find_product(old_plan, plan->products[i].gtin) == NO_INDEX)
            memset(&k->products[shelf->product_slots[i]], 0, sizeof(k->products[0]));
    memset(k->facings, KPI_NOT_MEASURED, sizeof(k->facings));
    k->due_us = now_us;
}

/* Is the shop open at this moment? Without a clock, or without hours in the plan, it is. */
static bool is_open(const struct plan *plan, const struct kpi_clock *clock)
{
    int64_t minute;

    if (!clock->known || plan->close_min == 0)
        return true;
    minute = (clock->utc_us + clock->local_us) % DAY_US / MINUTE_US;
    return minute >= plan->open_min && minute < plan->close_min;
}

static uint8_t presence_of(const struct shelf *shelf, uint16_t plate, uint8_t facing)
{
    if (!shelf_facing_known(shelf, plate, facing))
        return KPI_UNKNOWN;
    return shelf_facing(shelf, plate, facing)->on_shelf > 0 ? KPI_AVAILABLE : KPI_NONE;
}

/* Adds the time since the last measurement to what was true then, and looks what is true now. */
static void measure(struct kpi *k, const struct plan *plan, const struct shelf *shelf,
                    const struct kpi_clock *clock, int64_t now_us)
{
    int64_t passed_us = k->open ? now_us - k->measured_us : 0;

    for (uint16_t i = 0; i < plan->plates_n; i++)
        for (uint8_t j = 0; j < plan->plates[i].facings_n; j++) {
            uint8_t *was = &k->facings[shelf->plate_slots[i]][j];
            struct kpi_product *p =
                &k->products[shelf->product_slots[plan->plates[i].facings[j].product]];

            if (*was == KPI_UNKNOWN)
                p->unknown_us += passed_us;
            else if (*was != KPI_NOT_MEASURED)
                p->known_us += passed_us;
            if (*was == KPI_AVAILABLE)
                p->available_us += passed_us;
            *was = presence_of(shelf, i, j);
        }
    k->measured_us = now_us;
    k->open = is_open(plan, clock);
}

/* A movement of this hour. Opening balances are no movement: nobody carried them. */
static void note_movement(struct kpi *k, const struct plan *plan, const struct shelf *shelf,
                          const struct event_stock_changed *e)
{
    uint16_t product = plan_find_product(plan, e->gtin);
    struct kpi_product *p;
    int32_t delta = (int32_t)e->delta;

    if (product == NO_INDEX)
        return;
    p = &k->products[shelf->product_slots[product]];
    if (strcmp(e->cause, "pick") == 0)
        p->picked -= delta;
    else if (strcmp(e->cause, "put_back") == 0)
        p->put_back += delta;
    else if (strcmp(e->cause, "restock") == 0)
        p->restocked += delta;
    else if (strcmp(e->cause, "sale") == 0 || strcmp(e->cause, "sale_unseen") == 0)
        p->sold -= delta;
    else if (strcmp(e->cause, "recount") == 0 || strcmp(e->cause, "tare") == 0)
        p->adjusted += delta;
    /* sold from a shelf that nothing weighs: it left there in the same moment */
    if (strcmp(e->cause, "sale") == 0 && e->plate[0] != '\0')
        p->picked -= delta;
}

static void say_hour(const struct kpi_product *p, const char *gtin, int64_t from_us, int64_t to_us,
                     struct batch *out)
{
    struct event_kpi_hour *e = &batch_event(out, EVENT_KPI_HOUR, to_us)->u.kpi_hour;

    snprintf(e->gtin, sizeof(e->gtin), "%s", gtin);
    e->from_us = from_us;
    e->to_us = to_us;
    e->picked = p->picked;
    e->put_back = p->put_back;
    e->restocked = p->restocked;
    e->sold = p->sold;
    e->adjusted = p->adjusted;
    e->unexplained = (int64_t)p->picked - p->put_back - p->sold - p->adjusted;
    e->known_s = p->known_us / NOREN_US_PER_S;
    e->available_s = p->available_us / NOREN_US_PER_S;
    e->unknown_s = p->unknown_us / NOREN_US_PER_S;
}

static bool has_anything(const struct kpi_product *p)
{
    return p->picked != 0 || p->put_back != 0 || p->restocked != 0 || p->sold != 0 ||
           p->adjusted != 0 || p->known_us != 0 || p->unknown_us != 0;
}

/* Writes the products of the hour that is over. False: the batch is full. */
static bool end_hour(struct kpi *k, const struct plan *plan, const struct shelf *shelf,
                     struct batch *out)
{
    for (; k->next < plan->products_n; k->next++) {
        struct kpi_product *p = &k->products[shelf->product_slots[k->next]];

        if (!has_anything(p))
            continue;
        if (!batch_room(out, 1, 0))
            return false;
        say_hour(p, plan->products[k->next].gtin, k->from_us, k->ended_us, out);
        memset(p, 0, sizeof(*p));
    }
    k->ending = false;
    k->from_us = k->ended_us;
    return true;
}

/* The next full hour, opening or closing. */
static int64_t next_edge_us(const struct plan *plan, const struct kpi_clock *clock, int64_t now_us)
{
    int64_t wall_us = clock->known ? clock->utc_us : now_us;
    int64_t wait_us = HOUR_US - wall_us % HOUR_US;
    int64_t day_us = (wall_us + clock->local_us) % DAY_US;
    const int64_t edges[] = {plan->open_min * MINUTE_US, plan->close_min * MINUTE_US};

    for (int i = 0; i < 2 && clock->known; i++)
        if (edges[i] > day_us && edges[i] - day_us < wait_us)
            wait_us = edges[i] - day_us;
    return now_us + wait_us;
}

int64_t kpi_step(struct kpi *k, const struct plan *plan, const struct shelf *shelf,
                 const struct kpi_clock *clock, int64_t now_us, struct batch *out)
{
    int64_t hour = (clock->known ? clock->utc_us : now_us) / HOUR_US;
    size_t events = out->events_n;

    measure(k, plan, shelf, clock, now_us);
    if (!k->ending && hour != k->hour && now_us > k->from_us) {
        k->ending = true;
        k->ended_us = now_us;
        k->next = 0;
    }
    k->hour = hour;
    for (size_t i = 0; i < events; i++)
        if (out->events[i].kind == EVENT_STOCK_CHANGED)
            note_movement(k, plan, shelf, &out->events[i].u.stock_changed);
    if (k->ending && !end_hour(k, plan, shelf, out))
        return k->due_us = now_us;
    return k->due_us = next_edge_us(plan, clock, now_us);
}
