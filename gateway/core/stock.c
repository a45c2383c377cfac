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
    int64_t short_of = n > *on_shelf ? n - *on_shelf : 0, paid;

    s->adjust -= short_of;
    s->shelf += short_of;
    *on_shelf += short_of;

    s->shelf -= n;
    *on_shelf -= n;
    s->in_hand += n;
    paid = smaller(n, s->owed); /* these went over the counter before we knew */
    s->owed -= paid;
    s->in_hand -= paid;
    s->adjust += paid;
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
    if (delta < 0)
        s->owed -= smaller(-delta, s->owed);
    return delta;
}

int64_t stock_sell_held(struct stock *s, int64_t n)
{
    int64_t taken = smaller(n, s->in_hand);

    s->in_hand -= taken;
    s->sold += taken;
    return taken;
}

int64_t stock_sell_shelf(struct stock *s, int64_t *on_shelf, int64_t n)
{
    int64_t taken = smaller(n, *on_shelf);

    *on_shelf -= taken;
    s->shelf -= taken;
    s->sold += taken;
    return taken;
}

void stock_sell_unseen(struct stock *s, int64_t n, bool owed)
{
    s->adjust -= n;
    s->sold += n;
    if (owed)
        s->owed += n;
}

int64_t stock_count_backroom(struct stock *s, int64_t n)
{
    int64_t delta = n - s->backroom;

    s->adjust -= delta;
    s->backroom = n;
    return delta;
}

void stock_receive(struct stock *s, int64_t n)
{
    s->adjust -= n;
    s->backroom += n;
}

bool stock_send(struct stock *s, int64_t n)
{
    if (n > s->backroom)
        return false;
    s->backroom -= n;
    s->adjust += n;
    return true;
}

void stock_take_back(struct stock *s, int64_t n)
{
    int64_t sold = smaller(n, s->sold);

    s->sold -= sold;
    s->adjust -= n - sold;
    s->backroom += n;
}

int64_t stock_atp(const struct stock *s, int64_t known_on_shelf, int64_t held, int64_t safety)
{
    return known_on_shelf + s->backroom - held - safety;
}
