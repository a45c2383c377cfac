/* Tables of tags; see tags.h for what they are for and what they cost. */
#include "core/tags.h"

#include <string.h>

#include "noren/crypto.h"
#include "noren/cursor.h"
#include "noren/wire.h"

/* A tag's crystal may be wrong by 150 ppm (eid-computation), 390 s a month: so far from where its record
 * expects it is it looked for. */
#define DRIFT_MAX_S 390
#define RADIUS_MAX  25
/* What is heard may correct the clock at twice that rate. */
#define LEARN_NUM 3
#define LEARN_DEN 10000
/* The same for so long as nothing was heard. */
#define LEARN_MAX_S 400

struct tag_record {
    struct tag tag;
    int64_t learnt_s; /* unix time of the last correction; 0 = no clock yet */
    uint32_t first;   /* of its windows */
    uint32_t start;   /* counter at the start of the window that the run is centred on */
    uint8_t radius;   /* the run has 2 x radius + 1 windows */
    bool filled, forgotten, heard; /* heard: `address` is where its EID came from */
    uint8_t address[TAG_ADDR_SIZE];
};

struct tag_window {
    uint8_t eid[TAG_EID_SIZE];
    uint32_t start; /* counter at its start */
    uint32_t tag;
};

#define SET_SIZE 8 /* one or two cache lines */

struct tag_address {
    uint8_t address[TAG_ADDR_SIZE];
    uint16_t tag;     /* 1 + index, 0 = a stranger's */
    uint32_t until_s; /* 0 = free */
    uint32_t heard_s;
};

void tags_eid(const uint8_t key[TAG_KEY_SIZE], uint8_t k, uint32_t time, uint8_t ret[TAG_EID_SIZE])
{
    uint8_t in[16] = {[11] = 0xff}, temporary[16], out[16];
    struct wr w = wr_init(in + 14, 2);

    wr_be(&w, time >> 16, 2);
    noren_aes128_block(key, in, temporary);
    memset(in, 0, sizeof(in));
    in[11] = k;
    w = wr_init(in + 12, 4);
    wr_be(&w, time >> k << k, 4);
    noren_aes128_block(temporary, in, out);
    memcpy(ret, out, TAG_EID_SIZE);
}

uint32_t tags_ah(const uint8_t irk[TAG_KEY_SIZE], uint32_t prand)
{
    uint8_t in[16] = {0}, out[16];
    struct wr w = wr_init(in + 13, 3);

    wr_be(&w, prand, 3);
    noren_aes128_block(irk, in, out);
    return (uint32_t)out[13] << 16 | (uint32_t)out[14] << 8 | out[15];
}

/* At most three quarters full. */
static size_t slots_for(size_t capacity)
{
    size_t n = 16;

    while (n / 4 * 3 < capacity * TAGS_WINDOWS)
        n *= 2;
    return n;
}

size_t tags_size(size_t capacity)
{
    return capacity * (sizeof(struct tag_record) + TAGS_WINDOWS * sizeof(struct tag_window)) +
           slots_for(capacity) * sizeof(uint32_t) + TAGS_ADDRESSES * sizeof(struct tag_address);
}

void tags_init(struct tags *t, void *memory, size_t capacity)
{
    uint8_t *p = memory;

    /* in the order of falling alignment */
    *t = (struct tags){.memory = memory, .capacity = capacity, .slots_n = slots_for(capacity)};
    t->records = (struct tag_record *)memory;
    p += capacity * sizeof(struct tag_record);
    t->windows = (struct tag_window *)(void *)p;
    t->windows_max = capacity * TAGS_WINDOWS;
    p += t->windows_max * sizeof(struct tag_window);
    t->slots = (uint32_t *)(void *)p;
    p += t->slots_n * sizeof(uint32_t);
    t->addresses = (struct tag_address *)(void *)p;
}

/* max(1, ceil(drift / period)) windows to either side, within reason: a tag with a period of 8 s or less
 * is found while its clock is right to 25 periods. */
static uint8_t radius_of(uint8_t k)
{
    int periods = (DRIFT_MAX_S + (1 << k) - 1) >> k;

    return (uint8_t)(periods > RADIUS_MAX ? RADIUS_MAX : periods);
}

