/* anthropic_write.c - answers as Anthropic's messages: what becomes a block, and whole messages
 *
 *     {"id": "msg_...", "type": "message", "role": "assistant", "model", "content": [block, ...],
 *      "stop_reason", "stop_sequence", "stop_details": null, "usage": {...}}
 *
 * Text and reasoning open a block of their kind, which ends where another kind, a call or the end
 * comes; a call is a block.  Nothing said: no block.  input_tokens are those that were computed;
 * with those that were found in the cache they are the prompt.  There is nobody to check
 * signatures, so they are "".
 * Source: the reference of the Messages API, Message.  SPDX-License-Identifier: MIT */
#include "anthropic.h"

#include <string.h>

/* ---- JSON ------------------------------------------------------------------------------------ */

void ch_anthropic_put_usage(ch_buf *b, const ch_usage *u, bool ended)
{
    ch_buf_printf(b,
                  "\"usage\":{\"input_tokens\":%d,\"cache_creation_input_tokens\":0,"
                  "\"cache_read_input_tokens\":%d,\"output_tokens\":%d",
                  CH_MAX(u->prompt - u->cached, 0), u->cached, ended ? u->drawn : 0);
    if (ended)
        ch_buf_printf(b, ",\"output_tokens_details\":{\"thinking_tokens\":%d}", u->reasoning);
    ch_buf_str(b, "}");
}

void ch_anthropic_put_end(ch_buf *b, const ch_anthropic_scribe *a, bool ended)
{
    static const char *const reasons[] = {[CH_WHY_STOP] = "end_turn",
                                          [CH_WHY_STOPPED] = "stop_sequence",
                                          [CH_WHY_LENGTH] = "max_tokens",
                                          [CH_WHY_CONTEXT] = "model_context_window_exceeded",
                                          [CH_WHY_CALLS] = "tool_use"};
    ch_buf_str(b, "\"stop_reason\":");
    ch_scribe_put_string(b, ended ? reasons[a->why] : NULL);
    ch_buf_str(b, ",\"stop_sequence\":");
    ch_scribe_put_string(b, ended && a->why == CH_WHY_STOPPED ? a->stop.data : NULL);
    ch_buf_str(b, ",\"stop_details\":null");
}

void ch_anthropic_put_message(ch_buf *b, const ch_anthropic_scribe *a, const ch_usage *u,
                              bool ended)
{
    ch_buf_printf(b, "{\"id\":\"msg_%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
                  a->w.info.id);
    ch_scribe_put_string(b, a->w.info.model);
    ch_buf_str(b, ",\"content\":[");
    if (ended && a->content.size > 0)
        ch_buf_put(b, a->content.data, a->content.size);
    ch_buf_str(b, "],");
    ch_anthropic_put_end(b, a, ended);
    ch_buf_str(b, ",");
    ch_anthropic_put_usage(b, u, ended);
    if (a->w.ask->applied) {
        ch_buf_str(b, ",\"chalcis\":{\"applied\":");
        ch_scribe_put_json(b, a->w.ask->applied);
        ch_buf_str(b, "}");
    }
    ch_buf_str(b, "}");
}

void ch_anthropic_put_call(ch_buf *b, const ch_delta *d, bool input)
{
    ch_buf_str(b, "{\"type\":\"tool_use\",\"id\":");
    ch_scribe_put_string(b, d->call_id);
    ch_buf_str(b, ",\"name\":");
    ch_scribe_put_string(b, d->name);
    ch_buf_str(b, ",\"input\":");
    if (input && d->n > 0) /* bytes that are no UTF-8 lie in strings */
        ch_buf_utf8(b, d->text, d->n);
    else
        ch_buf_str(b, "{}");
    ch_buf_str(b, "}");
}

/* ---- Whole messages -------------------------------------------------------------------------- */

static void nothing(ch_anthropic_scribe *a, ch_buf *b, const ch_usage *u)
{
    (void)a;
    (void)b;
    (void)u;
}

static void start_whole(ch_anthropic_scribe *a, ch_buf *b)
{
    (void)b;
    ch_buf_clear(&a->text);
    if (a->blocks > 1)
        ch_buf_str(&a->content, ",");
}

static void add_whole(ch_anthropic_scribe *a, ch_buf *b, const char *text, size_t n)
{
    (void)b;
    ch_scribe_keep(&a->w, &a->text, text, n);
}

