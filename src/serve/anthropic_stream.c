/* anthropic_stream.c - answers as the events of Anthropic's streams
 *
 *     message_start
 *     ping
 *     for each block, index 0, 1, ...:
 *         content_block_start      the block, empty
 *         content_block_delta ...  text_delta; thinking_delta, at the end signature_delta;
 *                                  input_json_delta
 *         content_block_stop
 *     message_delta                why it ended; what it took in all
 *     message_stop
 *
 * An event is "event: NAME", "data: JSON" and an empty line; clients go by the name.  ping may come
 * at any time, even first; error ends the stream wherever it is.
 * Source: the Messages API's page on streaming.  SPDX-License-Identifier: MIT */
#include "anthropic.h"

#define BLOCK_STOP "content_block_stop"

/* The object is left open for more members. */
static void event(ch_buf *b, const char *name)
{
    ch_buf_printf(b, "event: %s\ndata: {\"type\":\"%s\"", name, name);
}

static void end_event(ch_buf *b) { ch_buf_str(b, "}\n\n"); }

static void block_event(const ch_anthropic_scribe *a, ch_buf *b, const char *name)
{
    event(b, name);
    ch_buf_printf(b, ",\"index\":%d", a->blocks - 1);
}

static void delta(const ch_anthropic_scribe *a, ch_buf *b, const char *type, const char *member,
                  const char *text, size_t n)
{
    block_event(a, b, "content_block_delta");
    ch_buf_printf(b, ",\"delta\":{\"type\":\"%s\",\"%s\":", type, member);
    ch_scribe_put_text(b, text, n);
    ch_buf_str(b, "}");
    end_event(b);
}

static void begin(ch_anthropic_scribe *a, ch_buf *b, const ch_usage *u)
{
    event(b, "message_start");
    ch_buf_str(b, ",\"message\":");
    ch_anthropic_put_message(b, a, u, false);
    end_event(b);
    ch_anthropic_put_ping(b);
}

static void start(ch_anthropic_scribe *a, ch_buf *b)
{
    block_event(a, b, "content_block_start");
    ch_buf_str(b, a->open == CH_BLOCK_THINKING
                      ? ",\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\","
                        "\"signature\":\"\"}"
                      : ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}");
    end_event(b);
}

static void add(ch_anthropic_scribe *a, ch_buf *b, const char *text, size_t n)
{
    if (a->open == CH_BLOCK_THINKING)
        delta(a, b, "thinking_delta", "thinking", text, n);
    else
        delta(a, b, "text_delta", "text", text, n);
}

static void stop(ch_anthropic_scribe *a, ch_buf *b)
{
    if (a->open == CH_BLOCK_THINKING)
        delta(a, b, "signature_delta", "signature", "", 0);
    block_event(a, b, BLOCK_STOP);
    end_event(b);
}

static void call(ch_anthropic_scribe *a, ch_buf *b, const ch_delta *d)
{
    const bool some = d->n > 0;
    block_event(a, b, "content_block_start");
    ch_buf_str(b, ",\"content_block\":");
    ch_anthropic_put_call(b, d, false);
    end_event(b);
    delta(a, b, "input_json_delta", "partial_json", some ? d->text : "{}", some ? d->n : 2);
    block_event(a, b, BLOCK_STOP);
    end_event(b);
}

static void done(ch_anthropic_scribe *a, ch_buf *b, const ch_usage *u)
{
    event(b, "message_delta");
    ch_buf_str(b, ",\"delta\":{");
    ch_anthropic_put_end(b, a, true);
    ch_buf_str(b, "},");
    ch_anthropic_put_usage(b, u, true);
    end_event(b);
    event(b, "message_stop");
    end_event(b);
}

const ch_anthropic_form ch_anthropic_stream = {begin, start, add, stop, call, done};

void ch_anthropic_put_error(ch_buf *b, const ch_refusal *r, const char *request_id)
{
    json_t *v = ch_refusal_json(r, true, request_id);
    ch_buf_str(b, "event: error\ndata: ");
    ch_scribe_put_json(b, v);
    ch_buf_str(b, "\n\n");
    json_decref(v);
}

void ch_anthropic_put_ping(ch_buf *b)
{
    event(b, "ping");
    end_event(b);
}
