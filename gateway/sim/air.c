/* What is on the air: member tokens, strangers' phones, store beacons, a thermometer; see world.h.
 *
 * Everything goes out as the HCI event that a controller would hand over (LE Advertising Report, Core 5.4,
 * Vol 4 Part E, 7.7.65.2), so the gateway's own parser and decoders are what reads it. A member's phone
 * changes its random address together with the token; keeping either would link the two.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/tags.h"
#include "sim/output.h"
#include "sim/world.h"

#define ADVERT_S        0.25 /* mean; phones are not regular */
#define BEACON_ADVERT_S 0.5
#define POWER_1M_DBM    (-59)
#define PATH_LOSS_DB    22 /* per decade */
#define FADING_DB       3  /* slow, per receiver */
#define FAST_DB         2  /* per packet */
#define SENSITIVITY_DBM (-94)
#define LOST_PM         100 /* collisions, scan windows */
#define COMPANY_APPLE   0x004c
#define UUID_BTHOME     0xfcd2

/* Which bits a random address begins with (Core 5.4, Vol 6 Part B, 1.3.2). */
enum address_kind { ADDRESS_RESOLVABLE = 0x40, ADDRESS_STATIC = 0xc0 };

static void draw_address(struct world *w, enum address_kind kind, uint8_t ret[6])
{
    for (int i = 0; i < 6; i++)
        ret[i] = (uint8_t)(world_uniform(w) * 256);
    ret[5] = (uint8_t)((ret[5] & 0x3f) | (int)kind); /* little-endian: the highest byte is last */
}

/* An LE Advertising Report event with one report. Returns its length. */
static size_t report(uint8_t ret[64], const uint8_t address[6], const uint8_t *ad, size_t ad_n,
                     int rssi_dbm)
{
    struct wr w = wr_init(ret, 64);

    wr_u8(&w, 0x3e);
    wr_u8(&w, (uint8_t)(ad_n + 12));
    wr_u8(&w, 0x02); /* LE Advertising Report */
    wr_u8(&w, 1);
    wr_u8(&w, 0x03); /* ADV_NONCONN_IND */
    wr_u8(&w, 0x01); /* random address */
    wr_copy(&w, address, 6);
    wr_u8(&w, (uint8_t)ad_n);
    wr_copy(&w, ad, ad_n);
    wr_u8(&w, (uint8_t)(int8_t)rssi_dbm);
    return w.bad ? 0 : w.n;
}

/* Sends one advertisement from a place to whoever can hear it. `fading` may be NULL. */
static void broadcast(struct world *w, double x_m, double y_m, double *fading_db,
                      const uint8_t address[6], const uint8_t *ad, size_t ad_n,
                      const char *identity, struct output *out)
{
    for (uint16_t i = 0; i < w->plan.receivers_n; i++) {
        const struct plan_receiver *r = &w->plan.receivers[i];
        double d = sqrt((r->x_m - x_m) * (r->x_m - x_m) + (r->y_m - y_m) * (r->y_m - y_m) +
                        (r->z_m - 1.1) * (r->z_m - 1.1)); /* a pocket is 1.1 m high */
        double rssi = POWER_1M_DBM - PATH_LOSS_DB * log10(d < 0.3 ? 0.3 : d);
        uint8_t packet[64];

        if (fading_db != NULL) {
            fading_db[i] = 0.9 * fading_db[i] + sqrt(1 - 0.81) * FADING_DB * world_normal(w);
            rssi += fading_db[i];
        }
        rssi += FAST_DB * world_normal(w);
        if (rssi < SENSITIVITY_DBM || world_uniform(w) * 1000 < LOST_PM)
            continue;
        output_advert(out, i, packet, report(packet, address, ad, ad_n, (int)lround(rssi)),
                      identity, (int)lround(rssi));
    }
}

static int64_t utc_s(const struct world *w)
{
    return (w->now_us + w->utc_offset_us) / NOREN_US_PER_S;
}

static void rotate(struct world *w, struct person *p)
{
    uint64_t now = noren_step(utc_s(w));
    uint8_t day_key[NOREN_DAY_KEY_SIZE];

    if (now == p->step)
        return;
    p->step = now;
    draw_address(w, ADDRESS_RESOLVABLE, p->address);
    if (p->kind != PERSON_MEMBER || !p->phone)
        return;
    noren_day_key(p->key, noren_utc_date((int64_t)now * NOREN_STEP_S), day_key);
    noren_token(day_key, now, p->token);
}

