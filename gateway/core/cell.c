/* Counts to milligrams, and what is wrong with a cell; see cell.h. */
#include "core/cell.h"

#include <math.h>
#include <string.h>

#define CLIPPED_MAX 3 /* full-scale codes in a row that are a fault, not a bump */

const char *cell_trouble_name(enum cell_trouble t)
{
    switch (t) {
    case TROUBLE_NONE:
        return "none";
    case TROUBLE_ABSENT:
        return "absent";
    case TROUBLE_SILENT:
        return "silent";
    case TROUBLE_SATURATED:
        return "saturated";
    case TROUBLE_NODE:
        return "node";
    }
    return "none";
}

void cell_init(struct cell *c, const struct plan_cell *plan)
{
    memset(c, 0, sizeof(*c));
    c->zero_counts = plan->zero_counts;
    c->mg_per_count = plan->mg_per_count;
}

void cell_plan(struct cell *c, const struct plan_cell *plan)
{
    c->rescaled = c->zero_counts != plan->zero_counts || c->mg_per_count != plan->mg_per_count;
    c->zero_counts = plan->zero_counts;
    c->mg_per_count = plan->mg_per_count;
}

bool cell_is_calibrated(const struct cell *c)
{
    return c->mg_per_count != 0;
}

bool cell_take(struct cell *c, const struct obs *o, int64_t *ret_mass_mg)
{
    switch (o->u.cell.fault) {
    case CELL_OK:
        c->clipped = 0;
        c->trouble = TROUBLE_NONE;
        *ret_mass_mg = llround((double)(o->u.cell.counts - c->zero_counts) * c->mg_per_count);
        return true;
    case CELL_ABSENT:
        c->trouble = TROUBLE_ABSENT;
        break;
    case CELL_SATURATED:
        if (c->clipped < CLIPPED_MAX)
            c->clipped++;
        if (c->clipped == CLIPPED_MAX)
            c->trouble = TROUBLE_SATURATED;
        break;
    case CELL_CORRUPT: /* the reader counts them; too many in a row are silence */
        break;
    }
    return false;
}
