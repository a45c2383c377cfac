/* Stock through the control socket: the backroom, sales of the tills, and the question what there is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/control.h"
#include "io/plan_read.h"
#include "io/rfc3339.h"

#define SALE_LINES_MAX 200
/* A till whose clock runs ahead by more is told so; one that tells a sale of long ago is, too: shelves were
 * counted since, and nobody knows which of the counts had it. */
#define SALE_AHEAD_US (10 * 60 * NOREN_US_PER_S)
#define SALE_PAST_US  (7 * 24 * 3600 * NOREN_US_PER_S)
/* Room that the end of an answer needs behind the last product. */
#define ANSWER_TAIL 300

static uint16_t read_product(const struct control_call *c, const struct doc *doc)
{
    char gtin[NOREN_GTIN_SIZE];
    uint16_t product;

    if (!plan_read_gtin(doc, "gtin", gtin))
        return NO_INDEX;
    product = plan_find_product(c->d->engine.plan, gtin);
    if (product == NO_INDEX)
        doc_refuse(doc, "no GTIN %s in planogram.json", gtin);
    return product;
}

bool control_adjust(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "gtin", "quantity", "document", NULL};
    static const struct {
        const char *name;
        enum command_kind kind;
    } kinds[] = {{"count", COMMAND_COUNT},
                 {"transfer_in", COMMAND_TRANSFER_IN},
                 {"transfer_out", COMMAND_TRANSFER_OUT},
                 {"return", COMMAND_RETURN}};
    struct obs o = {.kind = OBS_COMMAND};
    const struct shelf *shelf = &c->d->engine.shop->shelf;
    uint16_t product;
    size_t i = 0;

    while (strcmp(kinds[i].name, c->name) != 0)
        i++;
    o.u.command.kind = kinds[i].kind;
    if (!doc_object(c->doc, keys) ||
        !doc_i64(c->doc, "quantity", 0, STOCK_UNITS_MAX, &o.u.command.quantity) ||
        !doc_opt_id(c->doc, "document", o.u.command.document))
        return false;
    product = read_product(c, c->doc);
    if (product == NO_INDEX)
        return false;
    memcpy(o.u.command.target, c->d->engine.plan->products[product].gtin, NOREN_GTIN_SIZE);
    if (o.u.command.kind == COMMAND_TRANSFER_OUT && !shelf_command_seen(shelf, c->id) &&
        o.u.command.quantity > shelf_ledger(shelf, product)->backroom)
        return doc_refuse(c->doc,
                          "the backroom has %lld, %lld cannot leave it; correct the number, or "
                          "count the backroom first (norenctl count)",
                          (long long)shelf_ledger(shelf, product)->backroom,
                          (long long)o.u.command.quantity);
    if (!control_feed(c, &o))
        return false;
    json_key_i64(c->j, "backroom", shelf_ledger(shelf, product)->backroom);
    return true;
}

/* --- sales -------------------------------------------------------------------------------------- */

struct sale {
    char id[NOREN_ID_SIZE];
    int64_t sold_us; /* boot time */
    struct {
        uint16_t product;
        int64_t quantity;
    } lines[SALE_LINES_MAX];
    uint16_t lines_n;
    char unknown[SALE_LINES_MAX][NOREN_GTIN_SIZE]; /* not in the planogram: no concern of ours */
    uint16_t unknown_n;
};

static bool read_time(const struct doc *doc, int64_t now_us, struct sale *sale)
{
    struct doc time = doc_member(doc, "time");
    enum clock_quality quality;
    int64_t utc_us = clock_utc_us(&quality), at_us;
    const char *text;

    sale->sold_us = now_us;
    if (time.v == NULL)
        return true;
    if (!doc_string(doc, "time", &text))
        return false;
    if (!rfc3339_parse(text, &at_us))
        return doc_refuse(&time, "\"%.40s\" is no time; write 2026-11-21T09:00:00+09:00", text);
    if (quality == CLOCK_FLOOR) /* we do not know what time it is: it was just now, then */
        return true;
    if (at_us > utc_us + SALE_AHEAD_US)
        return doc_refuse(&time, "%.40s has not come yet; set the till's clock", text);
    if (at_us < utc_us - SALE_PAST_US)
        return doc_refuse(&time,
                          "%.40s is more than seven days ago; count the shelf and the backroom "
                          "instead",
                          text);
    if (at_us < utc_us)
        sale->sold_us = now_us - (utc_us - at_us);
    return true;
}

