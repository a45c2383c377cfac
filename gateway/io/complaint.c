/* Complaints at a bounded pace; see complaint.h. */
#include "io/complaint.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PACE_US (5 * NOREN_US_PER_S)

void complaints_add(struct complaints *c, const char *format, ...)
{
    char *text = c->pending[c->pending_n];
    va_list args;

    if (c->pending_n == COMPLAINTS_PENDING)
        return;
    va_start(args, format);
    (void)vsnprintf(text, COMPLAINT_SIZE, format, args);
    va_end(args);
    for (size_t i = 0; i < c->pending_n; i++)
        if (strcmp(c->pending[i], text) == 0)
            return;
    c->pending_n++;
}

const char *complaints_next(struct complaints *c, int64_t now_us)
{
    struct complaint *next = &c->said[c->said_n % COMPLAINTS_SAID];

    if (c->paced_us < now_us - COMPLAINTS_PENDING * PACE_US)
        c->paced_us = now_us - COMPLAINTS_PENDING * PACE_US;
    while (c->pending_n > 0 && c->paced_us + PACE_US <= now_us) {
        bool old = false;

        memcpy(next->text, c->pending[0], COMPLAINT_SIZE);
        memmove(c->pending[0], c->pending[1], sizeof(c->pending) - COMPLAINT_SIZE);
        c->pending_n--;
        for (const struct complaint *s = c->said; s < c->said + COMPLAINTS_SAID; s++)
            old |= s != next && strcmp(s->text, next->text) == 0 &&
                   now_us - s->at_us < COMPLAINT_AGAIN_US;
        if (old) {
            next->text[0] = '\0';
            continue;
        }
        next->at_us = now_us;
        c->said_n++;
        c->paced_us += PACE_US;
        return next->text;
    }
    return NULL;
}
