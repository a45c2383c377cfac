/* Firmware core: provisioning, the counter that never goes back, and the two kinds of device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/counter.h"
#include "core/device.h"

static const struct provision node = {.kind = DEVICE_SHELF_NODE,
                                      .interval_ms = 1000,
                                      .key = {1, 2, 3},
                                      .number = 7,
                                      .cells_n = 2,
                                      .cells = {{.zero_counts = 1000, .ug_per_count = 500},
                                                {.zero_counts = -500, .ug_per_count = -500}}};

static void test_provision(void **state)
{
    uint8_t page[PROVISION_SIZE];
    struct provision p, before = {.number = 99};

    (void)state;
    provision_build(&node, page);
    assert_null(provision_parse(page, sizeof(page), &p));
    assert_memory_equal(p.cells, node.cells, sizeof(p.cells));
    assert_int_equal(p.number, 7);
    for (size_t i = 0; i < sizeof(page); i++) { /* any flipped bit is noticed */
        page[i] ^= 0x10;
        p = before;
        assert_non_null(provision_parse(page, sizeof(page), &p));
        assert_int_equal(p.number, 99);
        page[i] ^= 0x10;
    }
    assert_non_null(provision_parse(page, sizeof(page) - 1, &p));
    p = node;
    p.interval_ms = 99; /* valid bytes, senseless value */
    provision_build(&p, page);
    assert_non_null(provision_parse(page, sizeof(page), &p));
}

/* Flash whose power fails after a number of word writes; the word being written keeps some bits of ones. */
struct flash {
    uint32_t words[COUNTER_PAGES][COUNTER_PAGE_WORDS];
    long budget; /* operations until the cut; < 0: no cut */
};

static bool flash_powered(struct flash *f)
{
    if (f->budget == 0)
        return false;
    if (f->budget > 0)
        f->budget--;
    return true;
}

static void flash_write(struct flash *f, unsigned page, unsigned word, uint32_t value)
{
    if (f->budget == 0)
        return;
    if (flash_powered(f) && f->budget != 0)
        f->words[page][word] &= value;
    else
        f->words[page][word] &= value | (uint32_t)rand(); /* cut in the middle */
}

static uint32_t flash_latest(const struct flash *f)
{
    const uint32_t *pages[COUNTER_PAGES] = {f->words[0], f->words[1]};

    return counter_latest(pages);
}

static void flash_store(struct flash *f, uint32_t value)
{
    const uint32_t *pages[COUNTER_PAGES] = {f->words[0], f->words[1]};
    struct counter_write w = counter_next(pages, value);

    if (w.erase && flash_powered(f))
        memset(f->words[w.page], 0xff, sizeof(f->words[w.page]));
    flash_write(f, w.page, w.word, w.value);
    flash_write(f, w.page, w.word + 1, ~w.value);
}

/* Cuts at every flash operation of several page turns: the value read back is the old or the new one. */
static void test_counter_power_cuts(void **state)
{
    static struct flash f;

    (void)state;
    for (long cut = 0; cut < 700; cut++) { /* 256 operations fill a page */
        uint32_t stored = 0;

        memset(&f, 0xff, sizeof(f));
        f.budget = cut;
        while (f.budget > 0) {
            flash_store(&f, stored + 5);
            if (f.budget > 0)
                stored += 5;
        }
        if (flash_latest(&f) != stored)
            assert_int_equal(flash_latest(&f), stored + 5);
        f.budget = -1; /* and it goes on from there */
        for (int i = 0; i < 40; i++) {
            uint32_t latest = flash_latest(&f);

            flash_store(&f, latest + 1);
            assert_int_equal(flash_latest(&f), latest + 1);
        }
    }
}

static uint32_t ad_counter(const struct device_out *out)
{
    struct rd r = rd_init(out->ad + 19, 4);

    return rd_le32(&r);
}

static int32_t ad_mass_dg(const struct device_out *out, const uint8_t *key, uint8_t *ret_status)
{
    uint8_t nonce[13], body[NOREN_NODE_BODY] = {0};
    struct rd r = rd_init(body, sizeof(body));

    noren_node_nonce(7, ad_counter(out), nonce);
    assert_int_equal(noren_aes_ccm_open(key, nonce, out->ad + 1, NOREN_NODE_HEADER - 1,
                                        out->ad + 23, 4, out->ad + 27, body),
                     0);
    *ret_status = body[3];
    return (int32_t)rd_sign_extend(rd_le(&r, 3), 24);
}

