/* radio_step(): who becomes an observation, and what everybody else is counted as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/radio.h"
#include "noren/wire.h"

#define UTC_US ((int64_t)NOREN_VECTOR_UNIX_S * NOREN_US_PER_S)
#define RSSI   (-60)

static const uint8_t node_key[16] = {9, 8, 7};

struct fixture {
    struct radio radio;
    struct obs obs[RADIO_OBS_MAX];
    uint8_t memory[MEMBERS_HEARD * sizeof(uint64_t) + 4096];
};

static void day_key(unsigned seed, uint8_t ret[NOREN_DAY_KEY_SIZE])
{
    uint8_t member_key[32] = {(uint8_t)seed};

    noren_day_key(member_key, NOREN_VECTOR_DATE, ret);
}

static struct fixture *make(void)
{
    static const uint8_t consents[] = {CONSENT_ALL, CONSENT_PRESENCE, CONSENT_OFFERS};
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_true(members_size(8) <= sizeof(f->memory));
    radio_init(&f->radio);
    members_init(&f->radio.members, f->memory, 8);
    for (unsigned i = 0; i < sizeof(consents); i++) {
        struct member m = {.consent = consents[i], .bucket = (uint16_t)(100 + i), .days_n = 1};

        snprintf(m.ref, sizeof(m.ref), "m-%u", i);
        m.days[0].date = NOREN_VECTOR_DATE;
        day_key(i, m.days[0].key);
        assert_null(members_add(&f->radio.members, &m));
    }
    radio_clock(&f->radio, UTC_US, CLOCK_SYNCED);
    assert_true(radio_node_key(&f->radio, 5, node_key));
    return f;
}

/* An event of one legacy report for each advertisement given, NULL-terminated. */
static size_t legacy(uint8_t packet[257], int8_t rssi_dbm, ...)
{
    struct wr w = wr_init(packet, 257);
    const uint8_t *ad;
    va_list ap;

    wr_copy(&w, (const uint8_t[]){HCI_LE_META, 0, HCI_LE_ADV_REPORT, 0}, 4);
    va_start(ap, rssi_dbm);
    while ((ad = va_arg(ap, const uint8_t *)) != NULL) {
        uint8_t n = (uint8_t)(ad[0] + 1);

        wr_copy(&w, (const uint8_t[]){3, 1, 1, 2, 3, 4, 5, 0xc6, n}, 9);
        wr_copy(&w, ad, n);
        wr_u8(&w, (uint8_t)rssi_dbm);
        packet[3]++;
    }
    va_end(ap);
    assert_false(w.bad);
    packet[1] = (uint8_t)(w.n - 2);
    return w.n;
}

static size_t step(struct fixture *f, const uint8_t *packet, size_t n)
{
    struct radio_in in = {.t_us = 77, .receiver = 3, .packet = packet, .n = n};

    return radio_step(&f->radio, &in, f->obs);
}

static void token_ad(unsigned seed, uint8_t ret[18])
{
    uint8_t key[NOREN_DAY_KEY_SIZE], token[NOREN_TOKEN_SIZE];

    day_key(seed, key);
    noren_token(key, NOREN_VECTOR_STEP, token);
    noren_token_ad(token, ret);
}

static void test_member(void **state)
{
    struct fixture *f = make();
    uint8_t ads[4][18], packet[257];
    const struct obs *o = f->obs;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        token_ad(i, ads[i]);
    assert_int_equal(step(f, packet, legacy(packet, RSSI, ads[0], ads[2], ads[3], ads[1], NULL)),
                     2);
    assert_int_equal(o[0].kind, OBS_SIGHTING);
    assert_int_equal(o[0].t_us, 77);
    assert_int_equal(o[0].u.sighting.receiver, 3);
    assert_int_equal(o[0].u.sighting.who.kind, WHO_MEMBER);
    assert_string_equal(o[0].u.sighting.who.ref, "m-0");
    assert_int_equal(o[0].u.sighting.consent, CONSENT_ALL);
    assert_int_equal(o[0].u.sighting.bucket, 100);
    assert_int_equal(o[0].u.sighting.path, PATH_TOKEN);
    assert_int_equal(o[0].u.sighting.rssi_dbm, RSSI);
    assert_string_equal(o[1].u.sighting.who.ref, "m-1");
    assert_int_equal(f->radio.counters.reports, 4);
    assert_int_equal(f->radio.counters.tokens_resolved, 3);
    assert_int_equal(f->radio.counters.tokens_unknown, 1); /* seed 3 is nobody's */
    assert_int_equal(f->radio.counters.no_consent, 1);     /* seed 2 agreed to offers only */
    assert_int_equal(step(f, packet, legacy(packet, HCI_RSSI_UNKNOWN, ads[0], NULL)), 0);
    assert_int_equal(f->radio.counters.no_rssi, 1);
    radio_clock(&f->radio, UTC_US, CLOCK_FLOOR);
    assert_int_equal(step(f, packet, legacy(packet, RSSI, ads[0], NULL)), 0);
    assert_int_equal(f->radio.counters.tokens_closed, 1);
    free(f);
}