static bool read_line(const struct control_call *c, const struct doc *line, struct sale *sale)
{
    static const char *const keys[] = {"gtin", "quantity", NULL};
    struct doc m = doc_member(line, "quantity");
    char gtin[NOREN_GTIN_SIZE];
    uint16_t product;
    int64_t n;

    if (!doc_object(line, keys) || !plan_read_gtin(line, "gtin", gtin) ||
        !doc_i64(line, "quantity", INT64_MIN, INT64_MAX, &n))
        return false;
    if (n <= 0)
        return doc_refuse(&m, "is %lld; goods that come back are a return (norenctl return)",
                          (long long)n);
    if (n > STOCK_UNITS_MAX)
        return doc_refuse(&m, "is %lld, absurd for one sale", (long long)n);
    product = plan_find_product(c->d->engine.plan, gtin);
    if (product == NO_INDEX) {
        memcpy(sale->unknown[sale->unknown_n++], gtin, sizeof(gtin));
        return true;
    }
    sale->lines[sale->lines_n].product = product;
    sale->lines[sale->lines_n++].quantity = n;
    return true;
}

static bool read_sale(const struct control_call *c, int64_t now_us, struct sale *sale)
{
    static const char *const outer[] = {"id", "name", "sale", NULL};
    static const char *const keys[] = {"sale_id", "lines", "time", NULL};
    struct doc doc = doc_member(c->doc, "sale"), lines;

    if (!doc_object(c->doc, outer) || !doc_object(&doc, keys) ||
        !doc_id(&doc, "sale_id", sale->id) || !read_time(&doc, now_us, sale) ||
        !doc_array(&doc, "lines", SALE_LINES_MAX, &lines))
        return false;
    if (doc_size(&lines) == 0)
        return doc_refuse(&doc, "has no lines; a sale is {\"sale_id\":...,\"lines\":[{\"gtin\":"
                                "...,\"quantity\":1}]}");
    for (size_t i = 0; i < doc_size(&lines); i++) {
        struct doc line = doc_item(&lines, i);

        if (!read_line(c, &line, sale))
            return false;
    }
    return true;
}

/* The lines go in behind each other and are committed together, so a sale is taken whole or not at all. */
static void take_sale(struct control_call *c, const struct sale *sale, int64_t now_us)
{
    for (uint16_t i = 0; i < sale->lines_n; i++) {
        struct obs o = {.kind = OBS_SALE, .t_us = now_us};

        memcpy(o.u.sale.id, sale->id, sizeof(o.u.sale.id));
        o.u.sale.line = i;
        o.u.sale.product = sale->lines[i].product;
        o.u.sale.quantity = sale->lines[i].quantity;
        o.u.sale.sold_us = sale->sold_us;
        engine_feed(&c->d->engine, &o);
    }
}

bool control_sale(struct control_call *c)
{
    const struct shelf *shelf = &c->d->engine.shop->shelf;
    int64_t now_us = clock_boot_us(), units = shelf->sale_counters.units;
    int64_t shortfall = shelf->sale_counters.shortfall;
    struct sale sale = {.lines_n = 0};
    bool repeated;

    if (!read_sale(c, now_us, &sale)) {
        c->d->sales_refused++;
        return false;
    }
    repeated = shelf_sale_seen(shelf, sale.id);
    if (!repeated)
        c->d->sale_lines_unknown += sale.unknown_n;
    take_sale(c, &sale, now_us);
    json_key_str(c->j, "sale_id", sale.id);
    json_key_bool(c->j, "repeated", repeated);
    json_key_i64(c->j, "units", shelf->sale_counters.units - units);
    json_key_i64(c->j, "shortfall", shelf->sale_counters.shortfall - shortfall);
    json_key(c->j, "unknown");
    json_open(c->j, '[');
    for (uint16_t i = 0; i < sale.unknown_n; i++)
        json_str(c->j, sale.unknown[i]);
    json_close(c->j, ']');
    return true;
}

