/* HQ's members: names and keys stay here, gateways get opaque references and the keys of three days.
 *
 * The bundle desired/members of a gateway holds yesterday's, today's and tomorrow's day key (UTC) of every
 * member who may come to its store. Its revision only grows: it is the second it was made, so it grows even
 * if HQ's database is lost.
 */
#ifndef NOREN_HQ_ROSTER_H
#define NOREN_HQ_ROSTER_H

#include <stdint.h>

#include <jansson.h>

#include "hq/store.h"

#define ROSTER_ERROR_SIZE 512

struct roster {
    json_t *members; /**< array of checked objects as in the file */
};

/** Reads {"members":[{"member_ref","name","member_key","consent":[..],"bucket":N,"stores":[..]}]}; `stores`
 * missing means every store. "" as path gives an empty roster. 0 or -errno with a sentence that names
 * the place and the remedy. */
int roster_load(struct roster *r, const char *path, char ret_error[ROSTER_ERROR_SIZE]);
void roster_free(struct roster *r);

/** The member with this reference as in the file, or NULL. Borrowed; holds the key: never send it on. */
const json_t *roster_find(const struct roster *r, const char *member_ref);

/** The bundle for a gateway, with a new revision if its content differs from the last one (writes the
 * database: call inside a transaction). The caller frees *ret_payload. 0 or -errno. */
int roster_print(const struct roster *r, struct store *s, int64_t gateway_id,
                 const char *store_name, int64_t utc_s, char **ret_payload);

#endif
