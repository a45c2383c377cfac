/* Bytes of a Bluetooth controller to observations; see radio.h. */
#include "core/radio.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "noren/cursor.h"

void radio_init(struct radio *r)
{
    memset(r, 0, sizeof(*r));
    r->tries_s = -1;
}

void radio_clock(struct radio *r, int64_t utc_us, enum clock_quality quality)
{
    members_clock(&r->members, utc_us, quality);
    tags_clock(&r->tags, utc_us, quality);
}

static struct radio_node *find_node(struct radio *r, uint16_t node)
{
    for (size_t i = 0; i < r->nodes_n; i++)
        if (r->nodes[i].node == node)
            return &r->nodes[i];
    return NULL;
}

bool radio_node_key(struct radio *r, uint16_t node, const uint8_t key[16])
{
    struct radio_node *n = find_node(r, node);

    if (n == NULL && r->nodes_n == RADIO_NODES_MAX)
        return false;
    if (n == NULL)
        n = &r->nodes[r->nodes_n++];
    else if (memcmp(n->key, key, sizeof(n->key)) == 0)
        return true; /* the counter goes on: a config sent again is no way to replay */
    *n = (struct radio_node){.node = node};
    memcpy(n->key, key, sizeof(n->key));
    return true;
}

bool radio_sensor_key(struct radio *r, const char *id, const uint8_t key[16])
{
    struct radio_sensor *s = NULL;

    for (size_t i = 0; i < r->sensors_n && s == NULL; i++)
        if (strcmp(r->sensors[i].id, id) == 0)
            s = &r->sensors[i];
    if (s == NULL && r->sensors_n == RADIO_SENSORS_MAX)
        return false;
    if (s == NULL)
        s = &r->sensors[r->sensors_n++];
    else if (memcmp(s->key, key, sizeof(s->key)) == 0)
        return true;
    *s = (struct radio_sensor){.heard = false};
    memcpy(s->id, id, strnlen(id, sizeof(s->id) - 1));
    memcpy(s->key, key, sizeof(s->key));
    return true;
}

/* Somebody was resolved. A member's consent and what the controller measured decide whether it becomes an
 * observation. -127 to 20 is what a controller may say (Core 5.4, Vol 4 Part E, 7.7.65.2). */
static bool may_sight(struct radio *r, enum who_kind kind, uint8_t consent, bool staff,
                      int16_t rssi_dbm)
{
    if (staff) { /* not even counted by zone: whoever works here is not followed */
        r->counters.staff++;
        return false;
    }
    if (kind == WHO_MEMBER && (consent & CONSENT_PRESENCE) == 0) {
        r->counters.no_consent++;
        return false;
    }
    if (rssi_dbm < -127 || rssi_dbm > 20) {
        r->counters.no_rssi++;
        return false;
    }
    return true;
}

/* An address that is back within this was not given up: its transmitter is still there. */
#define VOICE_S 60

/* FNV-1a: only a place in a table. */
static uint32_t hash_ref(const char *ref)
{
    uint32_t h = 2166136261U;

    for (; *ref != '\0'; ref++)
        h = (h ^ (uint8_t)*ref) * 16777619U;
    return h != 0 ? h : 1;
}

/* Notes from where a member's token came. True: it came from there before, and from elsewhere meanwhile. */
static bool is_twin(struct radio *r, const char *ref, const uint8_t address[HCI_ADDRESS_SIZE],
                    int64_t t_us)
{
    uint32_t hash = hash_ref(ref), now_s = (uint32_t)(t_us / NOREN_US_PER_S), heard_s = 0;
    struct radio_voice *v = &r->voices[(hash ^ hash >> 16) & (RADIO_VOICES - 1)];
    struct rd rd = rd_init(address, 4);
    uint32_t bytes = (uint32_t)rd_le(&rd, 4);
    size_t i = 0;

    if (v->ref != hash)
        *v = (struct radio_voice){.ref = hash};
    while (i < RADIO_VOICE_ADDRESSES - 1 && (v->from[i].bytes != bytes || v->from[i].heard_s == 0))
        i++;
    if (v->from[i].bytes == bytes)
        heard_s = v->from[i].heard_s;
    memmove(&v->from[1], &v->from[0], i * sizeof(v->from[0]));
    v->from[0].bytes = bytes;
    v->from[0].heard_s = now_s != 0 ? now_s : 1;
    return i > 0 && heard_s != 0 && now_s - heard_s <= VOICE_S;
}

