/* What HQ wants of its gateways, out of a folder: [hq] desired in hq.conf.
 *
 *   DIR/keys.jws                                       chain of key bundles (norenctl bundle sign keys), for all
 *   DIR/{store}/planogram.json, map.json, campaigns.json, config.json
 * A file that is there becomes a signed bundle for each gateway of the store, retained by the broker. Its revision is
 * the second in which its content was first seen, so it grows even if HQ's database is lost. What a gateway would
 * refuse is not published; the log says file, place and remedy. The folder is looked at each minute.
 */
#ifndef NOREN_HQ_DESIRED_H
#define NOREN_HQ_DESIRED_H

#include <stdint.h>

#include "hq/store.h"
#include "io/bundle.h"

#define DESIRED_ERROR_SIZE 768

/** The payload of a kind for a gateway. 1: *ret_payload (free()), -ENOENT: there is no such file, or -errno with a
 * sentence. `*ret_is_new`: it was not so before. Writes the database: call inside a transaction. */
int desired_make(struct store *s, const char *dir, enum bundle_kind kind, int64_t gateway_id,
                 const char *to, const char *store_name, int64_t utc_s, char **ret_payload,
                 bool *ret_is_new, char ret_error[DESIRED_ERROR_SIZE]);

#endif
