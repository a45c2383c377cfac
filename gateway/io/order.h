/* Observations of other boards, put into the order in which they happened.
 *
 * Each is let go a fixed delay after its moment, not when it arrives: messages of several boards overtake
 * each other, batches arrive in bursts, and filters that see the distances between readings must see the
 * true ones. The price is the delay. What arrives later than that is let go at once; how late it may be is
 * for the caller to say. A heap, because arrivals are nearly sorted but not quite, and bounded: when it is
 * full the new one is refused.
 */
#ifndef NOREN_IO_ORDER_H
#define NOREN_IO_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/obs.h"

#define ORDER_MAX 4096

struct order {
    int64_t delay_us;
    size_t n;
    uint64_t arrivals;
    struct order_item {
        struct obs o;
        uint64_t arrival; /**< readings of one moment stay as they came */
    } heap[ORDER_MAX];
};

void order_init(struct order *q, int64_t delay_us);

/** Takes one in, by its t_us. False when there is no room. */
bool order_push(struct order *q, const struct obs *o);

/** The next one that is due at `now_us`, its time moved on by the delay. False when none is. */
bool order_pop(struct order *q, int64_t now_us, struct obs *ret);

/** When order_pop() has something next; NOREN_NEVER_US when it is empty. */
int64_t order_deadline(const struct order *q);

#endif
