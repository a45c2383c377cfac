/* The store-local broker: tills, and the boards of one store among themselves (design section 11).
 *
 * Optional: without a section [local] there is none of this. The store board takes sales, questions about
 * stock, and what receiver boards hear and weigh; a receiver board forwards it. One end of each message is
 * in here with the other, so that they stay one protocol; the queues behind are bus_out.h (receiver) and
 * order.h (store).
 *
 * Sightings and readings go with QoS 0: what a broker kept for a board that was away would come when it is
 * worth nothing. Sales go with QoS 1 and wait in the broker's session; a till that got no answer says the
 * sale again, its id makes that harmless.
 *
 * Nothing that comes in is trusted to be right. A message names its sender by topic, and the broker's ACL has
 * to see to it that nobody writes another's; beyond that a receiver must be on the map and not be a radio of
 * this board, a cell must not be wired to this board, and a clock that is off is refused, because a sighting
 * at a wrong time makes a wrong visit.
 */
#ifndef NOREN_IO_BUS_H
#define NOREN_IO_BUS_H

#include "core/json.h"
#include "io/config.h"
#include "io/engine.h"
#include "io/local.h"

struct bus;

/** All borrowed; must outlive the bus. */
struct bus_options {
    const struct config *config;
    struct engine *engine;
    const struct plan
        *board; /**< a receiver's own radios and cells; NULL: this is the store board */
    local_answer_fn *answer; /**< does a command that came as JSON, as the control socket does */
    void *user;              /**< for `answer` */
};

/** Monotonic. */
struct bus_counters {
    int64_t sightings, readings; /**< taken (store), or handed to the broker (receiver) */
    int64_t sales, queries;      /**< answered, refusals included */
    int64_t refused;             /**< messages that were malformed, retained, or not for anybody */
    int64_t unknown_receiver;    /**< messages of a receiver that is not on the map, or is ours */
    int64_t unknown_cells;       /**< readings of a cell that is not in the planogram, or is ours */
    int64_t wrong_clock;         /**< sightings and readings whose sender does not know the time */
    int64_t unwilling;           /**< sightings of whom our own members document does not admit */
    int64_t late;                /**< of more than ten seconds ago */
    int64_t crowded;             /**< for want of room */
    int64_t sightings_dropped, readings_replaced; /**< receiver: see bus_out.h */
    int64_t answers_dropped;                      /**< the asker gave no topic below local/ */
};

/** Connects by config->local, which must name a host. 0 or -errno. */
int bus_open(struct bus **ret_bus, const struct bus_options *options);

/** Readable when bus_read() has something to do. */
int bus_fd(const struct bus *b);

/** Takes what the broker brought. */
void bus_read(struct bus *b);

/** Feeds the engine what is due and sends what waits. */
void bus_pump(struct bus *b, int64_t now_us);

/** When bus_pump() wants to be called. */
int64_t bus_deadline(const struct bus *b);

/** For engine_forward(): a receiver's sightings and readings go to the store board, not to its own brain. */
bool bus_forward(void *bus, const struct obs *o);

/** A sentence for the log that was not said in the last minute, or NULL. Call about once a second. */
const char *bus_complaint(struct bus *b, int64_t now_us);

/** Why there is no connection, or what was wrong with another board in the last minute; "" when all is well. */
const char *bus_problem(const struct bus *b);

/** The member "local" of a status answer. NULL: no such section. */
void bus_print(const struct bus *b, struct json *j);

struct bus_counters bus_counters(const struct bus *b);

void bus_close(struct bus *b);

#endif
