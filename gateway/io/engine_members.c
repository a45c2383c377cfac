/* Who may be recognised: the members document on its way from HQ into the radio, and at rest; see engine.h.
 *
 * At rest are the very messages that HQ signed, one file a part, REVISION.PART.PARTS: what is read at start is
 * checked as if it had just come. Files of a revision are removed when a later one is complete on the disk,
 * so a power cut at any time leaves one that is whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "io/clock.h"
#include "io/config.h"
#include "io/engine.h"

static int compare_refs(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What waits or is kept names nobody whom HQ no longer lists. Events that are already at HQ are HQ's to
 * forget. */
int engine_forget_unlisted(struct engine *e, int64_t now_us)
{
    const struct members *m = &e->radio.members;
    const char **refs = calloc(m->n + 1, sizeof(*refs));
    struct db_members listed = {.refs = refs};
    int rc;

    if (refs == NULL)
        return -ENOMEM;
    for (const char *r = members_next_ref(m, NULL); r != NULL && listed.n < m->n;
         r = members_next_ref(m, r))
        refs[listed.n++] = r;
    qsort(refs, listed.n, sizeof(*refs), compare_refs);
    rc = db_forget_unlisted(e->db, &listed, now_us);
    free(refs);
    return rc;
}

/* --- the forgotten ------------------------------------------------------------------------------ */

#define FORGOTTEN_FILE "forgotten"

/* What lies in the vault beside the document. */
static bool is_other(const char *name)
{
    return strcmp(name, FORGOTTEN_FILE) == 0 || strcmp(name, ENGINE_CHECKINS_FILE) == 0;
}

/* Is a member of the document one who was forgotten? (roll.unwanted) */
static bool is_forgotten(void *user, const char *member_ref)
{
    struct engine *e = user;
    uint8_t digest[VAULT_DIGEST_SIZE];
    bool found = false;

    if (e->forgotten_n == 0)
        return false;
    vault_digest(e->vault, member_ref, digest);
    for (size_t i = 0; i < e->forgotten_n; i++) {
        if (memcmp(e->forgotten[i].digest, digest, sizeof(digest)) != 0)
            continue;
        e->forgotten[i].listed = found = true;
    }
    return found;
}

static int save_forgotten(struct engine *e)
{
    uint8_t bytes[ENGINE_FORGOTTEN_MAX * VAULT_DIGEST_SIZE];

    for (size_t i = 0; i < e->forgotten_n; i++)
        memcpy(bytes + i * VAULT_DIGEST_SIZE, e->forgotten[i].digest, VAULT_DIGEST_SIZE);
    return vault_put(e->vault, FORGOTTEN_FILE, bytes, e->forgotten_n * VAULT_DIGEST_SIZE);
}

static void load_forgotten(struct engine *e)
{
    void *bytes;
    size_t n;

    if (vault_get(e->vault, FORGOTTEN_FILE, &bytes, &n) != 0)
        return;
    for (; e->forgotten_n < n / VAULT_DIGEST_SIZE && e->forgotten_n < ENGINE_FORGOTTEN_MAX;
         e->forgotten_n++)
        memcpy(e->forgotten[e->forgotten_n].digest,
               (const uint8_t *)bytes + e->forgotten_n * VAULT_DIGEST_SIZE, VAULT_DIGEST_SIZE);
    free(bytes);
}

/* A document without them is HQ's word that it has forgotten them too; who is listed later came back. */
static void release_forgotten(struct engine *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->forgotten_n; i++)
        if (e->forgotten[i].listed)
            e->forgotten[n++] = e->forgotten[i];
    for (size_t i = 0; i < n; i++)
        e->forgotten[i].listed = false;
    if (n == e->forgotten_n)
        return;
    e->forgotten_n = n;
    (void)save_forgotten(e);
}

static int remember_forgotten(struct engine *e, const char *member_ref)
{
    struct engine_forgotten *f = &e->forgotten[e->forgotten_n];

    if (e->vault == NULL || is_forgotten(e, member_ref))
        return 0;
    if (e->forgotten_n == ENGINE_FORGOTTEN_MAX)
        return -ENOSPC;
    vault_digest(e->vault, member_ref, f->digest);
    f->listed = true; /* by the document in force, until one comes that does not */
    e->forgotten_n++;
    return save_forgotten(e);
}

/* What HQ will find the member by: HMAC-SHA256(receipt, "noren-forget" ‖ member_ref), 16 bytes of it. */
static int make_receipt(const char *member_ref, struct engine_receipt *ret)
{
    uint8_t bytes[16];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -EIO;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret->receipt + 2 * i, 3, "%02x", bytes[i]);
    noren_forget_digest(ret->receipt, member_ref, ret->digest);
    ret->rows = 0;
    return 0;
}

