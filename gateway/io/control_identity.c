/* The control socket's commands about who is here: checkin, forget.
 *
 * A check-in is evidence from somewhere else. What it says is not believed: a beacon's minor must have been on
 * air, a code must be the member's own, it must not be older than such evidence is good for, and the same
 * evidence counts once. Who it is must be in the members document, with consent, and not work here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/control.h"
#include "io/copies.h"
#include "io/log.h"
#include "io/rfc3339.h"
#include "noren/cursor.h"
#include "noren/hex.h"
#include "noren/wire.h"

/* How far a sender's clock may be ahead of ours. */
#define AHEAD_US (60 * NOREN_US_PER_S)
/* Evidence is remembered for longer than any window of time in which it is taken. */
#define SEEN_S (2 * 900)

static const struct kind {
    const char *name;
    enum id_path path;
    int64_t window_us; /* older evidence is refused */
    const char *proof; /* the argument that proves it */
} KINDS[] = {
    {"beacon", PATH_CHECKIN, 900 * NOREN_US_PER_S, "minor"},
    {"qr", PATH_DOOR, 900 * NOREN_US_PER_S, "token"},
    {"nfc", PATH_DOOR, 900 * NOREN_US_PER_S, "token"},
    {"pos", PATH_DOOR, 900 * NOREN_US_PER_S, "receipt"},
    {"line", PATH_LINE, 900 * NOREN_US_PER_S, "event"},
};

#define KINDS_N (sizeof(KINDS) / sizeof(KINDS[0]))

static const struct kind *read_kind(const struct control_call *c)
{
    struct doc at = doc_member(c->doc, "kind");
    const char *name;

    if (!doc_string(c->doc, "kind", &name))
        return NULL;
    for (size_t i = 0; i < KINDS_N; i++)
        if (strcmp(KINDS[i].name, name) == 0)
            return &KINDS[i];
    doc_refuse(&at, "is \"%.20s\", must be beacon, qr, nfc, pos or line", name);
    return NULL;
}

/* When it arose, as boot time; now when it is not said. */
static bool read_time(const struct control_call *c, const struct kind *kind, int64_t now_us,
                      int64_t *ret_at_us, int64_t *ret_utc_us)
{
    struct doc time = doc_member(c->doc, "time");
    enum clock_quality quality;
    int64_t utc_us = clock_utc_us(&quality), at_utc_us = utc_us;

    if (quality == CLOCK_FLOOR)
        return doc_refuse(c->doc, "the gateway does not know what time it is; nothing can be "
                                  "checked until its clock is set");
    if (time.v != NULL &&
        (!json_is_string(time.v) || !rfc3339_parse(json_string_value(time.v), &at_utc_us)))
        return doc_refuse(&time, "must be a time like 2026-11-21T09:00:00Z");
    if (at_utc_us > utc_us + AHEAD_US)
        return doc_refuse(&time, "is in the future; is a clock wrong?");
    if (at_utc_us < utc_us - kind->window_us)
        return doc_refuse(&time, "is longer ago than the %lld s for which this is good",
                          (long long)(kind->window_us / NOREN_US_PER_S));
    if (at_utc_us > utc_us)
        at_utc_us = utc_us;
    *ret_at_us = now_us - (utc_us - at_utc_us);
    *ret_utc_us = at_utc_us;
    return true;
}

/* The minor must be what one of the store's beacons said within a step of that time. */
static bool check_minor(const struct control_call *c, int64_t utc_us, char ret_proof[CHECKIN_PROOF])
{
    const struct norend *d = c->d;
    struct doc at = doc_member(c->doc, "minor");
    uint64_t now = noren_step(utc_us / NOREN_US_PER_S);
    int64_t minor;

    if (!doc_i64(c->doc, "minor", 0, UINT16_MAX, &minor))
        return false;
    if (!d->config.beacon.sent && d->engine.roll_beacons_n == 0)
        return doc_refuse(c->doc, "this store has no beacon whose key is known: [beacon] in "
                                  "noren.conf, or \"beacons\" in the members document");
    snprintf(ret_proof, CHECKIN_PROOF, "%lld", (long long)minor);
    for (uint64_t step = now - 1; step <= now + 1; step++) {
        if (d->config.beacon.sent && noren_beacon_minor(d->config.beacon.key, step) == minor)
            return true;
        for (size_t i = 0; i < d->engine.roll_beacons_n; i++)
            if (noren_beacon_minor(d->engine.roll_beacons[i].key, step) == minor)
                return true;
    }
    return doc_refuse(&at, "was on air nowhere in this store at that time");
}

