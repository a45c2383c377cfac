/* Tags by EID and by resolvable private address, with the published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/eax.h"
#include "core/tags.h"
#include "noren/cursor.h"
#include "noren/hex.h"

#define NOW_S 1795251600
#define US    NOREN_US_PER_S

static const uint8_t ADDRESS[TAG_ADDR_SIZE] = {1, 2, 3, 4, 5, 0xc6};

static struct tag eid_tag(const char *id, uint8_t key, uint8_t k, int64_t offset_s)
{
    struct tag t = {.kind = TAG_EID, .k = k, .offset_s = offset_s, .key = {key, 1, 2, 3}};

    snprintf(t.id, sizeof(t.id), "%s", id);
    return t;
}

static struct tag irk_tag(const char *id, uint16_t key)
{
    struct tag t = {.kind = TAG_IRK, .key = {(uint8_t)key, (uint8_t)(key >> 8), 7}};

    snprintf(t.id, sizeof(t.id), "%s", id);
    return t;
}

static struct tags make(size_t capacity)
{
    void *memory = malloc(tags_size(capacity));
    struct tags t;

    assert_non_null(memory);
    memset(memory, 0xa5, tags_size(capacity)); /* nothing may depend on what was there */
    tags_init(&t, memory, capacity);
    return t;
}

static void address_of(const uint8_t irk[16], uint32_t prand, uint8_t ret[6])
{
    struct wr w = wr_init(ret, 6);

    wr_le(&w, tags_ah(irk, prand), 3);
    wr_le(&w, prand, 3);
}

/* google/eddystone: eid-computation's test vectors. */
static void test_eid_vectors(void **state)
{
    static const struct {
        const char *key, *eid;
        uint8_t k;
        uint32_t time;
    } vectors[] = {
        {"2fcc73b2346d15adb806ea799431d3c0", "3d9120f528cc1496", 12, 0x12345678},
        {"ff13b262328beea97ac45aa14ac85c56", "a760539518d97522", 15, 4294967295U},
        {"e2d10c4ec66c53750fba51597193de2f", "9d8ba7d1bd78b089", 9, 65536},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct tags t = make(1);
        struct tag in = eid_tag("t", 0, vectors[i].k, (int64_t)vectors[i].time - NOW_S), out;
        uint8_t eid[TAG_EID_SIZE], got[TAG_EID_SIZE];

        assert_true(hex_read(vectors[i].key, in.key, sizeof(in.key)));
        assert_true(hex_read(vectors[i].eid, eid, sizeof(eid)));
        tags_eid(in.key, in.k, vectors[i].time, got);
        assert_memory_equal(got, eid, sizeof(eid));
        assert_null(tags_add(&t, &in));
        assert_false(tags_resolve_eid(&t, eid, ADDRESS, &out)); /* no time yet */
        tags_clock(&t, NOW_S * US, CLOCK_SYNCED);
        assert_true(tags_resolve_eid(&t, eid, ADDRESS, &out));
        assert_string_equal(out.id, "t");
        tags_clock(&t, NOW_S * US, CLOCK_FLOOR);
        assert_false(tags_resolve_eid(&t, eid, ADDRESS, &out));
        free(t.memory);
    }
}

/* Core 5.4, Vol 3 Part H, D.7, and the address made of it: 70:81:94:0d:fb:aa. */
static void test_ah_vector(void **state)
{
    static const uint8_t address[] = {0xaa, 0xfb, 0x0d, 0x94, 0x81, 0x70};
    struct tags t = make(2);
    struct tag in = irk_tag("badge", 0), out;

    (void)state;
    assert_true(hex_read("ec0234a357c8ad05341010a60a397d9b", in.key, sizeof(in.key)));
    assert_int_equal(tags_ah(in.key, 0x708194), 0x0dfbaa);
    assert_null(tags_add(&t, &in));
    assert_true(tags_resolve_address(&t, address, true, 5 * US, &out));
    assert_string_equal(out.id, "badge");
    assert_int_equal(out.kind, TAG_IRK);
    assert_int_equal(out.key[0], 0); /* keys stay in the table */
    free(t.memory);
}

