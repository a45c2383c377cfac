/* Look-ups in the plan and the GTIN check; see plan.h.
 *
 * Linear searches on purpose: they run when a plan, a stored row or a command comes in, never for a reading
 * or a sighting, which carry indices.
 */
#include "core/plan.h"

#include <string.h>

/* The ids of all entries, one search: `entries` are `n` structures of `size` bytes that begin with an id. */
static uint16_t find(const void *entries, size_t size, uint16_t n, const char *id)
{
    for (uint16_t i = 0; i < n; i++)
        if (strcmp((const char *)entries + i * size, id) == 0)
            return i;
    return NO_INDEX;
}

uint16_t plan_find_plate(const struct plan *plan, const char *id)
{
    return find(plan->plates, sizeof(plan->plates[0]), plan->plates_n, id);
}

uint16_t plan_find_cell(const struct plan *plan, const char *id)
{
    return find(plan->cells, sizeof(plan->cells[0]), plan->cells_n, id);
}

uint16_t plan_find_receiver(const struct plan *plan, const char *id)
{
    return find(plan->receivers, sizeof(plan->receivers[0]), plan->receivers_n, id);
}

uint16_t plan_find_zone(const struct plan *plan, const char *id)
{
    return find(plan->zones, sizeof(plan->zones[0]), plan->zones_n, id);
}

uint16_t plan_find_fixture(const struct plan *plan, const char *id)
{
    return find(plan->fixtures, sizeof(plan->fixtures[0]), plan->fixtures_n, id);
}

uint16_t plan_find_product(const struct plan *plan, const char *gtin)
{
    char gtin14[NOREN_GTIN_SIZE];

    if (!plan_parse_gtin(gtin, gtin14))
        return NO_INDEX;
    return find(plan->products, sizeof(plan->products[0]), plan->products_n, gtin14);
}

uint16_t plan_find_node(const struct plan *plan, uint16_t node, uint8_t cell)
{
    int64_t wanted = (int64_t)node << 4 | cell;

    if (cell > 15)
        return NO_INDEX;
    for (uint16_t i = 0; i < plan->cells_n; i++)
        if (plan->cells[i].node == wanted)
            return i;
    return NO_INDEX;
}

bool plan_parse_gtin(const char *text, char ret_gtin14[NOREN_GTIN_SIZE])
{
    size_t n = strnlen(text, NOREN_GTIN_SIZE);
    char padded[NOREN_GTIN_SIZE] = "00000000000000";
    int sum = 0;

    if (n != 8 && n != 12 && n != 13 && n != 14)
        return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    memcpy(padded + 14 - n, text, n);
    /* Weights 3, 1, 3 ... from the left of the 14-digit form; the whole sum, check digit included, is a
     * multiple of ten (GS1 General Specifications, 7.9). */
    for (size_t i = 0; i < 14; i++)
        sum += (padded[i] - '0') * (i % 2 == 0 ? 3 : 1);
    if (sum % 10 != 0)
        return false;
    memcpy(ret_gtin14, padded, sizeof(padded));
    return true;
}
