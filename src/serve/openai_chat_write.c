/* openai_chat_write.c - chat completions: one object, or chunks
 *
 * Chunks of an answer: the role, then text, reasoning and whole calls as they come, then why it
 * ended.  Log-probs wait for the text that follows them; those of reasoning are not told (the API
 * has them of the content), nor those that nobody knows.  SPDX-License-Identifier: MIT */
#include "openai_write.h"

#include <math.h>
#include <stdlib.h>

static const char prefix[] = "chatcmpl-";

struct answer {
    ch_buf said, thought, calls; /* of a whole reply */
    ch_buf probs, cost;          /* lists without brackets; of a stream: what waits */
    ch_why why;
};

struct chat {
    ch_scribe w;
    struct answer *at;
    bool old;   /* functions, not tools, were given */
    bool begun; /* the first chunk has been written */
};

static bool open(ch_scribe *w)
{
    struct chat *c = (struct chat *)w;
    const ch_ask *a = w->ask;
    c->old = a->tools && json_array_size(json_object_get(a->body, "tools")) == 0;
    c->at = calloc((size_t)w->answers, sizeof *c->at);
    for (int i = 0; c->at && i < w->answers; i++) {
        struct answer *x = &c->at[i];
        ch_buf *const all[] = {&x->said, &x->thought, &x->calls, &x->probs, &x->cost};
        for (size_t k = 0; k < CH_COUNT(all); k++)
            ch_buf_init(all[k], SIZE_MAX / 2);
    }
    return c->at != NULL;
}

static void close(ch_scribe *w)
{
    struct chat *c = (struct chat *)w;
    for (int i = 0; c->at && i < w->answers; i++) {
        struct answer *x = &c->at[i];
        ch_buf *const all[] = {&x->said, &x->thought, &x->calls, &x->probs, &x->cost};
        for (size_t k = 0; k < CH_COUNT(all); k++)
            ch_buf_close(all[k]);
    }
    free(c->at);
}

/* ---- Pieces ---- */

static void put_token(ch_buf *b, const ch_told_token *t)
{
    ch_buf_str(b, "{\"token\":");
    ch_scribe_put_text(b, t->bytes, t->n);
    ch_buf_str(b, ",\"logprob\":");
    ch_scribe_put_log_p(b, t->log_p);
    ch_buf_str(b, ",\"bytes\":");
    ch_openai_put_bytes(b, t->bytes, t->n);
}

static void keep_token(struct chat *c, struct answer *x, const ch_delta *d)
{
    if (c->w.ask->cost && !(d->reasoning && c->w.ask->hide_reasoning))
        ch_openai_put_cost(&x->cost, d);
    if (c->w.ask->log_probs && !d->reasoning && !isnan(d->token.log_p)) {
        ch_buf_str(&x->probs, x->probs.size ? "," : "");
        put_token(&x->probs, &d->token);
        ch_buf_str(&x->probs, ",\"top_logprobs\":[");
        for (int i = 0; i < CH_MIN(d->n_top, c->w.ask->top); i++) {
            ch_buf_str(&x->probs, i ? "," : "");
            put_token(&x->probs, &d->top[i]);
            ch_buf_str(&x->probs, "}");
        }
        ch_buf_str(&x->probs, "]}");
    }
    ch_scribe_kept(&c->w, &x->cost);
    ch_scribe_kept(&c->w, &x->probs);
}

/* The object of one call; of a stream with its index. */
static void put_call(struct chat *c, ch_buf *b, const ch_delta *d)
{
    if (!c->old) {
        ch_buf_str(b, "{");
        if (c->w.ask->stream)
            ch_buf_printf(b, "\"index\":%d,", d->index);
        ch_buf_str(b, "\"id\":");
        if (d->call_id)
            ch_scribe_put_string(b, d->call_id);
        else
            ch_buf_printf(b, "\"call_%s_%d_%d\"", c->w.info.id, d->answer, d->index);
        ch_buf_str(b, ",\"type\":\"function\",\"function\":");
    }
    ch_buf_str(b, "{\"name\":");
    ch_scribe_put_string(b, d->name);
    ch_buf_str(b, ",\"arguments\":");
    ch_scribe_put_text(b, d->text, d->n);
    ch_buf_str(b, c->old ? "}" : "}}");
}

/* What follows the message or delta of a choice. */
static void put_rest(struct chat *c, ch_buf *b, struct answer *x, bool ends)
{
    const char *why = x->why == CH_WHY_CALLS && c->old ? "function_call" : ch_openai_finish(x->why);
    ch_buf_str(b, ",\"logprobs\":");
    if (c->w.ask->log_probs && (x->probs.size || !c->w.ask->stream)) {
        ch_buf_str(b, "{\"content\":[");
        ch_buf_put(b, x->probs.data ? x->probs.data : "", x->probs.size);
        ch_buf_str(b, "],\"refusal\":null}");
        ch_buf_clear(&x->probs);
    } else {
        ch_buf_str(b, "null");
    }
    if (ends)
        ch_buf_printf(b, ",\"finish_reason\":\"%s\"", why);
    else
        ch_buf_str(b, ",\"finish_reason\":null");
    ch_openai_put_costs(b, NULL, &x->cost);
    ch_buf_str(b, "}");
}

