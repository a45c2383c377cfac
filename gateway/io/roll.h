/* The roll: who and what may be recognised, as the members document has it.
 *
 * Members with the keys of three days, tags and cards with theirs, sealed sensors, who works here. HQ signs
 * it in parts of some hundred members, because 30 k members are 8 MB of JSON: each part is read when it
 * comes, and when all of one revision are there they replace what was in force as a whole.
 */
#ifndef NOREN_IO_ROLL_H
#define NOREN_IO_ROLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/radio.h"
#include "io/plan_json.h"

#define ROLL_PARTS_MAX 1024

/** What a part says about itself. */
struct roll_head {
    int64_t revision;
    int64_t part, parts; /**< 0, 1 when the document is whole */
};

/** A store beacon: whoever reports a visit quotes the minor that it makes of this key. */
#define ROLL_BEACONS_MAX 64
struct roll_beacon {
    char id[NOREN_ID_SIZE];
    uint8_t key[16];
};

struct roll {
    struct members members;
    struct tags tags;
    struct radio_sensor sensors[RADIO_SENSORS_MAX];
    size_t sensors_n;
    struct roll_beacon beacons[ROLL_BEACONS_MAX];
    size_t beacons_n;
    struct roll_head head; /**< of the part taken first; parts is 0 before it */
    bool have[ROLL_PARTS_MAX];
    size_t have_n;
    struct roll_head last; /**< what the part read last says about itself */
    bool in_force;         /**< roll_use() was called, ... */
    int64_t revision;      /**< ... with this revision; this and older ones are not read again */
    /** Settings, kept by roll_free(): keys of UTC dates before this one are left out; 0 = none are. */
    uint32_t first_date;
    /** "tenant/store/gateway": what is for somebody else is refused, and what names nobody; NULL = not looked at. */
    const char *us;
    /** Who is left out with all tags, because they were forgotten; NULL = nobody. */
    bool (*unwanted)(void *user, const char *member_ref);
    void *user;
};

/** Reads one part: {"to":"tenant/store/gateway","revision":N,"part":I,"parts":N,"members_n":N,"tags_n":N,
 *  "members":[{"member_ref","consent":["presence",...],"bucket":N,"staff":true,
 *   "day_keys":{"YYYYMMDD":"32 hex digits"}}],
 *  "tags":[{"tag","member_ref","consent","bucket","staff","eid_key":"32 hex digits","k":N,"offset_s":N} or
 *   {...,"irk":"32 hex digits"} or {...,"device":"32 hex digits"}],
 *  "store_key":"32 hex digits" (what devices are made with),
 *  "sensors":[{"sensor","bind_key":"32 hex digits"}],
 *  "beacons":[{"beacon","key":"32 hex digits"}]}
 * members_n and tags_n are of all parts together. A later revision than that of the parts so far begins
 * anew. Returns 1: all parts are there; 0: more are to come, or it was there already, or is of the revision
 * in force; -ESTALE: an older revision; -EPERM: for somebody else; -EINVAL or -ENOMEM: nothing is left of this revision, its parts must come again. A sentence in
 * `ret_error` when negative. */
int roll_read(struct roll *r, const char *json, size_t n, char ret_error[PLAN_ERROR_SIZE]);

/** Puts it in force: the radio's tables are wiped and replaced, `r` is empty afterwards (take its beacons
 * before). Clocks of tags and
 * counters of sensors go on. Call radio_clock() after it. */
void roll_use(struct roll *r, struct radio *radio);

/** Wipes and frees; the settings stay. */
void roll_free(struct roll *r);

/** Wipes and frees the tables that roll_use() gave to a radio. */
void roll_free_radio(struct radio *radio);

/** Reads only the members of one part; `each` returns NULL or a sentence that refuses this one and ends the
 * reading. 0, -EINVAL or -ENOMEM. */
int roll_walk(const char *json, size_t n, const char *(*each)(void *arg, const struct member *m),
              void *arg, char ret_error[PLAN_ERROR_SIZE]);

#endif