/* A token was heard. False: nobody's, or a no of some kind; counted. */
static bool hear_member(struct radio *r, const struct radio_in *in, const struct frame_member *f,
                        const struct hci_report *report, struct obs *ret)
{
    struct member who;

    switch (members_resolve(&r->members, f->step_low, f->mac, &who)) {
    case TOKEN_RESOLVED:
        r->counters.tokens_resolved++;
        break;
    case TOKEN_UNKNOWN:
        r->counters.tokens_unknown++;
        return false;
    case TOKEN_CLOSED:
        r->counters.tokens_closed++;
        return false;
    case TOKEN_EARLY:
        r->counters.tokens_early++;
        return false;
    case TOKEN_LATE:
        r->counters.tokens_late++;
        return false;
    }
    if (!may_sight(r, WHO_MEMBER, who.consent, who.staff, report->rssi_dbm))
        return false;
    *ret = (struct obs){.t_us = in->t_us, .kind = OBS_SIGHTING};
    ret->u.sighting.receiver = in->receiver;
    ret->u.sighting.who.kind = WHO_MEMBER;
    memcpy(ret->u.sighting.who.ref, who.ref, sizeof(who.ref));
    ret->u.sighting.consent = who.consent;
    ret->u.sighting.bucket = who.bucket;
    ret->u.sighting.path = PATH_TOKEN;
    ret->u.sighting.rssi_dbm = report->rssi_dbm;
    ret->u.sighting.twin = is_twin(r, who.ref, report->address, in->t_us);
    r->counters.twins += ret->u.sighting.twin;
    return true;
}

/* A tag was heard, by its EID or its address: the sighting of the member who carries it, or its own. */
static bool hear_tag(struct radio *r, const struct radio_in *in, const struct tag *tag,
                     int16_t rssi_dbm, struct obs *ret)
{
    enum who_kind kind = tag->member_ref[0] != '\0' ? WHO_MEMBER : WHO_TAG;

    r->counters.tags_resolved++;
    if (!may_sight(r, kind, tag->consent, tag->staff, rssi_dbm))
        return false;
    *ret = (struct obs){.t_us = in->t_us, .kind = OBS_SIGHTING};
    ret->u.sighting.receiver = in->receiver;
    ret->u.sighting.who.kind = kind;
    memcpy(ret->u.sighting.who.ref, kind == WHO_MEMBER ? tag->member_ref : tag->id,
           sizeof(ret->u.sighting.who.ref));
    ret->u.sighting.consent = tag->consent;
    ret->u.sighting.bucket = tag->bucket;
    ret->u.sighting.path = PATH_TAG;
    ret->u.sighting.rssi_dbm = rssi_dbm;
    return true;
}

static bool hear_eid(struct radio *r, const struct radio_in *in,
                     const struct frame_eddystone_eid *f, const struct hci_report *report,
                     struct obs *ret)
{
    struct tag tag;

    if (!tags_resolve_eid(&r->tags, f->eid, report->address, &tag)) {
        r->counters.eids_unknown++;
        return false;
    }
    return hear_tag(r, in, &tag, report->rssi_dbm, ret);
}

static bool tell_temperature(const struct radio_in *in, const char *sensor, int32_t mc,
                             struct obs *ret)
{
    *ret = (struct obs){.t_us = in->t_us, .kind = OBS_TEMPERATURE};
    snprintf(ret->u.temperature.sensor, sizeof(ret->u.temperature.sensor), "%s", sensor);
    ret->u.temperature.temperature_mc = mc;
    return true;
}

/* A tag told its health. What a thing on a shelf measures is of use there; what somebody carries in a
 * pocket is not. */
