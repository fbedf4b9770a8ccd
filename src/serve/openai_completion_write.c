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
 * In a stream they wait for the text that follows them.  Those of a prompt are formatted once for
 * all of its answers.
 *
 * With best_of the answers are told whose tokens' mean log-prob is highest, the best first; of
 * equals the earlier.  SPDX-License-Identifier: MIT */
#include "openai_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "cmpl-";

struct told {
    ch_buf tokens, values, tops, offsets, cost; /* lists without brackets */
    ch_buf last;      /* bytes of the latest token */
    size_t at, chars; /* where it begins */
};

struct answer {
    ch_buf text;
    struct told told; /* behind the prompt; of a stream: what waits */
    bool follows;     /* told goes on where the prompt's ended */
    bool echoed;      /* of a stream: what was told of the prompt has been written */
    double sum;       /* of the log-probs of its tokens, */
    int drawn;        /* and how many they are */
    bool chosen;
    ch_why why;
};

enum { BUFS = 6 };

struct completion {
    ch_scribe w;
    struct told *prompt;
    struct answer *at;
    int prompts, each; /* answers that are drawn to each prompt */
    bool begun;        /* the first chunk has been written */
};

static void list_bufs(ch_buf *out[BUFS], struct told *x)
{
    ch_buf *const all[BUFS] = {&x->cost, &x->tokens, &x->values, &x->tops, &x->offsets, &x->last};
    memcpy(out, all, sizeof all);
}

static void open_told(struct told *x)
{
    ch_buf *all[BUFS];
    list_bufs(all, x);
    for (int k = 0; k < BUFS; k++)
        ch_buf_init(all[k], SIZE_MAX / 2);
}

static void close_told(struct told *x)
{
    ch_buf *all[BUFS];
    list_bufs(all, x);
    for (int k = 0; k < BUFS; k++)
        ch_buf_close(all[k]);
}

static bool open(ch_scribe *w)
{
    struct completion *c = (struct completion *)w;
    c->each = ch_ask_drawn(w->ask);
    c->prompts = w->answers / c->each;
    c->prompt = calloc((size_t)c->prompts, sizeof *c->prompt);
    c->at = calloc((size_t)w->answers, sizeof *c->at);
    for (int i = 0; c->prompt && i < c->prompts; i++)
        open_told(&c->prompt[i]);
    for (int i = 0; c->at && i < w->answers; i++) {
        ch_buf_init(&c->at[i].text, SIZE_MAX / 2);
        open_told(&c->at[i].told);
    }
    return c->prompt && c->at;
}

static void close(ch_scribe *w)
{
    struct completion *c = (struct completion *)w;
    for (int i = 0; c->prompt && i < c->prompts; i++)
        close_told(&c->prompt[i]);
    for (int i = 0; c->at && i < w->answers; i++) {
        ch_buf_close(&c->at[i].text);
        close_told(&c->at[i].told);
    }
    free(c->prompt);
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
static void move_to(ch_scribe *w, struct told *x, const ch_delta *d)
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

static void keep_token(ch_scribe *w, struct told *x, const ch_delta *d)
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

static void tell_token(ch_scribe *w, const ch_delta *d)
{
    struct completion *c = (struct completion *)w;
    struct told *prompt = &c->prompt[d->answer / c->each];
    struct answer *x = &c->at[d->answer];
    if (d->of_prompt) {
        keep_token(w, prompt, d);
        return;
    }
    if (!isnan(d->token.log_p)) {
        x->sum += d->token.log_p;
        x->drawn++;
    }
    if (!x->follows) {
        x->told.at = prompt->at;
        x->told.chars = prompt->chars;
        ch_scribe_keep(w, &x->told.last, prompt->last.data, prompt->last.size);
        x->follows = true;
    }
    keep_token(w, &x->told, d);
}

/* ---- Choices ---- */

static void put_list(ch_buf *b, const char *before, const ch_buf *first, ch_buf *list)
{
    ch_buf_printf(b, "%s[", before);
    ch_buf_put(b, first->data ? first->data : "", first->size);
    ch_buf_str(b, first->size && list->size ? "," : "");
    ch_buf_put(b, list->data ? list->data : "", list->size);
    ch_buf_str(b, "]");
    ch_buf_clear(list);
}

static void put_log_probs(ch_scribe *w, ch_buf *b, const struct told *prompt, struct told *x)
{
    if (!w->ask->log_probs || (w->ask->stream && prompt->tokens.size + x->tokens.size == 0)) {
        ch_buf_str(b, "null");
        return;
    }
    put_list(b, "{\"tokens\":", &prompt->tokens, &x->tokens);
    put_list(b, ",\"token_logprobs\":", &prompt->values, &x->values);
    put_list(b, ",\"top_logprobs\":", &prompt->tops, &x->tops);
    put_list(b, ",\"text_offset\":", &prompt->offsets, &x->offsets);
    ch_buf_str(b, "}");
}

/* index: of the choice; answer: the one that it is. */
static void put_choice(ch_scribe *w, ch_buf *b, int index, int answer, const char *text, size_t n,
                       bool ends)
{
    static const struct told nothing;
    const struct completion *c = (struct completion *)w;
    struct answer *x = &c->at[answer];
    const struct told *prompt = x->echoed ? &nothing : &c->prompt[answer / c->each];
    ch_buf_str(b, "{\"text\":");
    ch_scribe_put_text(b, text, n);
    ch_buf_printf(b, ",\"index\":%d,\"logprobs\":", index);
    put_log_probs(w, b, prompt, &x->told);
    if (ends)
        ch_buf_printf(b, ",\"finish_reason\":\"%s\"", ch_openai_finish(x->why));
    else
        ch_buf_str(b, ",\"finish_reason\":null");
    ch_openai_put_costs(b, &prompt->cost, &x->told.cost);
    ch_buf_str(b, "}");
    x->echoed = true;
}

static void begin(ch_scribe *w, ch_buf *b, const ch_usage *u) { (void)w, (void)b, (void)u; }

static void tell(ch_scribe *w, ch_buf *b, const ch_delta *d)
{
    struct completion *c = (struct completion *)w;
    struct answer *x = &c->at[d->answer];
    const bool ends = d->kind == CH_DELTA_END;
    const size_t n = ends ? 0 : d->n;
    if (d->kind == CH_DELTA_TOKEN) {
        tell_token(w, d);
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
    put_choice(w, b, d->answer, d->answer, d->text, n, ends);
    ch_buf_str(b, "]");
    ch_openai_put_tail(w, b, !c->begun);
    c->begun = true;
}

/* Of the prompt's answers that are left. */
static int take_best(struct completion *c, int prompt)
{
    int best = -1;
    double most = 0;
    for (int i = prompt * c->each; i < (prompt + 1) * c->each; i++) {
        const struct answer *x = &c->at[i];
        const double mean = x->drawn > 0 ? x->sum / x->drawn : -(double)INFINITY;
        if (!x->chosen && (best < 0 || mean > most)) {
            best = i;
            most = mean;
        }
    }
    c->at[best].chosen = true;
    return best;
}

static void done(ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    const int told = w->ask->answers;
    struct completion *c = (struct completion *)w;
    if (w->ask->stream) {
        ch_openai_end_stream(w, b, prefix, "text_completion", u);
        return;
    }
    ch_openai_put_head(w, b, prefix, "text_completion");
    for (int i = 0; i < c->prompts * told; i++) {
        const int answer = c->each > told ? take_best(c, i / told) : i;
        ch_buf_str(b, i ? "," : "");
        put_choice(w, b, i, answer, c->at[answer].text.data, c->at[answer].text.size, true);
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
