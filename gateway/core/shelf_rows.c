/* Rows of the shelves; see shelf_rows.h. */
#include "core/shelf_rows.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/row.h"
#include "core/shelf_calibrate.h"
#include "core/shelf_piece.h"

#define ROW_VERSION     1
#define KEY_NUMBER      "change"
#define KEY_COMMAND     "command."
#define KEY_SALE        "sale."
#define PRODUCT_VERSION 2
#define PLATE_FIELDS    20
#define PLATE_VERSION \
    4 /* 1 knew no sweep; 1 and 2 had a noise, which is learnt anew; 4 knows creep */
#define CREEP_MAX_MG   INT64_C(1000000000)
#define CREEP_MAX_S    86400
#define FACING_FIELDS  4
#define CELL_FIELDS    9
#define CELL_VERSION   2 /* 1 knew no warmth */
#define GTIN_MAX       INT64_C(99999999999999)
#define NOISE_SCALE    16
#define PIECE_FIELDS   5
#define PRODUCT_FIELDS 6 /* version 1 had no `owed` */

struct shelf_at shelf_at(struct shelf *s, const struct plan *plan, uint16_t index, int64_t now_us,
                         struct batch *out)
{
    struct shelf_at at = {.s = s,
                          .plan = plan,
                          .out = out,
                          .now_us = now_us,
                          .index = index,
                          .plan_plate = &plan->plates[index],
                          .plate = &s->plates[s->plate_slots[index]]};

    for (uint8_t i = 0; i < at.plan_plate->facings_n; i++)
        if (at.unit_mg == 0 || at.plan_plate->facings[i].unit_mass_mg < at.unit_mg)
            at.unit_mg = at.plan_plate->facings[i].unit_mass_mg;
    return at;
}

/* Gives each of n entries of the new plan a slot: its old one (`old[i]` is its index in the old plan), or one
 * that is free. */
void shelf_assign_slots(uint16_t *slots, const uint16_t *old, uint16_t n)
{
    uint16_t was[PRODUCTS_MAX], next = 0, old_n = n;
    bool used[PRODUCTS_MAX] = {false};

    for (uint16_t i = 0; i < n; i++) /* the old plan may have been the longer one */
        if (old[i] != NO_INDEX && old[i] >= old_n)
            old_n = (uint16_t)(old[i] + 1);
    memcpy(was, slots, old_n * sizeof(was[0]));
    for (uint16_t i = 0; i < n; i++)
        if (old[i] != NO_INDEX)
            used[was[old[i]]] = true;
    for (uint16_t i = 0; i < n; i++) {
        if (old[i] != NO_INDEX) {
            slots[i] = was[old[i]];
            continue;
        }
        while (used[next])
            next++;
        used[next] = true;
        slots[i] = next;
    }
}

struct cell *shelf_meter(struct shelf *s, uint16_t cell)
{
    return &s->meters[s->meter_slots[cell]];
}

struct stock *shelf_stock(struct shelf *s, uint16_t product)
{
    return &s->products[s->product_slots[product]];
}

/* Writes n integers with tabs between them (core/row.h reads them). */
static void print_fields(struct record *r, const int64_t *fields, int n)
{
    size_t used = 0;

    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(r->value + used, sizeof(r->value) - used, "%s%" PRId64,
                                 i > 0 ? "\t" : "", fields[i]);
    assert(used < sizeof(r->value));
}

/* Exactly n integers, the first of which is the version. */
static bool read_fields(const char *text, int64_t *ret, int n)
{
    struct row row = row_init(text);

    for (int i = 0; i < n; i++)
        ret[i] = row_i64(&row);
    return row_done(&row) && ret[0] == ROW_VERSION;
}

static int64_t gtin_to_number(const char *gtin)
{
    int64_t v = 0;

    for (; *gtin != '\0'; gtin++)
        v = v * 10 + (*gtin - '0');
    return v;
}