const char *tags_add(struct tags *t, const struct tag *in)
{
    struct tag_record r = {.tag = *in, .first = (uint32_t)t->windows_n};
    size_t id_n = strnlen(in->id, sizeof(in->id));
    size_t windows = 0;

    if (t->n >= t->capacity)
        return "more tags than the table was made for";
    if (id_n == 0 || id_n == sizeof(in->id))
        return "a tag's id must have 1 to 39 bytes";
    if (strnlen(in->member_ref, sizeof(in->member_ref)) == sizeof(in->member_ref))
        return "member_ref must have at most 39 bytes";
    if (in->bucket > 9999)
        return "bucket must be 0 to 9999";
    if (in->kind == TAG_EID) {
        if (in->k > TAG_K_MAX)
            return "k must be 0 to 15";
        r.radius = radius_of(in->k);
        windows = 2U * r.radius + 1;
        if (t->windows_n + windows > t->windows_max)
            return "too many tags with a short period (k below 8)";
    }
    /* not in tags_init(): without an IRK or a device it is never looked at */
    if (in->kind != TAG_EID && t->irks + t->devices == 0)
        memset(t->addresses, 0, TAGS_ADDRESSES * sizeof(t->addresses[0]));
    t->windows_n += windows;
    t->irks += in->kind == TAG_IRK;
    t->devices += in->kind == TAG_DEVICE;
    t->records[t->n++] = r;
    if (t->addresses_tried > 0) /* strangers may be this tag's */
        memset(t->addresses, 0, TAGS_ADDRESSES * sizeof(t->addresses[0]));
    return NULL;
}

void tags_carry(struct tags *t, const struct tags *old)
{
    for (size_t i = 0; i < t->n; i++) {
        struct tag_record *r = &t->records[i];

        for (size_t k = 0; k < old->n; k++) {
            const struct tag_record *was = &old->records[k];

            if (was->forgotten || strcmp(was->tag.id, r->tag.id) != 0)
                continue;
            if (memcmp(was->tag.key, r->tag.key, TAG_KEY_SIZE) == 0 && was->learnt_s != 0) {
                r->tag.offset_s = was->tag.offset_s;
                r->learnt_s = was->learnt_s;
            }
            break;
        }
    }
}

static uint32_t counter_of(const struct tags *t, const struct tag_record *r)
{
    return (uint32_t)(t->now_s + r->tag.offset_s);
}

/* An EID is the output of a cipher: any of its bytes is a good hash. */
static size_t slot_of(const struct tags *t, const uint8_t *eid)
{
    uint32_t h;

    memcpy(&h, eid, sizeof(h));
    return h & (t->slots_n - 1);
}

static void fill_run(struct tags *t, uint32_t i, uint32_t start)
{
    struct tag_record *r = &t->records[i];

    for (int d = -r->radius; d <= r->radius; d++) {
        struct tag_window *w = &t->windows[r->first + (uint32_t)(d + r->radius)];

        w->tag = i;
        w->start = start + (uint32_t)d * ((uint32_t)1 << r->tag.k);
        tags_eid(r->tag.key, r->tag.k, w->start, w->eid);
    }
    r->start = start;
    r->filled = true;
}

static void fill_slots(struct tags *t)
{
    memset(t->slots, 0, t->slots_n * sizeof(t->slots[0]));
    for (size_t i = 0; i < t->windows_n; i++) {
        size_t s = slot_of(t, t->windows[i].eid);

        while (t->slots[s] != 0)
            s = (s + 1) & (t->slots_n - 1);
        t->slots[s] = (uint32_t)i + 1;
    }
}

void tags_clock(struct tags *t, int64_t utc_us, enum clock_quality quality)
{
    bool changed = false;

    t->open = quality != CLOCK_FLOOR;
    if (!t->open)
        return;
    t->now_s = utc_us / NOREN_US_PER_S;
    for (uint32_t i = 0; i < t->n; i++) {
        struct tag_record *r = &t->records[i];
        uint32_t start = counter_of(t, r) >> r->tag.k << r->tag.k;

        if (r->tag.kind != TAG_EID || r->forgotten || (r->filled && start == r->start))
            continue;
        if (r->learnt_s == 0)
            r->learnt_s = t->now_s;
        fill_run(t, i, start);
        changed = true;
    }
    if (changed)
        fill_slots(t);
}

