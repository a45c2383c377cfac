/* Fuzz target: HCI events through radio_step(), several in a row so that state between them is reached.
 *
 * The input is a sequence of packets, each with its length before it. There is one member (the vector of
 * include/noren/wire.h, whose token is in the kept corpus) and one shelf node. Beyond not crashing: what
 * comes out names that member or that node, nothing else, and every report is accounted for.
 */
#include <stdlib.h>
#include <string.h>

#include "core/radio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void start(struct radio *r, void *memory)
{
    static const uint8_t node_key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct member m = {.ref = "m-1", .consent = CONSENT_PRESENCE, .days_n = 1};
    uint8_t member_key[32];

    for (size_t i = 0; i < sizeof(member_key); i++)
        member_key[i] = (uint8_t)i;
    m.days[0].date = NOREN_VECTOR_DATE;
    noren_day_key(member_key, NOREN_VECTOR_DATE, m.days[0].key);
    radio_init(r);
    members_init(&r->members, memory, 1);
    must(members_add(&r->members, &m) == NULL);
    must(radio_node_key(r, 0x0102, node_key));
    radio_clock(r, NOREN_VECTOR_UNIX_S * NOREN_US_PER_S, CLOCK_SYNCED);
}

static void look_at(const struct obs *o)
{
    must(o->kind == OBS_SIGHTING || o->kind == OBS_NODE);
    if (o->kind == OBS_NODE) {
        must(o->u.node.node == 0x0102);
        return;
    }
    must(strcmp(o->u.sighting.who.ref, "m-1") == 0);
    must(o->u.sighting.rssi_dbm >= -127 && o->u.sighting.rssi_dbm <= 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static uint64_t memory[512];
    static struct radio r;
    struct obs obs[RADIO_OBS_MAX];
    struct rd rest = rd_init(data, n);
    int64_t frames = 0;

    must(members_size(1) <= sizeof(memory));
    start(&r, memory);
    while (rest.n > 0) {
        size_t want = rd_u8(&rest);
        struct rd packet = rd_sub(&rest, want < rest.n ? want : rest.n);
        /* a copy of its own, so that ASan sees a read past the packet's end */
        uint8_t *bytes = malloc(packet.n > 0 ? packet.n : 1);
        struct radio_in in = {.t_us = 1, .packet = bytes, .n = packet.n};
        size_t obs_n;

        must(bytes != NULL);
        rd_copy(&packet, bytes, in.n);
        obs_n = radio_step(&r, &in, obs);
        must(obs_n <= RADIO_OBS_MAX);
        for (size_t i = 0; i < obs_n; i++)
            look_at(&obs[i]);
        free(bytes);
    }
    for (size_t i = 0; i < FRAME_KINDS; i++)
        frames += r.counters.frames[i];
    must(r.counters.reports <=
         r.counters.unknown + r.counters.refused_ad + r.counters.fragments + frames);
    return 0;
}