static bool hear_from(struct fixture *f, uint8_t last, int64_t t_us)
{
    uint8_t ad[18], packet[257];
    struct radio_in in = {.t_us = t_us, .receiver = 3, .packet = packet};

    token_ad(0, ad);
    in.n = legacy(packet, RSSI, ad, NULL);
    packet[6] = last;
    assert_int_equal(radio_step(&f->radio, &in, f->obs), 1);
    return f->obs[0].u.sighting.twin;
}

/* Addresses follow each other; only what comes back was never given up. */
static void test_twin(void **state)
{
    struct fixture *f = make();
    int64_t t_us = 0;

    (void)state;
    for (uint8_t a = 1; a <= 9; a++)
        for (int i = 0; i < 20; i++)
            assert_false(hear_from(f, a, t_us += NOREN_US_PER_S));
    assert_true(hear_from(f, 8, t_us += NOREN_US_PER_S));
    assert_true(hear_from(f, 9, t_us += NOREN_US_PER_S));
    assert_true(hear_from(f, 7, t_us)); /* three take turns */
    assert_false(hear_from(f, 9, t_us += 61 * NOREN_US_PER_S));
    assert_int_equal(f->radio.counters.twins, 3);
    free(f);
}

static size_t hear_node(struct fixture *f, uint16_t node, uint32_t counter, int flip)
{
    const struct noren_node n = {
        .node = node, .cell = 2, .counter = counter, .mass_dg = -15, .status = NOREN_NODE_STABLE};
    uint8_t ad[NOREN_NODE_AD_SIZE], packet[257];

    noren_node_ad(node_key, &n, ad);
    ad[NOREN_NODE_AD_SIZE - 1] ^= (uint8_t)flip;
    return step(f, packet, legacy(packet, RSSI, ad, NULL));
}

static void test_node(void **state)
{
    struct fixture *f = make();
    const struct obs *o = f->obs;
    const uint8_t other[16] = {1};

    (void)state;
    assert_int_equal(hear_node(f, 5, 10, 1), 0); /* forged: does not move the counter either */
    assert_int_equal(hear_node(f, 5, 9, 0), 1);
    assert_int_equal(o->kind, OBS_NODE);
    assert_int_equal(o->u.node.node, 5);
    assert_int_equal(o->u.node.cell, 2);
    assert_int_equal(o->u.node.mass_mg, -1500);
    assert_int_equal(o->u.node.status, NOREN_NODE_STABLE);
    assert_int_equal(hear_node(f, 5, 9, 0), 0); /* said again */
    assert_int_equal(hear_node(f, 5, 8, 0), 0); /* played back */
    assert_int_equal(hear_node(f, 5, 0xffffffff, 1), 0);
    assert_int_equal(hear_node(f, 6, 1, 0), 0); /* a stranger's */
    assert_int_equal(f->radio.counters.nodes_good, 1);
    assert_int_equal(f->radio.counters.nodes_repeated, 1);
    assert_int_equal(f->radio.counters.nodes_refused, 4);
    /* the same key once more is no way to replay; a new key starts a new count */
    assert_true(radio_node_key(&f->radio, 5, node_key));
    assert_int_equal(hear_node(f, 5, 8, 0), 0);
    assert_true(radio_node_key(&f->radio, 5, other));
    assert_int_equal(hear_node(f, 5, 8, 0), 0);
    assert_true(radio_node_key(&f->radio, 5, node_key));
    assert_int_equal(hear_node(f, 5, 8, 0), 1);
    for (uint16_t i = 100; f->radio.nodes_n < RADIO_NODES_MAX; i++)
        assert_true(radio_node_key(&f->radio, i, node_key));
    assert_false(radio_node_key(&f->radio, 99, node_key));
    free(f);
}

