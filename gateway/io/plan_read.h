/* What the readers of plan documents share: all or nothing, and GTINs. Private to gateway/io. */
#ifndef NOREN_IO_PLAN_READ_H
#define NOREN_IO_PLAN_READ_H

#include "core/plan.h"
#include "io/doc.h"

/** Parses `json`, lets `read` fill a copy of `p` (false after doc_refuse()) and takes the copy over when
 * all was well. Returns 0, -EINVAL with a sentence in `error`, or -ENOMEM. */
int plan_read_with(bool (*read)(struct plan *draft, const struct doc *d), struct plan *p,
                   const char *json, size_t n, char *error, size_t error_size);

/** Pads a GTIN to 14 digits; refuses with what the check digit should be. */
bool plan_read_gtin(const struct doc *d, const char *key, char ret[NOREN_GTIN_SIZE]);

#endif
