/* writing.c - JSON as bytes: strings, numbers, values
 *
 * Strings by RFC 8259 section 7: escaped are quotes, backslashes and control characters.
 * SPDX-License-Identifier: MIT */
#include "writer_in.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ch_scribe_kept(ch_scribe *w, ch_buf *b) { w->starved |= b->failed; }

void ch_scribe_keep(ch_scribe *w, ch_buf *b, const char *bytes, size_t n)
{
    if (n > 0)
        ch_buf_put(b, bytes, n);
    ch_scribe_kept(w, b);
}

static void escaped(ch_buf *b, unsigned char c)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *at = c ? strchr(from, c) : NULL;
    if (at)
        ch_buf_printf(b, "\\%c", to[at - from]);
    else
        ch_buf_printf(b, "\\u%04x", c);
}

void ch_scribe_put_text(ch_buf *b, const char *text, size_t n)
{
    size_t from = 0;
    ch_buf_str(b, "\"");
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        ch_buf_utf8(b, text + from, i - from);
        escaped(b, c);
        from = i + 1;
    }
    if (n > from)
        ch_buf_utf8(b, text + from, n - from);
    ch_buf_str(b, "\"");
}

void ch_scribe_put_string(ch_buf *b, const char *text)
{
    if (text)
        ch_scribe_put_text(b, text, strlen(text));
    else
        ch_buf_str(b, "null");
}

void ch_scribe_put_number(ch_buf *b, double v)
{
    char text[40] = "null";
    for (int digits = 15; isfinite(v) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    ch_buf_str(b, text);
}

void ch_scribe_put_log_p(ch_buf *b, double v)
{
    if (isinf(v) && v < 0)
        ch_buf_str(b, "-9999.0");
    else
        ch_scribe_put_number(b, v);
}

void ch_scribe_put_json(ch_buf *b, const json_t *v)
{
    ch_err e;
    if (ch_json_dump(b, v, &e) < 0 && !b->failed)
        ch_buf_str(b, "null");
}
