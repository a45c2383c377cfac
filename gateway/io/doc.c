/* JSON documents with errors that name the place; see doc.h. */
#include "io/doc.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct doc doc_load(const char *json, size_t n, char *error, size_t error_size)
{
    struct doc d = {.error = error, .error_size = error_size};
    json_error_t e;

    d.v = json_loadb(json, n, JSON_REJECT_DUPLICATES, &e);
    if (d.v == NULL)
        (void)snprintf(error, error_size, "line %d, column %d: %s", e.line, e.column, e.text);
    return d;
}

/* Appends at `at`; what does not fit is cut. Returns the new end. */
static size_t __attribute__((format(printf, 3, 4)))
append(const struct doc *d, size_t at, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(d->error + at, d->error_size - at, format, args);
    va_end(args);
    if (n < 0)
        return at;
    return at + (size_t)n < d->error_size ? at + (size_t)n : d->error_size - 1;
}

static size_t append_path(const struct doc *d, size_t at)
{
    if (d->up == NULL)
        return at;
    at = append_path(d->up, at);
    if (d->key == NULL)
        return append(d, at, "[%zu]", d->index);
    return append(d, at, "%s%s", at > 0 ? "." : "", d->key);
}

bool doc_refuse(const struct doc *d, const char *format, ...)
{
    va_list args;
    size_t at = append_path(d, 0);

    if (at > 0)
        at = append(d, at, ": ");
    va_start(args, format);
    (void)vsnprintf(d->error + at, d->error_size - at, format, args);
    va_end(args);
    return false;
}

static bool known(const char *const *keys, const char *key)
{
    for (; *keys != NULL; keys++)
        if (strcmp(*keys, key) == 0)
            return true;
    return false;
}

bool doc_object(const struct doc *d, const char *const *keys)
{
    const char *key;
    json_t *value;

    if (!json_is_object(d->v))
        return doc_refuse(d, "must be an object {...}");
    json_object_foreach(d->v, key, value)
    {
        char list[160] = "";
        size_t at = 0;

        if (known(keys, key))
            continue;
        for (size_t i = 0; keys[i] != NULL && at < sizeof(list); i++) {
            int n = snprintf(list + at, sizeof(list) - at, "%s%s", i > 0 ? ", " : "", keys[i]);

            at += n > 0 ? (size_t)n : 0;
        }
        return doc_refuse(d, "unknown name \"%.40s\"; known here: %s", key, list);
    }
    return true;
}

struct doc doc_member(const struct doc *d, const char *key)
{
    json_t *v = json_object_get(d->v, key);

    return (struct doc){.v = json_is_null(v) ? NULL : v,
                        .up = d,
                        .key = key,
                        .error = d->error,
                        .error_size = d->error_size};
}

bool doc_array(const struct doc *d, const char *key, size_t max, struct doc *ret)
{
    *ret = doc_member(d, key);
    if (ret->v == NULL)
        return true;
    if (!json_is_array(ret->v))
        return doc_refuse(ret, "must be a list [...]");
    if (json_array_size(ret->v) > max)
        return doc_refuse(ret, "has %zu entries, at most %zu are possible", json_array_size(ret->v),
                          max);
    return true;
}

size_t doc_size(const struct doc *d)
{
    return json_array_size(d->v);
}

struct doc doc_item(const struct doc *d, size_t i)
{
    return (struct doc){.v = json_array_get(d->v, i),
                        .up = d,
                        .index = i,
                        .error = d->error,
                        .error_size = d->error_size};
}

static bool missing(const struct doc *d, const char *key)
{
    return doc_refuse(d, "\"%s\" is missing", key);
}

static bool text_self(const struct doc *d, char *ret, size_t size)
{
    const char *s = json_string_value(d->v);
    size_t n = json_string_length(d->v);

    if (s == NULL)
        return doc_refuse(d, "must be a string \"...\"");
    if (n >= size)
        return doc_refuse(d, "is %zu bytes long, at most %zu are possible", n, size - 1);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return doc_refuse(d, "must not contain control characters");
    memcpy(ret, s, n);
    ret[n] = 0;
    return true;
}

bool doc_id_self(const struct doc *d, char ret[NOREN_ID_SIZE])
{
    if (json_is_string(d->v) && json_string_length(d->v) == 0)
        return doc_refuse(d, "must not be empty");
    return text_self(d, ret, NOREN_ID_SIZE);
}

bool doc_id(const struct doc *d, const char *key, char ret[NOREN_ID_SIZE])
{
    struct doc m = doc_member(d, key);

    return m.v == NULL ? missing(d, key) : doc_id_self(&m, ret);
}

bool doc_opt_id(const struct doc *d, const char *key, char ret[NOREN_ID_SIZE])
{
    struct doc m = doc_member(d, key);

    return m.v == NULL || doc_id_self(&m, ret);
}

bool doc_opt_text(const struct doc *d, const char *key, char *ret, size_t size)
{
    struct doc m = doc_member(d, key);

    return m.v == NULL || text_self(&m, ret, size);
}

static bool i64_self(const struct doc *d, int64_t min, int64_t max, int64_t *ret)
{
    int64_t v;

    if (json_is_integer(d->v)) {
        v = json_integer_value(d->v);
    } else if (json_is_real(d->v) && json_real_value(d->v) == floor(json_real_value(d->v)) &&
               fabs(json_real_value(d->v)) < 9e15) {
        v = (int64_t)json_real_value(d->v);
    } else {
        return doc_refuse(d, "must be a whole number");
    }
    if (v < min || v > max)
        return doc_refuse(d, "is %lld, must be %lld to %lld", (long long)v, (long long)min,
                          (long long)max);
    *ret = v;
    return true;
}

bool doc_opt_i64(const struct doc *d, const char *key, int64_t min, int64_t max, int64_t *ret)
{
    struct doc m = doc_member(d, key);

    return m.v == NULL || i64_self(&m, min, max, ret);
}

bool doc_i64(const struct doc *d, const char *key, int64_t min, int64_t max, int64_t *ret)
{
    struct doc m = doc_member(d, key);

    return m.v == NULL ? missing(d, key) : i64_self(&m, min, max, ret);
}

bool doc_real_self(const struct doc *d, double min, double max, double *ret)
{
    double v = json_number_value(d->v);

    if (!json_is_number(d->v))
        return doc_refuse(d, "must be a number");
    if (!(v >= min && v <= max))
        return doc_refuse(d, "is %g, must be %g to %g", v, min, max);
    *ret = v;
    return true;
}

bool doc_opt_real(const struct doc *d, const char *key, double min, double max, double *ret)
{
    struct doc m = doc_member(d, key);

    return m.v == NULL || doc_real_self(&m, min, max, ret);
}

bool doc_string(const struct doc *d, const char *key, const char **ret)
{
    struct doc m = doc_member(d, key);

    if (m.v == NULL)
        return missing(d, key);
    if (!json_is_string(m.v))
        return doc_refuse(&m, "must be a string \"...\"");
    *ret = json_string_value(m.v);
    return true;
}
