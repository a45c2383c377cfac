/* Sightings to presence to visits; see people.h. */
#include "core/people.h"

#include <string.h>

void people_init(struct people *p)
{
    memset(p, 0, sizeof(*p));
}

void people_plan(struct people *p, const struct plan *old_plan, const struct plan *plan)
{
    (void)p;
    (void)old_plan;
    (void)plan;
}

int people_restore(struct people *p, const struct plan *plan, const struct record *r)
{
    (void)p;
    (void)plan;
    (void)r;
    return -1;
}

int64_t people_step(struct people *p, const struct plan *plan, const struct obs *o,
                    struct batch *out)
{
    (void)p;
    (void)plan;
    (void)o;
    (void)out;
    return NOREN_NEVER_US;
}

const struct presence *people_next(const struct people *p, size_t *cursor)
{
    (void)p;
    (void)cursor;
    return NULL;
}