static bool hear_health(struct radio *r, const struct radio_in *in,
                        const struct frame_eddystone_etlm *f, const uint8_t *address,
                        struct obs *ret)
{
    struct tag_health health;
    int opened = tags_open_etlm(&r->tags, address, f, &health);

    r->counters.health_good += opened > 0;
    r->counters.health_refused += opened == 0;
    return opened > 0 && !health.of_member && health.temperature_mc != INT32_MIN &&
           tell_temperature(in, health.id, health.temperature_mc, ret);
}

/* Which sensor sent this: by its address, else by whose key opens it. NULL: none of ours. */
static struct radio_sensor *find_sensor(struct radio *r, const struct radio_in *in,
                                        const uint8_t *address, const struct frame_bthome *f)
{
    uint8_t plain[DECODE_BTHOME_PLAIN];

    for (size_t i = 0; i < r->sensors_n; i++)
        if (r->sensors[i].heard && memcmp(r->sensors[i].address, address, HCI_ADDRESS_SIZE) == 0)
            return &r->sensors[i];
    if (!f->encrypted || r->sensors_n == 0)
        return NULL;
    if (r->tries_s != in->t_us / NOREN_US_PER_S) {
        r->tries_s = in->t_us / NOREN_US_PER_S;
        r->tries_left = RADIO_TRIES_PER_S;
    }
    if (r->tries_left-- <= 0) {
        r->tries_left = 0;
        r->counters.sensors_skipped++;
        return NULL;
    }
    for (size_t i = 0; i < r->sensors_n; i++) {
        struct radio_sensor *s = &r->sensors[i];
        struct frame_bthome trial = *f;

        if (decode_bthome_open(&trial, address, s->key, plain) == REFUSAL_TAG)
            continue;
        memcpy(s->address, address, HCI_ADDRESS_SIZE);
        return s;
    }
    return NULL;
}

/* A BTHome frame was heard. Of a sensor whose key we have, only what proves to be its own counts. */
static bool hear_sensor(struct radio *r, const struct radio_in *in, const uint8_t *address,
                        struct frame_bthome *f, struct obs *ret)
{
    struct radio_sensor *s = find_sensor(r, in, address, f);
    uint8_t plain[DECODE_BTHOME_PLAIN];
    int32_t mc;

    if (s == NULL)
        return false;
    if (f->encrypted && s->heard && f->counter == s->counter) {
        r->counters.sensors_repeated++;
        return false;
    }
    if (!f->encrypted || (s->heard && f->counter < s->counter) ||
        decode_bthome_open(f, address, s->key, plain) != REFUSAL_NONE) {
        r->counters.sensors_refused++;
        return false;
    }
    s->heard = true;
    s->counter = f->counter;
    r->counters.sensors_good++;
    return decode_bthome_temperature(f, &mc) && tell_temperature(in, s->id, mc, ret);
}

/* A shelf node was heard. The counter is looked at before the tag, so that repetitions, which are most of
 * what is heard, cost no AES. The first reading after start sets the counter: until then a recording of
 * that node could be played to us, which is why a reading alone bills nobody. */
static bool hear_node(struct radio *r, const struct radio_in *in, struct frame_shelf *f,
                      struct obs *ret)
{
    struct radio_node *node = find_node(r, f->node);

    if (node != NULL && node->heard && f->counter == node->counter) {
        r->counters.nodes_repeated++;
        return false;
    }
    if (node == NULL || (node->heard && f->counter < node->counter) ||
        decode_shelf_open(f, node->key) != REFUSAL_NONE) {
        r->counters.nodes_refused++;
        return false;
    }
    node->heard = true;
    node->counter = f->counter;
    r->counters.nodes_good++;
    *ret = (struct obs){.t_us = in->t_us, .kind = OBS_NODE};
    ret->u.node.node = f->node;
    ret->u.node.cell = f->cell;
    ret->u.node.mass_mg = (int64_t)f->mass_dg * (NOREN_MG_PER_G / 10);
    ret->u.node.status = f->status;
    return true;
}