void shelf_save_numbers(struct shelf *s, struct batch *out)
{
    int64_t fields[] = {ROW_VERSION, s->next_number};

    print_fields(batch_record(out, RECORD_SHOP, KEY_NUMBER), fields, 2);
}

/* Remembered in a ring of rows, so a row is overwritten and none has to be deleted. */
static void save_id(struct batch *out, const char *prefix, int slot, int64_t number, const char *id)
{
    char key[RECORD_KEY_SIZE];
    struct record *r;

    snprintf(key, sizeof(key), "%s%d", prefix, slot);
    r = batch_record(out, RECORD_SHOP, key);
    snprintf(r->value, sizeof(r->value), "%d\t%" PRId64 "\t%s", ROW_VERSION, number, id);
}

void shelf_save_sale(struct shelf *s, struct batch *out)
{
    int slot = (int)((s->sales_n - 1) % SHELF_SALES_MAX);

    save_id(out, KEY_SALE, slot, s->sales_n - 1, s->sales[slot]);
}

void shelf_save_command(struct shelf *s, struct batch *out)
{
    int slot = (int)((s->commands_n - 1) % SHELF_COMMANDS_MAX);

    save_id(out, KEY_COMMAND, slot, s->commands_n - 1, s->commands[slot]);
}

/* When nothing is expected the two times mean nothing; after a day there is nothing left to expect. */
static int64_t creep_age_s(const struct weigh *w)
{
    int64_t age_s = creep_age_us(&w->creep) / NOREN_US_PER_S;

    return w->creep.most_ug == 0 ? 0 : age_s < CREEP_MAX_S ? age_s : CREEP_MAX_S;
}

void shelf_save_plate(const struct shelf_at *at)
{
    struct shelf_plate *p = at->plate;
    int64_t fields[PLATE_FIELDS] = {
        PLATE_VERSION,
        p->weigh.has_ref,
        weigh_reference_mg(&p->weigh),
        p->weigh.tracked_ug / 1000,
        p->tare_mg,
        p->tare_wanted,
        p->alert,
        p->change,
        p->rev,
        p->claim.kind,
        gtin_to_number(p->claim.gtin),
        p->claim.quantity,
        p->sweep.number,
        p->sweep.open,
        p->sweep.facing,
        p->sweep.rev,
        p->sweep.quantity,
        p->weigh.creep.most_ug / 1000,
        p->weigh.creep.taken_ug / 1000,
        creep_age_s(&p->weigh),
    };

    p->stored_mg = weigh_reference_mg(&p->weigh);
    print_fields(batch_record(at->out, RECORD_PLATE, at->plan_plate->id), fields, PLATE_FIELDS);
}

void shelf_save_cell(const struct shelf_at *at, uint16_t cell)
{
    struct cell *c = shelf_meter(at->s, cell);
    int64_t fields[CELL_FIELDS] = {
        CELL_VERSION,
        c->told,
        llround(c->noise * NOISE_SCALE),
        lroundf(c->share * 1000),
        c->share_n,
        c->deaf_counts,
        c->thermal.now_mc,
        llround(c->thermal.mg_per_k * 1000),
        llround(c->thermal.shift_mg),
    };

    c->noise_stored = c->noise;
    c->thermal.stored_mg = c->thermal.shift_mg;
    c->thermal.stored_line = c->thermal.mg_per_k;
    print_fields(batch_record(at->out, RECORD_CELL, at->plan->cells[cell].id), fields, CELL_FIELDS);
}

void shelf_save_product(struct shelf *s, const struct plan *plan, uint16_t product,
                        struct batch *out)
{
    const struct stock *stock = shelf_stock(s, product);
    int64_t ledger[PRODUCT_FIELDS] = {PRODUCT_VERSION, stock->backroom, stock->in_hand,
                                      stock->sold,     stock->adjust,   stock->owed};

    print_fields(batch_record(out, RECORD_PRODUCT, plan->products[product].gtin), ledger,
                 PRODUCT_FIELDS);
}

