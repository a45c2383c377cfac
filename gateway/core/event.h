/* Events as JSON: the generic encoder over the event table.
 *
 * The core writes JSON itself, with snprintf and no allocation, because the bytes of a replay are compared;
 * reading JSON is the shell's work (jansson).
 */
#ifndef NOREN_CORE_EVENT_H
#define NOREN_CORE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "core/obs.h"
#include "noren/event.h"

/** Enough for the data of any event. */
#define EVENT_DATA_SIZE 2048
/** Enough for a whole CloudEvent around it. */
#define EVENT_CLOUD_SIZE (EVENT_DATA_SIZE + 1024)

/** What the envelope says besides the data (design section 11). Strings are borrowed. */
struct event_envelope {
    const char *tenant, *store, *gateway;
    const char *epoch; /**< 32 hex digits */
    const char *bootid;
    uint64_t seq;
    int64_t t_us;   /**< boot time */
    int64_t utc_us; /**< 0: unknown; the attribute `time` is then left out */
    enum clock_quality quality;
};

/** One field of an event: a row of the table. */
struct event_field {
    const char *name;
    enum field_kind kind;
    size_t offset; /**< in struct event's member for this kind */
};

/** The fields of a kind, in the order of JSON. Returns how many. */
size_t event_fields(enum event_kind kind, const struct event_field **ret_fields);

const char *event_type(enum event_kind kind); /**< "noren.shelf.pick" */
enum event_class event_class(enum event_kind kind);
const char *event_class_name(enum event_class c); /**< "stock" */
const char *event_label_en(enum event_kind kind);
const char *event_label_ja(enum event_kind kind);
const char *event_clock_name(enum clock_quality q); /**< "synced" */
const char *event_stage_name(enum shelf_stage s);   /**< "settled" */

/** RFC 3339 in UTC with microseconds: 2026-11-21T09:00:00.000000Z and a NUL. */
#define EVENT_TIME_SIZE 28
/** Writes such a time; years 1970 to 9999. */
void event_print_time(int64_t utc_us, char ret_text[EVENT_TIME_SIZE]);

/** The data object of an event. Returns the length, or -1 when `size` is too small. */
int event_print_data(const struct event *e, char *buf, size_t size);

/** The CloudEvent (structured JSON) around data that is already JSON. Returns the length or -1. */
int event_print_cloud(const struct event_envelope *env, const char *type, const char *data,
                      char *buf, size_t size);

#endif