static void test_strangers_are_counted(void **state)
{
    const uint8_t apple[] = {4, 0xff, 0x4c, 0x00, 0x10}, lying[] = {2, 0x01, 0x06, 0x00},
                  bthome[] = {6, 0x16, 0xd2, 0xfc, 0x40, 0x01, 0x61};
    struct fixture *f = make();
    uint8_t ad[18], packet[257], broken[] = {3, 0x16, 0xd2, 0xfc};
    const struct radio_counters *c = &f->radio.counters;
    size_t n;

    (void)state;
    token_ad(0, ad);
    /* a bad advertisement does not cost the good ones beside it */
    n = legacy(packet, RSSI, apple, broken, ad, bthome, NULL);
    assert_int_equal(step(f, packet, n), 1);
    assert_int_equal(c->unknown, 1);
    assert_int_equal(c->refused_ad, 1);
    assert_int_equal(c->refused_by[FRAME_BTHOME], 1);
    assert_int_equal(c->refused_for[REFUSAL_LENGTH], 1);
    assert_int_equal(c->frames[FRAME_BTHOME], 1);
    assert_int_equal(c->frames[FRAME_MEMBER], 1);
    /* lengths that lie, in every way there is room for: refused whole */
    n = legacy(packet, RSSI, lying, ad, NULL);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(step(f, packet, cut), 0);
    packet[3] = 1;
    assert_int_equal(step(f, packet, n), 0);
    packet[3] = 3;
    assert_int_equal(step(f, packet, n), 0);
    packet[3] = 2;
    packet[2] = 0x01;
    assert_int_equal(step(f, packet, n), 0);
    assert_int_equal(c->refused_hci, n + 3);
    assert_int_equal(c->refused_for[REFUSAL_HCI_LENGTH], n);
    assert_int_equal(c->refused_for[REFUSAL_HCI_TRAILING], 1);
    assert_int_equal(c->refused_for[REFUSAL_HCI_REPORT], 1);
    assert_int_equal(c->refused_for[REFUSAL_HCI_KIND], 1);
    assert_int_equal(c->packets, 1 + n + 3);
    free(f);
}

static size_t extended(uint8_t packet[257], enum hci_data status, uint8_t sid, const uint8_t *ad,
                       uint8_t n)
{
    struct wr w = wr_init(packet, 257);

    wr_copy(&w, (const uint8_t[]){HCI_LE_META, (uint8_t)(26 + n), HCI_LE_EXT_ADV_REPORT, 1}, 4);
    wr_le(&w, (unsigned)status << 5, 2);
    wr_copy(&w, (const uint8_t[]){1, 1, 2, 3, 4, 5, 0xc6, 1, 1, sid, 127, (uint8_t)RSSI}, 12);
    wr_copy(&w, (const uint8_t[9]){0}, 9);
    wr_u8(&w, n);
    wr_copy(&w, ad, n);
    assert_false(w.bad);
    return w.n;
}

static void test_extended(void **state)
{
    struct fixture *f = make();
    const struct radio_counters *c = &f->radio.counters;
    uint8_t ad[18], packet[257];

    (void)state;
    token_ad(0, ad);
    assert_int_equal(step(f, packet, extended(packet, HCI_DATA_COMPLETE, 1, ad, 18)), 1);
    assert_int_equal(f->obs[0].u.sighting.rssi_dbm, RSSI);
    /* set 1 in two parts, cut anywhere; set 2 whole in between */
    for (uint8_t cut = 0; cut <= 18; cut++) {
        uint8_t rest = (uint8_t)(18 - cut);

        assert_int_equal(step(f, packet, extended(packet, HCI_DATA_MORE, 1, ad, cut)), 0);
        assert_int_equal(step(f, packet, extended(packet, HCI_DATA_COMPLETE, 2, ad, 18)), 1);
        assert_int_equal(step(f, packet, extended(packet, HCI_DATA_COMPLETE, 1, ad + cut, rest)),
                         1);
        assert_string_equal(f->obs[0].u.sighting.who.ref, "m-0");
    }
    assert_int_equal(c->joined, 19);
    assert_int_equal(c->fragments, 19);
    /* the rest was lost: the parts are given up, and what follows is whole again */
    assert_int_equal(step(f, packet, extended(packet, HCI_DATA_MORE, 1, ad, 18)), 0);
    assert_int_equal(step(f, packet, extended(packet, HCI_DATA_CUT, 1, ad, 18)), 0);
    assert_int_equal(step(f, packet, extended(packet, HCI_DATA_COMPLETE, 1, ad, 18)), 1);
    assert_int_equal(step(f, packet, extended(packet, HCI_DATA_CUT, 1, ad, 18)), 0);
    assert_int_equal(c->cut, 2);
    assert_int_equal(c->fragments, 19 + 3);
    assert_int_equal(c->refused_hci + c->refused_ad, 0);
    assert_int_equal(c->coded, 0);
    extended(packet, HCI_DATA_COMPLETE, 1, ad, 18);
    packet[14] = 3; /* secondary PHY */
    assert_int_equal(step(f, packet, 28 + 18), 1);
    assert_int_equal(c->coded, 1);
    free(f);
}