void shelf_save_piece(struct shelf *s, const struct plan *plan, uint16_t product, struct batch *out)
{
    const struct piece *p = &s->pieces[s->product_slots[product]];
    int64_t fields[PIECE_FIELDS] = {ROW_VERSION, p->planned_mg, p->n, llround(p->mean_mg * 1000),
                                    llround(sqrt(p->variance) * 1000)};

    print_fields(batch_record(out, RECORD_PIECE, plan->products[product].gtin), fields,
                 PIECE_FIELDS);
}

void shelf_save_facing(const struct shelf_at *at, uint8_t facing)
{
    const struct shelf_facing *f = &at->plate->facings[facing];
    uint16_t product = at->plan_plate->facings[facing].product;
    const char *gtin = at->plan->products[product].gtin;
    int64_t row[FACING_FIELDS] = {ROW_VERSION, f->on_shelf, f->counted, f->confidence_pm};
    char key[RECORD_KEY_SIZE];

    snprintf(key, sizeof(key), "%s/%s", at->plan_plate->id, gtin);
    print_fields(batch_record(at->out, RECORD_FACING, key), row, FACING_FIELDS);
    shelf_save_product(at->s, at->plan, product, at->out);
}

static int restore_shop(struct shelf *s, const struct record *r)
{
    struct row row = row_init(r->value);
    char id[NOREN_ID_SIZE];
    int64_t number;

    row_range(&row, ROW_VERSION, ROW_VERSION);
    if (strcmp(r->key, KEY_NUMBER) == 0) {
        number = row_range(&row, 1, INT64_MAX);
        if (!row_done(&row))
            return -1;
        s->next_number = number;
        return 0;
    }
    number = row_range(&row, 0, INT64_MAX - 1);
    row_str(&row, id, sizeof(id));
    if (!row_done(&row))
        return -1;
    if (strncmp(r->key, KEY_COMMAND, strlen(KEY_COMMAND)) == 0) {
        memcpy(s->commands[number % SHELF_COMMANDS_MAX], id, sizeof(id));
        if (s->commands_n <= number)
            s->commands_n = number + 1;
        return 0;
    }
    if (strncmp(r->key, KEY_SALE, strlen(KEY_SALE)) != 0)
        return -1;
    memcpy(s->sales[number % SHELF_SALES_MAX], id, sizeof(id));
    if (s->sales_n <= number)
        s->sales_n = number + 1;
    return 0;
}

static struct shelf_claim read_claim(struct row *row)
{
    struct shelf_claim claim = {.kind = (enum shelf_claim_kind)row_range(row, 0, CLAIM_RESTOCK)};
    int64_t gtin = row_range(row, 0, GTIN_MAX);

    if (gtin > 0)
        snprintf(claim.gtin, sizeof(claim.gtin), "%014" PRId64, gtin);
    claim.quantity = (int32_t)row_range(row, INT32_MIN, INT32_MAX);
    return claim;
}

static struct shelf_sweep read_sweep(struct row *row)
{
    struct shelf_sweep sweep = {.number = row_range(row, 0, INT64_MAX)};

    sweep.open = row_range(row, 0, 1) != 0 && sweep.number > 0;
    sweep.facing = (uint8_t)row_range(row, 0, PLATE_FACINGS_MAX - 1);
    sweep.rev = (int32_t)row_range(row, 0, INT32_MAX);
    sweep.quantity = (int32_t)row_range(row, 0, INT32_MAX);
    return sweep;
}