/* What was heard bounds the tag's counter: it is within that window. If we thought otherwise, go as far as
 * its edge. (A tag changes its EID at a random point of the window, so being one off is normal.) */
static void learn(struct tags *t, struct tag_record *r, uint32_t start)
{
    int64_t now = counter_of(t, r);
    int64_t ahead = (int32_t)(start - (uint32_t)now);
    int64_t behind = (int32_t)((uint32_t)now - start) - ((int64_t)1 << r->tag.k) + 1;
    int64_t allowed = (t->now_s - r->learnt_s) * LEARN_NUM / LEARN_DEN;

    if (allowed > LEARN_MAX_S)
        allowed = LEARN_MAX_S;
    if (allowed < 1 || (ahead <= 0 && behind <= 0))
        return;
    if (ahead > 0)
        r->tag.offset_s += ahead < allowed ? ahead : allowed;
    else
        r->tag.offset_s -= behind < allowed ? behind : allowed;
    r->learnt_s = t->now_s;
}

static void tell(const struct tag_record *r, struct tag *ret)
{
    *ret = r->tag;
    memset(ret->key, 0, sizeof(ret->key));
}

bool tags_resolve_eid(struct tags *t, const uint8_t eid[TAG_EID_SIZE],
                      const uint8_t address[TAG_ADDR_SIZE], struct tag *ret)
{
    if (!t->open || t->windows_n == 0)
        return false;
    for (size_t s = slot_of(t, eid); t->slots[s] != 0; s = (s + 1) & (t->slots_n - 1)) {
        const struct tag_window *w = &t->windows[t->slots[s] - 1];

        struct tag_record *r = &t->records[w->tag];

        if (r->forgotten || memcmp(w->eid, eid, TAG_EID_SIZE) != 0)
            continue;
        learn(t, r, w->start);
        memcpy(r->address, address, TAG_ADDR_SIZE);
        r->heard = true;
        tell(r, ret);
        return true;
    }
    return false;
}

/* The place for a new address: a free or expired one, else the stranger heard longest ago, else the tag
 * heard longest ago. */
static struct tag_address *place_in(struct tag_address *set, uint32_t now_s)
{
    struct tag_address *best = &set[0];

    for (int i = 0; i < SET_SIZE; i++) {
        struct tag_address *a = &set[i];

        if (a->until_s <= now_s)
            return a;
        if ((a->tag == 0) > (best->tag == 0) ||
            ((a->tag == 0) == (best->tag == 0) && a->heard_s < best->heard_s))
            best = a;
    }
    return best;
}

/* Compares the address's hash with every device's. 1 + index of the tag, or 0. */
static uint16_t try_devices(const struct tags *t, const uint8_t address[TAG_ADDR_SIZE])
{
    uint8_t written[TAG_ADDR_SIZE], device[NOREN_DEVICE_TAG_SIZE];

    for (int i = 0; i < TAG_ADDR_SIZE; i++)
        written[i] = address[TAG_ADDR_SIZE - 1 - i];
    noren_device_tag(t->store_key, written, device);
    for (size_t i = 0; i < t->n; i++)
        if (t->records[i].tag.kind == TAG_DEVICE && !t->records[i].forgotten &&
            memcmp(t->records[i].tag.key, device, sizeof(device)) == 0)
            return (uint16_t)(i + 1);
    return 0;
}

/* Tries the address with every IRK. 1 + index of the tag, or 0. */
static uint16_t try_irks(const struct tags *t, uint32_t prand, uint32_t hash)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->records[i].tag.kind == TAG_IRK && !t->records[i].forgotten &&
            tags_ah(t->records[i].tag.key, prand) == hash)
            return (uint16_t)(i + 1);
    return 0;
}

/* An HMAC and the comparisons, in AES. */
#define DEVICE_AES (32 + t->devices / 8)

