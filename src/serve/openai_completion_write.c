/* openai_completion_write.c - completions: one object, or chunks of the same form
 *
 * Log-probs are the old four arrays, as lm-evaluation-harness reads them:
 *
 *     tokens          the text of each; where that is no whole character "bytes:\xe2\x80"
 *     token_logprobs  null where nothing came before it
 *     top_logprobs    an object: the likeliest and the token itself; null likewise.  Of two tokens
 *                     with the same text the likelier one has the key
 *     text_offset     characters (not bytes) of text before it
 *
 * In a stream they wait for the text that follows them.  SPDX-License-Identifier: MIT */
#include "openai_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "cmpl-";

struct answer {
    ch_buf text, cost;
    ch_buf tokens, values, tops, offsets; /* lists without brackets; of a stream: what waits */
    ch_buf last;      /* bytes of the latest token */
    size_t at, chars; /* where it begins */
    ch_why why;
};

enum { BUFS = 7 };

struct completion {
    ch_scribe w;
    struct answer *at;
    bool begun; /* the first chunk has been written */
};

static void list_bufs(ch_buf *out[BUFS], struct answer *x)
{
    ch_buf *const all[BUFS] = {&x->text, &x->cost,    &x->tokens, &x->values,
                               &x->tops, &x->offsets, &x->last};
    memcpy(out, all, sizeof all);
}

static bool open(ch_scribe *w)
{
    struct completion *c = (struct completion *)w;
    ch_buf *all[BUFS];
    c->at = calloc((size_t)w->answers, sizeof *c->at);
    for (int i = 0; c->at && i < w->answers; i++) {
        list_bufs(all, &c->at[i]);
        for (int k = 0; k < BUFS; k++)
            ch_buf_init(all[k], SIZE_MAX / 2);
    }
    return c->at != NULL;
}

static void close(ch_scribe *w)
{
    struct completion *c = (struct completion *)w;
    ch_buf *all[BUFS];
    for (int i = 0; c->at && i < w->answers; i++) {
        list_bufs(all, &c->at[i]);
        for (int k = 0; k < BUFS; k++)
            ch_buf_close(all[k]);
    }
    free(c->at);
}

/* ---- Tokens ---- */

static void put_name(ch_buf *b, const ch_told_token *t)
{
    if (ch_utf8_valid(t->bytes, t->n)) {
        ch_scribe_put_text(b, t->bytes, t->n);
        return;
    }
    ch_buf_str(b, "\"bytes:");
    for (size_t i = 0; i < t->n; i++)
        ch_buf_printf(b, "\\\\x%02x", (unsigned char)t->bytes[i]);
    ch_buf_str(b, "\"");
}

static bool same_text(const ch_told_token *x, const ch_told_token *y)
{
    return x->n == y->n && (x->n == 0 || memcmp(x->bytes, y->bytes, x->n) == 0);
}

/* One more of the object's members, unless its key is among tops[0..n). */
static void put_top(ch_buf *b, const ch_told_token *t, const ch_told_token *tops, int n)
{
    for (int i = 0; i < n; i++)
        if (same_text(&tops[i], t))
            return;
    ch_buf_str(b, n ? "," : "");
    put_name(b, t);
    ch_buf_str(b, ":");
    ch_scribe_put_log_p(b, t->log_p);
}

static void put_tops(ch_buf *b, const ch_delta *d, int most)
{
    const int n = CH_MIN(d->n_top, most);
    if (isnan(d->token.log_p)) {
        ch_buf_str(b, "null");
        return;
    }
    ch_buf_str(b, "{");
    for (int i = 0; i < n; i++)
        put_top(b, &d->top[i], d->top, i);
    put_top(b, &d->token, d->top, n);
    ch_buf_str(b, "}");
}

static size_t characters(const char *bytes, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    return count;
}

/* The latest token had text as far as this one's offset says: special ones have none. */
static void move_to(ch_scribe *w, struct answer *x, const ch_delta *d)
{
    const size_t by = d->offset > x->at ? d->offset - x->at : 0;
    const size_t known = CH_MIN(by, x->last.size);
    if (known > 0)
        x->chars += characters(x->last.data + x->last.size - known, known);
    x->chars += by - known;
    x->at += by;
    ch_buf_clear(&x->last);
    ch_scribe_keep(w, &x->last, d->token.bytes, d->token.n);
}

