/* A bounded heap by time; see order.h. */
#include "io/order.h"

void order_init(struct order *q, int64_t delay_us)
{
    q->delay_us = delay_us;
    q->n = 0;
    q->arrivals = 0;
}

static bool is_before(const struct order_item *a, const struct order_item *b)
{
    return a->o.t_us != b->o.t_us ? a->o.t_us < b->o.t_us : a->arrival < b->arrival;
}

static void swap(struct order_item *a, struct order_item *b)
{
    struct order_item t = *a;

    *a = *b;
    *b = t;
}

bool order_push(struct order *q, const struct obs *o)
{
    size_t i = q->n;

    if (q->n == ORDER_MAX)
        return false;
    q->heap[q->n++] = (struct order_item){.o = *o, .arrival = q->arrivals++};
    while (i > 0 && is_before(&q->heap[i], &q->heap[(i - 1) / 2])) {
        swap(&q->heap[i], &q->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    return true;
}

bool order_pop(struct order *q, int64_t now_us, struct obs *ret)
{
    size_t i = 0;

    if (q->n == 0 || q->heap[0].o.t_us + q->delay_us > now_us)
        return false;
    *ret = q->heap[0].o;
    ret->t_us += q->delay_us;
    q->heap[0] = q->heap[--q->n];
    for (;;) {
        size_t least = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < q->n; child++)
            if (is_before(&q->heap[child], &q->heap[least]))
                least = child;
        if (least == i)
            return true;
        swap(&q->heap[i], &q->heap[least]);
        i = least;
    }
}

int64_t order_deadline(const struct order *q)
{
    return q->n > 0 ? q->heap[0].o.t_us + q->delay_us : NOREN_NEVER_US;
}
