/* Hexadecimal text to bytes: keys in documents, captures in files, commands of the simulated board.
 *
 * Upper and lower case are read; what Noren writes is lower case. sscanf("%2hhx") was rejected: it also
 * takes signs, white space and a single digit.
 */
#ifndef NOREN_HEX_H
#define NOREN_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Value of a hexadecimal digit, or -1. */
static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/** Reads `text`, which must be exactly 2 x `n` digits; NULL is none. On false `ret` is untouched. */
static inline bool hex_read(const char *text, uint8_t *ret, size_t n)
{
    if (text == NULL || strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < 2 * n; i++)
        if (hex_digit(text[i]) < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        ret[i] = (uint8_t)(16 * hex_digit(text[2 * i]) + hex_digit(text[2 * i + 1]));
    return true;
}

/** Reads a line of `n` characters, white space ignored, into at most `cap` bytes; `ret` may be the line
 * itself. Returns NULL and the number of bytes in *ret_n, or a static string saying what is wrong and the
 * column (from 1) in *ret_n. */
static inline const char *hex_read_line(const char *line, size_t n, uint8_t *ret, size_t cap,
                                        size_t *ret_n)
{
    size_t digits = 0;

    for (size_t i = 0; i < n; i++) {
        int v = hex_digit(line[i]);

        if (line[i] == ' ' || (line[i] >= '\t' && line[i] <= '\r'))
            continue;
        *ret_n = i + 1;
        if (v < 0)
            return "not hexadecimal";
        if (digits / 2 == cap)
            return "too long";
        /* in place this never writes ahead of what was read: two digits make one byte */
        ret[digits / 2] = (uint8_t)(digits % 2 == 0 ? v << 4 : ret[digits / 2] | v);
        digits++;
    }
    if (digits % 2 != 0)
        return "an odd number of hexadecimal digits";
    *ret_n = digits / 2;
    return NULL;
}

#endif
