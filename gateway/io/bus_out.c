/* Queues of a receiver board; see bus_out.h. */
#include "io/bus_out.h"

#include <string.h>

static struct obs *at(struct bus_ring *r, size_t i)
{
    return &r->o[(r->first + i) % BUS_QUEUE_MAX];
}

static void drop_oldest(struct bus_ring *r)
{
    r->first = (r->first + 1) % BUS_QUEUE_MAX;
    r->n--;
}

static void append(struct bus_ring *r, const struct obs *o)
{
    r->n++;
    *at(r, r->n - 1) = *o;
}

/* Readings of the same thing: the newer one makes the older one worthless. */
static bool same_cell(const struct obs *a, const struct obs *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == OBS_CELL)
        return a->u.cell.cell == b->u.cell.cell;
    if (a->kind == OBS_NODE)
        return a->u.node.node == b->u.node.node && a->u.node.cell == b->u.node.cell;
    return strcmp(a->u.temperature.sensor, b->u.temperature.sensor) == 0;
}

static void push_cell(struct bus_out *q, const struct obs *o)
{
    struct bus_ring *r = &q->cells;

    for (size_t i = r->n; i > 0 && (!q->up || r->n == BUS_QUEUE_MAX); i--)
        if (same_cell(at(r, i - 1), o)) {
            *at(r, i - 1) = *o;
            q->readings_replaced++;
            return;
        }
    if (r->n == BUS_QUEUE_MAX) {
        drop_oldest(r);
        q->readings_replaced++;
    }
    append(r, o);
}

bool bus_out_push(struct bus_out *q, const struct obs *o)
{
    if (o->kind == OBS_CELL || o->kind == OBS_NODE || o->kind == OBS_TEMPERATURE) {
        push_cell(q, o);
        return true;
    }
    if (o->kind != OBS_SIGHTING && o->kind != OBS_CROWD)
        return false;
    if (q->sightings.n == BUS_QUEUE_MAX) {
        drop_oldest(&q->sightings);
        q->sightings_dropped++;
    }
    append(&q->sightings, o);
    return true;
}

uint16_t bus_out_receiver(const struct obs *o)
{
    if (o->kind == OBS_CROWD)
        return o->u.crowd.receiver;
    return o->kind == OBS_SIGHTING ? o->u.sighting.receiver : NO_INDEX;
}

static bool is_newest(struct bus_ring *r, size_t i)
{
    for (size_t k = i + 1; k < r->n; k++)
        if (same_cell(at(r, i), at(r, k)))
            return false;
    return true;
}

void bus_out_up(struct bus_out *q, bool up)
{
    struct bus_ring *r = &q->cells;
    size_t kept = 0;

    q->up = up;
    for (size_t i = 0; i < r->n && !up; i++)
        if (is_newest(r, i))
            *at(r, kept++) = *at(r, i);
    if (up)
        return;
    q->readings_replaced += (int64_t)(r->n - kept);
    r->n = kept;
}

bool bus_out_next(struct bus_out *q, struct bus_ring *ring, int64_t now_us, struct bus_batch *ret)
{
    int64_t wait_us = ring == &q->cells ? BUS_CELLS_WAIT_US : BUS_SIGHTINGS_WAIT_US;
    bool by_receiver = ring == &q->sightings;

    if (!q->up || ring->n == 0 || (ring->n < BUS_BATCH_MAX && now_us - at(ring, 0)->t_us < wait_us))
        return false;
    ret->n = 0;
    for (size_t i = 0; i < ring->n && ret->n < BUS_BATCH_MAX; i++)
        if (!by_receiver || bus_out_receiver(at(ring, i)) == bus_out_receiver(at(ring, 0)))
            ret->obs[ret->n++] = *at(ring, i);
    return true;
}

void bus_out_done(struct bus_ring *ring)
{
    uint16_t receiver = bus_out_receiver(at(ring, 0));
    bool by_receiver = receiver != NO_INDEX;
    size_t taken = 0, kept = 0;

    for (size_t i = 0; i < ring->n; i++) {
        struct obs *o = at(ring, i);

        if (taken < BUS_BATCH_MAX && (!by_receiver || bus_out_receiver(o) == receiver))
            taken++;
        else
            *at(ring, kept++) = *o;
    }
    ring->n = kept;
}

int64_t bus_out_deadline(const struct bus_out *q)
{
    int64_t at_us = NOREN_NEVER_US;

    if (!q->up)
        return at_us;
    if (q->sightings.n > 0)
        at_us = q->sightings.o[q->sightings.first].t_us + BUS_SIGHTINGS_WAIT_US;
    if (q->cells.n > 0 && q->cells.o[q->cells.first].t_us + BUS_CELLS_WAIT_US < at_us)
        at_us = q->cells.o[q->cells.first].t_us + BUS_CELLS_WAIT_US;
    return at_us;
}
