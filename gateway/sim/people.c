/* People who come in, walk to shelves, look, take and put back; see world.h. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "sim/output.h"
#include "sim/world.h"

#define SPEED_M_PER_S 1.0
#define HOLDING_S     4.0 /* a pick that is put back is held about this long */
#define ARRIVED_M     0.05

static double zone_centre(const struct plan_zone *z, bool y)
{
    double sum = 0;

    for (int i = 0; i < z->corners_n; i++)
        sum += y ? z->corners[i].y_m : z->corners[i].x_m;
    return z->corners_n > 0 ? sum / z->corners_n : 0;
}

static bool zone_holds(const struct plan_zone *z, double x, double y)
{
    bool inside = false;

    for (int i = 0, k = z->corners_n - 1; i < z->corners_n; k = i++) {
        double xi = z->corners[i].x_m, yi = z->corners[i].y_m;
        double xk = z->corners[k].x_m, yk = z->corners[k].y_m;

        if ((yi > y) != (yk > y) && x < (xk - xi) * (y - yi) / (yk - yi) + xi)
            inside = !inside;
    }
    return inside;
}

static uint16_t zone_at(const struct plan *plan, double x, double y)
{
    for (uint16_t i = 0; i < plan->zones_n; i++)
        if (zone_holds(&plan->zones[i], x, y))
            return i;
    return NO_INDEX;
}

/* The door is the middle of the lower edge of the first zone of the map: people appear there. */
static void door(const struct plan *plan, double *ret_x, double *ret_y)
{
    const struct plan_zone *z = &plan->zones[0];

    *ret_x = plan->zones_n > 0 ? zone_centre(z, false) : 0;
    *ret_y = plan->zones_n > 0 && z->corners_n > 0 ? z->corners[0].y_m : 0;
    for (int i = 0; plan->zones_n > 0 && i < z->corners_n; i++)
        if (z->corners[i].y_m < *ret_y)
            *ret_y = z->corners[i].y_m;
    *ret_y += 0.3;
}

static void walk_to_zone(struct world *w, struct person *p, uint16_t zone)
{
    const struct plan_zone *z = &w->plan.zones[zone];

    p->to_x_m = zone_centre(z, false) + 0.4 * (2 * world_uniform(w) - 1);
    p->to_y_m = zone_centre(z, true) + 0.4 * (2 * world_uniform(w) - 1);
    p->state = PERSON_WALKING;
}

static void walk_out(struct world *w, struct person *p)
{
    door(&w->plan, &p->to_x_m, &p->to_y_m);
    p->state = PERSON_WALKING;
    p->leaving = true;
}

static void stay_outside(struct world *w, struct person *p)
{
    p->state = PERSON_OUTSIDE;
    p->leaving = false;
    p->zone = NO_INDEX;
    p->holding_plate = NO_INDEX;
    p->until_us = w->now_us + (int64_t)(world_wait(w, w->scenario.outside_s) * 1e6);
}

void shoppers_init(struct world *w)
{
    for (int i = 0; i < w->people_n; i++)
        stay_outside(w, &w->people[i]);
}

static void come_in(struct world *w, struct person *p, struct output *out)
{
    door(&w->plan, &p->x_m, &p->y_m);
    p->zone = zone_at(&w->plan, p->x_m, p->y_m);
    p->plates_n = 1 + (int)(world_uniform(w) * (WORLD_VISIT_MAX - 1));
    p->plate = -1;
    for (int i = 0; i < p->plates_n; i++)
        p->plates[i] = (uint16_t)(world_uniform(w) * w->plan.plates_n);
    p->advert_us = w->now_us;
    memset(p->fading_db, 0, sizeof(p->fading_db));
    if (out != NULL)
        output_truth_person(out, p, "enter");
}

/* To the next plate of the visit, or out. */
static void go_on(struct world *w, struct person *p)
{
    uint16_t zone;

    if (++p->plate >= p->plates_n || w->plan.plates_n == 0) {
        walk_out(w, p);
        return;
    }
    zone = w->plan.plates[p->plates[p->plate]].zone;
    if (zone == NO_INDEX)
        walk_out(w, p);
    else
        walk_to_zone(w, p, zone);
}