/* One frame. True: an observation was written. */
static bool hear_frame(struct radio *r, const struct radio_in *in, const struct hci_report *report,
                       struct frame *f, struct obs *ret)
{
    r->counters.frames[f->kind]++;
    switch (f->kind) {
    case FRAME_MEMBER:
        return hear_member(r, in, &f->u.member, report, ret);
    case FRAME_SHELF:
        return hear_node(r, in, &f->u.shelf, ret);
    case FRAME_EDDYSTONE_EID:
        return hear_eid(r, in, &f->u.eddystone_eid, report, ret);
    case FRAME_BTHOME:
        return hear_sensor(r, in, report->address, &f->u.bthome, ret);
    case FRAME_EDDYSTONE_ETLM:
        return hear_health(r, in, &f->u.eddystone_etlm, report->address, ret);
    case FRAME_IBEACON:
    case FRAME_ALTBEACON:
    case FRAME_EDDYSTONE_UID:
    case FRAME_EDDYSTONE_URL:
    case FRAME_EDDYSTONE_TLM:
    case FRAME_LINE:
    case FRAME_KINDS:
        break;
    }
    return false;
}

/* One report. Appends to ret, which has `room`; returns how many. */
static size_t hear_report(struct radio *r, const struct radio_in *in,
                          const struct hci_report *report, struct obs *ret, size_t room)
{
    struct frame frames[DECODE_FRAMES_MAX];
    struct decode_result d = decode_advert(report->data, frames);
    struct tag tag;
    struct obs o;
    size_t n = 0;

    if (d.refused != REFUSAL_NONE) {
        r->counters.refused_ad++;
        r->counters.refused_for[d.refused]++;
        if (d.by != NULL)
            r->counters.refused_by[d.by->kind]++;
        return 0;
    }
    if (d.n == 0)
        r->counters.unknown++;
    for (size_t i = 0; i < d.n; i++) {
        if (!hear_frame(r, in, report, &frames[i], n < room ? &ret[n] : &o))
            continue;
        if (n < room)
            n++;
        else
            r->counters.crowded++;
    }
    if (!tags_resolve_address(&r->tags, report->address, (report->address_type & 1) != 0, in->t_us,
                              &tag)) {
        if (d.n == 0) /* nothing that we know sends what we know nothing of */
            crowd_hear(&r->crowd, report->address, in->receiver, report->rssi_dbm, in->t_us);
        return n;
    }
    if (!hear_tag(r, in, &tag, report->rssi_dbm, n < room ? &ret[n] : &o))
        return n;
    if (n == room)
        r->counters.crowded++;
    return n < room ? n + 1 : n;
}

/* Puts longer advertisements together. True: the report is an advertisement. */
static bool is_whole(struct radio *r, const struct radio_in *in, struct hci_report *report)
{
    enum hci_part part = hci_chain(&r->chains, in->receiver, report);

    switch (part) {
    case HCI_JOINED:
        r->counters.joined++;
        return true;
    case HCI_WHOLE:
        return true;
    case HCI_PART:
        break;
    case HCI_CUT:
        r->counters.cut++;
        break;
    case HCI_OVERLONG:
        r->counters.overlong++;
        break;
    }
    r->counters.fragments++;
    return false;
}

size_t radio_step(struct radio *r, const struct radio_in *in, struct obs ret[RADIO_OBS_MAX])
{
    struct hci_report report;
    struct hci_walk walk;
    enum refusal refused = hci_open(in->packet, in->n, &walk);
    size_t n = 0;

    r->counters.packets++;
    if (refused != REFUSAL_NONE) {
        r->counters.refused_hci++;
        r->counters.refused_for[refused]++;
        return 0;
    }
    while (hci_next(&walk, &report)) {
        r->counters.reports++;
        r->counters.coded += report.coded;
        if (is_whole(r, in, &report))
            n += hear_report(r, in, &report, ret + n, RADIO_OBS_MAX - n);
    }
    assert(n <= RADIO_OBS_MAX);
    return n;
}
