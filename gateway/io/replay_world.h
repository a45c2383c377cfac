/* What a replay runs on: inputs, plan, names and members. Private to the replay engine.
 *
 * Everything is looked at once before it starts: a wrong document or file is reported before the first
 * event, and names that no document gives (a CSV without a map) become places of their own.
 */
#ifndef NOREN_IO_REPLAY_WORLD_H
#define NOREN_IO_REPLAY_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/plan.h"
#include "core/radio.h"
#include "io/names.h"
#include "io/plan_json.h"
#include "io/replay.h"
#include "io/source.h"

/** Where a row of an unsorted input is. */
struct replay_place {
    int64_t t_us;
    size_t at;
    uint32_t line;
};

/** One input, with its next item looked at. */
struct replay_feed {
    struct source source;
    int64_t offset_us;          /**< what must be taken off its stamps */
    int64_t last_us;            /**< stamps of captures may step back; time does not */
    struct replay_place *order; /**< NULL: it is in order by itself */
    size_t order_n, order_at;
    struct item head;
    bool more;
};

/** A member as a CSV names them. */
struct replay_member {
    char ref[NOREN_ID_SIZE];
    uint8_t consent;
    uint16_t bucket;
};

/** A document of a recorded plan, waiting for the plan's own line. */
struct replay_document {
    const uint8_t *p;
    size_t n;
};

struct replay_world {
    struct replay_feed *feeds;
    size_t feeds_n;
    struct plan *plan, *spare; /**< the old plan is needed while a new one enters */
    struct names receivers, plates, cells, members;
    struct replay_member *member_list;
    size_t member_n, member_cap;
    bool members_given, recording;
    struct replay_document documents[3];
    size_t documents_n;
    struct radio radio;
    int64_t start_utc_us; /**< 0: unknown */
};

int world_open(struct replay_world *w, const char *const *paths, size_t n,
               const struct replay_options *options, struct refusals *refusals, char *error,
               size_t size);
void world_close(struct replay_world *w);

/** Moves on to the feed's next item. */
void feed_advance(struct replay_feed *f);

/** Fills who, consent, bucket and path of a sighting. False: a members file is given and lacks them. */
bool world_identify(struct replay_world *w, const char *who, size_t n, struct obs *o);

/** The receiver that stands for adapter hciN: the one of that name, else the Nth of the map. */
uint16_t world_receiver(const struct replay_world *w, uint16_t adapter);

/** Keeps a recorded document (borrowed) for the next world_take_plan(). */
int world_keep_document(struct replay_world *w, const uint8_t *p, size_t n);
int world_take_plan(struct replay_world *w, const struct plan **ret_plan,
                    char error[PLAN_ERROR_SIZE]);

/** A {"restore":...} line as the row it was. */
bool world_read_row(const uint8_t *p, size_t n, struct record *ret);

#endif
