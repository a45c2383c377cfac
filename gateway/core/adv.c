/* Advertising data to AD structures; see adv.h. */
#include "core/adv.h"

bool adv_next(struct adv_walk *w, struct adv_structure *ret)
{
    struct rd body;
    uint8_t length;

    if (w->r.n == 0)
        return false;
    length = rd_u8(&w->r);
    if (length == 0) { /* early termination: only zeros may follow */
        while (w->r.n > 0)
            if (rd_u8(&w->r) != 0)
                w->refused = REFUSAL_AD_PADDING;
        return false;
    }
    body = rd_sub(&w->r, length);
    if (body.bad) {
        w->refused = REFUSAL_AD_OVERRUN;
        return false;
    }
    ret->type = rd_u8(&body);
    ret->data = body;
    return true;
}