int engine_forget(struct engine *e, const char *member_ref, int64_t now_us,
                  struct engine_receipt *ret)
{
    struct obs o = {.kind = OBS_FORGET, .t_us = now_us};
    struct event event = {.kind = EVENT_MEMBER_FORGOTTEN, .t_us = now_us};
    int rc = make_receipt(member_ref, ret);

    if (rc != 0)
        return rc;
    snprintf(o.u.forget, sizeof(o.u.forget), "%s", member_ref);
    engine_feed(e, &o);
    (void)members_forget(&e->radio.members, member_ref);
    (void)tags_forget(&e->radio.tags, member_ref);
    e->rosters++;
    explicit_bzero(e->known, sizeof(e->known));
    rc = remember_forgotten(e, member_ref);
    if (rc == 0)
        rc = db_forget_member(e->db, member_ref, now_us, &ret->rows);
    if (rc == 0 && e->recorder != NULL)
        rc = recorder_forget(e->recorder, member_ref);
    if (rc != 0)
        return rc;
    snprintf(event.u.member_forgotten.receipt, NOREN_ID_SIZE, "%s", ret->receipt);
    snprintf(event.u.member_forgotten.digest, NOREN_ID_SIZE, "%s", ret->digest);
    event.u.member_forgotten.rows = ret->rows;
    engine_emit(e, &event, now_us);
    return 0;
}

/* --- in force ----------------------------------------------------------------------------------- */

/* Keys of the day before yesterday are of no use; yesterday's only just after midnight. */
static uint32_t first_useful_date(void)
{
    enum clock_quality quality;
    int64_t utc_us = clock_utc_us(&quality);

    return quality == CLOCK_SYNCED ? noren_utc_date(utc_us / NOREN_US_PER_S - NOREN_STEP_S) : 0;
}

/* FNV-1a: only a place in a table. */
static size_t place_of(const char *ref)
{
    uint32_t h = 2166136261U;

    for (; *ref != '\0'; ref++)
        h = (h ^ (uint8_t)*ref) * 16777619U;
    return (h ^ h >> 16) & (ENGINE_KNOWN - 1);
}

bool engine_admit(struct engine *e, struct obs *o)
{
    const struct who *who = &o->u.sighting.who;
    struct engine_known *k = &e->known[place_of(who->ref)];
    struct member m;

    if (who->kind != WHO_MEMBER)
        return true;
    /* a list is searched from its beginning: once a member and document, not once a sighting */
    if (k->roster != e->rosters || strcmp(k->ref, who->ref) != 0) {
        *k = (struct engine_known){.roster = e->rosters};
        memcpy(k->ref, who->ref, sizeof(k->ref));
        if (members_find(&e->radio.members, who->ref, &m)) {
            k->may = !m.staff;
            k->consent = m.consent;
            k->bucket = m.bucket;
        }
    }
    o->u.sighting.consent = k->consent;
    o->u.sighting.bucket = k->bucket;
    return k->may;
}

static void put_in_force(struct engine *e)
{
    enum clock_quality quality;
    int64_t utc_us = clock_utc_us(&quality);

    memcpy(e->roll_beacons, e->roll.beacons, sizeof(e->roll_beacons));
    e->roll_beacons_n = e->roll.beacons_n;
    e->rosters++;
    roll_use(&e->roll, &e->radio);
    radio_clock(&e->radio, utc_us, quality);
    release_forgotten(e);
    e->forget_due = true;
    (void)malloc_trim(0); /* what was parsed is ten times what is kept */
}

/* One signed part. As roll_read(). */
static int take_part(struct engine *e, const struct jws_key *hq_key, const char *token, size_t n,
                     char ret_error[ENGINE_ERROR_SIZE])
{
    char why[PLAN_ERROR_SIZE] = "", *json = NULL;
    size_t json_n;
    int rc = jws_verify(hq_key, token, n, &json, &json_n);

    if (rc != 0) {
        snprintf(
            ret_error, ENGINE_ERROR_SIZE,
            "desired/members: not signed by the key in hq.pub; refused, the members before stay");
        return rc;
    }
    e->roll.first_date = first_useful_date();
    e->roll.us = e->us;
    e->roll.unwanted = is_forgotten;
    e->roll.user = e;
    rc = roll_read(&e->roll, json, json_n, why);
    explicit_bzero(json, json_n);
    free(json);
    if (rc < 0)
        snprintf(ret_error, ENGINE_ERROR_SIZE,
                 "desired/members: %s; refused, the members before stay", why);
    return rc;
}

/* --- at rest ------------------------------------------------------------------------------------ */

static void part_name(char ret[VAULT_NAME_SIZE], const struct roll_head *h)
{
    snprintf(ret, VAULT_NAME_SIZE, "%" PRId64 ".%" PRId64 ".%" PRId64, h->revision, h->part,
             h->parts);
}

