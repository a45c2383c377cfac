/* JSON to plan: planogram, map and campaigns, with errors that name the place and the remedy.
 *
 * Files of a configuration folder, bodies of desired/ bundles and arguments of `norenctl replay` are the
 * same documents, read by the same functions. Formats: design section 15; schemas in include/noren/schema.
 */
#ifndef NOREN_IO_PLAN_JSON_H
#define NOREN_IO_PLAN_JSON_H

#include <stddef.h>

#include "core/plan.h"

#define PLAN_ERROR_SIZE 256

/** Empties a plan. */
void plan_clear(struct plan *p);

/** Reads one document (`n` bytes of JSON) into `p`, which keeps what the other documents gave. Order, into
 * an emptied plan: map, planogram (refers to zones), campaigns (refer to zones and products); a plan whose
 * map changes is read anew, all three. Without a map the planogram's zones are taken as they come.
 * Returns 0, -EINVAL with a sentence in `ret_error` ("plates[3].facings[0].gtin: check digit is 7, should
 * be 4"), or -ENOMEM. On failure `p` is as before. */
int plan_read_map(struct plan *p, const char *json, size_t n, char ret_error[PLAN_ERROR_SIZE]);
int plan_read_planogram(struct plan *p, const char *json, size_t n,
                        char ret_error[PLAN_ERROR_SIZE]);
int plan_read_campaigns(struct plan *p, const char *json, size_t n,
                        char ret_error[PLAN_ERROR_SIZE]);

#endif