/* The longest advertisement: 1650 bytes in parts of 229, a token at its end. Of a longer one nothing. */
static void test_longest(void **state)
{
    struct fixture *f = make();
    const struct radio_counters *c = &f->radio.counters;
    uint8_t data[HCI_CHAIN_BYTES + 1], packet[257];

    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        size_t n = HCI_CHAIN_BYTES + extra, filled = n - 18, at = 0;

        for (size_t left = filled; left > 0;) { /* names, as long as they can be */
            size_t part = left > 256 ? 200 : left;

            data[filled - left] = (uint8_t)(part - 1);
            memset(data + filled - left + 1, 0x09, part - 1);
            left -= part;
        }
        token_ad(0, data + filled);
        for (; n - at > 229; at += 229)
            assert_int_equal(step(f, packet, extended(packet, HCI_DATA_MORE, 1, data + at, 229)),
                             0);
        assert_int_equal(
            step(f, packet, extended(packet, HCI_DATA_COMPLETE, 1, data + at, (uint8_t)(n - at))),
            extra == 0);
    }
    assert_int_equal(c->joined, 1);
    assert_int_equal(c->overlong, 1);
    assert_int_equal(c->refused_ad, 0);
    assert_int_equal(c->unknown, 0);
    free(f);
}

/* More advertisements begun than there is room for: the oldest is given up, the others are put together.
 * Receivers do not get into each other's way. */
static void test_many_chains(void **state)
{
    struct fixture *f = make();
    uint8_t ad[18], packet[257];
    struct radio_in in = {.packet = packet};

    (void)state;
    token_ad(0, ad);
    for (uint8_t sid = 0; sid <= HCI_CHAINS_MAX; sid++)
        assert_int_equal(step(f, packet, extended(packet, HCI_DATA_MORE, sid, ad, 9)), 0);
    in.receiver = 4; /* step() is receiver 3 */
    in.n = extended(packet, HCI_DATA_COMPLETE, 1, ad, 18);
    assert_int_equal(radio_step(&f->radio, &in, f->obs), 1);
    for (uint8_t sid = 1; sid <= HCI_CHAINS_MAX; sid++)
        assert_int_equal(step(f, packet, extended(packet, HCI_DATA_COMPLETE, sid, ad + 9, 9)), 1);
    assert_int_equal(f->radio.counters.joined, HCI_CHAINS_MAX);
    free(f);
}

/* As many tokens as fit one event: the bound of what radio_step() returns. */
static void test_full_event(void **state)
{
    struct fixture *f = make();
    uint8_t ad[18], data[229], packet[257];
    struct wr w = wr_init(data, sizeof(data));

    (void)state;
    token_ad(0, ad);
    wr_copy(&w, (const uint8_t[]){14 * 16 + 1, 0x07}, 2);
    for (int i = 0; i < 14; i++)
        wr_copy(&w, ad + 2, 16);
    assert_false(w.bad);
    assert_int_equal(step(f, packet, extended(packet, HCI_DATA_COMPLETE, 1, data, (uint8_t)w.n)),
                     14);
    free(f);
}

/* Service data of FEAA with the EID that the tag with this key says now; 14 bytes. */
static void eid_ad(uint8_t key, uint8_t ret[14])
{
    const uint8_t k[TAG_KEY_SIZE] = {key};

    memcpy(ret, (const uint8_t[]){13, 0x16, 0xaa, 0xfe, 0x30, 0xee}, 6);
    tags_eid(k, 10, NOREN_VECTOR_UNIX_S, ret + 6);
}