/* Every EID within the windows around now is the tag's, and none outside. */
static void test_eid_windows(void **state)
{
    static const struct {
        uint8_t k;
        int radius;
    } rows[] = {{15, 1}, {10, 1}, {9, 1}, {8, 2}, {7, 4}, {5, 13}, {4, 25}, {0, 25}};
    struct tag out;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tags t = make(8);
        struct tag in = eid_tag("t", 9, rows[i].k, 12345);
        uint8_t eid[TAG_EID_SIZE];

        assert_null(tags_add(&t, &in));
        for (int64_t s = NOW_S; s < NOW_S + 3000; s += 611) {
            tags_clock(&t, s * US, CLOCK_HELD);
            for (int d = -30; d <= 30; d++) {
                tags_eid(in.key, in.k,
                         (uint32_t)(s + 12345) + (uint32_t)d * ((uint32_t)1 << rows[i].k), eid);
                assert_int_equal(tags_resolve_eid(&t, eid, ADDRESS, &out),
                                 abs(d) <= rows[i].radius);
            }
        }
        free(t.memory);
    }
}

/* A tag whose clock runs away by 100 ppm is followed for a year; a table that did not learn would lose it
 * after four months. */
static void test_eid_drift(void **state)
{
    struct tags t = make(1);
    struct tag in = eid_tag("t", 3, 10, 0), out;
    uint8_t eid[TAG_EID_SIZE];

    (void)state;
    assert_null(tags_add(&t, &in));
    for (int64_t s = 0; s < 365 * 86400; s += 1000) {
        tags_clock(&t, (NOW_S + s) * US, CLOCK_SYNCED);
        tags_eid(in.key, in.k, (uint32_t)(NOW_S + s + s / 10000), eid);
        assert_true(tags_resolve_eid(&t, eid, ADDRESS, &out));
    }
    assert_true(out.offset_s > 1500);
    free(t.memory);
}

/* An EID that is played again and again expires in spite of it. */
static void test_eid_replay(void **state)
{
    struct tags t = make(1);
    struct tag in = eid_tag("t", 3, 10, 0), out;
    uint8_t eid[TAG_EID_SIZE];
    int64_t s = 0;

    (void)state;
    assert_null(tags_add(&t, &in));
    tags_clock(&t, NOW_S * US, CLOCK_SYNCED);
    tags_eid(in.key, in.k, NOW_S, eid);
    while (tags_resolve_eid(&t, eid, ADDRESS, &out) && s < 10000)
        tags_clock(&t, (NOW_S + ++s) * US, CLOCK_SYNCED);
    assert_in_range(s, 1024, 2 * 1024 + 2);
    free(t.memory);
}

/* A thousand tags of each kind; several addresses of one tag at a time. */
static void test_many(void **state)
{
    struct tags t = make(2000);
    uint8_t eid[TAG_EID_SIZE], address[6];
    struct tag out;
    char id[NOREN_ID_SIZE];

    (void)state;
    for (uint16_t i = 0; i < 1000; i++) {
        struct tag e = eid_tag("", (uint8_t)i, 9, i), a = irk_tag("", i);

        e.key[5] = (uint8_t)(i >> 8);
        snprintf(e.id, sizeof(e.id), "e-%u", i);
        snprintf(a.id, sizeof(a.id), "a-%u", i);
        snprintf(a.member_ref, sizeof(a.member_ref), "m-%u", i);
        assert_null(tags_add(&t, &e));
        assert_null(tags_add(&t, &a));
    }
    tags_clock(&t, NOW_S * US, CLOCK_SYNCED);
    for (uint16_t i = 0; i < 1000; i++) {
        struct tag e = eid_tag("", (uint8_t)i, 9, i), a = irk_tag("", i);

        e.key[5] = (uint8_t)(i >> 8);
        snprintf(id, sizeof(id), "e-%u", i);
        tags_eid(e.key, 9, NOW_S + i, eid);
        assert_true(tags_resolve_eid(&t, eid, ADDRESS, &out));
        assert_string_equal(out.id, id);
        eid[7] ^= 1;
        assert_false(tags_resolve_eid(&t, eid, ADDRESS, &out));
        snprintf(id, sizeof(id), "m-%u", i);
        for (uint32_t k = 0; k < (i % 20 == 0 ? 2 : 0); k++) {
            address_of(a.key, 0x400000 + 2U * i + k, address);
            assert_true(tags_resolve_address(&t, address, true, i * US, &out));
            assert_string_equal(out.member_ref, id);
        }
    }
    free(t.memory);
}

