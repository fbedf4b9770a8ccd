/* log.c - one formatted line to whoever listens.  SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

void ch_log_say(const ch_log *log, int level, const char *fmt, ...)
{
    if (log == NULL || log->line == NULL)
        return;
    char text[1000] = "";
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t n = strlen(text);
    if (wanted < 0 || (size_t)wanted > n)
        n = ch_utf8_whole(text, n);
    ch_utf8_printable(text, n);
    text[n] = 0;
    log->line(log->arg, level, text);
}
