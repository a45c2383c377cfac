/* Reading JSON documents with errors that name the place: "plates[3].facings[0].gtin: ...".
 *
 * A place is a value and the way that led to it, kept on the reader's stack, so the path costs nothing
 * until something is wrong. Every reader function returns false after writing the sentence; callers chain
 * them with &&. A validator driven by the JSON Schemas was rejected: its errors talk about schemas, not
 * about shelves, and none is packaged for C. An explicit null counts as absent.
 */
#ifndef NOREN_IO_DOC_H
#define NOREN_IO_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "noren/units.h"

/** A value inside a document. All pointers are borrowed. */
struct doc {
    json_t *v;            /**< NULL: absent (optional members only) */
    const struct doc *up; /**< NULL at the top */
    const char *key;      /**< name in `up`; NULL: `index` counts */
    size_t index;
    char *error; /**< where the sentence goes */
    size_t error_size;
};

/** Parses `n` bytes; the result's `v` must be given to json_decref. `v` is NULL after a refusal (what is
 * no JSON, or has one name twice in an object, is refused with line and column). */
struct doc doc_load(const char *json, size_t n, char *error, size_t error_size);

/** Writes "path: sentence". Returns false always. */
bool doc_refuse(const struct doc *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The value must be an object with no other names than `keys` (NULL at the end). */
bool doc_object(const struct doc *d, const char *const *keys);

/** The member `key`, absent or not. */
struct doc doc_member(const struct doc *d, const char *key);

/** The member `key` as an array of at most `max` items; absent is an empty one. */
bool doc_array(const struct doc *d, const char *key, size_t max, struct doc *ret);
size_t doc_size(const struct doc *d);
struct doc doc_item(const struct doc *d, size_t i);

/** An id: 1..39 bytes of UTF-8 without control characters. `_self` takes the value itself; doc_id needs
 * the member, doc_opt_id leaves `ret` untouched when it is absent. */
bool doc_id_self(const struct doc *d, char ret[NOREN_ID_SIZE]);
bool doc_id(const struct doc *d, const char *key, char ret[NOREN_ID_SIZE]);
bool doc_opt_id(const struct doc *d, const char *key, char ret[NOREN_ID_SIZE]);

/** Text of at most size-1 bytes without control characters, may be empty; untouched when absent. */
bool doc_opt_text(const struct doc *d, const char *key, char *ret, size_t size);

/** Numbers within min..max; `opt` leaves `ret` untouched when absent. An integer may be written 12.0. */
bool doc_i64(const struct doc *d, const char *key, int64_t min, int64_t max, int64_t *ret);
bool doc_opt_i64(const struct doc *d, const char *key, int64_t min, int64_t max, int64_t *ret);
bool doc_real_self(const struct doc *d, double min, double max, double *ret);
bool doc_opt_real(const struct doc *d, const char *key, double min, double max, double *ret);

/** The string of a member that must be there; the text is borrowed from the document. */
bool doc_string(const struct doc *d, const char *key, const char **ret);

#endif
