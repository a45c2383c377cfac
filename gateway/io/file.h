/* Small files read whole, and written so that a power cut leaves the old one or the new one. */
#ifndef NOREN_IO_FILE_H
#define NOREN_IO_FILE_H

#include <stdbool.h>
#include <stddef.h>

/** Reads a file of at most `max` bytes; the caller frees *ret_text, which is NUL-terminated beyond *ret_n. 0 or
 * -errno (-EFBIG: longer). */
int file_read(const char *path, size_t max, char **ret_text, size_t *ret_n);

/** Writes `n` bytes beside the file (mode 0600), flushes, and puts them in its place. 0 or -errno: then the old file
 * is as it was. */
int file_write(const char *path, const void *bytes, size_t n);

/** Does the file have `text` (not empty, shorter than 64 KiB) somewhere? One that cannot be read has not. */
bool file_has(const char *path, const char *text);

#endif
