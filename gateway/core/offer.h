/* Offers: who gets which campaign now, and why not. */
#ifndef NOREN_CORE_OFFER_H
#define NOREN_CORE_OFFER_H

#include "core/people.h"
#include "core/shelf.h"

struct offers {
    int unused;
};

void offers_init(struct offers *f);
void offers_plan(struct offers *f, const struct plan *old_plan, const struct plan *plan);
/** Takes back one RECORD_OFFER row. 0, or -1 when not understood. */
int offers_restore(struct offers *f, const struct plan *plan, const struct record *r);
/** Looks at everybody present after each observation. `utc_s` is 0 while the time is unknown.
 * Returns the next deadline. */
int64_t offers_step(struct offers *f, const struct plan *plan, const struct people *people,
                    const struct shelf *shelf, int64_t now_us, int64_t utc_s, struct batch *out);

#endif
