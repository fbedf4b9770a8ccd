/* openai_embedding_write.c - vectors: as numbers, or as base64 of their floats (little-endian)
 *
 * SPDX-License-Identifier: MIT */
#include "openai_write.h"

#include <math.h>
#include <string.h>

struct embedding {
    ch_scribe w;
    ch_buf list; /* of data, without brackets */
    int n;
};

static bool open(ch_scribe *w)
{
    ch_buf_init(&((struct embedding *)w)->list, SIZE_MAX / 2);
    return true;
}

static void close(ch_scribe *w) { ch_buf_close(&((struct embedding *)w)->list); }

static uint32_t byte_of(const float *v, size_t i)
{
    uint32_t bits;
    memcpy(&bits, &v[i / 4], sizeof bits);
    return bits >> (8 * (i % 4)) & 0xff;
}

/* RFC 4648 section 4. */
static void put_base64(ch_buf *b, const float *v, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t bytes = 4 * n;
    ch_buf_str(b, "\"");
    for (size_t i = 0; i < bytes; i += 3) {
        const uint32_t x = byte_of(v, i) << 16 | (i + 1 < bytes ? byte_of(v, i + 1) << 8 : 0) |
                           (i + 2 < bytes ? byte_of(v, i + 2) : 0);
        const char four[4] = {digit[x >> 18], digit[x >> 12 & 63],
                              i + 1 < bytes ? digit[x >> 6 & 63] : '=',
                              i + 2 < bytes ? digit[x & 63] : '='};
        ch_buf_put(b, four, sizeof four);
    }
    ch_buf_str(b, "\"");
}

static void put_numbers(ch_buf *b, const float *v, size_t n)
{
    ch_buf_str(b, "[");
    for (size_t i = 0; i < n; i++) {
        ch_buf_str(b, i ? "," : "");
        if (isfinite(v[i]))
            ch_buf_printf(b, "%.9g", (double)v[i]);
        else
            ch_buf_str(b, "null");
    }
    ch_buf_str(b, "]");
}

static void vector(ch_scribe *w, const float *v, int n)
{
    struct embedding *x = (struct embedding *)w;
    ch_buf_printf(&x->list, "%s{\"object\":\"embedding\",\"index\":%d,\"embedding\":",
                  x->n ? "," : "", x->n);
    (w->ask->base64 ? put_base64 : put_numbers)(&x->list, v, (size_t)n);
    ch_buf_str(&x->list, "}");
    ch_scribe_kept(w, &x->list);
    x->n++;
}

static void done(ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    const struct embedding *x = (struct embedding *)w;
    ch_buf_str(b, "{\"object\":\"list\",\"data\":[");
    ch_buf_put(b, x->list.data ? x->list.data : "", x->list.size);
    ch_buf_str(b, "],\"model\":");
    ch_scribe_put_string(b, w->info.model ? w->info.model : "");
    ch_buf_printf(b, ",\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d}}", u->prompt,
                  u->prompt);
}

/* Vectors are all that is told, and never streamed. */
static void begin(ch_scribe *w, ch_buf *b, const ch_usage *u) { (void)w, (void)b, (void)u; }
static void tell(ch_scribe *w, ch_buf *b, const ch_delta *d) { (void)w, (void)b, (void)d; }

const ch_scribe_kind ch_scribe_embedding = {.size = sizeof(struct embedding),
                                            .open = open,
                                            .close = close,
                                            .begin = begin,
                                            .tell = tell,
                                            .done = done,
                                            .fail = ch_openai_fail,
                                            .ping = ch_openai_ping,
                                            .vector = vector};
