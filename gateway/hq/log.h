/* One line a message on standard error; under systemd the prefix is the journal's priority. */
#ifndef NOREN_HQ_LOG_H
#define NOREN_HQ_LOG_H

enum hq_level { HQ_ERROR = 3, HQ_WARNING = 4, HQ_NOTE = 5, HQ_INFO = 6 };

/** Logs a line; a newline is added. */
void hq_log(enum hq_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
