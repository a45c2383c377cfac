/* Fuzz target: HCI events through radio_step(), several in a row so that state between them is reached.
 *
 * The input is a sequence of packets, each with its length before it. There is one member (the vector of
 * include/noren/wire.h, whose token is in the kept corpus), one shelf node, a tag known by EID and one by
 * address (the published vector), and a BTHome sensor. Beyond not crashing: what comes out names one of
 * these and nobody else, and every report is accounted for.
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

static void start(struct radio *r, void *memory, void *tag_memory)
{
    static const uint8_t node_key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct member m = {.ref = "m-1", .consent = CONSENT_PRESENCE, .days_n = 1};
    const struct tag cart = {.id = "cart", .kind = TAG_EID, .k = 10, .key = {1}},
                     badge = {.id = "badge",
                              .kind = TAG_IRK,
                              .key = {0xec, 0x02, 0x34, 0xa3, 0x57, 0xc8, 0xad, 0x05, 0x34, 0x10,
                                      0x10, 0xa6, 0x0a, 0x39, 0x7d, 0x9b}};
    uint8_t member_key[32];

    for (size_t i = 0; i < sizeof(member_key); i++)
        member_key[i] = (uint8_t)i;
    m.days[0].date = NOREN_VECTOR_DATE;
    noren_day_key(member_key, NOREN_VECTOR_DATE, m.days[0].key);
    radio_init(r);
    members_init(&r->members, memory, 1);
    must(members_add(&r->members, &m) == NULL);
    must(radio_node_key(r, 0x0102, node_key));
    tags_init(&r->tags, tag_memory, 2);
    must(tags_add(&r->tags, &cart) == NULL && tags_add(&r->tags, &badge) == NULL);
    must(radio_sensor_key(r, "badge", badge.key));
    radio_clock(r, NOREN_VECTOR_UNIX_S * NOREN_US_PER_S, CLOCK_SYNCED);
}

static void look_at(const struct obs *o)
{
    must(o->kind == OBS_SIGHTING || o->kind == OBS_NODE);
    if (o->kind == OBS_NODE) {
        must(o->u.node.node == 0x0102);
        return;
    }
    if (o->u.sighting.who.kind == WHO_MEMBER)
        must(strcmp(o->u.sighting.who.ref, "m-1") == 0);
    else
        must(strcmp(o->u.sighting.who.ref, "cart") == 0 ||
             strcmp(o->u.sighting.who.ref, "badge") == 0);
    must(o->u.sighting.rssi_dbm >= -127 && o->u.sighting.rssi_dbm <= 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static uint64_t memory[MEMBERS_HEARD + 512], tag_memory[32768];
    static struct radio r;
    struct obs obs[RADIO_OBS_MAX];
    struct rd rest = rd_init(data, n);
    int64_t frames = 0;

    must(members_size(1) <= sizeof(memory) && tags_size(2) <= sizeof(tag_memory));
    start(&r, memory, tag_memory);
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
