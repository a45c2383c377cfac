/* What leaves one step of the brain: events for the world, records for the disk.
 *
 * Both go into one SQLite transaction, so stock and event can never disagree. A record is a row that
 * replaces the row of the same kind and key; an empty value deletes it. Saving the whole state at each
 * commit was rejected: on an SD card, bytes written are life time.
 */
#ifndef NOREN_CORE_BATCH_H
#define NOREN_CORE_BATCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#include "core/limits.h"
#include "noren/event.h"

enum record_kind {
    RECORD_SHOP,        /**< counters: next change, visit and offer number */
    RECORD_PLATE,       /**< settled mass, open change */
    RECORD_FACING,      /**< on_shelf of one product on one plate */
    RECORD_PRODUCT,     /**< backroom, in_hand, sold, adjust of one GTIN */
    RECORD_VISIT,       /**< an open visit */
    RECORD_OFFER,       /**< what a member was offered, for caps */
    RECORD_SUPPLY,      /**< alerts and the task of one facing */
    RECORD_CELL,        /**< what is wrong with a load cell, and what was learnt of it */
    RECORD_CALIBRATION, /**< one calibration of a cell; the newest is in force */
    RECORD_PIECE,       /**< what was learnt of the mass of one GTIN's pieces */
    RECORD_KINDS
};

#define RECORD_KEY_SIZE   96
#define RECORD_VALUE_SIZE 256

/** One row of durable state: text, its first field the version of its layout. */
struct record {
    enum record_kind kind;
    char key[RECORD_KEY_SIZE];
    char value[RECORD_VALUE_SIZE]; /**< "" deletes */
};

struct batch {
    struct event events[BATCH_EVENTS_MAX];
    size_t events_n;
    struct record records[BATCH_RECORDS_MAX];
    size_t records_n;
    bool fixtures_dirty[FIXTURES_MAX]; /**< retained state/fixture must be sent again */
    bool store_dirty;                  /**< the same for state/store */
};

/** Empties a batch. */
void batch_clear(struct batch *b);

/** True while `events` more events and `records` more records fit; a step stops in good time when not. */
bool batch_room(const struct batch *b, size_t events, size_t records);

/** Appends a zeroed event. The caller has asked batch_room() before: running over is our own bug. */
struct event *batch_event(struct batch *b, enum event_kind kind, int64_t t_us);

/** Appends a record, or overwrites the one with the same kind and key that is already in the batch. */
struct record *batch_record(struct batch *b, enum record_kind kind, const char *key);

/** Appends an alert and marks the store's state; the caller adds what else it knows. Its id is the number that
 * shelf_take_number() gave; clearing names the same one. */
struct event_alert_raised *batch_raise_alert(struct batch *b, int64_t t_us, int64_t number,
                                             const char *kind, const char *severity,
                                             const char *subject);
struct event_alert_cleared *batch_clear_alert(struct batch *b, int64_t t_us, int64_t number,
                                              const char *kind, const char *subject);

#endif
