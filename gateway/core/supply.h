/* Keeping shelves filled: how full each facing is, who is told, and who fills it up.
 *
 * A level changes only after it has lasted (somebody tidying a shelf lifts things off), and goes back only
 * past a hysteresis. Each facing has at most one alert about being low and one about being too full, and at
 * most one task: opened when it is low and the backroom has some, claimed by a person, done when the weight
 * on the plate grew. A facing whose sensor is down has no level: what was said about it stands until it is
 * known again.
 */
#ifndef NOREN_CORE_SUPPLY_H
#define NOREN_CORE_SUPPLY_H

#include "core/batch.h"
#include "core/obs.h"
#include "core/shelf.h"

/** A quarter of an hour each: what left a facing lately says how long the rest will last. */
#define SUPPLY_BUCKETS 8

/** Numbers are stored in rows: never renumber. */
enum supply_level {
    SUPPLY_OK = 0,
    SUPPLY_LOW = 1,              /**< at the facing's minimum or below */
    SUPPLY_OUT = 2,              /**< nothing, and none in the backroom */
    SUPPLY_OUT_WITH_BACKROOM = 3 /**< nothing, but the backroom has some */
};

enum supply_task_state { TASK_NONE = 0, TASK_OPEN = 1, TASK_CLAIMED = 2 };

struct supply_task {
    int64_t number;
    enum supply_task_state state;
    int64_t opened_us;     /**< boot time; SUPPLY_STALE_US: of another boot, from opened_utc_us */
    int64_t opened_utc_us; /**< 0: the clock was not known */
    int64_t moved;         /**< units that came onto the plate since */
    bool overdue;
    char actor[NOREN_ID_SIZE]; /**< who claimed it */
};

#define SUPPLY_STALE_US (-1)

struct supply_facing {
    enum supply_level level;
    bool over;                       /**< more than its capacity */
    bool dirty;                      /**< the row must be written */
    int64_t level_us, over_us;       /**< another level is measured since; NEVER: none is */
    int64_t level_alert, over_alert; /**< numbers, 0: none */
    int64_t bucket;                  /**< number of the newest bucket */
    int32_t out[SUPPLY_BUCKETS];     /**< units that left, net, ring by bucket number */
    struct supply_task task;
};

/** State by the shelf's plate slot. About 700 kB, of which a store touches what its facings need: all first
 * facings come before all second ones, because most plates have few. */
struct supply {
    struct supply_facing facings[PLATE_FACINGS_MAX][PLATES_MAX];
    int64_t due_us;
    int64_t started_us; /**< the first plan: before, nothing was measured */
    bool started;
};

/** Where a task or level belongs. */
struct supply_place {
    uint16_t plate;
    uint8_t facing;
};

void supply_init(struct supply *s);
/** After shelf_plan(). */
void supply_plan(struct supply *s, const struct plan *old_plan, const struct plan *plan,
                 const struct shelf *shelf, int64_t now_us);
/** Takes back a RECORD_SUPPLY row. 0, or -1 when not understood. */
int supply_restore(struct supply *s, const struct plan *plan, const struct shelf *shelf,
                   const struct record *r);
/** After shelf_step() of the same observation, whose events it reads. `utc_us` 0: unknown. Returns the next
 * deadline, the observation's time when the batch was full. */
int64_t supply_step(struct supply *s, const struct plan *plan, struct shelf *shelf,
                    const struct obs *o, int64_t utc_us, struct batch *out);

/** The next facing with a task from *cursor on (start at 0), or false. */
bool supply_next_task(const struct supply *s, const struct plan *plan, const struct shelf *shelf,
                      size_t *cursor, struct supply_place *ret);
/** The task named "t<number>", or false. */
bool supply_find_task(const struct supply *s, const struct plan *plan, const struct shelf *shelf,
                      const char *task_id, struct supply_place *ret);
const struct supply_facing *supply_facing(const struct supply *s, const struct shelf *shelf,
                                          struct supply_place at);
/** Seconds until a facing is empty if it goes on like in the last two hours; EVENT_NULL: nothing left it. */
int64_t supply_time_to_empty_s(const struct supply *s, const struct shelf *shelf,
                               struct supply_place at, int64_t now_us);
/** How many pieces a facing can take from the backroom. */
int64_t supply_wanted(const struct plan *plan, const struct shelf *shelf, struct supply_place at);
int32_t supply_alerts(const struct supply *s, const struct plan *plan, const struct shelf *shelf);

#endif
