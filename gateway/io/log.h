/* One line to standard error, for the journal or a terminal. Only programs and their loop log; everything
 * below returns errors. A message says what is wrong, where, and what to do; it is logged when the state
 * changes, not each time it is met again: the counters in `norenctl status` say how often. */
#ifndef NOREN_IO_LOG_H
#define NOREN_IO_LOG_H

/* syslog's numbers, as the journal reads them from "<N>" */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
