/* Levels, alerts and replenish tasks; see supply.h. */
#include "core/supply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/row.h"

#define LASTS_US    (30 * NOREN_US_PER_S)      /* a level that is to be believed */
#define OVERDUE_US  (30 * 60 * NOREN_US_PER_S) /* a task that nobody finished */
#define BUCKET_S    900
#define ROW_VERSION 1
/* What one look at a facing can say and store. */
#define LOOK_EVENTS  6
#define LOOK_RECORDS 3

/* One facing in the middle of a step. */
struct at {
    struct supply *s;
    const struct plan *plan;
    struct shelf *shelf;
    struct batch *out;
    int64_t now_us, utc_us;
    struct supply_place place;
    const struct plan_plate *plate;
    const struct plan_facing *plan_facing;
    struct supply_facing *f;
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void clear_facing(struct supply_facing *f)
{
    memset(f, 0, sizeof(*f));
    f->level_us = f->over_us = NOREN_NEVER_US;
}

void supply_init(struct supply *s)
{
    memset(s, 0, sizeof(*s));
    s->due_us = NOREN_NEVER_US;
}

/* The plate's facings by product; what is not there any more is forgotten with its alerts. Facings that a plate
 * does not have are left alone. */
static void plan_facings(struct supply *s, uint16_t slot, const struct plan *old_plan,
                         const struct plan *plan, const struct plan_plate *was,
                         const struct plan_plate *now)
{
    struct supply_facing kept[PLATE_FACINGS_MAX];

    for (uint8_t j = 0; was != NULL && j < was->facings_n; j++)
        kept[j] = s->facings[j][slot];
    for (uint8_t i = 0; i < now->facings_n; i++) {
        clear_facing(&s->facings[i][slot]);
        for (uint8_t j = 0; was != NULL && j < was->facings_n; j++)
            if (strcmp(plan->products[now->facings[i].product].gtin,
                       old_plan->products[was->facings[j].product].gtin) == 0)
                s->facings[i][slot] = kept[j];
    }
}

void supply_plan(struct supply *s, const struct plan *old_plan, const struct plan *plan,
                 const struct shelf *shelf, int64_t now_us)
{
    for (uint16_t i = 0; i < plan->plates_n; i++) {
        uint16_t old = old_plan == NULL ? NO_INDEX : plan_find_plate(old_plan, plan->plates[i].id);

        plan_facings(s, shelf->plate_slots[i], old_plan, plan,
                     old != NO_INDEX ? &old_plan->plates[old] : NULL, &plan->plates[i]);
    }
    if (!s->started)
        s->started_us = now_us;
    s->started = true;
    s->due_us = now_us;
}

/* --- rows --------------------------------------------------------------------------------------- */

static const char *gtin_of(const struct at *at)
{
    return at->plan->products[at->plan_facing->product].gtin;
}

static void save(const struct at *at)
{
    const struct supply_facing *f = at->f;
    const struct supply_task *t = &f->task;
    char key[RECORD_KEY_SIZE];
    struct record *r;

    snprintf(key, sizeof(key), "%s/%s", at->plate->id, gtin_of(at));
    r = batch_record(at->out, RECORD_SUPPLY, key);
    r->value[0] = '\0';
    if (f->level_alert != 0 || f->over_alert != 0 || t->state != TASK_NONE)
        snprintf(r->value, sizeof(r->value),
                 "%d\t%d\t%" PRId64 "\t%" PRId64 "\t%d\t%" PRId64 "\t%" PRId64 "\t%" PRId64
                 "\t%d\t%s",
                 ROW_VERSION, (int)f->level, f->level_alert, f->over_alert, (int)t->state,
                 t->number, t->opened_utc_us, t->moved, t->overdue, t->actor);
    at->f->dirty = false;
}

/* "plate/gtin"; a plate's id may itself contain slashes, a GTIN is always 14 digits. */
static bool find_key(const struct plan *plan, const char *key, struct supply_place *ret)
{
    char plate[RECORD_KEY_SIZE];
    size_t n = strlen(key);
    uint16_t product;

    if (n < NOREN_GTIN_SIZE || key[n - NOREN_GTIN_SIZE] != '/')
        return false;
    memcpy(plate, key, n - NOREN_GTIN_SIZE);
    plate[n - NOREN_GTIN_SIZE] = '\0';
    ret->plate = plan_find_plate(plan, plate);
    product = plan_find_product(plan, key + n - NOREN_GTIN_SIZE + 1);
    if (ret->plate == NO_INDEX || product == NO_INDEX)
        return false;
    for (ret->facing = 0; ret->facing < plan->plates[ret->plate].facings_n; ret->facing++)
        if (plan->plates[ret->plate].facings[ret->facing].product == product)
            return true;
    return false;
}

int supply_restore(struct supply *s, const struct plan *plan, const struct shelf *shelf,
                   const struct record *r)
{
    struct row row = row_init(r->value);
    struct supply_facing f;
    struct supply_place place;

    clear_facing(&f);
    row_range(&row, ROW_VERSION, ROW_VERSION);
    f.level = (enum supply_level)row_range(&row, SUPPLY_OK, SUPPLY_OUT_WITH_BACKROOM);
    f.level_alert = row_range(&row, 0, INT64_MAX);
    f.over_alert = row_range(&row, 0, INT64_MAX);
    f.over = f.over_alert != 0;
    f.task.state = (enum supply_task_state)row_range(&row, TASK_NONE, TASK_CLAIMED);
    f.task.number = row_range(&row, 0, INT64_MAX);
    f.task.opened_us = SUPPLY_STALE_US;
    f.task.opened_utc_us = row_range(&row, 0, INT64_MAX);
    f.task.moved = row_range(&row, 0, INT64_MAX);
    f.task.overdue = row_range(&row, 0, 1) != 0;
    row_str(&row, f.task.actor, sizeof(f.task.actor));
    if (!row_done(&row) || !find_key(plan, r->key, &place))
        return -1;
    s->facings[place.facing][shelf->plate_slots[place.plate]] = f;
    return 0;
}

/* --- questions ---------------------------------------------------------------------------------- */

const struct supply_facing *supply_facing(const struct supply *s, const struct shelf *shelf,
                                          struct supply_place at)
{
    return &s->facings[at.facing][shelf->plate_slots[at.plate]];
}

bool supply_next_task(const struct supply *s, const struct plan *plan, const struct shelf *shelf,
                      size_t *cursor, struct supply_place *ret)
{
    for (; *cursor < (size_t)plan->plates_n * PLATE_FACINGS_MAX; (*cursor)++) {
        struct supply_place at = {(uint16_t)(*cursor / PLATE_FACINGS_MAX),
                                  (uint8_t)(*cursor % PLATE_FACINGS_MAX)};

        if (supply_facing(s, shelf, at)->task.state == TASK_NONE)
            continue;
        *ret = at;
        (*cursor)++;
        return true;
    }
    return false;
}

bool supply_find_task(const struct supply *s, const struct plan *plan, const struct shelf *shelf,
                      const char *task_id, struct supply_place *ret)
{
    char id[NOREN_ID_SIZE];
    size_t cursor = 0;

    while (supply_next_task(s, plan, shelf, &cursor, ret)) {
        snprintf(id, sizeof(id), "t%" PRId64, supply_facing(s, shelf, *ret)->task.number);
        if (strcmp(id, task_id) == 0)
            return true;
    }
    return false;
}

int32_t supply_alerts(const struct supply *s, const struct plan *plan, const struct shelf *shelf)
{
    int32_t n = 0;

    for (uint16_t i = 0; i < plan->plates_n; i++)
        for (uint8_t j = 0; j < plan->plates[i].facings_n; j++) {
            const struct supply_facing *f = &s->facings[j][shelf->plate_slots[i]];

            n += (f->level_alert != 0) + (f->over_alert != 0);
        }
    return n;
}

int64_t supply_wanted(const struct plan *plan, const struct shelf *shelf, struct supply_place at)
{
    const struct plan_facing *f = &plan->plates[at.plate].facings[at.facing];
    int64_t backroom = shelf_ledger(shelf, f->product)->backroom;
    int64_t room = f->capacity - shelf_facing(shelf, at.plate, at.facing)->on_shelf;

    return f->capacity == 0 ? backroom : earlier(backroom, room > 0 ? room : 0);
}

int64_t supply_time_to_empty_s(const struct supply *s, const struct shelf *shelf,
                               struct supply_place at, int64_t now_us)
{
    const struct supply_facing *f = supply_facing(s, shelf, at);
    int64_t bucket = now_us / (BUCKET_S * NOREN_US_PER_S), sum = 0;
    int64_t window_s = (now_us - s->started_us) / NOREN_US_PER_S;

