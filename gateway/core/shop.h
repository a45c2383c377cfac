/* The brain of a store: observations in, events out.
 *
 * shop_step() is a pure function of the state and one observation; clock, sockets, files and hardware stay
 * outside. It returns when it next wants to be called with OBS_TICK. If the batch fills up, it returns the
 * observation's own time and goes on with the tick at that time: nothing is dropped, memory stays bounded.
 */
#ifndef NOREN_CORE_SHOP_H
#define NOREN_CORE_SHOP_H

#include "core/batch.h"
#include "core/kpi.h"
#include "core/obs.h"
#include "core/offer.h"
#include "core/people.h"
#include "core/shelf.h"
#include "core/supply.h"
#include "core/tally.h"
#include "core/watch.h"

/** All state of the brain; one per process (or per replay). About two megabytes: do not put it on a stack. */
struct shop {
    const struct plan *plan; /**< borrowed through OBS_PLAN; NULL before the first */
    int64_t now_us;          /**< time of the last observation */
    int64_t utc_offset_us;   /**< UTC - boot time, by the last OBS_CLOCK */
    int64_t local_us;        /**< the store's own time - UTC */
    enum clock_quality clock_quality;
    bool clock_known;
    int64_t refused; /**< observations that named nothing in the plan or went back in time */
    int64_t due_us;  /**< the deadline last returned, and what each part asked for */
    int64_t shelf_due_us, supply_due_us, kpi_due_us, people_due_us, offers_due_us, watch_due_us;
    struct shelf shelf;
    struct supply supply;
    struct kpi kpi;
    struct people people;
    struct offers offers;
    struct tally tally;
    struct watch watch;
};

/** Zero state: empty store, unknown time. */
void shop_init(struct shop *s);

/** Puts back one stored row. Order at start: shop_init, one step with OBS_PLAN, every stored row, then the
 * other observations. Returns 0, or -1 when the row is not understood or names nothing in the plan (the
 * caller counts and reports it, and keeps the row); nothing changes then. */
int shop_restore(struct shop *s, const struct record *r);

/** One observation. `ret_out` is cleared first. Returns the boot time of the next deadline; the caller
 * answers with OBS_TICK at that time, at once when it is not later than now (the batch was full).
 * Time must not go back: a source that delivers late is merged or stamped with `now_us` by the shell, before
 * the observation is recorded, so that a replay sees what we saw. */
int64_t shop_step(struct shop *s, const struct obs *o, struct batch *ret_out);

/** JSON of retained state (design section 11), without newline and, for a fixture, without `as_of`, which
 * the shell adds. Returns the length, or -1 when `size` is too small or there is no such fixture. */
int shop_print_fixture(const struct shop *s, uint16_t fixture, char *buf, size_t size);
/** The answer to a question about one product: every facing with its sensor, the balances, what can be
 * promised. */
int shop_print_stock(const struct shop *s, uint16_t product, char *buf, size_t size);
/** One open task, as state/store lists it. */
int shop_print_task(const struct shop *s, struct supply_place at, char *buf, size_t size);
int shop_print_store(const struct shop *s, char *buf, size_t size);

#endif
