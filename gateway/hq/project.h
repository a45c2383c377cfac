/* Derived tables: what the pages ask for, kept up to date in the transaction that stores the event.
 *
 * Each rule is "the later event wins", where later means (ordinal of its epoch, seq): events may arrive
 * twice or, after an outage, out of order, and the tables must come out the same.
 */
#ifndef NOREN_HQ_PROJECT_H
#define NOREN_HQ_PROJECT_H

#include <stdint.h>

#include "hq/message.h"
#include "hq/store.h"

/** What changed for a page; bits. */
enum topicality {
    CHANGED_EVENTS = 1 << 0,
    CHANGED_FIXTURES = 1 << 1,
    CHANGED_MEMBERS = 1 << 2,
    CHANGED_OFFERS = 1 << 3,
    CHANGED_ALERTS = 1 << 4,
    CHANGED_GATEWAYS = 1 << 5,
    CHANGED_ALL = (1 << 6) - 1, /* another replica did something */
};

/** Updates the derived tables for a checked event. `at_us` is its UTC time, or that of its arrival. Returns
 * the bits of what changed, or -errno. */
int project_event(struct store *s, int64_t gateway_id, int64_t epoch_id,
                  const struct message_event *e, int64_t at_us);

#endif
