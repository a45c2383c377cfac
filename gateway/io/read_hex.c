/* HCI events in hexadecimal, one a line, with or without the H4 type byte 04; white space is ignored. Lines
 * carry no time: they count as 10 ms apart (design section 15). */
#include <stdio.h>

#include "io/source.h"
#include "noren/hex.h"

#define LINE_PITCH_US 10000

/* The first line with anything on it begins an event, H4 or bare. */
static bool recognise(const uint8_t *p, size_t n)
{
    struct source s = {.p = p, .n = n};
    struct slice line;
    size_t bytes = 0;

    while (bytes == 0 && source_line(&s, &line))
        if (hex_read_line(line.p, line.n, s.packet, sizeof(s.packet), &bytes) != NULL)
            return false;
    return (bytes >= 2 && s.packet[0] == 0x04 && s.packet[1] == 0x3e) ||
           (bytes >= 1 && s.packet[0] == 0x3e);
}

static bool open_hex(struct source *s, char *error, size_t size)
{
    (void)error;
    (void)size;
    s->at = 0;
    s->line = 0;
    return true;
}

static bool next_hex(struct source *s, struct item *ret)
{
    struct slice line;

    while (source_line(s, &line)) {
        size_t n = 0;
        const char *wrong = hex_read_line(line.p, line.n, s->packet, sizeof(s->packet), &n);

        if (wrong == NULL && n == 0)
            continue;
        *ret = (struct item){.kind = ITEM_PACKET,
                             .t_us = (int64_t)(s->line - 1) * LINE_PITCH_US,
                             .line = s->line,
                             .bytes = s->packet,
                             .n = n};
        if (wrong == NULL && s->packet[0] == 0x04) {
            ret->bytes++;
            ret->n--;
        }
        if (wrong == NULL && !source_is_report(ret->bytes, ret->n))
            wrong = "no LE advertising report event";
        if (wrong == NULL)
            return true;
        refusals_add(s->refusals, s->name, s->line, wrong, "the line is left out");
    }
    return false;
}

const struct reader reader_hex = {"HCI events in hex", recognise, open_hex, next_hex};
