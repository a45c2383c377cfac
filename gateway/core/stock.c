/* The ledger; see stock.h. */
#include "core/stock.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct stock stock_open(int64_t backroom)
{
    return (struct stock){.backroom = backroom, .adjust = -backroom};
}

int64_t stock_pick(struct stock *s, int64_t *on_shelf, int64_t n)
{
    int64_t short_of = n > *on_shelf ? n - *on_shelf : 0;

    s->adjust -= short_of;
    s->shelf += short_of;
    *on_shelf += short_of;

    s->shelf -= n;
    *on_shelf -= n;
    s->in_hand += n;
    return short_of;
}

struct stock_gain stock_gain(struct stock *s, int64_t *on_shelf, int64_t n)
{
    struct stock_gain g;

    g.put_back = smaller(n, s->in_hand);
    g.restocked = smaller(n - g.put_back, s->backroom);
    g.found = n - g.put_back - g.restocked;
    s->in_hand -= g.put_back;
    s->backroom -= g.restocked;
    s->adjust -= g.found;
    s->shelf += n;
    *on_shelf += n;
    return g;
}

int64_t stock_count(struct stock *s, int64_t *on_shelf, int64_t n)
{
    int64_t delta = n - *on_shelf;

    s->adjust -= delta;
    s->shelf += delta;
    *on_shelf = n;
    return delta;
}

int64_t stock_atp(const struct stock *s, int64_t known_on_shelf, int64_t held, int64_t safety)
{
    return known_on_shelf + s->backroom - held - safety;
}