static void finish_look(struct world *w, struct person *p)
{
    uint16_t plate = p->plates[p->plate];

    if (p->holding_plate != NO_INDEX) {
        (void)plate_move(w, p->holding_plate, 0, 1, "put_back");
        p->holding_plate = NO_INDEX;
    } else if (world_uniform(w) * 1000 < (double)w->scenario.pick_pm) {
        bool back = world_uniform(w) * 1000 < (double)w->scenario.put_back_pm;
        int64_t n = !back && world_uniform(w) < 0.25 && w->plates[plate].count[0] > 1 ? 2 : 1;

        if (plate_move(w, plate, 0, -n, "pick") == NULL && back) {
            p->holding_plate = plate;
            p->until_us = w->now_us + (int64_t)((1.5 + world_wait(w, HOLDING_S)) * 1e6);
            return;
        }
    }
    go_on(w, p);
}

static void walk(struct world *w, struct person *p, double seconds, struct output *out)
{
    double dx = p->to_x_m - p->x_m, dy = p->to_y_m - p->y_m, far = hypot(dx, dy);
    double stride = SPEED_M_PER_S * seconds;
    uint16_t zone;

    if (far > stride && far > ARRIVED_M) {
        p->x_m += dx / far * stride;
        p->y_m += dy / far * stride;
    } else {
        p->x_m = p->to_x_m;
        p->y_m = p->to_y_m;
        p->state = PERSON_LOOKING;
        p->until_us = w->now_us + (int64_t)((2 + world_wait(w, w->scenario.look_s)) * 1e6);
    }
    zone = zone_at(&w->plan, p->x_m, p->y_m);
    if (zone != p->zone) {
        p->zone = zone;
        output_truth_person(out, p, "zone");
    }
}

static void step(struct world *w, struct person *p, double seconds, struct output *out)
{
    switch (p->state) {
    case PERSON_OUTSIDE:
        if (!w->scenario.automatic || w->now_us < p->until_us)
            return;
        come_in(w, p, out);
        go_on(w, p);
        return;
    case PERSON_WALKING:
        walk(w, p, seconds, out);
        if (p->state == PERSON_LOOKING && p->leaving) {
            output_truth_person(out, p, "leave");
            stay_outside(w, p);
        } else if (p->state == PERSON_LOOKING && p->plate < 0) {
            p->state = PERSON_STAYING; /* sent there by hand */
        }
        return;
    case PERSON_LOOKING:
        if (w->now_us >= p->until_us)
            finish_look(w, p);
        return;
    case PERSON_STAYING:
        return;
    }
}

void shoppers_step(struct world *w, struct output *out)
{
    for (int i = 0; i < w->people_n; i++)
        step(w, &w->people[i], WORLD_STEP_US / 1e6, out);
}

/* --- by hand ------------------------------------------------------------------------------------ */

static struct person *find_person(struct world *w, const char *ref)
{
    for (int i = 0; i < w->people_n; i++)
        if (w->people[i].kind == PERSON_MEMBER && strcmp(w->people[i].ref, ref) == 0)
            return &w->people[i];
    return NULL;
}

const char *person_walk(struct world *w, const char *ref, const char *zone_id)
{
    struct person *p = find_person(w, ref);
    uint16_t zone = plan_find_zone(&w->plan, zone_id);

    if (p == NULL)
        return "no such member";
    if (zone == NO_INDEX)
        return "no such zone";
    if (p->state == PERSON_OUTSIDE)
        come_in(w, p, NULL);
    p->plate = -1;
    p->plates_n = 0;
    p->leaving = false;
    p->holding_plate = NO_INDEX;
    walk_to_zone(w, p, zone);
    return NULL;
}

const char *person_leave(struct world *w, const char *ref)
{
    struct person *p = find_person(w, ref);

    if (p == NULL)
        return "no such member";
    if (p->state == PERSON_OUTSIDE)
        return "not in the shop";
    walk_out(w, p);
    return NULL;
}
