/* Observations as text; see obs.h.
 *
 * Text, because a recording is read by people when something went wrong, and because ids instead of
 * indices make it independent of the order of a planogram. Each kind is printed and parsed by two short
 * functions beside each other, which must stay mirror images; a test throws seeded random ones at them.
 */
#include "core/obs.h"

#include <assert.h>
#include <string.h>

/* --- words ------------------------------------------------------------------------------------- */

static const char *const kind_words[] = {
    [OBS_TICK] = "tick",
    [OBS_PLAN] = "plan",
    [OBS_CLOCK] = "clock",
    [OBS_SIGHTING] = "sighting",
    [OBS_CELL] = "cell",
    [OBS_MASS] = "mass",
    [OBS_NODE] = "node",
    [OBS_COMMAND] = "command",
    [OBS_SALE] = "sale",
    [OBS_TEMPERATURE] = "temperature",
    [OBS_CALIBRATION] = "calibration",
    [OBS_CHECKIN] = "checkin",
    [OBS_FORGET] = "forget",
    [OBS_SKEW] = "skew",
    [OBS_CROWD] = "crowd",
};
static const char *const who_words[] = {
    [WHO_NONE] = "none",
    [WHO_MEMBER] = "member",
    [WHO_TAG] = "tag",
};
static const char *const path_words[] = {
    [PATH_TOKEN] = "token", [PATH_CHECKIN] = "checkin", [PATH_TAG] = "tag",
    [PATH_DOOR] = "door",   [PATH_LINE] = "line",
};
static const char *const twin_words[] = {"twin"};
static const char *const board_words[] = {"own", "other"};
static const char *const clock_words[] = {
    [CLOCK_FLOOR] = "floor",
    [CLOCK_HELD] = "held",
    [CLOCK_SYNCED] = "synced",
};
static const char *const fault_words[] = {
    [CELL_OK] = "ok",           [CELL_ABSENT] = "absent", [CELL_SATURATED] = "saturated",
    [CELL_CORRUPT] = "corrupt", [CELL_RATE] = "rate",
};
static const char *const stage_words[] = {
    [CALIBRATION_BEGIN] = "begin",
    [CALIBRATION_SET] = "set",
    [CALIBRATION_END] = "end",
};
static const char *const command_words[] = {
    [COMMAND_TARE] = "tare",
    [COMMAND_RECOUNT] = "recount",
    [COMMAND_COUNT] = "count",
    [COMMAND_TRANSFER_IN] = "transfer_in",
    [COMMAND_TRANSFER_OUT] = "transfer_out",
    [COMMAND_RETURN] = "return",
    [COMMAND_CLAIM] = "claim",
};

/* No zone is further from UTC. */
#define LOCAL_MAX_US (26 * 3600 * NOREN_US_PER_S)

#define COUNT(words) (sizeof(words) / sizeof((words)[0]))

/* --- printing ---------------------------------------------------------------------------------- */

struct line {
    char *buf;
    size_t n, cap;
    bool bad;
};

static void put(struct line *l, const char *s, size_t n)
{
    if (l->bad || l->cap - l->n <= n) {
        l->bad = true;
        return;
    }
    memcpy(l->buf + l->n, s, n);
    l->n += n;
}

static void put_i64(struct line *l, int64_t v)
{
    uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char text[20];
    size_t at = sizeof(text);

    if (l->n > 0)
        put(l, "\t", 1);
    if (v < 0)
        put(l, "-", 1);
    do {
        text[--at] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude > 0);
    put(l, text + at, sizeof(text) - at);
}