static bool read_name(const char *name, struct roll_head *ret)
{
    char again[VAULT_NAME_SIZE], *end;

    ret->revision = strtoll(name, &end, 10);
    ret->part = *end == '.' ? strtoll(end + 1, &end, 10) : -1;
    ret->parts = *end == '.' ? strtoll(end + 1, &end, 10) : -1;
    if (ret->revision < 0 || ret->part < 0 || ret->parts < 1 || ret->parts > ROLL_PARTS_MAX)
        return false;
    part_name(again, ret);
    return strcmp(name, again) == 0;
}

static bool keep_in_force(void *user, const char *name)
{
    const struct engine *e = user;
    struct roll_head h;

    return is_other(name) ||
           (read_name(name, &h) && e->roll.in_force && h.revision == e->roll.revision);
}

static bool keep_none(void *user, const char *name)
{
    (void)user;
    return is_other(name);
}

/* Says once what goes wrong; the members in force do not depend on it. */
static void note_vault(struct engine *e, int rc)
{
    if (rc == 0)
        e->vault_problem[0] = '\0';
    else
        snprintf(e->vault_problem, sizeof(e->vault_problem),
                 "members cannot be kept on the disk: %s; without a network the next start will "
                 "know those of the time before",
                 strerror(-rc));
}

int engine_members(struct engine *e, const struct jws_key *hq_key, const char *token, size_t n,
                   char ret_error[ENGINE_ERROR_SIZE])
{
    char name[VAULT_NAME_SIZE];
    bool known = e->roll.in_force;
    int64_t revision = e->roll.revision;
    int rc = take_part(e, hq_key, token, n, ret_error), kept = 0;

    if (rc < 0 || (known && e->roll.last.revision == revision))
        return rc;
    if (e->vault != NULL) {
        part_name(name, &e->roll.last);
        kept = vault_put(e->vault, name, token, n);
    }
    if (rc > 0) {
        put_in_force(e);
        if (e->vault != NULL && kept == 0)
            kept = vault_sync(e->vault);
        if (e->vault != NULL && kept == 0)
            kept = vault_walk(e->vault, keep_in_force, e);
    }
    if (rc > 0 || kept != 0)
        note_vault(e, kept);
    return rc;
}

/* The newest revision below `user`'s. */
struct newest {
    int64_t below;
    struct roll_head head;
};

static bool find_newest(void *user, const char *name)
{
    struct newest *newest = user;
    struct roll_head h;

    if (read_name(name, &h) && h.revision < newest->below && h.revision > newest->head.revision)
        newest->head = h;
    return true;
}

/* All parts of one revision. As roll_read() of the last. */
static int load_revision(struct engine *e, const struct jws_key *hq_key, struct roll_head h,
                         char ret_error[ENGINE_ERROR_SIZE])
{
    int rc = 0;

    for (h.part = 0; h.part < h.parts && rc == 0; h.part++) {
        char name[VAULT_NAME_SIZE];
        void *token;
        size_t n;

        part_name(name, &h);
        rc = vault_get(e->vault, name, &token, &n);
        if (rc != 0) {
            snprintf(ret_error, ENGINE_ERROR_SIZE, "members/%s: %s", name, strerror(-rc));
            return rc;
        }
        rc = take_part(e, hq_key, token, n, ret_error);
        free(token);
    }
    return rc;
}

int engine_open_vault(struct engine *e, const char *data_dir, const char *key_dir,
                      const struct jws_key *hq_key, char ret_error[ENGINE_ERROR_SIZE])
{
    struct newest newest = {.below = INT64_MAX};
    char dir[CONFIG_PATH_SIZE + 16];
    int rc;

    snprintf(dir, sizeof(dir), "%s/members", data_dir);
    rc = vault_open(&e->vault, dir, key_dir, data_dir, ret_error);
    if (rc != 0 || e->vault == NULL)
        return rc;
    load_forgotten(e);
    do {
        newest.head = (struct roll_head){.revision = -1};
        rc = vault_walk(e->vault, find_newest, &newest);
        if (rc != 0 || newest.head.revision < 0)
            break;
        newest.below = newest.head.revision;
        /* another key, a torn file, an end in the middle: the one before */
        rc = load_revision(e, hq_key, newest.head, ret_error);
        if (rc <= 0)
            roll_free(&e->roll);
    } while (rc <= 0);
    if (rc > 0)
        put_in_force(e);
    return rc < 0 ? rc : 0;
}

void engine_expire_members(struct engine *e)
{
    if (e->vault == NULL || !members_expired(&e->radio.members))
        return;
    note_vault(e, vault_walk(e->vault, keep_none, NULL));
}
