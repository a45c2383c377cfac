/* Backroom and sales; see shelf_ledger.h. */
#include "core/shelf_ledger.h"

#include <stdio.h>
#include <string.h>

/* A sale that is told later than this may have been counted as missing meanwhile: it then only takes what is
 * in hands, and is not expected to be seen leaving. */
#define SALE_LATE_US (3600 * NOREN_US_PER_S)
/* Facings without a scale that one line of a sale may take from; the batch has room for so many events. */
#define SALE_FACINGS_MAX 8

struct event_stock_changed *shelf_say_movement(struct shelf *s, const struct plan *plan,
                                               uint16_t product, int64_t now_us, struct batch *out)
{
    const struct stock *stock = shelf_stock(s, product);
    struct shelf_atp atp = shelf_atp(s, plan, product);
    struct event_stock_changed *e = &batch_event(out, EVENT_STOCK_CHANGED, now_us)->u.stock_changed;

    snprintf(e->gtin, sizeof(e->gtin), "%s", plan->products[product].gtin);
    /* Of the product in this store, so that the sum of the ATP formula holds within the event. */
    e->on_shelf = atp.lower_bound ? EVENT_NULL : stock->shelf;
    e->backroom = stock->backroom;
    e->in_hand = stock->in_hand;
    e->sold = stock->sold;
    e->safety = plan->products[product].safety;
    e->atp = atp.units;
    e->atp_lower_bound = atp.lower_bound;
    for (uint16_t code = s->first_facing[product]; code != NO_INDEX;) {
        uint16_t plate = code / PLATE_FACINGS_MAX;

        out->fixtures_dirty[plan->plates[plate].fixture] = true;
        code = shelf_facing(s, plate, code % PLATE_FACINGS_MAX)->next;
    }
    return e;
}

static const char *cause_of(enum command_kind kind)
{
    switch (kind) {
    case COMMAND_COUNT:
        return "count";
    case COMMAND_TRANSFER_IN:
        return "transfer_in";
    case COMMAND_TRANSFER_OUT:
        return "transfer_out";
    case COMMAND_RETURN:
        return "return";
    case COMMAND_TARE:
    case COMMAND_RECOUNT:
    case COMMAND_CLAIM:
        break;
    }
    return "";
}

bool shelf_adjust(struct shelf *s, const struct plan *plan, const struct obs *o, struct batch *out)
{
    uint16_t product = plan_find_product(plan, o->u.command.target);
    int64_t n = o->u.command.quantity, before;
    struct event_stock_changed *e;
    struct stock *stock;

    if (product == NO_INDEX || n < 0 || n > STOCK_UNITS_MAX)
        return false;
    stock = shelf_stock(s, product);
    before = stock->backroom;
    if (o->u.command.kind == COMMAND_COUNT)
        stock_count_backroom(stock, n);
    else if (o->u.command.kind == COMMAND_TRANSFER_IN)
        stock_receive(stock, n);
    else if (o->u.command.kind == COMMAND_RETURN)
        stock_take_back(stock, n);
    else if (!stock_send(stock, n))
        return false;
    e = shelf_say_movement(s, plan, product, o->t_us, out);
    snprintf(e->cause, sizeof(e->cause), "%s", cause_of(o->u.command.kind));
    snprintf(e->document, sizeof(e->document), "%s", o->u.command.document);
    e->delta = stock->backroom - before;
    shelf_save_product(s, plan, product, out);
    return true;
}

bool shelf_sale_seen(const struct shelf *s, const char *id)
{
    for (int i = 0; i < SHELF_SALES_MAX; i++)
        if (s->sales[i][0] != '\0' && strcmp(s->sales[i], id) == 0)
            return true;
    return false;
}

static void say_sale(struct shelf *s, const struct plan *plan, const struct obs *o,
                     const char *plate, const char *cause, int64_t n, struct batch *out)
{
    struct event_stock_changed *e = shelf_say_movement(s, plan, o->u.sale.product, o->t_us, out);

    snprintf(e->plate, sizeof(e->plate), "%s", plate);
    snprintf(e->cause, sizeof(e->cause), "%s", cause);
    snprintf(e->document, sizeof(e->document), "%s", o->u.sale.id);
    e->delta = -n;
}

