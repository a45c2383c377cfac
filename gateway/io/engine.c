/* The engine room; see engine.h. */
#include "io/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/config.h"
#include "io/file.h"
#include "io/plan_json.h"
#include "noren/topic.h"

#define DOCUMENT_MAX (8 << 20)
#define STATE_SIZE   (256 << 10)

/* --- plan --------------------------------------------------------------------------------------- */

void engine_plan_free(struct engine_plan *p)
{
    for (int i = 0; i < DOCUMENTS; i++)
        free(p->text[i]);
    free(p->plan);
    memset(p, 0, sizeof(*p));
}

int engine_parse_plan(struct engine_plan *p, const char *const where[DOCUMENTS],
                      char ret_error[ENGINE_ERROR_SIZE])
{
    static int (*const readers[DOCUMENTS])(struct plan *, const char *, size_t,
                                           char[PLAN_ERROR_SIZE]) = {
        [DOCUMENT_MAP] = plan_read_map,
        [DOCUMENT_PLANOGRAM] = plan_read_planogram,
        [DOCUMENT_CAMPAIGNS] = plan_read_campaigns};

    p->plan = malloc(sizeof(*p->plan));
    if (p->plan == NULL) {
        snprintf(ret_error, ENGINE_ERROR_SIZE, "no memory");
        return -ENOMEM;
    }
    plan_clear(p->plan);
    for (int i = 0; i < DOCUMENTS; i++) {
        char why[PLAN_ERROR_SIZE] = "";
        int rc = p->text[i] != NULL ? readers[i](p->plan, p->text[i], p->n[i], why) : 0;

        if (rc != 0) {
            snprintf(ret_error, ENGINE_ERROR_SIZE, "%.250s%s", where[i],
                     why[0] != '\0' ? why : strerror(-rc));
            return rc;
        }
    }
    return 0;
}

int engine_read_document(struct engine_plan *p, int document, const char *dir,
                         char ret_error[ENGINE_ERROR_SIZE])
{
    static const char *const names[DOCUMENTS] = {[DOCUMENT_MAP] = "map.json",
                                                 [DOCUMENT_PLANOGRAM] = "planogram.json",
                                                 [DOCUMENT_CAMPAIGNS] = "campaigns.json"};
    char path[CONFIG_PATH_SIZE];
    int rc = config_path(path, dir, names[document]);

    if (rc == 0)
        rc = file_read(path, DOCUMENT_MAX, &p->text[document], &p->n[document]);
    if (rc == -ENOENT && document != DOCUMENT_PLANOGRAM)
        return 0;
    if (rc != 0)
        snprintf(ret_error, ENGINE_ERROR_SIZE, "%.200s/%s: %s", dir, names[document],
                 strerror(-rc));
    return rc;
}

int engine_read_plan(struct engine_plan *ret_plan, const char *dir,
                     char ret_error[ENGINE_ERROR_SIZE])
{
    char where[DOCUMENTS][CONFIG_PATH_SIZE + 32];
    const char *const places[DOCUMENTS] = {where[0], where[1], where[2]};
    struct engine_plan p = {.plan = NULL};
    int rc = 0;

    snprintf(where[DOCUMENT_MAP], sizeof(where[0]), "%.200s/map.json: ", dir);
    snprintf(where[DOCUMENT_PLANOGRAM], sizeof(where[0]), "%.200s/planogram.json: ", dir);
    snprintf(where[DOCUMENT_CAMPAIGNS], sizeof(where[0]), "%.200s/campaigns.json: ", dir);
    for (int i = 0; i < DOCUMENTS && rc == 0; i++)
        rc = engine_read_document(&p, i, dir, ret_error);
    if (rc == 0)
        rc = engine_parse_plan(&p, places, ret_error);
    if (rc != 0)
        engine_plan_free(&p);
    else
        *ret_plan = p;
    return rc;
}

int engine_no_plan(struct engine_plan *ret_plan)
{
    struct engine_plan p = {.plan = malloc(sizeof(*p.plan))};

    if (p.plan == NULL)
        return -ENOMEM;
    plan_clear(p.plan);
    *ret_plan = p;
    return 0;
}

/* --- stepping ----------------------------------------------------------------------------------- */

/* A recording that cannot go on ends; the shop goes on. */
static void record_result(struct engine *e, int rc)
{
    if (rc != 0) {
        e->record_error = rc;
        e->recorder = NULL;
    }
}

/* One step; its batch goes to the database. */
static void step(struct engine *e, const struct obs *o)
{
    if (e->recorder != NULL && o->kind != OBS_PLAN)
        record_result(e, recorder_obs(e->recorder, o, e->plan));
    e->deadline_us = shop_step(e->shop, o, &e->batch);
    db_apply(e->db, &e->batch, clock_boot_us());
    for (size_t i = 0; i < FIXTURES_MAX; i++)
        e->fixtures_dirty[i] |= e->batch.fixtures_dirty[i];
    e->store_dirty |= e->batch.store_dirty;
}

/* The brain is called at its own deadlines, not at the moment when the loop got round to it: a replay of
 * the recording does the same and must see the same. */