static void test_tags(void **state)
{
    struct fixture *f = make();
    struct tag cart = {.id = "cart", .kind = TAG_EID, .k = 10, .key = {1}},
               badge = {.id = "badge", .kind = TAG_IRK, .key = {2}},
               card = {.id = "card",
                       .member_ref = "m-9",
                       .consent = CONSENT_PRESENCE,
                       .bucket = 7,
                       .kind = TAG_EID,
                       .k = 10,
                       .key = {3}},
               unwilling = card;
    void *memory = calloc(1, tags_size(8));
    uint8_t ads[4][14], packet[257], flags[] = {2, 0x01, 0x06};
    const struct obs *o = f->obs;
    struct wr address = wr_init(packet + 6, 6);

    (void)state;
    assert_non_null(memory);
    tags_init(&f->radio.tags, memory, 8);
    unwilling.consent = CONSENT_OFFERS;
    unwilling.key[0] = 4;
    assert_null(tags_add(&f->radio.tags, &cart));
    assert_null(tags_add(&f->radio.tags, &badge));
    assert_null(tags_add(&f->radio.tags, &card));
    assert_null(tags_add(&f->radio.tags, &unwilling));
    radio_clock(&f->radio, UTC_US, CLOCK_SYNCED);
    for (uint8_t i = 0; i < 4; i++)
        eid_ad((uint8_t[]){1, 3, 4, 9}[i], ads[i]);
    assert_int_equal(step(f, packet, legacy(packet, RSSI, ads[0], ads[1], ads[2], ads[3], NULL)),
                     2);
    assert_int_equal(o[0].u.sighting.who.kind, WHO_TAG);
    assert_string_equal(o[0].u.sighting.who.ref, "cart");
    assert_int_equal(o[0].u.sighting.path, PATH_TAG);
    assert_int_equal(o[0].u.sighting.rssi_dbm, RSSI);
    assert_int_equal(o[1].u.sighting.who.kind, WHO_MEMBER);
    assert_string_equal(o[1].u.sighting.who.ref, "m-9");
    assert_int_equal(o[1].u.sighting.consent, CONSENT_PRESENCE);
    assert_int_equal(o[1].u.sighting.bucket, 7);
    assert_int_equal(f->radio.counters.tags_resolved, 3);
    assert_int_equal(f->radio.counters.eids_unknown, 1);
    assert_int_equal(f->radio.counters.no_consent, 1);
    /* an address is enough, whatever is said under it; a public one of the same bytes is another's */
    assert_int_equal(step(f, packet, legacy(packet, RSSI, flags, NULL)), 0);
    wr_le(&address, tags_ah(badge.key, 0x4abcde), 3);
    wr_le(&address, 0x4abcde, 3);
    assert_int_equal(step(f, packet, 4 + 9 + 3 + 1), 1);
    assert_string_equal(o[0].u.sighting.who.ref, "badge");
    packet[5] = 0;
    assert_int_equal(step(f, packet, 4 + 9 + 3 + 1), 0);
    free(memory);
    free(f);
}

/* More sightings than an event is good for: the first RADIO_OBS_MAX, the rest counted. */
static void test_crowded(void **state)
{
    struct fixture *f = make();
    struct tag badge = {.id = "badge", .kind = TAG_IRK, .key = {2}};
    void *memory = calloc(1, tags_size(1));
    uint8_t packet[257];
    struct wr w = wr_init(packet, sizeof(packet));

    (void)state;
    assert_non_null(memory);
    tags_init(&f->radio.tags, memory, 1);
    assert_null(tags_add(&f->radio.tags, &badge));
    wr_copy(&w, (const uint8_t[]){HCI_LE_META, 2 + 25 * 10, HCI_LE_ADV_REPORT, 25}, 4);
    for (int i = 0; i < 25; i++) {
        wr_copy(&w, (const uint8_t[]){3, 1}, 2);
        wr_le(&w, tags_ah(badge.key, 0x4abcde), 3);
        wr_le(&w, 0x4abcde, 3);
        wr_copy(&w, (const uint8_t[]){0, (uint8_t)RSSI}, 2);
    }
    assert_int_equal(step(f, packet, w.n), RADIO_OBS_MAX);
    assert_int_equal(f->radio.counters.crowded, 25 - RADIO_OBS_MAX);
    free(memory);
    free(f);
}

