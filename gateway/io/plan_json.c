/* The planogram document: which products stand where, on which load cells (design section 15).
 *
 * Everything is checked here, once, so that the core may trust a plan: ids are unique, indices valid, GTINs
 * right, masses positive. A planogram is typed in by people; each refusal says where, what, and what to
 * write instead.
 */
#include "io/plan_json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/plan_read.h"

/* Lighter than any cell of a shelf resolves; heavier than any furniture. */
#define UNIT_MASS_MIN_MG 100
#define UNIT_MASS_MAX_MG ((int64_t)500 * 1000 * 1000)
/* Two products cannot have their centres nearer than this: the narrowest packs are about a centimetre. */
#define FACING_PITCH_MIN_MM 10
#define LENGTH_MAX_MM       20000
#define CAPACITY_MAX_G      1000000
#define COUNT_MAX           1000000
/* What an HX711-class ADC can say: 24 bits, two's complement. */
#define COUNTS_MIN (-(1 << 23))
#define COUNTS_MAX ((1 << 23) - 1)
/* A variation that nobody has measured: two percent, in permille. */
#define UNIT_CV_DEFAULT 0.02

void plan_clear(struct plan *p)
{
    memset(p, 0, sizeof(*p));
}

int plan_read_with(bool (*read)(struct plan *draft, const struct doc *d), struct plan *p,
                   const char *json, size_t n, char *error, size_t error_size)
{
    struct plan *draft = malloc(sizeof(*draft));
    struct doc d;
    int r = -EINVAL;

    if (draft == NULL)
        return -ENOMEM;
    *draft = *p;
    d = doc_load(json, n, error, error_size);
    if (d.v != NULL && read(draft, &d)) {
        *p = *draft;
        r = 0;
    }
    json_decref(d.v);
    free(draft);
    return r;
}

/* The check digit that belongs to the digits before the last (GS1 General Specifications, 7.9). */
static int check_digit(const char *digits, size_t n)
{
    int sum = 0;

    for (size_t i = 0; i + 1 < n; i++)
        sum += (digits[i] - '0') * ((n - i) % 2 == 0 ? 3 : 1);
    return (10 - sum % 10) % 10;
}

bool plan_read_gtin(const struct doc *d, const char *key, char ret[NOREN_GTIN_SIZE])
{
    struct doc m = doc_member(d, key);
    const char *text;
    size_t n;

    if (!doc_string(d, key, &text))
        return false;
    if (plan_parse_gtin(text, ret))
        return true;
    n = strlen(text);
    if ((n != 8 && n != 12 && n != 13 && n != 14) || strspn(text, "0123456789") != n)
        return doc_refuse(&m, "\"%.20s\" is no GTIN: it has 8, 12, 13 or 14 digits", text);
    return doc_refuse(&m, "check digit is %c, should be %d", text[n - 1], check_digit(text, n));
}

/* --- products ---------------------------------------------------------------------------------- */

/* The product with this GTIN, made when it is new; NO_INDEX after a refusal. */
static uint16_t product_of(struct plan *p, const struct doc *d, const char *gtin)
{
    uint16_t i = plan_find_product(p, gtin);

    if (i != NO_INDEX)
        return i;
    if (p->products_n == PRODUCTS_MAX) {
        doc_refuse(d, "is product number %d, at most %d are possible", PRODUCTS_MAX + 1,
                   PRODUCTS_MAX);
        return NO_INDEX;
    }
    i = p->products_n++;
    memset(&p->products[i], 0, sizeof(p->products[i]));
    memcpy(p->products[i].gtin, gtin, NOREN_GTIN_SIZE);
    return i;
}

static bool check_unit_mass(const struct doc *d, int64_t mg)
{
    struct doc m = doc_member(d, "unit_mass_mg");

    if (mg <= 0)
        return doc_refuse(&m, "is %lld, must be more than 0; weigh one unit", (long long)mg);
    if (mg < UNIT_MASS_MIN_MG || mg > UNIT_MASS_MAX_MG)
        return doc_refuse(&m, "is %lld mg, absurd for a product; 500 g are written 500000",
                          (long long)mg);
    return true;
}

