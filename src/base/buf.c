/* buf.c - growing bytes: capacity doubles up to the limit, plus one byte for the closing 0
 *
 * Built with CH_HOSTILE the capacity is exact, so every append may move the bytes and a pointer
 * kept too long shows under AddressSanitizer.  SPDX-License-Identifier: MIT */
#include "buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "utf8.h"

void ch_buf_init(ch_buf *b, size_t limit)
{
    *b = (ch_buf){.limit = limit < SIZE_MAX / 2 ? limit : SIZE_MAX / 2};
}

void ch_buf_close(ch_buf *b)
{
    free(b->data);
    *b = (ch_buf){.limit = b->limit};
}

void ch_buf_clear(ch_buf *b)
{
    b->size = 0;
    b->failed = b->starved = false;
    if (b->data != NULL)
        b->data[0] = 0;
}

/* Makes cap > size + n, so that the 0 fits. */
static bool reserve(ch_buf *b, size_t n)
{
    if (b->failed)
        return false;
    if (n > b->limit - b->size) {
        b->failed = true;
        return false;
    }
    size_t need = b->size + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = need;
#ifndef CH_HOSTILE
    if (cap < 2 * b->cap)
        cap = 2 * b->cap;
    if (cap < 64)
        cap = 64;
    if (cap > b->limit + 1)
        cap = b->limit + 1;
#endif
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        b->failed = b->starved = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void *ch_buf_room(ch_buf *b, size_t n)
{
    if (!reserve(b, n))
        return NULL;
    char *room = b->data + b->size;
    b->size += n;
    b->data[b->size] = 0;
    return room;
}

bool ch_buf_put(ch_buf *b, const void *bytes, size_t n)
{
    void *room = ch_buf_room(b, n);
    if (room != NULL && n > 0)
        memcpy(room, bytes, n);
    return room != NULL;
}

bool ch_buf_str(ch_buf *b, const char *text)
{
    return ch_buf_put(b, text, strlen(text));
}

bool ch_buf_utf8(ch_buf *b, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        const int one = ch_utf8_read(&cp, bytes + i, n - i);
        if (one > 0)
            ch_buf_put(b, bytes + i, (size_t)one);
        else
            ch_buf_str(b, "\xef\xbf\xbd");
        i += one > 0 ? (size_t)one : one < 0 ? n - i : 1;
    }
    return !b->failed;
}

bool ch_buf_printf(ch_buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *room = NULL;
    if (n < 0)
        b->failed = true;
    else
        room = ch_buf_room(b, (size_t)n);
    if (room != NULL)
        vsnprintf(room, (size_t)n + 1, fmt, again);
    va_end(again);
    return room != NULL;
}

int ch_buf_check(const ch_buf *b, const char *what, ch_err *e)
{
    if (!b->failed)
        return CH_OK;
    if (b->starved)
        return ch_fail(e, CH_ENOMEM, "%s: out of memory after %zu bytes", what, b->size);
    return ch_fail(e, CH_ELIMIT, "%s: more than the allowed %zu bytes", what, b->limit);
}
