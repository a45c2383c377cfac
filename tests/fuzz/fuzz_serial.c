/* Fuzz target: bytes of a serial line with shelf nodes, in whatever pieces they come.
 *
 * Beyond not crashing: what passes is a report that core/radio.c understands, of a shelf node and of nobody else,
 * and without the node's key nothing becomes of it.
 */
#include <stdlib.h>

#include "core/radio.h"
#include "io/serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct radio radio;
    struct serial_lines lines = {.n = 0};
    struct ble_packet packet;
    struct obs obs[RADIO_OBS_MAX];
    int64_t passed = 0;

    radio_init(&radio);
    for (size_t i = 0; i < n; i++) {
        struct radio_in in = {.packet = packet.bytes};

        if (!serial_byte(&lines, (char)data[i], &packet))
            continue;
        passed++;
        in.n = packet.n;
        if (radio_step(&radio, &in, obs) != 0)
            abort();
    }
    if (passed != lines.good ||
        radio.counters.nodes_refused + radio.counters.refused_ad + radio.counters.unknown != passed)
        abort();
    return 0;
}