/* No second facing of a product on one plate, and no two products at one place. */
static bool check_overlap(const struct plan_plate *plate, const struct plan_facing *f,
                          const struct doc *d, const struct doc *list)
{
    for (uint8_t i = 0; i < plate->facings_n; i++) {
        const struct plan_facing *other = &plate->facings[i];
        struct doc there = doc_item(list, i), x = doc_member(&there, "x_mm");
        struct doc here = doc_member(d, other->product == f->product ? "gtin" : "x_mm");

        if (other->product == f->product)
            return doc_refuse(&here, "is already facings[%u] of this plate; give it once", i);
        if (here.v != NULL && x.v != NULL && abs(other->x_mm - f->x_mm) < FACING_PITCH_MIN_MM)
            return doc_refuse(&here,
                              "is %d, overlaps facings[%u] at %d; centres are %d mm apart or more",
                              f->x_mm, i, other->x_mm, FACING_PITCH_MIN_MM);
    }
    return true;
}

static bool read_facing(struct plan *p, struct plan_plate *plate, const struct doc *d,
                        const struct doc *list)
{
    static const char *const keys[] = {"gtin",     "name",   "unit_mass_mg", "unit_cv", "min",
                                       "capacity", "safety", "x_mm",         NULL};
    int64_t mass, min = 0, capacity = 0, safety = 0, x = 0;
    char gtin[NOREN_GTIN_SIZE], name[sizeof(p->products[0].name)] = "";
    double cv = UNIT_CV_DEFAULT;
    struct plan_facing *f = &plate->facings[plate->facings_n];
    struct plan_product *product;

    if (!doc_object(d, keys) || !plan_read_gtin(d, "gtin", gtin) ||
        !doc_opt_text(d, "name", name, sizeof(name)) ||
        !doc_i64(d, "unit_mass_mg", INT64_MIN, INT64_MAX, &mass) || !check_unit_mass(d, mass) ||
        !doc_opt_real(d, "unit_cv", 0, 1, &cv) || !doc_opt_i64(d, "min", 0, COUNT_MAX, &min) ||
        !doc_opt_i64(d, "capacity", 0, COUNT_MAX, &capacity) ||
        !doc_opt_i64(d, "safety", 0, COUNT_MAX, &safety) ||
        !doc_opt_i64(d, "x_mm", 0, LENGTH_MAX_MM, &x))
        return false;
    if (capacity > 0 && min > capacity) {
        struct doc m = doc_member(d, "min");

        return doc_refuse(&m, "is %lld, more than the capacity of %lld", (long long)min,
                          (long long)capacity);
    }
    *f = (struct plan_facing){.product = product_of(p, d, gtin),
                              .unit_mass_mg = mass,
                              .unit_cv_pm = (int32_t)lround(cv * 1000),
                              .min = (int32_t)min,
                              .capacity = (int32_t)capacity,
                              .safety = (int32_t)safety,
                              .x_mm = (int32_t)x};
    if (f->product == NO_INDEX || !check_overlap(plate, f, d, list))
        return false;
    product = &p->products[f->product];
    if (product->name[0] == 0)
        memcpy(product->name, name, sizeof(name));
    product->safety += f->safety;
    plate->facings_n++;
    return true;
}

/* --- cells ------------------------------------------------------------------------------------- */

/* A decimal number up to `max` at *text, which moves on; -1 when there is none. */
static int64_t read_number(const char **text, int64_t max)
{
    int64_t v = 0;
    const char *start = *text;

    for (; **text >= '0' && **text <= '9'; (*text)++) {
        v = v * 10 + (**text - '0');
        if (v > max)
            return -1;
    }
    return *text != start ? v : -1;
}

/* A cell whose id is node-N-C is read by shelf node number N, its cell C. */
static bool read_node(const struct doc *d, const char *id, int64_t *ret_node)
{
    const char *p = id + 5;
    int64_t node, cell = -1;

    *ret_node = -1;
    if (strncmp(id, "node-", 5) != 0)
        return true;
    node = read_number(&p, UINT16_MAX);
    if (node >= 0 && *p++ == '-')
        cell = read_number(&p, 15);
    if (cell < 0 || *p != 0)
        return doc_refuse(
            d, "\"%s\" is no cell of a shelf node; write node-N-C, N 0..65535, C 0..15", id);
    *ret_node = node << 4 | cell;
    return true;
}

