/* Logging; see log.h. stdio instead of sd_journal_send: the same lines must make sense in a terminal. */
#include "io/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error: ";
    case LOG_LEVEL_WARNING:
        return "warning: ";
    case LOG_LEVEL_INFO:
        break;
    }
    return "";
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[4096]; /* one write a line: threads and processes share standard error */
    va_list args;
    int n;

    if (getenv("JOURNAL_STREAM") != NULL)
        n = snprintf(line, sizeof(line), "<%d>", level);
    else
        n = snprintf(line, sizeof(line), "norend: %s", level_name(level));
    va_start(args, format);
    vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
    va_end(args);
    fprintf(stderr, "%s\n", line);
}