/* Starts close to the wrap of the clock, as every time test must. */
static void test_node_reports(void **state)
{
    struct device d;
    struct device_in in = {0};
    struct device_out out;
    uint32_t now_ms = 0xffffff00, next = 0;
    uint8_t status;
    int reports = 0;

    (void)state;
    device_init(&d, &node, 0, now_ms);
    assert_int_equal(device_step(&d, &in, now_ms, &out), now_ms);
    assert_true(out.store);
    assert_int_equal(out.ad_n, 0); /* nothing goes out above what flash holds */
    in.counter = out.counter;
    for (int i = 0; i < 1000; i++, now_ms += 10) {
        in.sampled[0] = true;
        in.counts[0] = i % 10 == 3 ? 8000000 : 1000 + 200000; /* one wild sample in ten */
        device_step(&d, &in, now_ms, &out);
        if (out.store)
            in.counter = out.counter;
        if (out.ad_n == 0)
            continue;
        reports++;
        assert_int_equal(ad_counter(&out), next++);
        if ((out.ad[18] & 15) == 0) {
            assert_int_equal(ad_mass_dg(&out, node.key, &status),
                             1000); /* 200000 x 500 ug = 100 g */
            assert_int_equal(status, reports > 2 ? NOREN_NODE_STABLE : 0);
        } else { /* the other cell never gave a sample */
            (void)ad_mass_dg(&out, node.key, &status);
            assert_int_equal(status, NOREN_NODE_FAULT);
        }
    }
    assert_int_equal(reports, 10);
}

/* A node that loses power again and again never sends one counter twice. */
static void test_node_restarts(void **state)
{
    static struct flash f;
    struct device d;
    struct device_out out;
    int64_t highest = -1;

    (void)state;
    memset(&f, 0xff, sizeof(f));
    for (int start = 0; start < 500; start++) {
        uint32_t now_ms = 0;

        f.budget = rand() % 8;
        device_init(&d, &node, flash_latest(&f), 0);
        for (int i = 0; i < rand() % 700 && f.budget != 0; i++, now_ms += 1000) {
            struct device_in in = {.counter = flash_latest(&f)};

            device_step(&d, &in, now_ms, &out);
            if (out.store)
                flash_store(&f, out.counter);
            if (out.ad_n > 0 && f.budget != 0) {
                assert_true((int64_t)ad_counter(&out) > highest);
                highest = ad_counter(&out);
            }
        }
    }
    assert_true(highest > 1000);
}

static void test_beacon_rotates(void **state)
{
    const struct provision config = {.kind = DEVICE_STORE_BEACON,
                                     .interval_ms = 500,
                                     .key = {9},
                                     .number = 12,
                                     .power_1m_dbm = -59,
                                     .first_step = NOREN_VECTOR_STEP};
    struct device d;
    struct device_in in = {0};
    struct device_out out;
    uint32_t now_ms = 0xfff00000;

    (void)state;
    device_init(&d, &config, 0, now_ms);
    for (uint32_t step = NOREN_VECTOR_STEP; step < NOREN_VECTOR_STEP + 4; step++) {
        struct rd r;

        device_step(&d, &in, now_ms, &out);
        assert_int_equal(out.ad_n, 27);
        r = rd_init(out.ad + 22, 4);
        assert_int_equal(rd_be16(&r), 12);
        assert_int_equal(rd_be16(&r), noren_beacon_minor(config.key, step));
        if (out.store)
            in.counter = out.counter;
        assert_int_equal(in.counter, step);
        now_ms += 900000;
    }
    device_init(&d, &config, in.counter, 0); /* after a restart it goes on from the stored step */
    device_step(&d, &in, 0, &out);
    assert_int_equal(out.ad[24] << 8 | out.ad[25],
                     noren_beacon_minor(config.key, NOREN_VECTOR_STEP + 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_provision),      cmocka_unit_test(test_counter_power_cuts),
        cmocka_unit_test(test_node_reports),   cmocka_unit_test(test_node_restarts),
        cmocka_unit_test(test_beacon_rotates),
    };

    srand(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
