/* Tab-separated fields; see row.h. */
#include "core/row.h"

#include <string.h>

struct row row_init(const char *text)
{
    return (struct row){.p = text};
}

/** Takes the next field; NULL and `bad` when there is none. */
static const char *take(struct row *r, size_t *ret_n)
{
    const char *field = r->p;
    const char *tab;

    if (r->bad || field == NULL) {
        r->bad = true;
        return NULL;
    }
    tab = strchr(field, '\t');
    *ret_n = tab != NULL ? (size_t)(tab - field) : strlen(field);
    r->p = tab != NULL ? tab + 1 : NULL;
    return field;
}

int64_t row_i64(struct row *r)
{
    size_t n = 0;
    const char *field = take(r, &n);
    bool minus = field != NULL && n > 0 && field[0] == '-';
    size_t i = minus ? 1 : 0;
    int64_t v = 0;

    if (field == NULL || n == i || n - i > 18)
        goto bad;
    for (; i < n; i++) {
        if (field[i] < '0' || field[i] > '9')
            goto bad;
        v = v * 10 + (field[i] - '0');
    }
    return minus ? -v : v;
bad:
    r->bad = true;
    return 0;
}

int64_t row_range(struct row *r, int64_t min, int64_t max)
{
    int64_t v = row_i64(r);

    if (!r->bad && v >= min && v <= max)
        return v;
    r->bad = true;
    return min;
}

void row_str(struct row *r, char *ret, size_t size)
{
    size_t n = 0;
    const char *field = take(r, &n);

    if (field == NULL || n >= size) {
        r->bad = true;
        n = 0;
    }
    if (n > 0)
        memcpy(ret, field, n);
    ret[n] = '\0';
}

bool row_done(const struct row *r)
{
    return !r->bad && r->p == NULL;
}