static bool read_cell(struct plan *p, uint16_t plate, const struct doc *d)
{
    static const char *const keys[] = {"id",           "x_mm",       "zero_counts",
                                       "mg_per_count", "capacity_g", NULL};
    struct plan_cell c = {.plate = plate};
    struct doc id = doc_member(d, "id");
    double zero = 0, capacity_g = 0;
    int64_t x = 0;

    if (!doc_object(d, keys) || !doc_id(d, "id", c.id) ||
        !doc_opt_i64(d, "x_mm", 0, LENGTH_MAX_MM, &x) ||
        !doc_opt_real(d, "zero_counts", COUNTS_MIN, COUNTS_MAX, &zero) ||
        !doc_opt_real(d, "mg_per_count", -1e6, 1e6, &c.mg_per_count) ||
        !doc_opt_real(d, "capacity_g", 1, CAPACITY_MAX_G, &capacity_g) ||
        !read_node(&id, c.id, &c.node))
        return false;
    if (plan_find_cell(p, c.id) != NO_INDEX)
        return doc_refuse(&id, "\"%s\" is used twice; a load cell belongs to one plate", c.id);
    if (p->cells_n == CELLS_MAX)
        return doc_refuse(d, "is cell number %d, at most %d are possible", CELLS_MAX + 1,
                          CELLS_MAX);
    c.x_mm = (int32_t)x;
    c.zero_counts = llround(zero);
    c.capacity_mg = llround(capacity_g * NOREN_MG_PER_G);
    p->plates[plate].cells[p->plates[plate].cells_n++] = p->cells_n;
    p->cells[p->cells_n++] = c;
    return true;
}

/* --- plates ------------------------------------------------------------------------------------ */

/* Plates that name no fixture stand together on one. */
#define FIXTURE_DEFAULT "store"

static bool read_fixture(struct plan *p, const struct doc *d, uint16_t *ret)
{
    char id[NOREN_ID_SIZE] = FIXTURE_DEFAULT;

    if (!doc_opt_id(d, "fixture", id))
        return false;
    *ret = plan_find_fixture(p, id);
    if (*ret != NO_INDEX)
        return true;
    if (p->fixtures_n == FIXTURES_MAX)
        return doc_refuse(d, "names fixture number %d, at most %d are possible", FIXTURES_MAX + 1,
                          FIXTURES_MAX);
    *ret = p->fixtures_n++;
    memcpy(p->fixtures[*ret], id, sizeof(id));
    return true;
}

/* `mapped`: a map was read, so a zone that it does not have is a mistake. */
static bool read_zone(struct plan *p, const struct doc *d, bool mapped, uint16_t *ret)
{
    struct doc m = doc_member(d, "zone");
    char id[NOREN_ID_SIZE] = "";

    *ret = NO_INDEX;
    if (!doc_opt_id(d, "zone", id))
        return false;
    if (id[0] == 0)
        return true;
    *ret = plan_find_zone(p, id);
    if (*ret != NO_INDEX)
        return true;
    if (mapped)
        return doc_refuse(&m, "the map has no zone \"%s\"; add it there or correct the id", id);
    if (p->zones_n == ZONES_MAX)
        return doc_refuse(&m, "is zone number %d, at most %d are possible", ZONES_MAX + 1,
                          ZONES_MAX);
    *ret = p->zones_n++;
    memset(&p->zones[*ret], 0, sizeof(p->zones[*ret]));
    memcpy(p->zones[*ret].id, id, sizeof(id));
    return true;
}

static bool read_plate(struct plan *p, const struct doc *d, bool mapped)
{
    static const char *const keys[] = {"id",    "fixture",    "zone",    "led",
                                       "cells", "neighbours", "facings", NULL};
    uint16_t index = p->plates_n;
    struct plan_plate *plate = &p->plates[index];
    struct doc cells, facings, id = doc_member(d, "id");

    memset(plate, 0, sizeof(*plate));
    if (!doc_object(d, keys) || !doc_id(d, "id", plate->id))
        return false;
    if (plan_find_plate(p, plate->id) != NO_INDEX)
        return doc_refuse(&id, "\"%s\" is used twice; every plate has its own id", plate->id);
    p->plates_n++;
    if (!read_fixture(p, d, &plate->fixture) || !read_zone(p, d, mapped, &plate->zone) ||
        !doc_opt_id(d, "led", plate->led) || !doc_array(d, "cells", PLATE_CELLS_MAX, &cells) ||
        !doc_array(d, "facings", PLATE_FACINGS_MAX, &facings))
        return false;
    for (size_t i = 0; i < doc_size(&cells); i++) {
        struct doc item = doc_item(&cells, i);

        if (!read_cell(p, index, &item))
            return false;
    }
    for (size_t i = 0; i < doc_size(&facings); i++) {
        struct doc item = doc_item(&facings, i);

        if (!read_facing(p, plate, &item, &facings))
            return false;
    }
    return true;
}

