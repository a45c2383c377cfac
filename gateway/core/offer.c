/* Who gets which campaign; see offer.h. */
#include "core/offer.h"

#include <string.h>

void offers_init(struct offers *f)
{
    memset(f, 0, sizeof(*f));
}

void offers_plan(struct offers *f, const struct plan *old_plan, const struct plan *plan)
{
    (void)f;
    (void)old_plan;
    (void)plan;
}

int offers_restore(struct offers *f, const struct plan *plan, const struct record *r)
{
    (void)f;
    (void)plan;
    (void)r;
    return -1;
}

int64_t offers_step(struct offers *f, const struct plan *plan, const struct people *people,
                    const struct shelf *shelf, int64_t now_us, int64_t utc_s, struct batch *out)
{
    (void)f;
    (void)plan;
    (void)people;
    (void)shelf;
    (void)now_us;
    (void)utc_s;
    (void)out;
    return NOREN_NEVER_US;
}
