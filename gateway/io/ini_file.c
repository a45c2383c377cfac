/* INI files by inih; see ini_file.h. */
#include "io/ini_file.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INI_ROWS_MAX 32

/* State of one reading. Only the first error is kept: what follows is often its consequence. */
struct ini_file {
    FILE *f;
    const char *path;
    int line, header_line; /* of what was read last, and of the last line that begins with [ */
    char *error;
    int error_line;
    const struct ini_section *sections;
    void *user;
    char current[64]; /* the header as written: "bank left" */
    const struct ini_section *section;
    void *base;
    int section_line;
    bool seen[INI_ROWS_MAX];
};

static void __attribute__((format(printf, 3, 4)))
complain(struct ini_file *in, int line, const char *format, ...)
{
    va_list args;
    int n;

    if (in->error_line != 0)
        return;
    in->error_line = line;
    n = snprintf(in->error, INI_ERROR_SIZE, "%s:%d: ", in->path, line);
    if (n < 0 || n >= INI_ERROR_SIZE)
        return;
    va_start(args, format);
    vsnprintf(in->error + n, INI_ERROR_SIZE - (size_t)n, format, args);
    va_end(args);
}

/* fgets for inih that counts lines, and refuses those that its buffer would split in two. */
static char *read_line(char *buf, int size, void *stream)
{
    struct ini_file *in = stream;
    int c;

    if (fgets(buf, size, in->f) == NULL)
        return NULL;
    in->line++;
    if (buf[strspn(buf, " \t")] == '[')
        in->header_line = in->line;
    if (strchr(buf, '\n') != NULL || feof(in->f))
        return buf;
    complain(in, in->line, "line is longer than %d bytes, or has a NUL in it; shorten it",
             size - 3);
    while ((c = fgetc(in->f)) != EOF && c != '\n')
        ;
    buf[0] = '\n';
    buf[1] = '\0';
    return buf;
}

static void end_section(struct ini_file *in)
{
    const char *why;

    if (in->section == NULL)
        return;
    for (int i = 0; in->section->rows[i].key != NULL; i++) {
        if (in->section->rows[i].required && !in->seen[i])
            complain(in, in->section_line, "[%s] needs a line \"%s = ...\"", in->current,
                     in->section->rows[i].key);
    }
    why = in->section->end != NULL ? in->section->end(in->user, in->base) : NULL;
    if (why != NULL)
        complain(in, in->section_line, "[%s]: %s", in->current, why);
    in->section = NULL;
}

/* The sections a file may have, for a message. */
static const char *list_sections(const struct ini_section *s, char *buf, size_t size)
{
    size_t n = 0;

    buf[0] = '\0';
    for (; s->name != NULL && n < size; s++)
        n += (size_t)snprintf(buf + n, size - n, "%s[%s%s]", n > 0 ? ", " : "", s->name,
                              s->named ? " ID" : "");
    return buf;
}

static void begin_section(struct ini_file *in, const char *header)
{
    const char *space = strchr(header, ' '), *id = space != NULL ? space + 1 : "", *why;
    size_t n = space != NULL ? (size_t)(space - header) : strlen(header);
    const struct ini_section *s = in->sections;
    char list[128];

    snprintf(in->current, sizeof(in->current), "%s", header);
    in->section_line = in->header_line;
    memset(in->seen, 0, sizeof(in->seen));
    while (s->name != NULL && (strlen(s->name) != n || strncmp(s->name, header, n) != 0))
        s++;
    if (s->name == NULL) {
        complain(in, in->section_line, "unknown section [%s]; there are %s", header,
                 list_sections(in->sections, list, sizeof(list)));
        return;
    }
    if (s->named != (id[0] != '\0')) {
        complain(in, in->section_line,
                 s->named ? "[%s] needs an id: [%s ID]" : "[%s] takes no id: [%s]", header,
                 s->name);
        return;
    }
    why = s->begin(in->user, id, &in->base);
    if (why != NULL) {
        complain(in, in->section_line, "[%s]: %s", header, why);
        return;
    }
    in->section = s;
}

