/* From messages to committed rows: idempotent, in groups, with an account of what may be acknowledged.
 *
 * A commit costs a disk flush, so messages share one: the caller commits after INGEST_GROUP_MAX of them,
 * INGEST_EVENTS_MAX events (batches hold many) or INGEST_DELAY_US, whichever is first. Nothing is acknowledged before its commit; if a commit fails, the
 * whole group is dropped, the gateways still hold it, and the missing ack makes them send it again.
 */
#ifndef NOREN_HQ_INGEST_H
#define NOREN_HQ_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hq/message.h"
#include "hq/project.h"
#include "hq/store.h"

#define INGEST_GROUP_MAX  200
#define INGEST_EVENTS_MAX 2000 /* then the gateway hears of it while the next ones are read */
#define INGEST_DELAY_US   50000

/** Since start; for /api/health. */
struct ingest_counters {
    int64_t messages, events, duplicates, states;
    int64_t refused[REFUSALS];
    int64_t commits, failed_commits;
};

struct ingest {
    struct store *store; /**< borrowed */
    struct ingest_counters counters;
    int64_t
        committed_id; /**< event.id up to which rows are committed: readers must not look further */
    int pending;      /**< messages in the open transaction, and ... */
    int events;       /**< ... events in them */
    bool failed;      /**< the open transaction met an error and will be dropped */
    int changed;      /**< enum topicality bits of the open transaction */
    int epochs_n;     /**< epochs that got something, new or repeated */
    int gateways_n;   /**< gateways heard for the first time ever */
    int64_t epochs[INGEST_GROUP_MAX];
    int64_t gateways[INGEST_GROUP_MAX];
};

/** What a commit brought. */
struct ingest_result {
    int changed;
    int epochs_n, gateways_n;
    int64_t epochs[INGEST_GROUP_MAX];
    int64_t gateways[INGEST_GROUP_MAX];
};

void ingest_init(struct ingest *in, struct store *store);

/** Another process has committed to the same file: its events count as committed too. */
void ingest_look(struct ingest *in);

/** Takes one message from the broker. `utc_us` is the time of arrival. Opens a transaction when none is
 * open. Returns REFUSAL_NONE, or why (some of) it was refused; all of it is counted. */
enum refusal ingest_message(struct ingest *in, const char *topic, const void *payload, size_t n,
                            bool retained, int64_t utc_us);

/** Advances the acks of the epochs that got something and commits. 0 or -errno (then nothing of the
 * group is stored). `ret` is filled on success. */
int ingest_commit(struct ingest *in, struct ingest_result *ret);

#endif