static int restore_plate(struct shelf *s, const struct plan *plan, const struct record *r)
{
    struct row row = row_init(r->value);
    int64_t version = row_range(&row, ROW_VERSION, PLATE_VERSION);
    bool has_ref = row_i64(&row) != 0;
    int64_t ref_mg = row_i64(&row), tracked_mg = row_i64(&row);
    int64_t tare_mg = row_i64(&row);
    bool tare_wanted = row_i64(&row) != 0;
    int64_t alert = row_i64(&row), change = row_range(&row, 0, INT64_MAX);
    int32_t rev = (int32_t)row_range(&row, 0, INT32_MAX);
    struct shelf_claim claim = read_claim(&row);
    struct shelf_sweep sweep = {.number = 0};
    int64_t most_mg = 0, taken_mg = 0, age_s = 0;
    uint16_t index = plan_find_plate(plan, r->key);
    struct shelf_plate *p;

    if (version < 3)
        row_i64(&row);
    if (version > 1)
        sweep = read_sweep(&row);
    if (version > 3) {
        most_mg = row_range(&row, -CREEP_MAX_MG, CREEP_MAX_MG);
        taken_mg = row_range(&row, most_mg < 0 ? most_mg : 0, most_mg > 0 ? most_mg : 0);
        age_s = row_range(&row, 0, CREEP_MAX_S);
    }
    if (index == NO_INDEX || !row_done(&row))
        return -1;
    p = &s->plates[s->plate_slots[index]];
    if (has_ref)
        weigh_set_reference(&p->weigh, ref_mg, tracked_mg);
    if (has_ref && most_mg != 0)
        creep_restore(&p->weigh.creep, most_mg, taken_mg, age_s * NOREN_US_PER_S);
    p->stored_mg = ref_mg;
    p->tare_mg = tare_mg;
    p->tare_wanted = tare_wanted;
    p->alert = alert;
    p->change = change;
    p->rev = rev;
    p->claim = claim;
    p->sweep = sweep;
    return 0;
}

/* "plate/gtin"; a plate's id may itself contain slashes, a GTIN is always 14 digits. */
static int restore_facing(struct shelf *s, const struct plan *plan, const struct record *r)
{
    char plate[RECORD_KEY_SIZE];
    size_t n = strlen(r->key);
    uint16_t index, product;
    int64_t f[FACING_FIELDS];

    if (n < NOREN_GTIN_SIZE || r->key[n - NOREN_GTIN_SIZE] != '/' ||
        !read_fields(r->value, f, FACING_FIELDS) || f[1] < 0)
        return -1;
    memcpy(plate, r->key, n - NOREN_GTIN_SIZE);
    plate[n - NOREN_GTIN_SIZE] = '\0';
    index = plan_find_plate(plan, plate);
    product = plan_find_product(plan, r->key + n - NOREN_GTIN_SIZE + 1);
    if (index == NO_INDEX || product == NO_INDEX)
        return -1;
    for (uint8_t i = 0; i < plan->plates[index].facings_n; i++) {
        struct shelf_facing *facing = &s->plates[s->plate_slots[index]].facings[i];

        if (plan->plates[index].facings[i].product != product)
            continue;
        shelf_stock(s, product)->shelf += f[1] - facing->on_shelf;
        facing->on_shelf = f[1];
        facing->counted = f[2] != 0;
        facing->confidence_pm = (int32_t)f[3];
        return 0;
    }
    return -1;
}

static int restore_product(struct shelf *s, const struct plan *plan, const struct record *r)
{
    uint16_t product = plan_find_product(plan, r->key);
    int64_t f[PRODUCT_FIELDS] = {0};
    struct row row = row_init(r->value);
    struct stock *stock;

    f[0] = row_range(&row, ROW_VERSION, PRODUCT_VERSION);
    for (int i = 1; i < (f[0] == PRODUCT_VERSION ? PRODUCT_FIELDS : PRODUCT_FIELDS - 1); i++)
        f[i] = row_i64(&row);
    if (product == NO_INDEX || !row_done(&row) || f[1] < 0 || f[2] < 0 || f[3] < 0 || f[5] < 0)
        return -1;
    stock = shelf_stock(s, product);
    stock->backroom = f[1];
    stock->in_hand = f[2];
    stock->sold = f[3];
    stock->adjust = f[4];
    stock->owed = f[5];
    return 0;
}