/* From shelves that nothing weighs. Returns how many units are still to be found. */
static int64_t sell_unweighed(struct shelf *s, const struct plan *plan, const struct obs *o,
                              int64_t n, struct batch *out)
{
    uint16_t code = s->first_facing[o->u.sale.product];

    for (int events = 0; code != NO_INDEX && n > 0 && events < SALE_FACINGS_MAX;) {
        uint16_t index = code / PLATE_FACINGS_MAX;
        uint8_t facing = code % PLATE_FACINGS_MAX;
        struct shelf_at at = {.s = s,
                              .plan = plan,
                              .out = out,
                              .now_us = o->t_us,
                              .index = index,
                              .plan_plate = &plan->plates[index],
                              .plate = &s->plates[s->plate_slots[index]]};
        struct shelf_facing *f = &at.plate->facings[facing];

        code = f->next;
        if (shelf_sensor(s, index) == SENSOR_NONE && f->on_shelf > 0) {
            int64_t taken = stock_sell_shelf(shelf_stock(s, o->u.sale.product), &f->on_shelf, n);

            say_sale(s, plan, o, at.plan_plate->id, "sale", taken, out);
            shelf_save_facing(&at, facing);
            n -= taken;
            events++;
        }
    }
    return n;
}

/* Nobody saw these leave. Whoever stands at the shelf can say whether the scale or the till is wrong. */
static void sell_unseen(struct shelf *s, const struct plan *plan, const struct obs *o, int64_t n,
                        bool late, struct batch *out)
{
    uint16_t code = s->first_facing[o->u.sale.product];
    struct event_stock_recount_suggested *e;

    stock_sell_unseen(shelf_stock(s, o->u.sale.product), n, !late);
    s->sale_counters.shortfall += n;
    say_sale(s, plan, o, "", "sale_unseen", n, out);
    if (code == NO_INDEX)
        return;
    e = &batch_event(out, EVENT_STOCK_RECOUNT_SUGGESTED, o->t_us)->u.stock_recount_suggested;
    snprintf(e->plate, sizeof(e->plate), "%s", plan->plates[code / PLATE_FACINGS_MAX].id);
    snprintf(e->gtin, sizeof(e->gtin), "%s", plan->products[o->u.sale.product].gtin);
    e->ledger = shelf_facing(s, code / PLATE_FACINGS_MAX, code % PLATE_FACINGS_MAX)->on_shelf;
    e->by_weight = e->ledger; /* what is sold is no news of the scale */
    snprintf(e->reason, sizeof(e->reason), late ? "late_sale" : "sale_shortfall");
}

/* Is this the line that should come next? Line 0 opens a sale, unless its id is remembered. */
static bool accept_line(struct shelf *s, const struct obs *o, struct batch *out)
{
    int slot = (int)(s->sales_n % SHELF_SALES_MAX);

    if (o->u.sale.line == 0 && shelf_sale_seen(s, o->u.sale.id)) {
        s->sale_counters.repeated++;
        s->sale_line = -1;
        return false;
    }
    if (o->u.sale.line == 0) {
        snprintf(s->sales[slot], sizeof(s->sales[slot]), "%s", o->u.sale.id);
        s->sales_n++;
        s->sale_counters.sales++;
        shelf_save_sale(s, out);
        s->sale_line = 1;
        return true;
    }
    slot = (int)((s->sales_n + SHELF_SALES_MAX - 1) % SHELF_SALES_MAX);
    if (s->sale_line != o->u.sale.line || strcmp(s->sales[slot], o->u.sale.id) != 0)
        return false;
    s->sale_line++;
    return true;
}

void shelf_sale(struct shelf *s, const struct plan *plan, const struct obs *o, struct batch *out)
{
    struct stock *stock = shelf_stock(s, o->u.sale.product);
    bool late = o->t_us - o->u.sale.sold_us > SALE_LATE_US;
    int64_t n = o->u.sale.quantity, held;

    if (n <= 0 || n > STOCK_UNITS_MAX || o->u.sale.sold_us > o->t_us) {
        s->refused++;
        return;
    }
    if (!accept_line(s, o, out))
        return;
    s->sale_counters.units += n;
    held = stock_sell_held(stock, n);
    if (held > 0)
        say_sale(s, plan, o, "", "sale", held, out);
    n -= held;
    if (!late)
        n = sell_unweighed(s, plan, o, n, out);
    if (n > 0)
        sell_unseen(s, plan, o, n, late, out);
    shelf_save_product(s, plan, o->u.sale.product, out);
}
