/* Our own recordings; the format is in record.h. Only the kind of each line is looked at here: what an
 * observation names can be resolved only by the plan that is in force when it enters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/source.h"

static const char head[] = "{\"noren\":\"recording\",\"version\":";

static bool recognise(const uint8_t *p, size_t n)
{
    return n >= sizeof(head) - 1 && memcmp(p, head, sizeof(head) - 1) == 0;
}

static bool open_recording(struct source *s, char *error, size_t size)
{
    struct slice line = {.p = ""};

    s->at = 0;
    s->line = 0;
    (void)source_line(s, &line);
    if (line.n == sizeof(head) + 1 && memcmp(line.p + sizeof(head) - 1, "1}", 2) == 0)
        return true;
    (void)snprintf(error, size,
                   "line 1: a recording of another version than 1; use the norenctl that "
                   "belongs to the norend that wrote it");
    return false;
}

static bool starts(struct slice line, const char *with)
{
    return line.n >= strlen(with) && memcmp(line.p, with, strlen(with)) == 0;
}

/* The decimal number at the start of a slice; -1 when there is none. */
static int64_t leading_number(struct slice s)
{
    int64_t v = 0;
    size_t i = 0;

    for (; i < s.n && i < 18 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        v = v * 10 + (s.p[i] - '0');
    return i > 0 ? v : -1;
}

static bool next_recording(struct source *s, struct item *ret)
{
    static const char plan[] = "{\"plan\":";
    struct slice line;

    while (source_line(s, &line)) {
        *ret = (struct item){.line = s->line, .bytes = (const uint8_t *)line.p, .n = line.n};
        if (starts(line, plan)) {
            struct slice rest = {line.p + sizeof(plan) - 1, line.n - (sizeof(plan) - 1)};

            ret->kind = ITEM_PLAN;
            ret->t_us = leading_number(rest);
        } else if (starts(line, "{\"restore\":")) {
            ret->kind = ITEM_RESTORE;
        } else if (starts(line, "{")) {
            ret->kind = ITEM_DOCUMENT;
        } else {
            ret->kind = ITEM_TEXT;
            ret->t_us = leading_number(line);
        }
        if (ret->t_us >= 0 && ret->t_us <= SOURCE_TIME_MAX_US)
            return true;
        refusals_add(s->refusals, s->name, s->line,
                     "a line of a recording begins with no possible time", "the line is left out");
    }
    return false;
}

const struct reader reader_recording = {"recording", recognise, open_recording, next_recording};