/* After all plates are known: a neighbour may come later in the list. */
static bool read_neighbours(struct plan *p, uint16_t index, const struct doc *d)
{
    struct plan_plate *plate = &p->plates[index];
    struct doc list;

    if (!doc_array(d, "neighbours", PLATE_NEIGHBOURS_MAX, &list))
        return false;
    for (size_t i = 0; i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);
        char id[NOREN_ID_SIZE];
        uint16_t other;

        if (!doc_id_self(&item, id))
            return false;
        other = plan_find_plate(p, id);
        if (other == NO_INDEX)
            return doc_refuse(&item, "no plate has the id \"%s\"", id);
        if (other == index)
            return doc_refuse(&item, "a plate is not its own neighbour");
        plate->neighbours[plate->neighbours_n++] = other;
    }
    return true;
}

static bool read_backroom(struct plan *p, const struct doc *d, bool seen[PRODUCTS_MAX])
{
    static const char *const keys[] = {"gtin", "quantity", NULL};
    char gtin[NOREN_GTIN_SIZE];
    uint16_t product;
    int64_t quantity;

    if (!doc_object(d, keys) || !plan_read_gtin(d, "gtin", gtin) ||
        !doc_i64(d, "quantity", 0, COUNT_MAX, &quantity))
        return false;
    product = product_of(p, d, gtin);
    if (product == NO_INDEX)
        return false;
    if (seen[product])
        return doc_refuse(d, "gtin %s is in the backroom twice; add the quantities", gtin);
    seen[product] = true;
    p->products[product].backroom = (int32_t)quantity;
    return true;
}

static bool read_plates(struct plan *p, const struct doc *d)
{
    bool mapped = p->zones_n > 0;
    struct doc list;

    if (!doc_array(d, "plates", PLATES_MAX, &list))
        return false;
    for (size_t i = 0; i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);

        if (!read_plate(p, &item, mapped))
            return false;
    }
    for (size_t i = 0; i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);

        if (!read_neighbours(p, (uint16_t)i, &item))
            return false;
    }
    return true;
}

/* "10:00-20:00", the same every day: what a person can check at a glance. Days of their own and holidays are
 * HQ's, which knows the calendar; the gateway only has to know when an empty shelf matters. */
static bool read_hours(struct plan *p, const struct doc *d)
{
    struct doc m = doc_member(d, "opening_hours");
    const char *text;
    int64_t n[4];

    if (m.v == NULL)
        return true;
    if (!doc_string(d, "opening_hours", &text))
        return false;
    if (strlen(text) != strlen("10:00-20:00") || text[2] != ':' || text[5] != '-' || text[8] != ':')
        return doc_refuse(&m, "\"%.20s\" are no hours; write 10:00-20:00", text);
    for (int i = 0; i < 4; i++) {
        const char *digits = text + 3 * i;

        n[i] = read_number(&digits, 99);
        if (n[i] < 0 || digits != text + 3 * i + 2 || (i % 2 == 1 && n[i] > 59))
            return doc_refuse(&m, "\"%.20s\" are no hours; write 10:00-20:00", text);
    }
    p->open_min = (int16_t)(n[0] * 60 + n[1]);
    p->close_min = (int16_t)(n[2] * 60 + n[3]);
    if (p->close_min > 24 * 60 || p->open_min >= p->close_min)
        return doc_refuse(&m,
                          "\"%.20s\" closes before it opens, or after 24:00; a store that is "
                          "open over midnight writes 00:00-24:00",
                          text);
    return true;
}

static bool read_planogram(struct plan *p, const struct doc *d)
{
    static const char *const keys[] = {"$schema",       "revision", "store",    "time_zone",
                                       "opening_hours", "plates",   "backroom", NULL};
    bool seen[PRODUCTS_MAX] = {false};
    int64_t revision;
    struct doc list;

    if (p->plates_n > 0 || p->products_n > 0)
        return doc_refuse(d, "a planogram is in the plan already; read all documents anew");
    if (!doc_object(d, keys) || !doc_opt_i64(d, "revision", 0, INT64_MAX, &revision) ||
        !doc_opt_id(d, "store", p->store) || !doc_opt_id(d, "time_zone", p->time_zone) ||
        !read_hours(p, d) || !read_plates(p, d) || !doc_array(d, "backroom", PRODUCTS_MAX, &list))
        return false;
    for (size_t i = 0; i < doc_size(&list); i++) {
        struct doc item = doc_item(&list, i);

        if (!read_backroom(p, &item, seen))
            return false;
    }
    return true;
}

int plan_read_planogram(struct plan *p, const char *json, size_t n, char ret_error[PLAN_ERROR_SIZE])
{
    return plan_read_with(read_planogram, p, json, n, ret_error, PLAN_ERROR_SIZE);
}