/* A code on a phone or a card shows the member's token, as a UUID's bytes. */
static bool check_token(struct control_call *c, char ret_ref[NOREN_ID_SIZE],
                        char ret_proof[CHECKIN_PROOF])
{
    struct doc at = doc_member(c->doc, "token");
    uint8_t token[NOREN_TOKEN_SIZE];
    struct member who;
    const char *text;

    if (!doc_string(c->doc, "token", &text))
        return false;
    if (!hex_read(text, token, sizeof(token)) || memcmp(token, NOREN_TOKEN_MAGIC, 4) != 0 ||
        token[4] != NOREN_TOKEN_VERSION)
        return doc_refuse(&at, "must be a member token, 32 hex digits that begin with 4e524e3110");
    snprintf(ret_proof, CHECKIN_PROOF, "%s", text);
    switch (members_resolve(&c->d->engine.radio.members, token[5], token + 6, &who)) {
    case TOKEN_RESOLVED:
        memcpy(ret_ref, who.ref, sizeof(who.ref));
        return true;
    case TOKEN_EARLY:
    case TOKEN_LATE:
        return doc_refuse(&at, "is of another time: played back, or a clock is wrong");
    case TOKEN_CLOSED:
        return doc_refuse(&at, "cannot be checked: no members are known yet");
    case TOKEN_UNKNOWN:
        break;
    }
    return doc_refuse(&at, "is nobody's");
}

static bool check_proof(struct control_call *c, const struct kind *kind, int64_t utc_us,
                        char ret_ref[NOREN_ID_SIZE], char ret_proof[CHECKIN_PROOF])
{
    char given[NOREN_ID_SIZE] = "";
    struct doc at = doc_member(c->doc, "member_ref");

    if (strcmp(kind->proof, "token") == 0) {
        if (!check_token(c, ret_ref, ret_proof) || !doc_opt_id(c->doc, "member_ref", given))
            return false;
        return given[0] == '\0' || strcmp(given, ret_ref) == 0 ||
               doc_refuse(&at, "is not whose token this is");
    }
    if (!doc_id(c->doc, "member_ref", ret_ref))
        return false;
    if (strcmp(kind->proof, "minor") == 0)
        return check_minor(c, utc_us, ret_proof);
    return doc_id(c->doc, kind->proof, ret_proof);
}

/* --- evidence counts once ------------------------------------------------------------------------- */

/* A row at rest: digest, and until when it is remembered, little-endian. */
#define SEEN_ROW 16

static void save_seen(struct norend *d, int64_t now_s)
{
    static uint8_t bytes[CHECKINS_SEEN * SEEN_ROW];
    struct wr w = wr_init(bytes, sizeof(bytes));

    if (d->engine.vault == NULL)
        return;
    for (size_t i = 0; i < CHECKINS_SEEN; i++) {
        if (d->checkins[i].until_s <= now_s)
            continue;
        wr_copy(&w, d->checkins[i].digest, sizeof(d->checkins[i].digest));
        wr_le(&w, (uint64_t)d->checkins[i].until_s, 8);
    }
    if (vault_put(d->engine.vault, ENGINE_CHECKINS_FILE, bytes, w.n) != 0)
        log_line(LOG_LEVEL_WARNING,
                 "what has checked in cannot be kept on the disk; after a restart the same "
                 "evidence would count again for half an hour");
}

void control_load_checkins(struct norend *d)
{
    struct rd r;
    void *bytes;
    size_t n;

    if (d->engine.vault == NULL ||
        vault_get(d->engine.vault, ENGINE_CHECKINS_FILE, &bytes, &n) != 0)
        return;
    r = rd_init(bytes, n);
    for (size_t i = 0; i < CHECKINS_SEEN && i < n / SEEN_ROW; i++) {
        rd_copy(&r, d->checkins[i].digest, sizeof(d->checkins[i].digest));
        d->checkins[i].until_s = (int64_t)rd_le(&r, 8);
    }
    free(bytes);
}

