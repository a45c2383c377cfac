/* Fuzz target: planogram, map, campaigns and members documents.
 *
 * The first byte says which. Beyond not crashing: what is refused has a sentence and leaves the plan as it
 * was; what is taken has only indices that exist.
 */
#include <stdlib.h>
#include <string.h>

#include "io/plan_json.h"
#include "io/roll.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_plan(const struct plan *p)
{
    must(p->plates_n <= PLATES_MAX && p->cells_n <= CELLS_MAX && p->products_n <= PRODUCTS_MAX);
    must(p->zones_n <= ZONES_MAX && p->receivers_n <= RECEIVERS_MAX);
    for (uint16_t i = 0; i < p->plates_n; i++) {
        const struct plan_plate *plate = &p->plates[i];

        must(plate->fixture < p->fixtures_n);
        must(plate->zone < p->zones_n || plate->zone == NO_INDEX);
        for (uint8_t k = 0; k < plate->cells_n; k++)
            must(plate->cells[k] < p->cells_n && p->cells[plate->cells[k]].plate == i);
        for (uint8_t k = 0; k < plate->facings_n; k++)
            must(plate->facings[k].product < p->products_n && plate->facings[k].unit_mass_mg > 0);
        for (uint8_t k = 0; k < plate->neighbours_n; k++)
            must(plate->neighbours[k] < p->plates_n);
    }
    for (uint16_t i = 0; i < p->campaigns_n; i++)
        must(p->campaigns[i].zone < p->zones_n && p->campaigns[i].product < p->products_n);
}

static void read_one(struct plan *p, uint8_t which, const char *json, size_t n)
{
    char error[PLAN_ERROR_SIZE] = "";
    static struct roll roll;
    int r;

    if (which % 4 == 0)
        r = plan_read_map(p, json, n, error);
    else if (which % 4 == 1)
        r = plan_read_planogram(p, json, n, error);
    else if (which % 4 == 2)
        r = plan_read_campaigns(p, json, n, error);
    else
        r = roll_read(&roll, json, n, error);
    must(r >= 0 || error[0] != 0);
    roll_free(&roll);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char planogram[] = "{\"plates\":[{\"id\":\"p\",\"zone\":\"z\",\"facings\":[{"
                                    "\"gtin\":\"96385074\",\"unit_mass_mg\":500}]}]}";
    struct plan *p;

    if (n == 0)
        return 0;
    p = calloc(1, sizeof(*p));
    must(p != NULL);
    if (data[0] % 4 == 2)
        read_one(p, 1, planogram, sizeof(planogram) - 1);
    read_one(p, data[0], (const char *)data + 1, n - 1);
    check_plan(p);
    free(p);
    return 0;
}
