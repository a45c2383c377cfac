/* Both worlds in one process: the device's step makes an advertisement, a report is built around it as a
 * controller would, and the gateway's step makes an observation of it. No radio, no thread, no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/device.h"
#include "core/radio.h"

static const struct provision config = {.kind = DEVICE_SHELF_NODE,
                                        .interval_ms = 1000,
                                        .key = {5, 6, 7},
                                        .number = 300,
                                        .cells_n = 1,
                                        .cells = {{.zero_counts = 0, .ug_per_count = 1000}}};

/* LE Advertising Report, ADV_NONCONN_IND, random address (Core 5.4, Vol 4 Part E, 7.7.65.2). */
static size_t report(const struct device_out *out, uint8_t ret_packet[64])
{
    struct wr w = wr_init(ret_packet, 64);
    const uint8_t head[] = {0x3e, (uint8_t)(12 + out->ad_n), 0x02, 1, 0x03, 0x01, 1, 2, 3, 4, 5, 6};

    wr_copy(&w, head, sizeof(head));
    wr_u8(&w, out->ad_n);
    wr_copy(&w, out->ad, out->ad_n);
    wr_u8(&w, (uint8_t)-60);
    assert_false(w.bad);
    return w.n;
}

static void test_node_to_observation(void **state)
{
    static struct radio radio;
    struct device device;
    struct device_in in = {.sampled = {true}};
    struct device_out out;
    struct obs obs[RADIO_OBS_MAX];
    uint8_t packet[64];
    int heard = 0;

    (void)state;
    radio_init(&radio);
    assert_true(radio_node_key(&radio, config.number, config.key));
    device_init(&device, &config, 0, 0);
    for (uint32_t now_ms = 0; now_ms < 60000; now_ms += 100) {
        struct radio_in heard_in = {.t_us = now_ms * 1000, .packet = packet};

        in.counts[0] = (int32_t)now_ms * 10;
        device_step(&device, &in, now_ms, &out);
        if (out.store)
            in.counter = out.counter;
        if (out.ad_n == 0)
            continue;
        heard_in.n = report(&out, packet);
        assert_int_equal(radio_step(&radio, &heard_in, obs), 1);
        assert_int_equal(obs[0].kind, OBS_NODE);
        assert_int_equal(obs[0].u.node.node, 300);
        assert_int_equal(obs[0].u.node.cell, 0);
        /* 1 mg a count; the median lies half a report back */
        assert_in_range(obs[0].u.node.mass_mg, now_ms >= 1500 ? now_ms * 10 - 15000 : 0,
                        now_ms * 10);
        heard++;
        /* the same frame again is a repetition, a changed one is refused, and neither is an observation */
        assert_int_equal(radio_step(&radio, &heard_in, obs), 0);
        packet[13 + 24] ^= 1;
        packet[13 + 19] ^= 0x80; /* a higher counter, so that it is not taken for a repetition */
        assert_int_equal(radio_step(&radio, &heard_in, obs), 0);
    }
    assert_true(heard >= 59);
    assert_int_equal(radio.counters.nodes_good, heard);
    assert_int_equal(radio.counters.nodes_refused, heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_node_to_observation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