/* Flags, then a token, or what an iPhone says all day (company 004c, type 10 "nearby"). */
static size_t person_ad(struct world *w, const struct person *p, uint8_t ret[31])
{
    struct wr o = wr_init(ret, 31);
    uint8_t token[18];

    wr_u8(&o, 2);
    wr_u8(&o, 0x01);
    wr_u8(&o, 0x1a);
    if (p->kind == PERSON_MEMBER) {
        noren_token_ad(p->token, token);
        wr_copy(&o, token, sizeof(token));
        return o.n;
    }
    wr_u8(&o, 10);
    wr_u8(&o, 0xff);
    wr_le(&o, COMPANY_APPLE, 2);
    wr_u8(&o, 0x10);
    wr_u8(&o, 5);
    for (int i = 0; i < 5; i++)
        wr_u8(&o, (uint8_t)(world_uniform(w) * 256));
    return o.n;
}

/* BTHome v2, clear: packet id and temperature. */
static size_t thermometer_ad(struct world *w, uint8_t ret[31])
{
    struct wr o = wr_init(ret, 31);

    wr_u8(&o, 2);
    wr_u8(&o, 0x01);
    wr_u8(&o, 0x06);
    wr_u8(&o, 9);
    wr_u8(&o, 0x16);
    wr_le(&o, UUID_BTHOME, 2);
    wr_u8(&o, 0x40);
    wr_u8(&o, 0x00);
    wr_u8(&o, (uint8_t)(w->now_us / NOREN_US_PER_S));
    wr_u8(&o, 0x02);
    wr_le(&o, (uint64_t)(2150 + (int64_t)(10 * world_normal(w))), 2);
    return o.n;
}

void air_init(struct world *w)
{
    for (int i = 0; i < w->scenario.beacons_n; i++)
        draw_address(w, ADDRESS_STATIC, w->beacons[i].address);
}

static void beacon_step(struct world *w, int i, struct output *out)
{
    const struct scenario_beacon *b = &w->scenario.beacons[i];
    uint8_t ad[31];
    size_t n = 27;

    if (w->now_us < w->beacons[i].advert_us)
        return;
    w->beacons[i].advert_us = w->now_us + (int64_t)(BEACON_ADVERT_S * 1e6);
    if (b->kind == BEACON_STORE)
        noren_beacon_ad(b->uuid, (uint16_t)b->major,
                        noren_beacon_minor(b->key, noren_step(utc_s(w))), POWER_1M_DBM, ad);
    else
        n = thermometer_ad(w, ad);
    broadcast(w, b->x_m, b->y_m, NULL, w->beacons[i].address, ad, n, NULL, out);
}

/* A card: its EID under an address that changes with it, or flags under an address that says who it is. */
static void card_step(struct world *w, struct person *p, struct output *out)
{
    struct person_tag *t = &p->tag;
    uint32_t counter = (uint32_t)(utc_s(w) + t->offset_s);
    uint64_t step = t->irk ? noren_step(utc_s(w)) : counter >> t->k;
    uint8_t ad[31], eid[TAG_EID_SIZE];
    struct wr o = wr_init(ad, sizeof(ad)), a = wr_init(t->address, sizeof(t->address));

    if (step != t->step) {
        uint32_t prand = (uint32_t)(world_uniform(w) * (1 << 22)) | 1U << 22;

        t->step = step;
        if (t->irk) {
            wr_le(&a, tags_ah(t->key, prand), 3);
            wr_le(&a, prand, 3);
        } else {
            draw_address(w, ADDRESS_STATIC, t->address);
        }
    }
    wr_copy(&o, (const uint8_t[]){2, 0x01, 0x06}, 3);
    if (!t->irk) {
        tags_eid(t->key, t->k, counter, eid);
        wr_copy(&o, (const uint8_t[]){3, 0x03, 0xaa, 0xfe, 13, 0x16, 0xaa, 0xfe, 0x30, 0xec}, 10);
        wr_copy(&o, eid, sizeof(eid));
    }
    broadcast(w, p->x_m, p->y_m, p->fading_db, t->address, ad, o.n, p->ref, out);
}

void air_step(struct world *w, struct output *out)
{
    for (int i = 0; i < w->people_n; i++) {
        struct person *p = &w->people[i];
        uint8_t ad[31];

        if (p->state == PERSON_OUTSIDE || w->now_us < p->advert_us)
            continue;
        p->advert_us = w->now_us + (int64_t)((0.5 + world_uniform(w)) * ADVERT_S * 1e6);
        rotate(w, p);
        if (p->tag.carried)
            card_step(w, p, out);
        if (p->kind == PERSON_MEMBER && !p->phone)
            continue;
        broadcast(w, p->x_m, p->y_m, p->fading_db, p->address, ad, person_ad(w, p, ad),
                  p->kind == PERSON_MEMBER ? p->ref : NULL, out);
    }
    for (int i = 0; i < w->scenario.beacons_n; i++)
        beacon_step(w, i, out);
}
