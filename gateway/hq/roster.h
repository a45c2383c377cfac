/* HQ's members: names and keys stay here, gateways get opaque references and the keys of three days.
 *
 * The bundle desired/members of a gateway holds yesterday's, today's and tomorrow's day key (UTC) of every
 * member who may come to its store, the tags and cards with the keys by which they are resolved, and the
 * keys of sealed sensors. Its revision only grows: it is the second it was made, so it grows even if HQ's
 * database is lost. It goes out in parts: one of 30 k members would be 8 MB at a stroke, on a link that has
 * other things to do and into a gateway that has 6 MB in all.
 */
#ifndef NOREN_HQ_ROSTER_H
#define NOREN_HQ_ROSTER_H

#include <stdint.h>

#include <jansson.h>

#include "hq/store.h"

#define ROSTER_ERROR_SIZE 512

struct roster {
    json_t *members, *tags, *sensors, *beacons; /**< arrays of checked objects as in the file */
    json_t *store_key;                          /**< string of 32 hex digits, or NULL */
};

/** Members and tags of one part: about 64 KB. */
#define ROSTER_PART_ITEMS 250

/** Reads {"members":[{"member_ref","name","member_key","consent":[..],"bucket":N,"staff":true,
 * "stores":[..]}], "tags":[{"tag","member_ref","eid_key","k","offset_s" or "irk" or "device","staff","stores"}],
 * "sensors":[{"sensor","bind_key","stores"}], "beacons":[{"beacon","key","stores"}], "store_key"}; `stores` missing means every store, a member without
 * member_key has a card only, a tag without member_ref is a thing. "" as path gives an empty roster. 0 or -errno with a sentence that names
 * the place and the remedy. */
int roster_load(struct roster *r, const char *path, char ret_error[ROSTER_ERROR_SIZE]);
void roster_free(struct roster *r);

/** The member with this reference as in the file, or NULL. Borrowed; holds the key: never send it on. */
const json_t *roster_find(const struct roster *r, const char *member_ref);

/** Takes out of the list, with their cards, whoever a gateway was told to forget (noren.member.forgotten), and
 * out of the database what names them. The file is its owner's to mend; until then they are left out at
 * each start. Inside a transaction. Returns how many were newly forgotten, or -errno. */
int roster_honour(struct roster *r, struct store *s);

/** A bundle in parts, each the JSON of one message. */
struct roster_parts {
    char **payloads;
    size_t n;
    size_t stale; /**< parts n .. stale-1 of the revision before are retained by the broker */
};

/** The bundle for a gateway, with a new revision if its content differs from the last one (writes the
 * database: call inside a transaction). To be freed by roster_parts_free(). 0 or -errno. */
int roster_print(const struct roster *r, struct store *s, int64_t gateway_id,
                 const char *store_name, int64_t utc_s, struct roster_parts *ret);
void roster_parts_free(struct roster_parts *p);

#endif