/* Who is nobody's counts for the crowd; members, staff and what sends a format of ours do not. */
static void test_crowd(void **state)
{
    const uint8_t apple[] = {4, 0xff, 0x4c, 0x00, 0x10},
                  bthome[] = {6, 0x16, 0xd2, 0xfc, 0x40, 0x01, 0x61};
    struct fixture *f = make();
    uint8_t ad[18], packet[257];

    (void)state;
    token_ad(0, ad);
    crowd_salt(&f->radio.crowd, (const uint8_t[CROWD_SALT_SIZE]){1}, 0);
    step(f, packet, legacy(packet, RSSI, ad, bthome, NULL));
    assert_int_equal(f->radio.crowd.seen_n, 0);
    step(f, packet, legacy(packet, RSSI, apple, apple, NULL)); /* the same address twice */
    assert_int_equal(f->radio.crowd.seen_n, 1);
    free(f);
}

/* The published example (bthome.io/encryption), then played back, forged, and in the clear. */
static void test_sensor(void **state)
{
    static const uint8_t key[16] = {0x23, 0x1d, 0x39, 0xc1, 0xd7, 0xcc, 0x1a, 0xb1,
                                    0xae, 0xe2, 0x24, 0xcd, 0x09, 0x6d, 0xb9, 0x32},
                         address[6] = {0xa5, 0x80, 0x8f, 0xe6, 0x48, 0x54};
    uint8_t first[] = {0x12, 0x16, 0xd2, 0xfc, 0x41, 0xe4, 0x45, 0xf3, 0xc9, 0x96,
                       0x2b, 0x33, 0x22, 0x11, 0x00, 0x6c, 0x7c, 0x45, 0x19},
            later[] = {0x12, 0x16, 0xd2, 0xfc, 0x41, 0xa4, 0x72, 0x66, 0xc9, 0x5f,
                       0x73, 0x00, 0x11, 0x22, 0x33, 0x78, 0x23, 0x72, 0x14},
            clear[] = {6, 0x16, 0xd2, 0xfc, 0x40, 0x01, 0x61}, packet[257];
    struct fixture *f = make();
    const struct radio_counters *c = &f->radio.counters;
    const uint8_t *const ads[] = {first, first, later, first, clear};

    (void)state;
    assert_true(radio_sensor_key(&f->radio, "other", (const uint8_t[16]){1}));
    assert_true(radio_sensor_key(&f->radio, "fridge", key));
    for (size_t i = 0; i < 5; i++) {
        size_t n = legacy(packet, RSSI, ads[i], NULL);

        step(f, packet, n); /* a stranger's address */
        memcpy(packet + 6, address, sizeof(address));
        assert_int_equal(step(f, packet, n), i == 0 || i == 2);
        if (i == 2) { /* 25.06 degrees, by the specification */
            assert_int_equal(f->obs[0].kind, OBS_TEMPERATURE);
            assert_string_equal(f->obs[0].u.temperature.sensor, "fridge");
            assert_int_equal(f->obs[0].u.temperature.temperature_mc, 25060);
        }
    }
    assert_int_equal(c->sensors_good, 2);
    assert_int_equal(c->sensors_repeated, 1);
    assert_int_equal(c->sensors_refused, 2);
    assert_true(radio_sensor_key(&f->radio, "fridge", key)); /* no way to replay */
    legacy(packet, RSSI, first, NULL);
    memcpy(packet + 6, address, sizeof(address));
    step(f, packet, 4 + 9 + sizeof(first) + 1);
    assert_int_equal(c->sensors_refused, 3);
    for (char id[3] = "a0"; f->radio.sensors_n < RADIO_SENSORS_MAX; id[1]++)
        assert_true(radio_sensor_key(&f->radio, id, key));
    assert_false(radio_sensor_key(&f->radio, "more", key));
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twin),        cmocka_unit_test(test_member),
        cmocka_unit_test(test_node),        cmocka_unit_test(test_strangers_are_counted),
        cmocka_unit_test(test_extended),    cmocka_unit_test(test_longest),
        cmocka_unit_test(test_many_chains), cmocka_unit_test(test_full_event),
        cmocka_unit_test(test_tags),        cmocka_unit_test(test_crowded),
        cmocka_unit_test(test_sensor),      cmocka_unit_test(test_crowd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
