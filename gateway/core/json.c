/* The bounded JSON writer; see json.h. RFC 8259. */
#include "core/json.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct json json_init(char *buf, size_t size)
{
    return (struct json){.buf = buf, .cap = size};
}

static void put(struct json *j, const char *s, size_t n)
{
    /* One byte stays free for the NUL. */
    if (j->bad || j->cap - j->n <= n) {
        j->bad = true;
        return;
    }
    memcpy(j->buf + j->n, s, n);
    j->n += n;
}

/* What goes before a value: the comma, unless it is the first one or follows its key. */
static void begin_value(struct json *j)
{
    if (j->comma)
        put(j, ",", 1);
    j->comma = true;
}

void json_open(struct json *j, char bracket)
{
    begin_value(j);
    put(j, &bracket, 1);
    j->comma = false;
}

void json_close(struct json *j, char bracket)
{
    put(j, &bracket, 1);
    j->comma = true;
}

/* Length of the well-formed UTF-8 sequence at `s` (Unicode 15, table 3-7), or 0. A NUL ends every
 * comparison, so no byte behind the terminator is read. */
static size_t utf8_len(const unsigned char *s)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t n;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] == 0xe0)
        low = 0xa0; /* overlong */
    else if (s[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (s[0] == 0xf0)
        low = 0x90; /* overlong */
    else if (s[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return n;
}

static void put_string(struct json *j, const char *s)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)s;

    put(j, "\"", 1);
    while (*p != 0) {
        size_t n = utf8_len(p);

        if (n == 0) {
            put(j, "\\ufffd", 6);
            n = 1;
        } else if (*p == '"' || *p == '\\') {
            put(j, (const char[]){'\\', (char)*p}, 2);
        } else if (*p < 0x20 || *p == 0x7f) {
            put(j, (const char[]){'\\', 'u', '0', '0', hex[*p >> 4], hex[*p & 15]}, 6);
        } else {
            put(j, (const char *)p, n);
        }
        p += n;
    }
    put(j, "\"", 1);
}

void json_key(struct json *j, const char *name)
{
    begin_value(j);
    put_string(j, name);
    put(j, ":", 1);
    j->comma = false;
}

void json_str(struct json *j, const char *s)
{
    begin_value(j);
    put_string(j, s);
}

/* Decimal digits of `v`, at least `width` of them; written by hand because snprintf looks at the locale
 * and is the hottest call of a replay otherwise. */
static void put_digits(struct json *j, uint64_t v, int width)
{
    char text[20];
    size_t at = sizeof(text);

    while (v > 0 || width > 0) {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
        width--;
    }
    put(j, text + at, sizeof(text) - at);
}

static uint64_t put_sign(struct json *j, int64_t v)
{
    if (v >= 0)
        return (uint64_t)v;
    put(j, "-", 1);
    return 0 - (uint64_t)v;
}

void json_i64(struct json *j, int64_t v)
{
    begin_value(j);
    put_digits(j, put_sign(j, v), 1);
}

void json_milli(struct json *j, int64_t v)
{
    uint64_t magnitude;

    begin_value(j);
    magnitude = put_sign(j, v);
    put_digits(j, magnitude / 1000, 1);
    put(j, ".", 1);
    put_digits(j, magnitude % 1000, 3);
}

void json_decimal(struct json *j, int64_t v, unsigned decimals)
{
    int64_t scale = 1, magnitude = v < 0 ? -v : v;
    char text[32];
    int n;

    for (unsigned i = 0; i < decimals; i++)
        scale *= 10;
    n = snprintf(text, sizeof(text), "%s%" PRId64, v < 0 ? "-" : "", magnitude / scale);
    if (magnitude % scale != 0) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, ".%0*" PRId64, (int)decimals,
                      magnitude % scale);
        while (text[n - 1] == '0')
            text[--n] = '\0';
    }
    json_raw(j, text);
}

void json_hex(struct json *j, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    begin_value(j);
    put(j, "\"", 1);
    for (size_t i = 0; i < n; i++)
        put(j, (const char[2]){digits[p[i] >> 4], digits[p[i] & 15]}, 2);
    put(j, "\"", 1);
}

void json_raw(struct json *j, const char *text)
{
    begin_value(j);
    put(j, text, strlen(text));
}

void json_bool(struct json *j, bool v)
{
    json_raw(j, v ? "true" : "false");
}

void json_nil(struct json *j)
{
    json_raw(j, "null");
}

void json_key_str(struct json *j, const char *name, const char *s)
{
    json_key(j, name);
    json_str(j, s);
}

void json_key_nstr(struct json *j, const char *name, const char *s)
{
    json_key(j, name);
    if (s[0] == 0)
        json_nil(j);
    else
        json_str(j, s);
}

void json_key_i64(struct json *j, const char *name, int64_t v)
{
    json_key(j, name);
    json_i64(j, v);
}

void json_key_bool(struct json *j, const char *name, bool v)
{
    json_key(j, name);
    json_bool(j, v);
}

void json_key_milli(struct json *j, const char *name, int64_t v)
{
    json_key(j, name);
    json_milli(j, v);
}

int json_end(struct json *j)
{
    if (j->bad || j->n >= j->cap || j->n > INT_MAX)
        return -1;
    j->buf[j->n] = 0;
    return (int)j->n;
}