static void keep_token(ch_scribe *w, struct answer *x, const ch_delta *d)
{
    if (w->ask->cost)
        ch_openai_put_cost(&x->cost, d);
    ch_scribe_kept(w, &x->cost);
    if (!w->ask->log_probs)
        return;
    move_to(w, x, d);
    const char *comma = x->tokens.size ? "," : "";
    ch_buf *const lists[] = {&x->tokens, &x->values, &x->tops, &x->offsets};
    for (size_t i = 0; i < CH_COUNT(lists); i++)
        ch_buf_str(lists[i], comma);
    put_name(&x->tokens, &d->token);
    ch_scribe_put_log_p(&x->values, d->token.log_p);
    put_tops(&x->tops, d, w->ask->top);
    ch_buf_printf(&x->offsets, "%zu", x->chars);
    for (size_t i = 0; i < CH_COUNT(lists); i++)
        ch_scribe_kept(w, lists[i]);
}

/* ---- Choices ---- */

static void put_list(ch_buf *b, const char *before, ch_buf *list)
{
    ch_buf_printf(b, "%s[", before);
    ch_buf_put(b, list->data ? list->data : "", list->size);
    ch_buf_str(b, "]");
    ch_buf_clear(list);
}

static void put_choice(ch_scribe *w, ch_buf *b, int answer, const char *text, size_t n, bool ends)
{
    struct answer *x = &((struct completion *)w)->at[answer];
    ch_buf_str(b, "{\"text\":");
    ch_scribe_put_text(b, text, n);
    ch_buf_printf(b, ",\"index\":%d,\"logprobs\":", answer);
    if (w->ask->log_probs && (x->tokens.size || !w->ask->stream)) {
        put_list(b, "{\"tokens\":", &x->tokens);
        put_list(b, ",\"token_logprobs\":", &x->values);
        put_list(b, ",\"top_logprobs\":", &x->tops);
        put_list(b, ",\"text_offset\":", &x->offsets);
        ch_buf_str(b, "}");
    } else {
        ch_buf_str(b, "null");
    }
    if (ends)
        ch_buf_printf(b, ",\"finish_reason\":\"%s\"", ch_openai_finish(x->why));
    else
        ch_buf_str(b, ",\"finish_reason\":null");
    ch_openai_put_costs(b, &x->cost);
    ch_buf_str(b, "}");
}

static void begin(ch_scribe *w, ch_buf *b, const ch_usage *u) { (void)w, (void)b, (void)u; }

static void tell(ch_scribe *w, ch_buf *b, const ch_delta *d)
{
    struct completion *c = (struct completion *)w;
    struct answer *x = &c->at[d->answer];
    const bool ends = d->kind == CH_DELTA_END;
    const size_t n = ends ? 0 : d->n;
    if (d->kind == CH_DELTA_TOKEN) {
        keep_token(w, x, d);
        return;
    }
    x->why = ends ? d->why : x->why;
    if (d->kind == CH_DELTA_CALL || (n == 0 && !ends))
        return;
    if (!w->ask->stream) {
        ch_scribe_keep(w, &x->text, d->text, n);
        return;
    }
    ch_buf_str(b, "data: ");
    ch_openai_put_head(w, b, prefix, "text_completion");
    put_choice(w, b, d->answer, d->text, n, ends);
    ch_buf_str(b, "]");
    ch_openai_put_tail(w, b, !c->begun);
    c->begun = true;
}

static void done(ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    const struct completion *c = (struct completion *)w;
    if (w->ask->stream) {
        ch_openai_end_stream(w, b, prefix, "text_completion", u);
        return;
    }
    ch_openai_put_head(w, b, prefix, "text_completion");
    for (int i = 0; i < w->answers; i++) {
        ch_buf_str(b, i ? "," : "");
        put_choice(w, b, i, c->at[i].text.data, c->at[i].text.size, true);
    }
    ch_openai_put_end(w, b, u);
}

const ch_scribe_kind ch_scribe_completion = {.size = sizeof(struct completion),
                                             .open = open,
                                             .close = close,
                                             .begin = begin,
                                             .tell = tell,
                                             .done = done,
                                             .fail = ch_openai_fail,
                                             .ping = ch_openai_ping};
