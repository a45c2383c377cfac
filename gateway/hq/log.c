/* Logging; see log.h. */
#include "hq/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *level_name(enum hq_level level)
{
    switch (level) {
    case HQ_ERROR:
        return "error: ";
    case HQ_WARNING:
        return "warning: ";
    case HQ_NOTE:
    case HQ_INFO:
        break;
    }
    return "";
}

void hq_log(enum hq_level level, const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    /* a remote peer's words may be in the line: they must not make a second one */
    for (char *p = line; *p != '\0'; p++)
        if ((unsigned char)*p < ' ')
            *p = '?';
    if (getenv("JOURNAL_STREAM") != NULL)
        fprintf(stderr, "<%d>%s\n", (int)level, line);
    else
        fprintf(stderr, "noren-hq: %s%s\n", level_name(level), line);
}