    for (int64_t b = f->bucket; b > f->bucket - SUPPLY_BUCKETS && b >= 0; b--)
        if (b > bucket - SUPPLY_BUCKETS)
            sum += f->out[b % SUPPLY_BUCKETS];
    if (sum <= 0 || !shelf_facing_known(shelf, at.plate, at.facing))
        return EVENT_NULL;
    /* The newest bucket is not over yet; a store that just opened has no full window. */
    window_s =
        earlier(window_s, (SUPPLY_BUCKETS - 1) * BUCKET_S + now_us / NOREN_US_PER_S % BUCKET_S);
    if (window_s < BUCKET_S)
        window_s = BUCKET_S;
    return shelf_facing(shelf, at.plate, at.facing)->on_shelf * window_s / sum;
}

/* --- what is said ------------------------------------------------------------------------------- */

static const char *level_kind(enum supply_level level)
{
    switch (level) {
    case SUPPLY_OK:
        break;
    case SUPPLY_LOW:
        return "facing_low";
    case SUPPLY_OUT:
        return "facing_out";
    case SUPPLY_OUT_WITH_BACKROOM:
        return "out_with_backroom";
    }
    return "";
}

static int64_t raise_alert(const struct at *at, const char *kind, const char *severity)
{
    int64_t number = shelf_take_number(at->shelf, at->out);
    struct event_alert_raised *e =
        batch_raise_alert(at->out, at->now_us, number, kind, severity, at->plate->id);

    snprintf(e->gtin, sizeof(e->gtin), "%s", gtin_of(at));
    at->f->dirty = true;
    return number;
}

static void clear_alert(const struct at *at, int64_t number, const char *kind)
{
    struct event_alert_cleared *e =
        batch_clear_alert(at->out, at->now_us, number, kind, at->plate->id);

    snprintf(e->gtin, sizeof(e->gtin), "%s", gtin_of(at));
    at->f->dirty = true;
}

/* The members that all events of a task begin with. */
#define SAY_TASK(at, e)                                                                  \
    do {                                                                                 \
        snprintf((e)->task_id, sizeof((e)->task_id), "t%" PRId64, (at)->f->task.number); \
        snprintf((e)->kind, sizeof((e)->kind), "replenish");                             \
        snprintf((e)->plate, sizeof((e)->plate), "%s", (at)->plate->id);                 \
        snprintf((e)->gtin, sizeof((e)->gtin), "%s", gtin_of(at));                       \
        (at)->out->store_dirty = true;                                                   \
        (at)->f->dirty = true;                                                           \
    } while (0)

static int64_t task_age_us(const struct at *at)
{
    const struct supply_task *t = &at->f->task;

    return t->opened_us == SUPPLY_STALE_US ? 0 : at->now_us - t->opened_us;
}

static void open_task(const struct at *at, int64_t on_shelf)
{
    struct supply_task *t = &at->f->task;
    struct event_task_opened *e;

    memset(t, 0, sizeof(*t));
    t->number = shelf_take_number(at->shelf, at->out);
    t->state = TASK_OPEN;
    t->opened_us = at->now_us;
    t->opened_utc_us = at->utc_us;
    e = &batch_event(at->out, EVENT_TASK_OPENED, at->now_us)->u.task_opened;
    SAY_TASK(at, e);
    e->on_shelf = on_shelf;
    e->wanted = supply_wanted(at->plan, at->shelf, at->place);
    e->time_to_empty_s = supply_time_to_empty_s(at->s, at->shelf, at->place, at->now_us);
}

static void end_task(const struct at *at, const char *otherwise)
{
    struct supply_task *t = &at->f->task;
    struct event_task_done *e = &batch_event(at->out, EVENT_TASK_DONE, at->now_us)->u.task_done;

    SAY_TASK(at, e);
    snprintf(e->outcome, sizeof(e->outcome), "%s", t->moved > 0 ? "restocked" : otherwise);
    snprintf(e->actor, sizeof(e->actor), "%s", t->actor);
    e->quantity = t->moved;
    e->age_us = task_age_us(at);
    memset(t, 0, sizeof(*t));
}

static void take_claim(const struct at *at, const char *actor)
{
    struct supply_task *t = &at->f->task;
    struct event_task_claimed *e;

    if (t->state != TASK_OPEN)
        return;
    t->state = TASK_CLAIMED;
    snprintf(t->actor, sizeof(t->actor), "%s", actor);
    e = &batch_event(at->out, EVENT_TASK_CLAIMED, at->now_us)->u.task_claimed;
    SAY_TASK(at, e);
    snprintf(e->actor, sizeof(e->actor), "%s", actor);
    e->age_us = task_age_us(at);
    save(at);
}

/* --- levels ------------------------------------------------------------------------------------- */

/* Where `n` units put the facing, coming from the level it has. */
static enum supply_level level_of(const struct at *at, int64_t n, int64_t backroom)
{
    const struct plan_facing *f = at->plan_facing;
    int64_t back = f->min + 1 + f->min / 4; /* hysteresis: this many are enough again */