void engine_tick(struct engine *e, int64_t now_us)
{
    while (e->deadline_us <= now_us) {
        struct obs tick = {.kind = OBS_TICK, .t_us = e->deadline_us};

        if (tick.t_us < e->shop->now_us)
            tick.t_us = e->shop->now_us;
        step(e, &tick);
    }
}

void engine_feed(struct engine *e, const struct obs *o)
{
    struct obs in_order = *o;

    if (in_order.t_us < e->shop->now_us)
        in_order.t_us = e->shop->now_us;
    engine_tick(e, in_order.t_us);
    step(e, &in_order);
}

void engine_sense(struct engine *e, const struct obs *o)
{
    if (e->forward == NULL || !e->forward(e->forward_user, o))
        engine_feed(e, o);
}

void engine_packet(struct engine *e, uint16_t receiver, int64_t t_us, const uint8_t *bytes,
                   size_t n)
{
    struct radio_in in = {.t_us = t_us, .receiver = receiver, .packet = bytes, .n = n};
    struct obs obs[RADIO_OBS_MAX];
    size_t count = radio_step(&e->radio, &in, obs);

    for (size_t i = 0; i < count; i++)
        engine_sense(e, &obs[i]);
}

/* Unknown phones: what was counted goes to the brain, then the salt is looked at. */
static void count_crowd(struct engine *e, int64_t now_us)
{
    struct crowd *c = &e->radio.crowd;
    struct obs o = {.kind = OBS_CROWD, .t_us = now_us};
    uint8_t salt[CROWD_SALT_SIZE];
    uint16_t cursor = 0;

    if (crowd_second(c, now_us))
        while (crowd_next(c, &cursor, &o.u.crowd.receiver, &o.u.crowd.devices))
            engine_sense(e, &o);
    if (!crowd_wants_salt(c, now_us))
        return;
    /* without random numbers nobody is counted for longer than with the salt before */
    if (getrandom(salt, sizeof(salt), 0) == (ssize_t)sizeof(salt))
        crowd_salt(c, salt, now_us);
    explicit_bzero(salt, sizeof(salt));
}

void engine_second(struct engine *e)
{
    enum clock_quality quality;
    int64_t utc_us = clock_utc_us(&quality);

    radio_clock(&e->radio, utc_us, quality);
    count_crowd(e, clock_boot_us());
}

/* Gives back the pages that hold nothing but zeros: they read as zeros again, and cost memory only when something
 * is written there. State and plan have the size of the largest store; most stores use a part of it. */
static void give_back_zeros(void *memory, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), first = (page - (uintptr_t)memory % page) % page;
    uint8_t *p = memory;

    for (size_t i = first; i + page <= size; i += page)
        if (p[i] == 0 && memcmp(p + i, p + i + 1, page - 1) == 0)
            (void)madvise(p + i, page, MADV_DONTNEED);
}

void engine_clock(struct engine *e, int64_t now_us)
{
    struct obs o = {.kind = OBS_CLOCK, .t_us = now_us};

    o.u.clock.utc_us = clock_utc_us(&o.u.clock.quality);
    o.u.clock.local_us = clock_local_us(o.u.clock.utc_us);
    e->quality = o.u.clock.quality;
    db_set_clock(e->db, o.u.clock.utc_us - now_us, o.u.clock.quality);
    radio_clock(&e->radio, o.u.clock.utc_us, o.u.clock.quality);
    if (e->radio.members.memory != NULL) /* keys of a day that is over */
        give_back_zeros(e->radio.members.memory, members_size(e->radio.members.capacity));
    engine_feed(e, &o);
}

void engine_emit(struct engine *e, const struct event *event, int64_t now_us)
{
    batch_clear(&e->batch);
    *batch_event(&e->batch, event->kind, event->t_us) = *event;
    db_apply(e->db, &e->batch, now_us);
}

void engine_raise_alert(struct engine *e, const char *alert_id, const char *kind,
                        const char *subject, int64_t now_us)
{
    struct event event = {.kind = EVENT_ALERT_RAISED, .t_us = now_us};
    struct event_alert_raised *a = &event.u.alert_raised;

    snprintf(a->alert_id, sizeof(a->alert_id), "%s", alert_id);
    snprintf(a->kind, sizeof(a->kind), "%s", kind);
    snprintf(a->severity, sizeof(a->severity), "critical");
    snprintf(a->subject, sizeof(a->subject), "%s", subject);
    engine_emit(e, &event, now_us);
}

void engine_clear_alert(struct engine *e, const char *alert_id, const char *kind, int64_t now_us)
{
    struct event event = {.kind = EVENT_ALERT_CLEARED, .t_us = now_us};
    struct event_alert_cleared *a = &event.u.alert_cleared;

    snprintf(a->alert_id, sizeof(a->alert_id), "%s", alert_id);
    snprintf(a->kind, sizeof(a->kind), "%s", kind);
    engine_emit(e, &event, now_us);
}

/* --- plan in force ------------------------------------------------------------------------------ */