static void put_text(struct line *l, const char *s)
{
    for (const char *p = s; *p != 0; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            l->bad = true;
    put(l, "\t", 1);
    put(l, s, strlen(s));
}

static void put_word(struct line *l, const char *const *words, size_t n, unsigned i)
{
    if (i < n)
        put_text(l, words[i]);
    else
        l->bad = true;
}

static void print_sighting(struct line *l, const struct obs *o, const struct plan *plan)
{
    if (o->u.sighting.receiver >= plan->receivers_n) {
        l->bad = true;
        return;
    }
    put_text(l, plan->receivers[o->u.sighting.receiver].id);
    put_word(l, who_words, COUNT(who_words), o->u.sighting.who.kind);
    put_text(l, o->u.sighting.who.ref);
    put_i64(l, o->u.sighting.consent);
    put_i64(l, o->u.sighting.bucket);
    put_word(l, path_words, COUNT(path_words), o->u.sighting.path);
    put_i64(l, o->u.sighting.rssi_dbm);
    if (o->u.sighting.twin)
        put_text(l, twin_words[0]);
}

static void print_cell(struct line *l, const struct obs *o, const struct plan *plan)
{
    if (o->u.cell.cell >= plan->cells_n) {
        l->bad = true;
        return;
    }
    put_text(l, plan->cells[o->u.cell.cell].id);
    put_i64(l, o->u.cell.counts);
    put_word(l, fault_words, COUNT(fault_words), o->u.cell.fault);
}

static void print_mass(struct line *l, const struct obs *o, const struct plan *plan)
{
    if (o->u.mass.plate >= plan->plates_n) {
        l->bad = true;
        return;
    }
    put_text(l, plan->plates[o->u.mass.plate].id);
    put_i64(l, o->u.mass.mass_mg);
}

static void print_command(struct line *l, const struct obs *o)
{
    put_word(l, command_words, COUNT(command_words), o->u.command.kind);
    put_text(l, o->u.command.id);
    put_text(l, o->u.command.target);
    put_i64(l, o->u.command.quantity);
    put_text(l, o->u.command.actor);
    if (o->u.command.document[0] != 0)
        put_text(l, o->u.command.document);
}

static void print_sale(struct line *l, const struct obs *o, const struct plan *plan)
{
    if (o->u.sale.product >= plan->products_n) {
        l->bad = true;
        return;
    }
    put_text(l, o->u.sale.id);
    put_i64(l, o->u.sale.line);
    put_text(l, plan->products[o->u.sale.product].gtin);
    put_i64(l, o->u.sale.quantity);
    put_i64(l, o->u.sale.sold_us);
}

static void print_calibration(struct line *l, const struct obs *o, const struct plan *plan)
{
    const struct calibration *c = &o->u.calibration.values;

    if (o->u.calibration.cell >= plan->cells_n) {
        l->bad = true;
        return;
    }
    put_text(l, plan->cells[o->u.calibration.cell].id);
    put_word(l, stage_words, COUNT(stage_words), o->u.calibration.stage);
    put_i64(l, c->zero_counts);
    put_i64(l, c->pg_per_count);
    put_i64(l, c->mass_mg);
    put_i64(l, c->error_mg);
    put_i64(l, c->temperature_mc);
    put_i64(l, c->utc_s);
    put_text(l, c->operator);
}

static void print_crowd(struct line *l, const struct obs *o, const struct plan *plan)
{
    if (o->u.crowd.receiver >= plan->receivers_n) {
        l->bad = true;
        return;
    }
    put_text(l, plan->receivers[o->u.crowd.receiver].id);
    put_i64(l, o->u.crowd.devices);
    put_word(l, board_words, COUNT(board_words), o->u.crowd.other);
}

int obs_print(const struct obs *o, const struct plan *plan, char *buf, size_t size)
{
    struct line l = {.buf = buf, .cap = size};

    put_i64(&l, o->t_us);
    put_word(&l, kind_words, COUNT(kind_words), o->kind);
    switch (o->kind) {
    case OBS_TICK:
        break;
    case OBS_PLAN:
        return -1;
    case OBS_CLOCK:
        put_i64(&l, o->u.clock.utc_us);
        put_word(&l, clock_words, COUNT(clock_words), o->u.clock.quality);
        if (o->u.clock.local_us != 0)
            put_i64(&l, o->u.clock.local_us);
        break;
    case OBS_SIGHTING:
        print_sighting(&l, o, plan);
        break;
    case OBS_CELL:
        print_cell(&l, o, plan);
        break;
    case OBS_MASS:
        print_mass(&l, o, plan);
        break;
    case OBS_NODE:
        put_i64(&l, o->u.node.node);
        put_i64(&l, o->u.node.cell);
        put_i64(&l, o->u.node.mass_mg);
        put_i64(&l, o->u.node.status);
        break;
    case OBS_COMMAND:
        print_command(&l, o);
        break;
    case OBS_SALE:
        print_sale(&l, o, plan);
        break;
    case OBS_TEMPERATURE:
        put_text(&l, o->u.temperature.sensor);
        put_i64(&l, o->u.temperature.temperature_mc);
        break;
    case OBS_CALIBRATION:
        print_calibration(&l, o, plan);
        break;
    case OBS_CHECKIN:
        put_text(&l, o->u.checkin.member_ref);
        put_i64(&l, o->u.checkin.consent);
        put_i64(&l, o->u.checkin.bucket);
        put_word(&l, path_words, COUNT(path_words), o->u.checkin.path);
        put_i64(&l, o->u.checkin.at_us);
        break;
    case OBS_FORGET:
        put_text(&l, o->u.forget);
        break;
    case OBS_SKEW:
        if (o->u.skew.receiver >= plan->receivers_n)
            return -1;
        put_text(&l, plan->receivers[o->u.skew.receiver].id);
        break;
    case OBS_CROWD:
        print_crowd(&l, o, plan);
        break;
    }
    if (l.bad || l.n >= l.cap)
        return -1;
    l.buf[l.n] = 0;
    return (int)l.n;
}

/* --- parsing ----------------------------------------------------------------------------------- */

/* The rest of a line; `error` is the first thing that was wrong. */
struct fields {
    const char *p, *end;
    const char *error;
};

static void refuse(struct fields *f, const char *error)
{
    if (f->error == NULL)
        f->error = error;
}

/* The next field; its length goes to `ret_n`. */
static const char *next(struct fields *f, size_t *ret_n)
{
    const char *start = f->p, *tab;

    *ret_n = 0;
    if (start == NULL) {
        refuse(f, "a field is missing");
        return "";
    }
    tab = memchr(start, '\t', (size_t)(f->end - start));
    *ret_n = (size_t)((tab != NULL ? tab : f->end) - start);
    f->p = tab != NULL ? tab + 1 : NULL;
    return start;
}

static int64_t next_i64(struct fields *f, int64_t min, int64_t max)
{
    size_t n;
    const char *s = next(f, &n);
    size_t i = n > 0 && s[0] == '-';
    bool negative = i == 1;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, v = 0;
    int64_t value;

    if (i == n)
        refuse(f, "a number is missing");
    for (; i < n; i++) {
        unsigned digit = (unsigned char)s[i] - '0';

        if (digit > 9 || v > (limit - digit) / 10) {
            refuse(f, digit > 9 ? "not a number" : "a number is out of range");
            return min;
        }
        v = v * 10 + digit;
    }
    value = negative ? (v > 0 ? -(int64_t)(v - 1) - 1 : 0) : (int64_t)v;
    if (value < min || value > max) {
        refuse(f, "a number is out of range");
        return min;
    }
    return value;
}

static void next_text(struct fields *f, char ret[NOREN_ID_SIZE])
{
    size_t n;
    const char *s = next(f, &n);

    ret[0] = 0;
    if (n >= NOREN_ID_SIZE) {
        refuse(f, "an id is longer than 39 bytes");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
            refuse(f, "an id contains a control character");
            return;
        }
    memcpy(ret, s, n);
    ret[n] = 0;
}

static unsigned next_word(struct fields *f, const char *const *words, size_t count,
                          const char *error)
{
    size_t n;
    const char *s = next(f, &n);

    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == n && memcmp(words[i], s, n) == 0)
            return (unsigned)i;
    refuse(f, error);
    return 0;
}

