/* INI files, line by line, with errors that name file, line and remedy.
 *
 * inih calls its handler without a line number in Debian's build, so it is fed through ini_parse_stream
 * with a reader that counts. Values are checked by tables of rows: one row a key, with the function that
 * parses it, so what a file may say can be read off in one place.
 */
#ifndef NOREN_IO_INI_FILE_H
#define NOREN_IO_INI_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INI_ERROR_SIZE 512

struct ini_row;

/** Parses one value into `field`. Returns NULL, or what is wrong and what to write instead. */
typedef const char *ini_parse_fn(const struct ini_row *row, const char *value, void *field);

/** One key that a section may have. */
struct ini_row {
    const char *key;
    ini_parse_fn *parse;
    size_t offset; /**< of the field in the section's structure */
    size_t size;   /**< of the field (strings) */
    int64_t min, max;
    const char *const *choices; /**< NULL-terminated (ini_parse_choice) */
    bool required;
};

/** One kind of section: "mqtt", or "bank ID" when `named`. Each one fills one structure. */
struct ini_section {
    const char *name;
    bool named;
    const struct ini_row *rows; /**< ends with a row whose key is NULL */
    /** Gives the structure for a section that begins; `id` is "" unless named. Returns NULL, or what is
     * wrong ("more than 8 banks"). */
    const char *(*begin)(void *user, const char *id, void **ret_base);
    /** Looks at a section that is complete; may be NULL. */
    const char *(*end)(void *user, void *base);
};

/** Reads a file. Returns 0, -EINVAL with a sentence in `ret_error` ("FILE:LINE: [section] key: what, remedy"),
 * or another -errno, also with a sentence. */
int ini_file_read(const char *path, const struct ini_section *sections, void *user,
                  char ret_error[INI_ERROR_SIZE]);

/* Parsers for rows. */
ini_parse_fn ini_parse_text;   /**< any text that fits, not empty */
ini_parse_fn ini_parse_name;   /**< one level of an MQTT topic: letters, digits, . _ - */
ini_parse_fn ini_parse_u32;    /**< decimal, row->min .. row->max, into uint32_t */
ini_parse_fn ini_parse_choice; /**< one of row->choices, its index into int */

#endif