/* --- questions ---------------------------------------------------------------------------------- */

/* Which moment the numbers are of: the place in the stream, and the time as well as it is known. */
static void print_as_of(struct control_call *c)
{
    const struct db_identity *id = db_identity(c->d->db);
    enum clock_quality quality;
    int64_t utc_us = clock_utc_us(&quality);
    char seq[24];

    snprintf(seq, sizeof(seq), "%llu", (unsigned long long)id->committed);
    json_key(c->j, "as_of");
    json_open(c->j, '{');
    json_key_str(c->j, "epoch", id->epoch);
    json_key_str(c->j, "seq", seq);
    json_key_i64(c->j, "utc_us", utc_us);
    json_key_str(c->j, "clock", event_clock_name(quality));
    json_close(c->j, '}');
}

/* One product, or as many from "from" on as an answer holds; "next" is where to go on. */
bool control_stock(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "gtin", "from", NULL};
    const struct plan *plan = c->d->engine.plan;
    char product[LOCAL_ANSWER_MAX];
    int64_t from = 0, end;
    bool one = doc_member(c->doc, "gtin").v != NULL;

    if (!doc_object(c->doc, keys) || !doc_opt_i64(c->doc, "from", 0, PRODUCTS_MAX, &from))
        return false;
    if (one) {
        from = read_product(c, c->doc);
        if (from == NO_INDEX)
            return false;
    }
    print_as_of(c);
    end = one ? from + 1 : plan->products_n;
    json_key(c->j, "products");
    json_open(c->j, '[');
    for (; from < end; from++) {
        int n = shop_print_stock(c->d->engine.shop, (uint16_t)from, product, sizeof(product));

        if (n < 0 || c->j->n + (size_t)n + ANSWER_TAIL > LOCAL_ANSWER_MAX)
            break;
        json_raw(c->j, product);
    }
    json_close(c->j, ']');
    if (from < end)
        json_key_i64(c->j, "next", from);
    return true;
}

/* --- tasks -------------------------------------------------------------------------------------- */

/* As many open tasks from place "from" on as an answer holds; "next" is where to go on. */
bool control_tasks(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "from", NULL};
    const struct shop *shop = c->d->engine.shop;
    int64_t from = 0, next = -1;
    struct supply_place at;
    char task[1024];
    size_t cursor;

    if (!doc_object(c->doc, keys) ||
        !doc_opt_i64(c->doc, "from", 0, PLATES_MAX * PLATE_FACINGS_MAX, &from))
        return false;
    print_as_of(c);
    json_key(c->j, "tasks");
    json_open(c->j, '[');
    for (cursor = (size_t)from;
         next < 0 && supply_next_task(&shop->supply, shop->plan, &shop->shelf, &cursor, &at);) {
        int n = shop_print_task(shop, at, task, sizeof(task));

        if (n < 0 || c->j->n + (size_t)n + ANSWER_TAIL > LOCAL_ANSWER_MAX)
            next = (int64_t)cursor - 1;
        else
            json_raw(c->j, task);
    }
    json_close(c->j, ']');
    if (next >= 0)
        json_key_i64(c->j, "next", next);
    return true;
}

bool control_claim(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "task_id", "actor", NULL};
    const struct shop *shop = c->d->engine.shop;
    struct obs o = {.kind = OBS_COMMAND};
    struct supply_place at;
    const char *actor;

    o.u.command.kind = COMMAND_CLAIM;
    if (!doc_object(c->doc, keys) || !doc_id(c->doc, "task_id", o.u.command.target) ||
        !doc_id(c->doc, "actor", o.u.command.actor))
        return false;
    if (!supply_find_task(&shop->supply, shop->plan, &shop->shelf, o.u.command.target, &at))
        return doc_refuse(c->doc, "no open task \"%s\"; norenctl tasks lists them",
                          o.u.command.target);
    actor = supply_facing(&shop->supply, &shop->shelf, at)->task.actor;
    if (actor[0] != '\0' && strcmp(actor, o.u.command.actor) != 0)
        return doc_refuse(c->doc, "%s does it already", actor);
    return control_feed(c, &o);
}