/* An id that the plan must have. */
static uint16_t next_place(struct fields *f, const struct plan *plan,
                           uint16_t (*find)(const struct plan *, const char *), const char *error)
{
    char id[NOREN_ID_SIZE];
    uint16_t i;

    next_text(f, id);
    i = f->error == NULL ? find(plan, id) : NO_INDEX;
    if (i == NO_INDEX)
        refuse(f, error);
    return i;
}

static void parse_sighting(struct fields *f, const struct plan *plan, struct obs *o)
{
    o->u.sighting.receiver =
        next_place(f, plan, plan_find_receiver, "the map has no such receiver");
    o->u.sighting.who.kind = next_word(f, who_words, COUNT(who_words), "neither member nor tag");
    next_text(f, o->u.sighting.who.ref);
    o->u.sighting.consent = (uint8_t)next_i64(f, 0, CONSENT_ALL);
    o->u.sighting.bucket = (uint16_t)next_i64(f, 0, UINT16_MAX);
    o->u.sighting.path = next_word(f, path_words, COUNT(path_words), "unknown identity path");
    o->u.sighting.rssi_dbm = (int16_t)next_i64(f, INT16_MIN, INT16_MAX);
    if (f->p != NULL) {
        (void)next_word(f, twin_words, COUNT(twin_words), "neither twin nor the end");
        o->u.sighting.twin = true;
    }
}

static void parse_command(struct fields *f, struct obs *o)
{
    o->u.command.kind = next_word(f, command_words, COUNT(command_words), "unknown command");
    next_text(f, o->u.command.id);
    next_text(f, o->u.command.target);
    o->u.command.quantity = next_i64(f, INT64_MIN, INT64_MAX);
    next_text(f, o->u.command.actor);
    if (f->p != NULL) /* recordings from before there were documents end here */
        next_text(f, o->u.command.document);
}

static void parse_sale(struct fields *f, const struct plan *plan, struct obs *o)
{
    next_text(f, o->u.sale.id);
    o->u.sale.line = (uint16_t)next_i64(f, 0, UINT16_MAX);
    o->u.sale.product = next_place(f, plan, plan_find_product, "the planogram has no such GTIN");
    o->u.sale.quantity = next_i64(f, INT64_MIN, INT64_MAX);
    o->u.sale.sold_us = next_i64(f, INT64_MIN, INT64_MAX);
}