/* What a row's value may be, for a message; "" when its parser says so itself. */
static const char *list_values(const struct ini_row *row, char *buf, size_t size)
{
    size_t n = 0;

    buf[0] = '\0';
    if (row->parse == ini_parse_u32)
        snprintf(buf, size, "; write %lld..%lld", (long long)row->min, (long long)row->max);
    for (int i = 0; row->choices != NULL && row->choices[i] != NULL && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s%s", i == 0 ? "; write " : " or ",
                              row->choices[i]);
    return buf;
}

static void take_key(struct ini_file *in, const char *key, const char *value)
{
    const struct ini_row *row = in->section->rows;
    const char *why;
    char values[128];

    while (row->key != NULL && strcmp(row->key, key) != 0)
        row++;
    if (row->key == NULL) {
        char list[256] = "";
        size_t n = 0;

        for (row = in->section->rows; row->key != NULL && n < sizeof(list); row++)
            n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n > 0 ? ", " : "", row->key);
        complain(in, in->line, "[%s] has no key \"%s\"; there are %s", in->current, key, list);
        return;
    }
    if (in->seen[row - in->section->rows]) {
        complain(in, in->line, "[%s] %s is given twice (or its line continues); keep one line",
                 in->current, key);
        return;
    }
    in->seen[row - in->section->rows] = true;
    why = row->parse(row, value, (char *)in->base + row->offset);
    if (why != NULL)
        complain(in, in->line, "[%s] %s = %s: %s%s", in->current, key, value, why,
                 list_values(row, values, sizeof(values)));
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
    struct ini_file *in = user;

    if (in->error_line != 0)
        return 1;
    if (section[0] == '\0') {
        complain(in, in->line, "\"%s\" stands before the first [section]", key);
        return 1;
    }
    if (in->section == NULL || strcmp(section, in->current) != 0) {
        end_section(in);
        begin_section(in, section);
    }
    if (in->section != NULL)
        take_key(in, key, value);
    return 1;
}

int ini_file_read(const char *path, const struct ini_section *sections, void *user,
                  char ret_error[INI_ERROR_SIZE])
{
    struct ini_file in = {.path = path, .error = ret_error, .sections = sections, .user = user};
    int line, rc;

    in.f = fopen(path, "re");
    if (in.f == NULL) {
        rc = -errno;
        snprintf(ret_error, INI_ERROR_SIZE, "%s: cannot be read: %s", path, strerror(-rc));
        return rc;
    }
    line = ini_parse_stream(read_line, &in, on_key, &in);
    rc = ferror(in.f) ? -EIO : 0; /* a directory opens, and fails here */
    fclose(in.f);
    if (rc != 0) {
        snprintf(ret_error, INI_ERROR_SIZE, "%s: cannot be read; is it a file?", path);
        return rc;
    }
    if (line > 0 && (in.error_line == 0 || line < in.error_line)) {
        in.error_line = 0;
        complain(&in, line, "neither [section] nor key = value; comments begin with # or ;");
    }
    end_section(&in);
    return in.error_line != 0 ? -EINVAL : 0;
}

const char *ini_parse_text(const struct ini_row *row, const char *value, void *field)
{
    size_t n = strlen(value);

    if (n == 0)
        return "is empty; write a value";
    if (n >= row->size)
        return "is too long";
    memcpy(field, value, n + 1);
    return NULL;
}

const char *ini_parse_name(const struct ini_row *row, const char *value, void *field)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    if (value[strspn(value, allowed)] != '\0')
        return "becomes part of an MQTT topic; use letters, digits, '.', '_' and '-' only";
    return ini_parse_text(row, value, field);
}

const char *ini_parse_u32(const struct ini_row *row, const char *value, void *field)
{
    char *end;
    long long v;

    if (value[0] < '0' || value[0] > '9')
        return "is not a decimal number";
    errno = 0;
    v = strtoll(value, &end, 10);
    if (*end != '\0')
        return "is not a decimal number";
    if (errno != 0 || v < row->min || v > row->max)
        return "is out of range";
    *(uint32_t *)field = (uint32_t)v;
    return NULL;
}

const char *ini_parse_choice(const struct ini_row *row, const char *value, void *field)
{
    for (int i = 0; row->choices[i] != NULL; i++) {
        if (strcmp(row->choices[i], value) == 0) {
            *(int *)field = i;
            return NULL;
        }
    }
    return "is not a value of this key";
}