static void stop_whole(ch_anthropic_scribe *a, ch_buf *b)
{
    const bool thinking = a->open == CH_BLOCK_THINKING;
    (void)b;
    ch_buf_str(&a->content, thinking ? "{\"type\":\"thinking\",\"thinking\":"
                                     : "{\"type\":\"text\",\"text\":");
    ch_scribe_put_text(&a->content, a->text.data, a->text.size);
    ch_buf_str(&a->content, thinking ? ",\"signature\":\"\"}" : "}");
    ch_scribe_kept(&a->w, &a->content);
}

static void call_whole(ch_anthropic_scribe *a, ch_buf *b, const ch_delta *d)
{
    start_whole(a, b);
    ch_anthropic_put_call(&a->content, d, true);
    ch_scribe_kept(&a->w, &a->content);
}

static void done_whole(ch_anthropic_scribe *a, ch_buf *b, const ch_usage *u)
{
    ch_anthropic_put_message(b, a, u, true);
}

const ch_anthropic_form ch_anthropic_whole = {nothing,    start_whole, add_whole,
                                              stop_whole, call_whole,  done_whole};

/* ---- Which block ----------------------------------------------------------------------------- */

static void end_block(ch_anthropic_scribe *a, ch_buf *b)
{
    if (a->open != CH_BLOCK_NONE)
        a->form->stop(a, b);
    a->open = CH_BLOCK_NONE;
}

/* Reasoning that is not to be told has its block all the same, as in the API. */
static void tell_text(ch_anthropic_scribe *a, ch_buf *b, ch_block kind, const ch_delta *d)
{
    if (d->n == 0)
        return;
    if (a->open != kind) {
        end_block(a, b);
        a->open = kind;
        a->blocks++;
        a->form->start(a, b);
    }
    if (kind != CH_BLOCK_THINKING || !a->w.ask->hide_reasoning)
        a->form->add(a, b, d->text, d->n);
}

static void tell_end(ch_anthropic_scribe *a, ch_buf *b, const ch_delta *d)
{
    end_block(a, b);
    a->why = d->why;
    ch_buf_clear(&a->stop);
    if (d->stop)
        ch_scribe_keep(&a->w, &a->stop, d->stop, strlen(d->stop));
}

static void tell(ch_scribe *w, ch_buf *b, const ch_delta *d)
{
    ch_anthropic_scribe *a = (ch_anthropic_scribe *)w;
    switch (d->kind) {
    case CH_DELTA_CONTENT:
        tell_text(a, b, CH_BLOCK_TEXT, d);
        break;
    case CH_DELTA_REASONING:
        tell_text(a, b, CH_BLOCK_THINKING, d);
        break;
    case CH_DELTA_CALL:
        end_block(a, b);
        a->blocks++;
        a->form->call(a, b, d);
        break;
    case CH_DELTA_TOKEN: /* the API has no log-probs */
        break;
    case CH_DELTA_END:
        tell_end(a, b, d);
        break;
    }
}

/* ---- The kind -------------------------------------------------------------------------------- */

static bool open_writer(ch_scribe *w)
{
    ch_anthropic_scribe *a = (ch_anthropic_scribe *)w;
    a->form = w->ask->stream ? &ch_anthropic_stream : &ch_anthropic_whole;
    ch_buf_init(&a->stop, SIZE_MAX / 2);
    ch_buf_init(&a->text, SIZE_MAX / 2);
    ch_buf_init(&a->content, SIZE_MAX / 2);
    return true;
}

static void close_writer(ch_scribe *w)
{
    ch_anthropic_scribe *a = (ch_anthropic_scribe *)w;
    ch_buf_close(&a->stop);
    ch_buf_close(&a->text);
    ch_buf_close(&a->content);
}

static void begin(ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    ch_anthropic_scribe *a = (ch_anthropic_scribe *)w;
    a->form->begin(a, b, u);
}

static void done(ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    ch_anthropic_scribe *a = (ch_anthropic_scribe *)w;
    end_block(a, b);
    a->form->done(a, b, u);
}

static void fail(ch_scribe *w, ch_buf *b, const ch_refusal *r)
{
    ch_anthropic_put_error(b, r, w->info.request_id);
}

static void ping(ch_scribe *w, ch_buf *b)
{
    (void)w;
    ch_anthropic_put_ping(b);
}

const ch_scribe_kind ch_scribe_anthropic = {.size = sizeof(ch_anthropic_scribe),
                                            .open = open_writer,
                                            .close = close_writer,
                                            .begin = begin,
                                            .tell = tell,
                                            .done = done,
                                            .fail = fail,
                                            .ping = ping};
