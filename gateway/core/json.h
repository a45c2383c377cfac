/* A bounded JSON writer: the core prints events and state itself, without allocation.
 *
 * Printing by snprintf formats was rejected: a missing comma or an unescaped quote then waits for the one
 * product whose name contains it. Here commas and escapes are the writer's work, and the buffer's end is
 * sticky like a cursor's: write straight through, ask once at the end. Reading JSON is the shell's work.
 */
#ifndef NOREN_CORE_JSON_H
#define NOREN_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A writer over a caller's buffer. Treat as opaque. */
struct json {
    char *buf;
    size_t n;   /**< bytes written, without the NUL */
    size_t cap; /**< size of `buf` */
    bool bad;   /**< something did not fit */
    bool comma; /**< a value went before on this level */
};

/** Starts writing to `buf` of `size` bytes, which it borrows. */
struct json json_init(char *buf, size_t size);

/** Opens '{' or '['; closes '}' or ']'. */
void json_open(struct json *j, char bracket);
void json_close(struct json *j, char bracket);

/** The name of the next value, inside an object. */
void json_key(struct json *j, const char *name);

/** A string; control characters, quotes and backslashes are escaped, bytes that are no UTF-8 become
 * U+FFFD. */
void json_str(struct json *j, const char *s);
void json_i64(struct json *j, int64_t v);
void json_bool(struct json *j, bool v);
/** null. Not json_null: jansson has a function of that name, and a static library would win silently. */
void json_nil(struct json *j);
/** Thousandths as a decimal with exactly three places: 873 -> 0.873. No floating point is involved. */
void json_milli(struct json *j, int64_t v);
/** v / 10^decimals, exactly and without trailing zeros: 2500, 2 -> 25. `decimals` is at most 8, |v| below
 * 2^63. */
void json_decimal(struct json *j, int64_t v, unsigned decimals);
/** Bytes as a string of lower-case hexadecimal digits. */
void json_hex(struct json *j, const uint8_t *p, size_t n);
/** Text that is JSON already. */
void json_raw(struct json *j, const char *text);

/** Name and value in one call. */
void json_key_str(struct json *j, const char *name, const char *s);
/** The empty string is null. */
void json_key_nstr(struct json *j, const char *name, const char *s);
void json_key_i64(struct json *j, const char *name, int64_t v);
void json_key_bool(struct json *j, const char *name, bool v);
void json_key_milli(struct json *j, const char *name, int64_t v);

/** Terminates the text. Returns its length without the NUL, or -1 when it did not fit. */
int json_end(struct json *j);

#endif