/* ---- Streams ---- */

static void chunk_open(struct chat *c, ch_buf *b, int answer)
{
    ch_buf_str(b, "data: ");
    ch_openai_put_head(&c->w, b, prefix, "chat.completion.chunk");
    ch_buf_printf(b, "{\"index\":%d,\"delta\":{", answer);
}

static void chunk_close(struct chat *c, ch_buf *b, int answer, bool ends)
{
    ch_buf_str(b, "}");
    put_rest(c, b, &c->at[answer], ends);
    ch_buf_str(b, "]");
    ch_openai_put_tail(&c->w, b, !c->begun);
    c->begun = true;
}

static void begin(ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    struct chat *c = (struct chat *)w;
    (void)u;
    for (int i = 0; w->ask->stream && i < w->answers; i++) {
        chunk_open(c, b, i);
        ch_buf_str(b, "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null");
        chunk_close(c, b, i, false);
    }
}

/* Both names of reasoning are in use, and clients know one of them. */
static void put_thought(ch_buf *b, const char *text, size_t n)
{
    ch_buf_str(b, "\"reasoning_content\":");
    ch_scribe_put_text(b, text, n);
    ch_buf_str(b, ",\"reasoning\":");
    ch_scribe_put_text(b, text, n);
}

static void stream(struct chat *c, ch_buf *b, const ch_delta *d)
{
    chunk_open(c, b, d->answer);
    switch (d->kind) {
    case CH_DELTA_CONTENT:
        ch_buf_str(b, "\"content\":");
        ch_scribe_put_text(b, d->text, d->n);
        break;
    case CH_DELTA_REASONING: put_thought(b, d->text, d->n); break;
    case CH_DELTA_CALL:
        ch_buf_str(b, c->old ? "\"function_call\":" : "\"tool_calls\":[");
        put_call(c, b, d);
        ch_buf_str(b, c->old ? "" : "]");
        break;
    default: break; /* CH_DELTA_END */
    }
    chunk_close(c, b, d->answer, d->kind == CH_DELTA_END);
}

/* ---- Whole replies ---- */

static void keep(struct chat *c, struct answer *x, const ch_delta *d)
{
    if (d->kind == CH_DELTA_CONTENT) {
        ch_scribe_keep(&c->w, &x->said, d->text, d->n);
    } else if (d->kind == CH_DELTA_REASONING) {
        ch_scribe_keep(&c->w, &x->thought, d->text, d->n);
    } else if (d->kind == CH_DELTA_CALL) {
        ch_buf_str(&x->calls, x->calls.size ? "," : "");
        put_call(c, &x->calls, d);
        ch_scribe_kept(&c->w, &x->calls);
    }
}

static void tell(ch_scribe *w, ch_buf *b, const ch_delta *d)
{
    struct chat *c = (struct chat *)w;
    struct answer *x = &c->at[d->answer];
    const bool text = d->kind == CH_DELTA_CONTENT || d->kind == CH_DELTA_REASONING;
    if (d->kind == CH_DELTA_END)
        x->why = d->why;
    if (d->kind == CH_DELTA_TOKEN)
        keep_token(c, x, d);
    else if ((text && d->n == 0) || (d->kind == CH_DELTA_REASONING && w->ask->hide_reasoning) ||
             (d->kind == CH_DELTA_CALL && c->old && d->index > 0))
        return;
    else if (w->ask->stream)
        stream(c, b, d);
    else
        keep(c, x, d);
}

static void put_message(struct chat *c, ch_buf *b, const struct answer *x)
{
    ch_buf_str(b, "\"message\":{\"role\":\"assistant\",\"content\":");
    if (x->said.size || !x->calls.size)
        ch_scribe_put_text(b, x->said.data, x->said.size);
    else
        ch_buf_str(b, "null");
    ch_buf_str(b, ",\"refusal\":null");
    if (x->thought.size) {
        ch_buf_str(b, ",");
        put_thought(b, x->thought.data, x->thought.size);
    }
    if (x->calls.size) {
        ch_buf_str(b, c->old ? ",\"function_call\":" : ",\"tool_calls\":[");
        ch_buf_put(b, x->calls.data, x->calls.size);
        ch_buf_str(b, c->old ? "" : "]");
    }
    ch_buf_str(b, "}");
}

static void done(ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    struct chat *c = (struct chat *)w;
    if (w->ask->stream) {
        ch_openai_end_stream(w, b, prefix, "chat.completion.chunk", u);
        return;
    }
    ch_openai_put_head(w, b, prefix, "chat.completion");
    for (int i = 0; i < w->answers; i++) {
        ch_buf_printf(b, "%s{\"index\":%d,", i ? "," : "", i);
        put_message(c, b, &c->at[i]);
        put_rest(c, b, &c->at[i], true);
    }
    ch_openai_put_end(w, b, u);
}

const ch_scribe_kind ch_scribe_chat = {.size = sizeof(struct chat),
                                       .open = open,
                                       .close = close,
                                       .begin = begin,
                                       .tell = tell,
                                       .done = done,
                                       .fail = ch_openai_fail,
                                       .ping = ch_openai_ping};
