/* err.c - failures as sentences.  SPDX-License-Identifier: MIT */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

const char *ch_err_name(int code)
{
    switch (code) {
#define X(name, value, text) \
    case name:               \
        return text;
        CH_ERRORS(X)
#undef X
    }
    return "unknown error";
}

/* Whatever snprintf made of a sentence of `wanted` bytes in text[0..sizeof e->text) becomes e's. */
static void settle(ch_err *e, char *text, int wanted)
{
    size_t n = strlen(text);
    if (wanted < 0 || (size_t)wanted > n)
        n = ch_utf8_whole(text, n);
    ch_utf8_printable(text, n);
    memcpy(e->text, text, n);
    e->text[n] = 0;
}

int ch_fail(ch_err *e, int code, const char *fmt, ...)
{
    if (e == NULL)
        return code;
    char text[sizeof e->text] = ""; /* the arguments may point into e->text */
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    settle(e, text, wanted);
    return e->code = code;
}

int ch_fail_at(ch_err *e, const char *fmt, ...)
{
    if (e == NULL)
        return CH_OK;
    char prefix[sizeof e->text] = "", text[sizeof e->text] = "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    prefix[ch_utf8_whole(prefix, strlen(prefix))] = 0;
    int wanted = snprintf(text, sizeof text, "%s: %s", prefix, e->text);
    settle(e, text, wanted);
    return e->code;
}