/* Each address costs AES once; a flood of strangers costs what the bound says and evicts no tag. */
static void test_flood(void **state)
{
    struct tags t = make(16);
    struct tag in = irk_tag("badge", 1), out;
    uint8_t mine[6], address[6];
    uint64_t seed = 1;

    (void)state;
    for (uint16_t i = 1; i <= 16; i++) {
        struct tag other = irk_tag(i == 1 ? "badge" : "other", i);

        assert_null(tags_add(&t, &other));
    }
    address_of(in.key, 0x412345, mine);
    for (int i = 0; i < 100; i++)
        assert_true(tags_resolve_address(&t, mine, true, i * 10 * US, &out));
    assert_int_equal(t.addresses_tried, 1);
    for (int i = 0; i < 20000; i++) { /* 10,000 a second */
        struct wr w = wr_init(address, sizeof(address));

        seed = seed * 6364136223846793005U + 1442695040888963407U;
        wr_le(&w, seed >> 16, 5);
        wr_u8(&w, (uint8_t)(0x40 | (seed >> 56 & 0x3f)));
        tags_resolve_address(&t, address, true, 1000 * US + i * 100, &out);
        if (i % 1000 == 0)
            assert_true(tags_resolve_address(&t, mine, true, 1000 * US + i * 100, &out));
    }
    assert_int_equal(t.addresses_tried, 1 + 2 * TAGS_AES_PER_S / 16);
    assert_int_equal(t.addresses_tried + t.addresses_skipped, 1 + 20000);
    /* an address is tried again when its time is over, and when keys have come */
    assert_true(tags_resolve_address(&t, mine, true, 3000 * US, &out));
    assert_int_equal(t.addresses_tried, 2 + 2 * TAGS_AES_PER_S / 16);
    free(t.memory);
}

/* Only addresses with the bits of a resolvable private address are tried at all. */
static void test_other_addresses(void **state)
{
    struct tags t = make(2);
    struct tag in = irk_tag("a", 1), late = irk_tag("late", 2), out;
    uint8_t address[6];

    (void)state;
    assert_null(tags_add(&t, &in));
    for (uint32_t top = 0; top < 4; top++) {
        address_of(in.key, top << 22 | 5, address);
        assert_int_equal(tags_resolve_address(&t, address, true, 0, &out), top == 1);
    }
    assert_int_equal(t.addresses_tried, 1);
    address_of(late.key, 0x400001, address);
    assert_false(tags_resolve_address(&t, address, true, 0, &out));
    assert_null(tags_add(&t, &late));
    assert_true(tags_resolve_address(&t, address, true, 0, &out));
    free(t.memory);
}

/* A device is known by the keyed hash of its address, public or random; a flood cannot take its place. */
static void test_devices(void **state)
{
    /* openssl dgst -sha256 -mac HMAC -macopt hexkey:000102..0f of c60504030201, first 16 bytes */
    static const uint8_t want[NOREN_DEVICE_TAG_SIZE] = {0x76, 0x38, 0xb7, 0xf3, 0xbb, 0x03,
                                                        0x7b, 0xfa, 0xbe, 0x36, 0xa4, 0x24,
                                                        0x13, 0x01, 0xf2, 0x57};
    const uint8_t address[6] = {1, 2, 3, 4, 5, 0xc6}; /* as in a report */
    struct tags t = make(2);
    struct tag in = {.kind = TAG_DEVICE, .id = "till-phone", .staff = true}, out;
    uint8_t other[6] = {0, 0, 0, 4, 5, 0xc6};

    (void)state;
    for (uint8_t i = 0; i < TAG_KEY_SIZE; i++)
        t.store_key[i] = i;
    memcpy(in.key, want, sizeof(want));
    assert_null(tags_add(&t, &in));
    for (int random = 0; random < 2; random++) {
        assert_true(tags_resolve_address(&t, address, random, US, &out));
        assert_string_equal(out.id, "till-phone");
        assert_true(out.staff);
    }
    assert_int_equal(t.addresses_tried, 1); /* once an address */
    for (uint32_t i = 0; i < 200000; i++) {
        memcpy(other, &i, 3);
        if (memcmp(other, address, 3) != 0)
            assert_false(tags_resolve_address(&t, other, true, 2 * US + i * 100, &out));
    }
    assert_true(t.addresses_skipped > 100000);
    assert_true(tags_resolve_address(&t, address, true, 30 * US, &out));
    t.store_key[0] ^= 1; /* made with another key: nobody */
    assert_false(tags_resolve_address(&t, address, true, 3000 * US, &out));
    free(t.memory);
}