/* The bounds are looked after where the mass is used. A row that was written under another plan is history. */
static int restore_piece(struct shelf *s, const struct plan *plan, const struct record *r)
{
    uint16_t product = plan_find_product(plan, r->key);
    int64_t f[PIECE_FIELDS];

    if (product == NO_INDEX || !read_fields(r->value, f, PIECE_FIELDS) || f[1] <= 0 || f[2] < 1 ||
        f[2] > PIECE_MEMORY || f[3] / 2000 > f[1] || f[3] <= 0 || f[4] < 0 || f[4] / 1000 > f[1])
        return -1;
    if (shelf_plans_mass(s, plan, product, f[1]))
        s->pieces[s->product_slots[product]] =
            (struct piece){.planned_mg = f[1],
                           .n = (int32_t)f[2],
                           .mean_mg = (double)f[3] / 1000,
                           .variance = (double)f[4] / 1000 * ((double)f[4] / 1000)};
    return 0;
}

static void read_warmth(struct row *row, struct thermal *ret)
{
    int64_t line_max = (int64_t)(THERMAL_MAX_MG_PER_K * 1000);
    int64_t shift_max = (int64_t)THERMAL_MAX_SHIFT_MG;
    int64_t now_mc = row_i64(row);

    if (now_mc != THERMAL_NONE && !thermal_is_possible(now_mc))
        row->bad = true;
    ret->now_mc = (int32_t)now_mc;
    ret->mg_per_k = (double)row_range(row, -line_max, line_max) / 1000;
    ret->shift_mg = (double)row_range(row, -shift_max, shift_max);
}

static int restore_cell(struct shelf *s, const struct plan *plan, const struct record *r)
{
    struct row row = row_init(r->value);
    int64_t version = row_range(&row, ROW_VERSION, CELL_VERSION);
    enum cell_trouble told = (enum cell_trouble)row_range(&row, 0, TROUBLES - 1);
    double noise = (double)row_range(&row, 0, INT64_MAX) / NOISE_SCALE;
    float share = (float)row_range(&row, 0, 1000) / 1000;
    uint8_t share_n = (uint8_t)row_range(&row, 0, UINT8_MAX);
    int32_t deaf_counts = (int32_t)row_range(&row, INT32_MIN, INT32_MAX);
    uint16_t index = plan_find_cell(plan, r->key);
    struct thermal warmth = {.now_mc = THERMAL_NONE};
    struct cell *c;

    if (version > 1)
        read_warmth(&row, &warmth);
    if (index == NO_INDEX || !row_done(&row))
        return -1;
    c = shelf_meter(s, index);
    c->told = told;
    if (c->trouble == TROUBLE_NONE)
        c->trouble = c->told; /* until readings say otherwise */
    c->noise = c->noise_stored = noise;
    c->share = share;
    c->share_n = share_n;
    c->deaf_counts = deaf_counts;
    c->thermal.now_mc = warmth.now_mc;
    c->thermal.mg_per_k = c->thermal.stored_line = warmth.mg_per_k;
    c->thermal.shift_mg = c->thermal.stored_mg = warmth.shift_mg;
    return 0;
}

int shelf_restore(struct shelf *s, const struct plan *plan, const struct record *r)
{
    switch (r->kind) {
    case RECORD_SHOP:
        return restore_shop(s, r);
    case RECORD_PLATE:
        return restore_plate(s, plan, r);
    case RECORD_FACING:
        return restore_facing(s, plan, r);
    case RECORD_PRODUCT:
        return restore_product(s, plan, r);
    case RECORD_CELL:
        return restore_cell(s, plan, r);
    case RECORD_CALIBRATION:
        return shelf_restore_calibration(s, plan, r);
    case RECORD_PIECE:
        return restore_piece(s, plan, r);
    case RECORD_VISIT:
    case RECORD_OFFER:
    case RECORD_SUPPLY:
    case RECORD_KINDS:
        break;
    }
    return -1;
}
