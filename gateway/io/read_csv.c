/* Tables of readings: t_us,receiver,identity,rssi_dbm or t_us,plate,mass_mg or t_us,cell,counts.
 *
 * Columns are found by their names in the first line, further ones are ignored; numbers may have a
 * fraction (other people's tools write 1444070.0), which is rounded. Fields may be quoted as in RFC 4180,
 * without line breaks in them.
 */
#include <stdio.h>
#include <string.h>

#include "io/source.h"

static const struct form {
    enum item_kind kind;
    const char *columns[4];
    uint8_t columns_n;
} forms[] = {
    {ITEM_SIGHTING, {"t_us", "receiver", "identity", "rssi_dbm"}, 4},
    {ITEM_MASS, {"t_us", "plate", "mass_mg"}, 3},
    {ITEM_CELL, {"t_us", "cell", "counts"}, 3},
};

#define FORMS_N (sizeof(forms) / sizeof(forms[0]))

static bool recognise(const uint8_t *p, size_t n)
{
    size_t i = 0;
    bool comma = false;

    for (; i < n && p[i] != '\n'; i++) {
        if (p[i] < 0x20 && p[i] != '\r' && p[i] != '\t')
            return false;
        comma = comma || p[i] == ',';
    }
    return comma;
}

static struct slice trimmed(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Cuts the next field off a row; quotes stay on it. After the last one row->p is NULL, which tells an empty
 * last field from a missing one. */
static struct slice cut(struct slice *row)
{
    struct slice f = {.p = row->p};
    bool quoted = false;

    while (f.n < row->n && (quoted || row->p[f.n] != ',')) {
        if (row->p[f.n] == '"')
            quoted = !quoted;
        f.n++;
    }
    if (f.n < row->n)
        *row = (struct slice){row->p + f.n + 1, row->n - f.n - 1};
    else
        *row = (struct slice){NULL, 0};
    return trimmed(f);
}

static bool is(struct slice s, const char *word)
{
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"') {
        s.p++;
        s.n -= 2;
    }
    return s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

/* Finds a form's columns in the head; false when one is missing. */
static bool match(struct source *s, struct slice head, const struct form *form)
{
    uint8_t found = 0;

    s->u.csv.kind = form->kind;
    s->u.csv.columns_n = form->columns_n;
    s->u.csv.last = 0;
    for (uint8_t place = 0; head.p != NULL && place < CSV_COLUMNS_MAX; place++) {
        struct slice name = cut(&head);

        for (uint8_t c = 0; c < form->columns_n; c++) {
            if (!is(name, form->columns[c]) || (found & 1 << c) != 0)
                continue;
            s->u.csv.column[c] = place;
            s->u.csv.last = place;
            found |= (uint8_t)(1 << c);
        }
    }
    return found == (1 << form->columns_n) - 1;
}

static bool open_csv(struct source *s, char *error, size_t size)
{
    struct slice head = {.p = ""};

    s->at = s->n >= 3 && memcmp(s->p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* a byte order mark */
    s->line = 0;
    (void)source_line(s, &head);
    for (size_t i = 0; i < FORMS_N; i++)
        if (match(s, head, &forms[i]))
            return true;
    (void)snprintf(
        error, size,
        "line 1: the columns are \"%.*s\"; a CSV needs t_us,receiver,identity,rssi_dbm or "
        "t_us,plate,mass_mg or t_us,cell,counts",
        head.n < 80 ? (int)head.n : 80, head.p);
    return false;
}

/* A decimal number, a fraction rounded half away from zero. */
static bool number(struct slice s, int64_t *ret)
{
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    bool negative = s.n > 0 && s.p[0] == '-';
    int64_t v = 0;
    size_t digits = 0;

    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, digits++) {
        if (v > INT64_MAX / 10 - 1)
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    if (i < s.n && s.p[i] == '.') {
        if (i + 1 < s.n && s.p[i + 1] >= '5' && s.p[i + 1] <= '9')
            v++;
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            digits++;
    }
    if (digits == 0 || i < s.n)
        return false;
    *ret = negative ? -v : v;
    return true;
}

/* Takes quotes off an id and checks it. */
static const char *text(struct slice *s, char unquoted[NOREN_ID_SIZE])
{
    size_t n = 0;

    if (s->n > 0 && s->p[0] == '"') {
        for (size_t i = 1; i + 1 < s->n && n < NOREN_ID_SIZE; i++) {
            if (s->p[i] == '"' && s->p[i + 1] == '"' && i + 2 < s->n)
                i++;
            unquoted[n++] = s->p[i];
        }
        if (s->n < 2 || s->p[s->n - 1] != '"')
            return "a quote is not closed";
        *s = (struct slice){unquoted, n};
    }
    if (s->n == 0)
        return "an id is empty";
    if (s->n >= NOREN_ID_SIZE)
        return "an id is longer than 39 bytes";
    for (size_t i = 0; i < s->n; i++)
        if ((unsigned char)s->p[i] < 0x20 || s->p[i] == 0x7f)
            return "an id contains a control character";
    return NULL;
}

/* The bounds of each kind of value, and what to say beyond them. */
static const char *check_value(enum item_kind kind, int64_t v)
{
    if (kind == ITEM_SIGHTING && (v < -127 || v > 20))
        return "rssi_dbm is not -127 to 20";
    if (kind == ITEM_MASS && (v < -1000000000000 || v > 1000000000000))
        return "mass_mg is beyond a thousand tonnes";
    if (kind == ITEM_CELL && (v < -(1 << 23) || v >= 1 << 23))
        return "counts is not a 24-bit number";
    return NULL;
}

static const char *parse_row(struct source *s, struct slice row, struct item *ret)
{
    struct slice field[CSV_COLUMNS_MAX];
    uint8_t n = s->u.csv.columns_n;
    const char *wrong;

    for (uint8_t i = 0; i <= s->u.csv.last; i++) {
        if (row.p == NULL)
            return "a row has too few fields";
        field[i] = cut(&row);
    }
    *ret = (struct item){.kind = s->u.csv.kind, .line = s->line};
    ret->place = field[s->u.csv.column[1]];
    if (!number(field[s->u.csv.column[0]], &ret->t_us) || ret->t_us < 0 ||
        ret->t_us > SOURCE_TIME_MAX_US)
        return "t_us is not a time in microseconds";
    if ((wrong = text(&ret->place, s->u.csv.unquoted[0])) != NULL)
        return wrong;
    if (n == 4) {
        ret->who = field[s->u.csv.column[2]];
        if ((wrong = text(&ret->who, s->u.csv.unquoted[1])) != NULL)
            return wrong;
    }
    if (!number(field[s->u.csv.column[n - 1]], &ret->value))
        return "the value is not a number";
    return check_value(ret->kind, ret->value);
}

static bool next_csv(struct source *s, struct item *ret)
{
    struct slice row;

    while (source_line(s, &row)) {
        const char *wrong;

        if (trimmed(row).n == 0)
            continue;
        wrong = parse_row(s, row, ret);
        if (wrong == NULL)
            return true;
        refusals_add(s->refusals, s->name, s->line, wrong, "the row is left out");
    }
    return false;
}

const struct reader reader_csv = {"CSV", recognise, open_csv, next_csv};
