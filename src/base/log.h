/* log.h - notes to whoever runs the program, on stderr
 *
 * The library itself says nothing: a caller hands in a ch_log (NULL: silent) and the library calls
 * it.  SPDX-License-Identifier: MIT */
#ifndef CH_LOG_H
#define CH_LOG_H

enum { CH_LOG_WARN, CH_LOG_INFO, CH_LOG_DEBUG };

typedef struct ch_log {
    void (*line)(void *arg, int level, const char *text); /* text: one line, no newline */
    void *arg;
} ch_log;

void ch_log_say(const ch_log *log, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
