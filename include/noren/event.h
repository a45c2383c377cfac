/* Events: what leaves a gateway, as C structures generated from the event table (events.def).
 *
 * An event is a value: a kind, the boot time at which it was decided, and typed fields. Whoever emits one
 * fills a structure and the compiler checks the names; one generic encoder walks the same table to write
 * JSON. Gluing JSON by hand at each place was rejected: a schema that cannot be derived is never right.
 */
#ifndef NOREN_EVENT_H
#define NOREN_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "noren/units.h"

/** Topic class of an event: a column of the table, `evt/{class}`. */
enum event_class {
    CLASS_STOCK,
    CLASS_VISIT,
    CLASS_OFFER,
    CLASS_HOLD,
    CLASS_TASK,
    CLASS_ALERT,
    CLASS_KPI,
    CLASS_GATEWAY,
    CLASS_COUNT
};

/** What an identity is. JSON: a member is {"member_ref":...}, everything else {"tag":...}. */
enum who_kind { WHO_NONE, WHO_MEMBER, WHO_TAG };

/** Somebody or something that was recognised; never a hardware address. */
struct who {
    enum who_kind kind;
    char ref[NOREN_ID_SIZE];
};

#define EVENT_EVIDENCE_MAX 8

/** One piece of evidence of a visit (design section 6). */
struct evidence {
    char path[12]; /**< "token" "checkin" "tag" "door" "line" */
    int32_t confidence_pm;
    int64_t at_us; /**< boot time */
};

struct evidence_list {
    uint8_t n;
    struct evidence e[EVENT_EVIDENCE_MAX];
};

#define EVENT_CANDIDATES_MAX 3

/** A hypothesis about what a change of weight was. */
struct candidate {
    char gtin[NOREN_GTIN_SIZE];
    int32_t quantity; /**< signed: negative left the shelf */
    int32_t posterior_pm;
};

/** Stage of a shelf change: exactly one settled or retracted per change_id (design section 11). */
enum shelf_stage { STAGE_PROVISIONAL, STAGE_SETTLED, STAGE_RETRACTED };

/** Data common to noren.shelf.*; its members are written at the top level of the event's data. */
struct shelf_change {
    char change_id[NOREN_ID_SIZE];
    enum shelf_stage stage;
    int32_t rev; /**< 0, 1, ... within one change_id */
    char plate[NOREN_ID_SIZE];
    char gtin[NOREN_GTIN_SIZE]; /**< "" = null */
    int32_t quantity;           /**< >= 0; the event's type says the direction */
    int64_t mass_mg;            /**< signed change of mass */
    int32_t confidence_pm;
    uint8_t candidates_n;
    struct candidate candidates[EVENT_CANDIDATES_MAX];
};

/* FIELD_KINDS: the C type behind each kind and how it is written.
 *   STR       string            NSTR      string, "" is null
 *   I64       integer           NI64      integer, EVENT_NULL is null
 *   BOOL      boolean           PM        permille, written as a decimal 0.000 .. 1.000
 *   WHO       member_ref or tag EVIDENCE  array          SHELF     the members of struct shelf_change */
#define EVENT_NULL INT64_MIN
enum field_kind {
    FIELD_STR,
    FIELD_NSTR,
    FIELD_I64,
    FIELD_NI64,
    FIELD_BOOL,
    FIELD_PM,
    FIELD_WHO,
    FIELD_EVIDENCE,
    FIELD_SHELF
};
#define EVENT_TYPE_STR(name)      char name[NOREN_ID_SIZE]
#define EVENT_TYPE_NSTR(name)     char name[NOREN_ID_SIZE]
#define EVENT_TYPE_I64(name)      int64_t name
#define EVENT_TYPE_NI64(name)     int64_t name
#define EVENT_TYPE_BOOL(name)     bool name
#define EVENT_TYPE_PM(name)       int32_t name
#define EVENT_TYPE_WHO(name)      struct who name
#define EVENT_TYPE_EVIDENCE(name) struct evidence_list name
#define EVENT_TYPE_SHELF(name)    struct shelf_change name

#define EVENT(ID, id, wire, class, en, ja) struct event_##id {
#define FIELD(id, kind, name)              EVENT_TYPE_##kind(name);
#define EVENT_END(id) \
    }                 \
    ;
#include "noren/events.def"

enum event_kind {
#define EVENT(ID, id, wire, class, en, ja) EVENT_##ID,
#define FIELD(id, kind, name)
#define EVENT_END(id)
#include "noren/events.def"
    EVENT_KINDS
};

/** One event. `t_us` is the boot time of the decision; seq and epoch are given when it is stored. */
struct event {
    enum event_kind kind;
    int64_t t_us;
    union {
#define EVENT(ID, id, wire, class, en, ja) struct event_##id id;
#define FIELD(id, kind, name)
#define EVENT_END(id)
#include "noren/events.def"
    } u;
};

#endif
