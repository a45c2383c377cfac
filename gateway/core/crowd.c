/* Counting phones that are nobody's; see crowd.h. */
#include "core/crowd.h"

#include <string.h>

#include "noren/cursor.h"

static uint64_t rotl(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash-2-4 (Aumasson, Bernstein 2012) of six bytes: a keyed hash that costs 20 ns where an HMAC costs a
 * thousand, and this runs for every advertisement of every passer-by. */
static uint32_t hash_of(const struct crowd *c, const uint8_t address[6])
{
    struct rd r = rd_init(address, 6);
    uint64_t m = rd_le(&r, 6) | (uint64_t)6 << 56;
    uint64_t v[4] = {c->salt[0] ^ 0x736f6d6570736575U, c->salt[1] ^ 0x646f72616e646f6dU,
                     c->salt[0] ^ 0x6c7967656e657261U, c->salt[1] ^ 0x7465646279746573U};
    uint32_t h;

    v[3] ^= m;
    sip_round(v);
    sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    h = (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
    return h != 0 ? h : 1;
}

static void begin_window(struct crowd *c, int64_t now_us)
{
    memset(c->seen, 0, sizeof(c->seen));
    c->seen_n = 0;
    c->from_us = now_us;
}

void crowd_salt(struct crowd *c, const uint8_t salt[CROWD_SALT_SIZE], int64_t now_us)
{
    struct rd r = rd_init(salt, CROWD_SALT_SIZE);

    c->salt[0] = rd_le(&r, 8);
    c->salt[1] = rd_le(&r, 8);
    c->salted = true;
    c->salted_us = now_us;
    begin_window(c, now_us);
}

bool crowd_wants_salt(const struct crowd *c, int64_t now_us)
{
    return !c->salted || now_us - c->salted_us >= CROWD_SALT_US;
}

/* Adds up what each receiver heard best. The next window begins where this one should have ended, so that
 * three of them fill the life of a salt and none is cut short by the next salt. */
static void end_window(struct crowd *c, int64_t now_us)
{
    int64_t over_us = (now_us - c->from_us) % CROWD_WINDOW_US;

    memset(c->before, 0, sizeof(c->before));
    if (now_us - c->from_us < 2 * CROWD_WINDOW_US) /* after a long silence nothing is recent */
        for (uint32_t i = 0; i < CROWD_SLOTS; i++)
            if (c->seen[i].hash != 0)
                c->before[c->seen[i].receiver]++;
    begin_window(c, now_us - over_us);
    c->fresh = true;
}

bool crowd_second(struct crowd *c, int64_t now_us)
{
    bool fresh;

    if (c->salted && now_us - c->from_us >= CROWD_WINDOW_US)
        end_window(c, now_us);
    fresh = c->fresh;
    c->fresh = false;
    return fresh;
}

bool crowd_next(struct crowd *c, uint16_t *cursor, uint16_t *ret_receiver, uint32_t *ret_devices)
{
    for (; *cursor < RECEIVERS_MAX; (*cursor)++) {
        uint32_t bit = UINT32_C(1) << *cursor;

        if (c->before[*cursor] == 0 && (c->told & bit) == 0)
            continue;
        c->told = c->before[*cursor] != 0 ? c->told | bit : c->told & ~bit;
        *ret_devices = c->before[*cursor];
        *ret_receiver = (*cursor)++;
        return true;
    }
    return false;
}

void crowd_hear(struct crowd *c, const uint8_t address[6], uint16_t receiver, int16_t rssi_dbm,
                int64_t t_us)
{
    uint32_t hash, s;
    struct crowd_device *d;

    if (!c->salted || receiver >= RECEIVERS_MAX || rssi_dbm < -127 || rssi_dbm > 20)
        return;
    if (t_us - c->from_us >= CROWD_WINDOW_US)
        end_window(c, t_us);
    hash = hash_of(c, address);
    s = hash & (CROWD_SLOTS - 1);
    while (c->seen[s].hash != 0 && c->seen[s].hash != hash)
        s = (s + 1) & (CROWD_SLOTS - 1);
    d = &c->seen[s];
    if (d->hash == 0 && c->seen_n == CROWD_DEVICES_MAX) {
        c->overflow++;
        return;
    }
    if (d->hash == 0)
        c->seen_n++;
    else if (d->rssi_dbm >= rssi_dbm)
        return;
    *d = (struct crowd_device){hash, (int8_t)rssi_dbm, (uint8_t)receiver};
}

uint32_t crowd_count(const struct crowd *c, uint16_t receiver)
{
    uint32_t n = receiver < RECEIVERS_MAX ? c->before[receiver] : 0;

    return n >= CROWD_K ? n : 0;
}