static void test_refused(void **state)
{
    struct tags t = make(2), none = {.memory = NULL};
    struct tag good = eid_tag("t", 1, 10, 0), bad = good, out;
    const uint8_t eid[TAG_EID_SIZE] = {0}, address[6] = {0, 0, 0, 0, 0, 0x40};

    (void)state;
    assert_false(tags_resolve_eid(&none, eid, ADDRESS, &out));
    assert_false(tags_resolve_address(&none, address, true, 0, &out));
    tags_clock(&none, NOW_S * US, CLOCK_SYNCED);
    assert_false(tags_resolve_eid(&none, eid, ADDRESS, &out));
    bad.id[0] = '\0';
    assert_non_null(tags_add(&t, &bad));
    memset(bad.id, 'x', sizeof(bad.id));
    assert_non_null(tags_add(&t, &bad));
    bad = good;
    memset(bad.member_ref, 'x', sizeof(bad.member_ref));
    assert_non_null(tags_add(&t, &bad));
    bad = good;
    bad.bucket = 10000;
    assert_non_null(tags_add(&t, &bad));
    bad = good;
    bad.k = 16;
    assert_non_null(tags_add(&t, &bad));
    bad.k = 0; /* 51 windows, the table has 16 */
    assert_non_null(tags_add(&t, &bad));
    assert_int_equal(t.n, 0);
    assert_null(tags_add(&t, &good));
    assert_null(tags_add(&t, &good));
    assert_non_null(tags_add(&t, &good));
    free(t.memory);
}

/* An eTLM frame as a beacon makes it: voltage, temperature, advertisements, time. */
static struct frame_eddystone_etlm etlm(const struct tag *tag, uint32_t counter,
                                        int16_t temperature)
{
    struct frame_eddystone_etlm f;
    uint8_t plain[DECODE_TLM_SIZE] = {0}, nonce[6];
    struct wr w = wr_init(plain, sizeof(plain)), n = wr_init(nonce, sizeof(nonce));

    wr_be(&w, 2950, 2);
    wr_be(&w, (uint16_t)temperature, 2);
    f.salt[0] = 0x5a;
    f.salt[1] = 0xa5;
    wr_be(&n, counter >> tag->k << tag->k, 4);
    wr_copy(&n, f.salt, 2);
    eax_seal(tag->key, nonce, sizeof(nonce), plain, sizeof(plain), f.data, f.mic, sizeof(f.mic));
    return f;
}

/* No vector is published for a seal without header, which is what eTLM has. These were worked out by Python's
 * cryptography package, by a program that gives the paper's own vectors (Bellare, Rogaway, Wagner 2004). */
static void test_eax_vectors(void **state)
{
    static const struct {
        const char *plain, *sealed, *tag;
    } vectors[] = {
        {"0b8604800000000100000002", "b2a20c76fdec7096c20dc913",
         "993f65d7cd36295656d43acb764d1709"},
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
         "b9250af5f9e97690ca04c31a80403209e8de88e2721b5f2f4e614e7ac9b885a5",
         "26a91d0298cfe9d7c6db07f287d195d9"},
    };
    static const uint8_t nonce[6] = {0x6b, 0, 0, 0, 0xa5, 0x5a};
    uint8_t key[16];

    (void)state;
    for (unsigned i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t plain[32], sealed[32], tag[16], out[32], out_tag[16];
        size_t n = strlen(vectors[i].plain) / 2;

        assert_true(hex_read(vectors[i].plain, plain, n));
        assert_true(hex_read(vectors[i].sealed, sealed, n));
        assert_true(hex_read(vectors[i].tag, tag, 16));
        eax_seal(key, nonce, sizeof(nonce), plain, n, out, out_tag, 16);
        assert_memory_equal(out, sealed, n);
        assert_memory_equal(out_tag, tag, 16);
        assert_true(eax_open(key, nonce, sizeof(nonce), sealed, n, tag, 2, out));
        assert_memory_equal(out, plain, n);
        tag[1] ^= 1;
        assert_false(eax_open(key, nonce, sizeof(nonce), sealed, n, tag, 2, out));
    }
}

