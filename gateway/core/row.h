/* Reading the text of a record: fields separated by tabs, the first the version of the layout.
 *
 * Ids may hold spaces and any UTF-8 but no control characters, so a tab never needs escaping. The reader
 * is sticky like a cursor: after the first field that is not what it should be everything yields zero, and
 * the caller checks `bad` once at the end. strtoll was rejected: it needs errno and accepts white space.
 */
#ifndef NOREN_CORE_ROW_H
#define NOREN_CORE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Reads one row. Borrows its text. */
struct row {
    const char *p; /**< next unread field; NULL when none is left */
    bool bad;
};

/** A reader over a NUL-terminated row. */
struct row row_init(const char *text);

/** The next field as a decimal integer with optional minus sign; 0 and `bad` when it is none. */
int64_t row_i64(struct row *r);

/** The next field as an integer within `min`..`max`; `min` and `bad` outside. */
int64_t row_range(struct row *r, int64_t min, int64_t max);

/** Copies the next field, at most `size` - 1 bytes; "" and `bad` when it is longer or missing. */
void row_str(struct row *r, char *ret, size_t size);

/** True when every field was good and none is left over. */
bool row_done(const struct row *r);

#endif