void engine_set_plan(struct engine *e, struct engine_plan *plan, int64_t now_us)
{
    struct obs o = {.kind = OBS_PLAN, .t_us = now_us, .u.plan = plan->plan};
    struct plan *old = e->plan;

    if (e->forward != NULL) { /* the plates are another board's: here they would all be silent */
        engine_plan_free(plan);
        return;
    }
    if (e->recorder != NULL) {
        struct record_documents docs = {
            .map = plan->text[DOCUMENT_MAP],
            .map_n = plan->n[DOCUMENT_MAP],
            .planogram = plan->text[DOCUMENT_PLANOGRAM],
            .planogram_n = plan->n[DOCUMENT_PLANOGRAM],
            .campaigns = plan->text[DOCUMENT_CAMPAIGNS],
            .campaigns_n = plan->n[DOCUMENT_CAMPAIGNS],
        };

        engine_tick(e, now_us); /* what is due before the plan stands before it in the file */
        if (o.t_us < e->shop->now_us)
            o.t_us = e->shop->now_us;
        record_result(e, recorder_plan(e->recorder, o.t_us, &docs));
    }
    engine_feed(e, &o);
    e->plan = plan->plan;
    give_back_zeros(e->plan, sizeof(*e->plan));
    e->plans++;
    plan->plan = old;
    engine_plan_free(plan); /* the old plan and the new one's documents */
    /* retained state is printed anew for all: names and places may have changed */
    for (size_t i = 0; i < e->plan->fixtures_n; i++)
        e->fixtures_dirty[i] = true;
    e->store_dirty = true;
}

static int restore_row(void *user, const struct record *r)
{
    struct engine *e = user;
    int rc = shop_restore(e->shop, r);

    if (e->recorder != NULL)
        record_result(e, recorder_restore(e->recorder, r));
    e->restored += rc == 0;
    return rc;
}

int engine_init(struct engine *e, struct engine_plan *plan, struct db *db, struct deliver *deliver,
                int64_t now_us)
{
    int rc;

    e->shop =
        mmap(NULL, sizeof(*e->shop), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (e->shop == MAP_FAILED) {
        e->shop = NULL;
        return -ENOMEM;
    }
    e->db = db;
    e->deliver = deliver;
    e->deadline_us = NOREN_NEVER_US;
    radio_init(&e->radio);
    e->rosters = 1;
    shop_init(e->shop);
    give_back_zeros(e->shop, sizeof(*e->shop));
    engine_set_plan(e, plan, now_us);
    rc = db_restore(db, restore_row, e);
    if (rc < 0)
        return rc;
    e->restore_refused = rc;
    engine_clock(e, now_us);
    return 0;
}

void engine_free(struct engine *e)
{
    roll_free_radio(&e->radio);
    roll_free(&e->roll);
    vault_close(e->vault);
    free(e->plan);
    if (e->shop != NULL)
        (void)munmap(e->shop, sizeof(*e->shop));
}

/* --- after a commit ----------------------------------------------------------------------------- */

/* Puts the place in the stream that a state reflects in front of what the brain printed (`n` bytes at
 * buf + AS_OF_SIZE, an object). Returns 0 when the delivery took it. */
#define AS_OF_SIZE 128

static int send_one(struct engine *e, const char *topic, char *buf, int n)
{
    const struct db_identity *id = db_identity(e->db);
    char head[AS_OF_SIZE];
    int len = snprintf(head, sizeof(head), "{\"as_of\":{\"epoch\":\"%s\",\"seq\":\"%llu\"},",
                       id->epoch, (unsigned long long)id->committed);
    char *start = buf + AS_OF_SIZE + 1 - len; /* ends over the opening brace */

    if (n <= 0)
        return -ENOSPC;
    memcpy(start, head, (size_t)len);
    return deliver_state(e->deliver, topic, start, (size_t)(len + n - 1));
}

static void send_state(struct engine *e)
{
    char *buf = malloc(STATE_SIZE), *body = buf + AS_OF_SIZE;
    char topic[RELAY_TOPIC_SIZE];
    size_t room = STATE_SIZE - AS_OF_SIZE;

    if (buf == NULL)
        return; /* still dirty: the next commit tries again */
    for (uint16_t i = 0; i < e->plan->fixtures_n; i++) {
        if (!e->fixtures_dirty[i])
            continue;
        snprintf(topic, sizeof(topic), NOREN_TOPIC_FIXTURE, e->plan->fixtures[i]);
        if (send_one(e, topic, buf, shop_print_fixture(e->shop, i, body, room)) == 0)
            e->fixtures_dirty[i] = false;
    }
    /* a board that forwards knows nothing of the store */
    if (e->store_dirty && e->forward == NULL &&
        send_one(e, NOREN_TOPIC_STORE, buf, shop_print_store(e->shop, body, room)) == 0)
        e->store_dirty = false;
    free(buf);
}

int engine_commit(struct engine *e, int64_t now_us)
{
    int rc = db_commit(e->db, now_us);

    if (rc == 0)
        send_state(e);
    if (rc == 0 && e->forget_due) /* a disk that takes no commits now is asked again */
        e->forget_due = engine_forget_unlisted(e, now_us) != 0;
    deliver_pump(e->deliver, now_us);
    return rc;
}