/* Takes what one address costs out of this second's AES. */
static bool take_aes(struct tags *t, bool resolvable, int64_t now_s)
{
    size_t cost = (resolvable ? t->irks : 0) + (t->devices > 0 ? DEVICE_AES : 0);

    if (t->aes_s != now_s) {
        t->aes_s = now_s;
        t->aes_left = TAGS_AES_PER_S;
    }
    if (t->aes_left < cost)
        return false;
    t->aes_left -= (uint32_t)cost;
    return true;
}

bool tags_resolve_address(struct tags *t, const uint8_t address[TAG_ADDR_SIZE], bool random,
                          int64_t t_us, struct tag *ret)
{
    struct rd r = rd_init(address, TAG_ADDR_SIZE);
    uint32_t hash = (uint32_t)rd_le(&r, 3), prand = (uint32_t)rd_le(&r, 3);
    uint32_t now_s = (uint32_t)(t_us / NOREN_US_PER_S) + 1;
    struct tag_address *set, *a = NULL;

    /* the two most significant bits of a resolvable private address are 01 (Vol 6 Part B, 1.3.2.2) */
    bool resolvable = random && t->irks > 0 && prand >> 22 == 1;

    if (!resolvable && t->devices == 0)
        return false;
    set = &t->addresses[(hash ^ prand * 2654435761U >> 8) % (TAGS_ADDRESSES / SET_SIZE) * SET_SIZE];
    for (int i = 0; i < SET_SIZE && a == NULL; i++)
        if (set[i].until_s > now_s && memcmp(set[i].address, address, TAG_ADDR_SIZE) == 0)
            a = &set[i];
    if (a == NULL) {
        if (!take_aes(t, resolvable, now_s)) {
            t->addresses_skipped++;
            return false;
        }
        t->addresses_tried++;
        a = place_in(set, now_s);
        memcpy(a->address, address, TAG_ADDR_SIZE);
        a->tag = resolvable ? try_irks(t, prand, hash) : 0;
        if (a->tag == 0 && t->devices > 0)
            a->tag = try_devices(t, address);
        a->until_s = now_s + TAGS_ADDRESS_S;
    }
    a->heard_s = now_s;
    if (a->tag == 0 || t->records[a->tag - 1].forgotten)
        return false;
    tell(&t->records[a->tag - 1], ret);
    return true;
}

int tags_open_etlm(struct tags *t, const uint8_t address[TAG_ADDR_SIZE],
                   const struct frame_eddystone_etlm *frame, struct tag_health *ret)
{
    const struct tag_record *r = NULL;
    uint8_t plain[DECODE_TLM_SIZE];
    struct rd body;

    for (size_t i = 0; i < t->n && r == NULL; i++)
        if (t->records[i].heard && memcmp(t->records[i].address, address, TAG_ADDR_SIZE) == 0)
            r = &t->records[i];
    if (r == NULL || !t->open)
        return -1;
    for (int d = 0; d <= 2 * r->radius; d++) {
        int window = d % 2 == 0 ? d / 2 : -(d + 1) / 2; /* 0, -1, 1, -2, 2, ... */
        uint32_t start = r->start + (uint32_t)window * ((uint32_t)1 << r->tag.k);

        if (!decode_etlm_open(frame, r->tag.key, start, plain))
            continue;
        body = rd_init(plain, sizeof(plain));
        *ret = (struct tag_health){.of_member = r->tag.member_ref[0] != '\0'};
        memcpy(ret->id, r->tag.id, sizeof(ret->id));
        ret->voltage_mv = rd_be16(&body);
        ret->temperature_mc = (int16_t)rd_be16(&body); /* signed 8.8 degrees, 0x8000 = none */
        ret->temperature_mc =
            ret->temperature_mc == INT16_MIN ? INT32_MIN : ret->temperature_mc * 1000 / 256;
        return 1;
    }
    return 0;
}

int tags_forget(struct tags *t, const char *member_ref)
{
    int n = 0;

    for (size_t i = 0; i < t->n; i++) {
        struct tag_record *r = &t->records[i];

        if (r->forgotten || strcmp(r->tag.member_ref, member_ref) != 0)
            continue;
        *r = (struct tag_record){.tag = {.kind = r->tag.kind, .k = r->tag.k},
                                 .first = r->first,
                                 .radius = r->radius,
                                 .forgotten = true};
        n++;
    }
    return n;
}