static void test_etlm(void **state)
{
    struct tag in = eid_tag("fridge", 9, 10, 5000), other = eid_tag("other", 8, 10, 0), out;
    struct tags t = make(2);
    struct tag_health health;
    uint8_t eid[TAG_EID_SIZE], elsewhere[TAG_ADDR_SIZE] = {9};
    uint32_t counter = NOW_S + 5000;
    struct frame_eddystone_etlm f = etlm(&in, counter, 4 * 256 + 128), wrong = f;

    (void)state;
    assert_null(tags_add(&t, &other));
    assert_null(tags_add(&t, &in));
    tags_clock(&t, NOW_S * US, CLOCK_SYNCED);
    assert_int_equal(tags_open_etlm(&t, ADDRESS, &f, &health), -1); /* from nobody we heard */
    tags_eid(in.key, in.k, counter, eid);
    assert_true(tags_resolve_eid(&t, eid, ADDRESS, &out));
    assert_int_equal(tags_open_etlm(&t, ADDRESS, &f, &health), 1);
    assert_string_equal(health.id, "fridge");
    assert_int_equal(health.voltage_mv, 2950);
    assert_int_equal(health.temperature_mc, 4500);
    assert_false(health.of_member);
    assert_int_equal(tags_open_etlm(&t, elsewhere, &f, &health), -1);
    wrong.data[3] ^= 1;
    assert_int_equal(tags_open_etlm(&t, ADDRESS, &wrong, &health), 0);
    f = etlm(&in, counter - 1024, -256 / 2); /* its clock is a window behind */
    assert_int_equal(tags_open_etlm(&t, ADDRESS, &f, &health), 1);
    assert_int_equal(health.temperature_mc, -500);
    f = etlm(&in, counter, INT16_MIN);
    assert_int_equal(tags_open_etlm(&t, ADDRESS, &f, &health), 1);
    assert_int_equal(health.temperature_mc, INT32_MIN);
    f = etlm(&in, counter - 86400, 0); /* played back a day later */
    assert_int_equal(tags_open_etlm(&t, ADDRESS, &f, &health), 0);
    free(t.memory);
}

/* What was learnt of a tag's clock outlives a new document; another key begins anew. */
static void test_carry(void **state)
{
    struct tag in = eid_tag("t", 1, 10, 0), out;
    struct tags old = make(2), fresh = make(2);
    uint8_t eid[TAG_EID_SIZE];

    (void)state;
    assert_null(tags_add(&old, &in));
    tags_clock(&old, NOW_S * US, CLOCK_SYNCED);
    tags_clock(&old, (NOW_S + 2000000) * US, CLOCK_SYNCED);
    tags_eid(in.key, in.k, NOW_S + 2000000 + 1024 + 300, eid);
    assert_true(tags_resolve_eid(&old, eid, ADDRESS, &out));
    assert_true(tags_resolve_eid(&old, eid, ADDRESS, &out));
    assert_in_range(out.offset_s, 100, 1023);
    assert_null(tags_add(&fresh, &in));
    tags_carry(&fresh, &old);
    tags_clock(&fresh, (NOW_S + 2000000) * US, CLOCK_SYNCED);
    assert_true(tags_resolve_eid(&fresh, eid, ADDRESS, &in));
    assert_int_equal(in.offset_s, out.offset_s);
    free(old.memory);
    free(fresh.memory);
}

static void test_forget(void **state)
{
    struct tag card = eid_tag("card", 1, 10, 0), badge = irk_tag("badge", 3), free_tag, out;
    struct tags t = make(4);
    uint8_t eid[TAG_EID_SIZE], address[TAG_ADDR_SIZE];

    (void)state;
    free_tag = eid_tag("trolley", 2, 10, 0);
    snprintf(card.member_ref, sizeof(card.member_ref), "m-1");
    snprintf(badge.member_ref, sizeof(badge.member_ref), "m-1");
    assert_null(tags_add(&t, &card));
    assert_null(tags_add(&t, &badge));
    assert_null(tags_add(&t, &free_tag));
    tags_clock(&t, NOW_S * US, CLOCK_SYNCED);
    address_of(badge.key, 0x4abcde, address);
    tags_eid(card.key, card.k, NOW_S, eid);
    assert_true(tags_resolve_eid(&t, eid, ADDRESS, &out));
    assert_true(tags_resolve_address(&t, address, true, US, &out));
    assert_int_equal(tags_forget(&t, "m-1"), 2);
    assert_int_equal(tags_forget(&t, "m-1"), 0);
    tags_clock(&t, (NOW_S + 1) * US, CLOCK_SYNCED);
    assert_false(tags_resolve_eid(&t, eid, ADDRESS, &out));
    assert_false(tags_resolve_address(&t, address, true, US, &out));
    assert_null(memmem(t.memory, tags_size(4), "m-1", 4));
    assert_null(memmem(t.memory, tags_size(4), card.key, TAG_KEY_SIZE));
    tags_eid(free_tag.key, free_tag.k, NOW_S, eid);
    assert_true(tags_resolve_eid(&t, eid, ADDRESS, &out));
    free(t.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eid_vectors), cmocka_unit_test(test_ah_vector),
        cmocka_unit_test(test_eid_windows), cmocka_unit_test(test_eid_drift),
        cmocka_unit_test(test_eid_replay),  cmocka_unit_test(test_many),
        cmocka_unit_test(test_flood),       cmocka_unit_test(test_other_addresses),
        cmocka_unit_test(test_devices),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_etlm),        cmocka_unit_test(test_eax_vectors),
        cmocka_unit_test(test_carry),       cmocka_unit_test(test_forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
