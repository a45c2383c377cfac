/* Fuzz target: what comes over the store's broker from other boards.
 *
 * The first byte says which message. Beyond not crashing: what is refused has a sentence; what is taken has
 * only places that exist and values in range, and survives being printed and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "io/bus_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_one(const struct obs *o, bool cells)
{
    if (!cells) {
        must(o->kind == OBS_SIGHTING && o->u.sighting.receiver == NO_INDEX);
        must(o->u.sighting.who.kind == WHO_MEMBER || o->u.sighting.who.kind == WHO_TAG);
        must(o->u.sighting.who.ref[0] != '\0' && o->u.sighting.consent <= CONSENT_ALL);
        must(o->u.sighting.rssi_dbm >= -127 && o->u.sighting.rssi_dbm <= 20);
    } else if (o->kind == OBS_CELL) {
        must(o->u.cell.cell < 2 && o->u.cell.counts >= -8388608 && o->u.cell.counts <= 8388607);
        must(o->u.cell.fault <= CELL_RATE);
    } else if (o->kind == OBS_TEMPERATURE) {
        must(o->u.temperature.sensor[0] != '\0');
    } else {
        must(o->kind == OBS_NODE && o->u.node.cell <= 15);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct plan plan = {.cells = {{.id = "c1"}, {.id = "c2"}}, .cells_n = 2};
    static struct bus_batch b, again;
    static char text[BUS_MESSAGE_SIZE];
    char why[BUS_ERROR_SIZE] = "";
    bool cells;
    int rc, len;

    if (n == 0)
        return 0;
    cells = data[0] % 2 == 1;
    rc = cells ? bus_read_cells((const char *)data + 1, n - 1, &plan, &b, why)
               : bus_read_sightings((const char *)data + 1, n - 1, &b, why);
    must(rc == 0 || why[0] != '\0');
    if (rc != 0)
        return 0;
    must(b.n <= BUS_BATCH_MAX);
    for (size_t i = 0; i < b.n; i++)
        check_one(&b.obs[i], cells);
    len = cells ? bus_print_cells(&b, &plan, 0, text, sizeof(text))
                : bus_print_sightings(&b, 0, text, sizeof(text));
    must(len > 0);
    rc = cells ? bus_read_cells(text, (size_t)len, &plan, &again, why)
               : bus_read_sightings(text, (size_t)len, &again, why);
    must(rc == 0 && again.n == b.n && again.sent_us == b.sent_us);
    for (size_t i = 0; i < b.n; i++)
        must(again.obs[i].t_us == b.obs[i].t_us && again.obs[i].kind == b.obs[i].kind);
    return 0;
}
