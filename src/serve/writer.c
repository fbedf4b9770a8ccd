/* writer.c - which API's words: a table of kinds, and what holds for all of them
 *
 * SPDX-License-Identifier: MIT */
#include "writer_in.h"

#include <assert.h>
#include <stdlib.h>

enum { HEAD_BYTES = 1 << 20 };

static const ch_scribe_kind *const kinds[] = {
    [CH_API_CHAT] = &ch_scribe_chat,
    [CH_API_COMPLETION] = &ch_scribe_completion,
    [CH_API_EMBEDDING] = &ch_scribe_embedding,
    [CH_API_MESSAGES] = &ch_scribe_anthropic,
    [CH_API_COUNT] = &ch_scribe_anthropic,
};

int ch_scribe_open(ch_scribe **out, const ch_ask *ask, const ch_scribe_info *i, ch_err *e)
{
    const ch_scribe_kind *kind = kinds[ask->api];
    const size_t prompts = CH_MAX(json_array_size(ask->prompts), (size_t)1);
    const int drawn = ch_ask_drawn(ask);
    *out = NULL;
    if (prompts > (size_t)(INT32_MAX / CH_MAX(drawn, 1)))
        return ch_fail(e, CH_ELIMIT, "%zu prompts with %d answers each are too many", prompts,
                       drawn);
    ch_scribe *w = calloc(1, kind->size);
    if (!w)
        return ch_fail(e, CH_ENOMEM, "no memory for a reply");
    w->kind = kind;
    w->ask = ask;
    w->info = *i;
    w->answers = (int)prompts * drawn;
    ch_buf_init(&w->head, HEAD_BYTES);
    *out = w;
    if (kind->open(w))
        return CH_OK;
    ch_scribe_close(out);
    return ch_fail(e, CH_ENOMEM, "no memory for a reply");
}

void ch_scribe_close(ch_scribe **w)
{
    if (!*w)
        return;
    (*w)->kind->close(*w);
    ch_buf_close(&(*w)->head);
    free(*w);
    *w = NULL;
}

void ch_scribe_begin(ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    w->kind->begin(w, b, u);
    ch_scribe_kept(w, b);
}

void ch_scribe_tell(ch_scribe *w, ch_buf *b, const ch_delta *d)
{
    assert(d->answer >= 0 && d->answer < w->answers);
    w->kind->tell(w, b, d);
    ch_scribe_kept(w, b);
}

void ch_scribe_done(ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    w->kind->done(w, b, u);
    ch_scribe_kept(w, b);
}

void ch_scribe_fail(ch_scribe *w, ch_buf *b, const ch_refusal *r)
{
    if (w->ask->stream)
        w->kind->fail(w, b, r);
    ch_scribe_kept(w, b);
}

void ch_scribe_ping(ch_scribe *w, ch_buf *b)
{
    if (w->ask->stream)
        w->kind->ping(w, b);
    ch_scribe_kept(w, b);
}

void ch_scribe_vector(ch_scribe *w, const float *v, int n)
{
    assert(w->kind->vector && n >= 0);
    w->kind->vector(w, v, n);
}

int ch_scribe_error(const ch_scribe *w) { return w->starved ? CH_ENOMEM : CH_OK; }