static void parse_calibration(struct fields *f, const struct plan *plan, struct obs *o)
{
    struct calibration *c = &o->u.calibration.values;

    o->u.calibration.cell = next_place(f, plan, plan_find_cell, "the planogram has no such cell");
    o->u.calibration.stage =
        next_word(f, stage_words, COUNT(stage_words), "unknown stage of a calibration");
    c->zero_counts = next_i64(f, INT32_MIN, INT32_MAX);
    c->pg_per_count = next_i64(f, INT64_MIN, INT64_MAX);
    c->mass_mg = next_i64(f, 0, CALIBRATION_MASS_MAX_MG);
    c->error_mg = next_i64(f, INT64_MIN, INT64_MAX);
    c->temperature_mc = (int32_t)next_i64(f, INT32_MIN, INT32_MAX);
    c->utc_s = next_i64(f, INT64_MIN, INT64_MAX);
    next_text(f, c->operator);
}

static void parse_body(struct fields *f, const struct plan *plan, struct obs *o)
{
    switch (o->kind) {
    case OBS_TICK:
        break;
    case OBS_PLAN:
        refuse(f, "a plan has no text");
        break;
    case OBS_CLOCK:
        o->u.clock.utc_us = next_i64(f, INT64_MIN, INT64_MAX);
        o->u.clock.quality = next_word(f, clock_words, COUNT(clock_words), "unknown clock quality");
        if (f->p != NULL) /* recordings from before there were opening hours end here */
            o->u.clock.local_us = next_i64(f, -LOCAL_MAX_US, LOCAL_MAX_US);
        break;
    case OBS_SIGHTING:
        parse_sighting(f, plan, o);
        break;
    case OBS_CELL:
        o->u.cell.cell = next_place(f, plan, plan_find_cell, "the planogram has no such cell");
        o->u.cell.counts = (int32_t)next_i64(f, INT32_MIN, INT32_MAX);
        o->u.cell.fault = next_word(f, fault_words, COUNT(fault_words), "unknown cell fault");
        break;
    case OBS_MASS:
        o->u.mass.plate = next_place(f, plan, plan_find_plate, "the planogram has no such plate");
        o->u.mass.mass_mg = next_i64(f, INT64_MIN, INT64_MAX);
        break;
    case OBS_NODE:
        o->u.node.node = (uint16_t)next_i64(f, 0, UINT16_MAX);
        o->u.node.cell = (uint8_t)next_i64(f, 0, UINT8_MAX);
        o->u.node.mass_mg = next_i64(f, INT64_MIN, INT64_MAX);
        o->u.node.status = (uint8_t)next_i64(f, 0, UINT8_MAX);
        break;
    case OBS_COMMAND:
        parse_command(f, o);
        break;
    case OBS_SALE:
        parse_sale(f, plan, o);
        break;
    case OBS_TEMPERATURE:
        next_text(f, o->u.temperature.sensor);
        o->u.temperature.temperature_mc = (int32_t)next_i64(f, INT32_MIN, INT32_MAX);
        break;
    case OBS_CALIBRATION:
        parse_calibration(f, plan, o);
        break;
    case OBS_CHECKIN:
        next_text(f, o->u.checkin.member_ref);
        o->u.checkin.consent = (uint8_t)next_i64(f, 0, CONSENT_ALL);
        o->u.checkin.bucket = (uint16_t)next_i64(f, 0, UINT16_MAX);
        o->u.checkin.path = next_word(f, path_words, COUNT(path_words), "unknown identity path");
        o->u.checkin.at_us = next_i64(f, INT64_MIN, INT64_MAX);
        break;
    case OBS_FORGET:
        next_text(f, o->u.forget);
        break;
    case OBS_SKEW:
        o->u.skew.receiver =
            next_place(f, plan, plan_find_receiver, "the map has no such receiver");
        break;
    case OBS_CROWD:
        o->u.crowd.receiver =
            next_place(f, plan, plan_find_receiver, "the map has no such receiver");
        o->u.crowd.devices = (uint32_t)next_i64(f, 0, UINT32_MAX);
        o->u.crowd.other = next_word(f, board_words, COUNT(board_words), "neither own nor other");
        break;
    }
}

const char *obs_parse(const char *line, size_t n, const struct plan *plan, struct obs *ret)
{
    struct fields f = {.p = line, .end = line + n};
    struct obs o;

    memset(&o, 0, sizeof(o));
    o.t_us = next_i64(&f, 0, INT64_MAX - 1);
    o.kind = next_word(&f, kind_words, COUNT(kind_words), "unknown kind of observation");
    if (f.error == NULL)
        parse_body(&f, plan, &o);
    if (f.p != NULL)
        refuse(&f, "too many fields");
    if (f.error == NULL)
        *ret = o;
    return f.error;
}