    if (f->capacity > 0 && back > f->capacity)
        back = f->capacity > f->min ? f->capacity : f->min + 1;
    if (n == 0)
        return backroom > 0 ? SUPPLY_OUT_WITH_BACKROOM : SUPPLY_OUT;
    if (n <= f->min || (at->f->level != SUPPLY_OK && f->min > 0 && n < back))
        return SUPPLY_LOW;
    return SUPPLY_OK;
}

static void set_level(const struct at *at, enum supply_level level)
{
    struct supply_facing *f = at->f;

    if (f->level_alert != 0)
        clear_alert(at, f->level_alert, level_kind(f->level));
    f->level_alert = 0;
    f->level = level;
    f->level_us = NOREN_NEVER_US;
    if (level != SUPPLY_OK)
        f->level_alert =
            raise_alert(at, level_kind(level), level == SUPPLY_LOW ? "info" : "warning");
}

static void set_over(const struct at *at, bool over)
{
    struct supply_facing *f = at->f;

    if (over)
        f->over_alert = raise_alert(at, "facing_overstock", "info");
    else
        clear_alert(at, f->over_alert, "facing_overstock");
    if (!over)
        f->over_alert = 0;
    f->over = over;
    f->over_us = NOREN_NEVER_US;
}

/* Has what is measured differed from what is said for long enough? */
static bool lasted(bool differs, int64_t *since_us, int64_t now_us)
{
    if (!differs)
        *since_us = NOREN_NEVER_US;
    else if (*since_us == NOREN_NEVER_US)
        *since_us = now_us;
    return differs && now_us - *since_us >= LASTS_US;
}

static void look_at_task(const struct at *at, bool known, enum supply_level target, int64_t n)
{
    struct supply_task *t = &at->f->task;
    int64_t backroom = shelf_ledger(at->shelf, at->plan_facing->product)->backroom;

    if (t->state == TASK_NONE) {
        if (known && at->f->level != SUPPLY_OK && target != SUPPLY_OK && backroom > 0)
            open_task(at, n);
        return;
    }
    if (t->opened_us == SUPPLY_STALE_US && at->utc_us > 0) { /* of another boot */
        t->opened_us = at->now_us;
        if (t->opened_utc_us > 0 && t->opened_utc_us < at->utc_us)
            t->opened_us -= at->utc_us - t->opened_utc_us;
    }
    if (known && target == SUPPLY_OK) {
        end_task(at, "counted");
    } else if (backroom == 0) {
        end_task(at, "no_stock");
    } else if (!t->overdue && task_age_us(at) >= OVERDUE_US) {
        struct event_task_overdue *e =
            &batch_event(at->out, EVENT_TASK_OVERDUE, at->now_us)->u.task_overdue;

        SAY_TASK(at, e);
        e->age_us = task_age_us(at);
        t->overdue = true;
    }
}

/* Looks at one facing. Returns when it wants to be looked at again. */
static int64_t look(const struct at *at)
{
    struct supply_facing *f = at->f;
    bool known = shelf_facing_known(at->shelf, at->place.plate, at->place.facing);
    int64_t n = shelf_facing(at->shelf, at->place.plate, at->place.facing)->on_shelf;
    int64_t due_us = NOREN_NEVER_US;
    enum supply_level target =
        level_of(at, n, shelf_ledger(at->shelf, at->plan_facing->product)->backroom);
    bool over = at->plan_facing->capacity > 0 && n > at->plan_facing->capacity;

    if (!known)
        f->level_us = f->over_us = NOREN_NEVER_US;
    if (known && lasted(target != f->level, &f->level_us, at->now_us))
        set_level(at, target);
    if (known && lasted(over != f->over, &f->over_us, at->now_us))
        set_over(at, over);
    look_at_task(at, known, target, n);
    if (f->dirty)
        save(at);
    if (f->level_us != NOREN_NEVER_US)
        due_us = f->level_us + LASTS_US;
    if (f->over_us != NOREN_NEVER_US)
        due_us = earlier(due_us, f->over_us + LASTS_US);
    if (f->task.state != TASK_NONE && f->task.opened_us == SUPPLY_STALE_US)
        due_us = earlier(due_us, at->now_us + LASTS_US); /* when the clock is known */
    else if (f->task.state != TASK_NONE && !f->task.overdue)
        due_us = earlier(due_us, f->task.opened_us + OVERDUE_US);
    return due_us;
}

static struct at at_place(struct supply *s, const struct plan *plan, struct shelf *shelf,
                          struct supply_place place, const struct obs *o, struct batch *out)
{
    return (struct at){.s = s,
                       .plan = plan,
                       .shelf = shelf,
                       .out = out,
                       .now_us = o->t_us,
                       .place = place,
                       .plate = &plan->plates[place.plate],
                       .plan_facing = &plan->plates[place.plate].facings[place.facing],
                       .f = &s->facings[place.facing][shelf->plate_slots[place.plate]]};
}

/* Units that left or came back count for the rate; what was filled in, for the task. */
static void note_movement(struct supply *s, const struct plan *plan, const struct shelf *shelf,
                          const struct event_stock_changed *e, int64_t now_us)
{
    int64_t bucket = now_us / (BUCKET_S * NOREN_US_PER_S);
    struct supply_place place = {.plate = plan_find_plate(plan, e->plate)};
    uint16_t product = plan_find_product(plan, e->gtin);
    struct supply_facing *f;

    if (place.plate == NO_INDEX)
        return;
    while (place.facing < plan->plates[place.plate].facings_n &&
           plan->plates[place.plate].facings[place.facing].product != product)
        place.facing++;
    if (place.facing == plan->plates[place.plate].facings_n)
        return;
    f = &s->facings[place.facing][shelf->plate_slots[place.plate]];
    if (strcmp(e->cause, "restock") == 0 && f->task.state != TASK_NONE) {
        f->task.moved += e->delta;
        f->dirty = true;
    }
    if (strcmp(e->cause, "pick") != 0 && strcmp(e->cause, "put_back") != 0 &&
        strcmp(e->cause, "sale") != 0)
        return;
    if (bucket - f->bucket >= SUPPLY_BUCKETS)
        memset(f->out, 0, sizeof(f->out));
    else
        for (int64_t b = f->bucket + 1; b <= bucket; b++)
            f->out[b % SUPPLY_BUCKETS] = 0;
    f->bucket = bucket;
    f->out[bucket % SUPPLY_BUCKETS] -= (int32_t)e->delta;
}

int64_t supply_step(struct supply *s, const struct plan *plan, struct shelf *shelf,
                    const struct obs *o, int64_t utc_us, struct batch *out)
{
    bool all = o->t_us >= s->due_us;
    int64_t due_us = all ? NOREN_NEVER_US : s->due_us;
    struct supply_place place;
    size_t events = out->events_n;

    for (size_t i = 0; i < events; i++)
        if (out->events[i].kind == EVENT_STOCK_CHANGED)
            note_movement(s, plan, shelf, &out->events[i].u.stock_changed, o->t_us);
    if (o->kind == OBS_COMMAND && o->u.command.kind == COMMAND_CLAIM &&
        supply_find_task(s, plan, shelf, o->u.command.target, &place)) {
        struct at at = at_place(s, plan, shelf, place, o, out);

        take_claim(&at, o->u.command.actor);
    }
    for (place.plate = 0; place.plate < plan->plates_n; place.plate++) {
        if (!all && !out->fixtures_dirty[plan->plates[place.plate].fixture])
            continue;
        for (place.facing = 0; place.facing < plan->plates[place.plate].facings_n; place.facing++) {
            struct at at = at_place(s, plan, shelf, place, o, out);

            if (!batch_room(out, LOOK_EVENTS, LOOK_RECORDS))
                return s->due_us = o->t_us; /* the tick at this time goes on */
            at.utc_us = utc_us;
            due_us = earlier(due_us, look(&at));
        }
    }
    return s->due_us = due_us;
}