/* Keyed, so that the list tells nobody who was here. Without a vault its key is of this boot. */
static void digest_of(const struct norend *d, const char *text, uint8_t ret[8])
{
    uint8_t mac[32];

    if (d->engine.vault != NULL)
        vault_digest(d->engine.vault, text, mac);
    else
        noren_hmac_sha256((const uint8_t *)d->bootid, strlen(d->bootid), (const uint8_t *)text,
                          strlen(text), mac);
    memcpy(ret, mac, 8);
}

/* The same evidence once more? Else it is remembered, also over a restart. */
static bool seen_before(struct norend *d, const char *kind, const char *ref, const char *proof,
                        int64_t now_s)
{
    char text[NOREN_ID_SIZE + CHECKIN_PROOF + 16];
    struct checkin_seen *slot = &d->checkins[0];
    uint8_t key[8];

    snprintf(text, sizeof(text), "%s\t%s\t%s", kind, ref, proof);
    digest_of(d, text, key);
    for (size_t i = 0; i < CHECKINS_SEEN; i++) {
        struct checkin_seen *s = &d->checkins[i];

        if (s->until_s > now_s && memcmp(s->digest, key, sizeof(key)) == 0)
            return true;
        if (s->until_s < slot->until_s)
            slot = s;
    }
    memcpy(slot->digest, key, sizeof(key));
    slot->until_s = now_s + SEEN_S;
    save_seen(d, now_s);
    return false;
}

bool control_checkin(struct control_call *c)
{
    static const char *const keys[] = {"id",    "name",    "kind",  "member_ref", "minor",
                                       "token", "receipt", "event", "time",       NULL};
    struct obs o = {.kind = OBS_CHECKIN, .t_us = clock_boot_us()};
    const struct kind *kind = NULL;
    char proof[CHECKIN_PROOF] = "";
    enum clock_quality quality;
    int64_t now_s = clock_utc_us(&quality) / NOREN_US_PER_S;
    struct member who;
    int64_t utc_us = 0;

    if (!doc_object(c->doc, keys) || (kind = read_kind(c)) == NULL ||
        !read_time(c, kind, o.t_us, &o.u.checkin.at_us, &utc_us) ||
        !check_proof(c, kind, utc_us, o.u.checkin.member_ref, proof)) {
        c->d->checkins_refused += kind != NULL;
        return false;
    }
    if (!members_find(&c->d->engine.radio.members, o.u.checkin.member_ref, &who)) {
        c->d->checkins_refused++;
        return doc_refuse(c->doc, "no member of that name may come to this store today");
    }
    json_key_str(c->j, "kind", kind->name);
    json_key_bool(c->j, "counted", !who.staff && (who.consent & CONSENT_PRESENCE) != 0);
    if (who.staff) /* no error: nothing is wrong, and nothing is told */
        return true;
    if (seen_before(c->d, kind->name, o.u.checkin.member_ref, proof, now_s)) {
        json_key_bool(c->j, "repeated", true);
        return true;
    }
    o.u.checkin.consent = who.consent;
    o.u.checkin.bucket = who.bucket;
    o.u.checkin.path = kind->path;
    c->d->checkins_taken++;
    engine_feed(&c->d->engine, &o);
    return true;
}

bool control_forget(struct control_call *c)
{
    static const char *const keys[] = {"id", "name", "member_ref", NULL};
    struct engine_receipt receipt;
    struct copies_left left;
    char ref[NOREN_ID_SIZE];
    int64_t now_us = clock_boot_us();
    int rc;

    if (!doc_object(c->doc, keys) || !doc_id(c->doc, "member_ref", ref))
        return false;
    rc = engine_forget(&c->d->engine, ref, now_us, &receipt);
    if (rc == 0)
        rc = copies_forget(c->d->config.data_dir, ref,
                           c->d->recorder != NULL ? c->d->record_file : NULL, &left);
    if (rc != 0)
        return doc_refuse(c->doc, "not all is forgotten yet: %s; ask again", strerror(-rc));
    json_key_str(c->j, "receipt", receipt.receipt);
    json_key_str(c->j, "digest", receipt.digest);
    json_key_i64(c->j, "rows", receipt.rows);
    json_key(c->j, "not_reached");
    json_open(c->j, '[');
    for (size_t i = 0; i < left.n && i < COPIES_LEFT_MAX; i++)
        json_str(c->j, left.path[i]);
    json_close(c->j, ']');
    json_key_i64(c->j, "not_reached_n", (int64_t)left.n);
    return true;
}
