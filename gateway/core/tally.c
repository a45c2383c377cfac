/* Unknown devices by zone; see tally.h. */
#include "core/tally.h"

#include <string.h>

#include "core/zone.h"

void tally_plan(struct tally *t)
{
    memset(t, 0, sizeof(*t));
}

/* The first zone listed that the receiver stands for, or NO_INDEX. */
static uint16_t zone_of(const struct plan *plan, uint16_t receiver)
{
    const struct plan_receiver *r = &plan->receivers[receiver];
    uint16_t at = r->placed ? zone_at(plan, r->x_m, r->y_m) : NO_INDEX;

    for (uint16_t i = 0; i < plan->zones_n && i < at; i++)
        if (plan->zones[i].corners_n == 0 && (plan->zones[i].receivers >> receiver & 1) != 0)
            at = i;
    return zone_public(plan, at);
}

void tally_zones(const struct tally *t, const struct plan *plan, int64_t now_us,
                 uint32_t ret[ZONES_MAX])
{
    uint32_t others[ZONES_MAX] = {0};

    memset(ret, 0, ZONES_MAX * sizeof(ret[0]));
    for (uint16_t i = 0; i < plan->receivers_n; i++) {
        const struct tally_count *c = &t->receivers[i];
        uint16_t zone = c->devices > 0 ? zone_of(plan, i) : NO_INDEX;

        if (zone == NO_INDEX || now_us - c->at_us > TALLY_STALE_US)
            continue;
        if (!c->other)
            ret[zone] += c->devices;
        else if (c->devices > others[zone])
            others[zone] = c->devices;
    }
    for (uint16_t i = 0; i < plan->zones_n; i++) {
        if (others[i] > ret[i])
            ret[i] = others[i];
        if (ret[i] < CROWD_K)
            ret[i] = 0;
    }
}

void tally_take(struct tally *t, const struct plan *plan, const struct obs *o, struct batch *out)
{
    struct tally_count *c = &t->receivers[o->u.crowd.receiver];
    uint32_t before[ZONES_MAX], after[ZONES_MAX];

    tally_zones(t, plan, o->t_us, before);
    *c = (struct tally_count){o->u.crowd.devices, o->u.crowd.other, o->t_us};
    tally_zones(t, plan, o->t_us, after);
    out->store_dirty |= memcmp(before, after, sizeof(before)) != 0;
}
