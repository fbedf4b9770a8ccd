/* openai_write.c - what replies of OpenAI's API have in common: head, usage, errors, costs
 *
 * SPDX-License-Identifier: MIT */
#include "openai_write.h"

#include <inttypes.h>
#include <math.h>

static void make_head(const ch_scribe *w, ch_buf *b, const char *prefix, const char *object)
{
    ch_buf_printf(b, "{\"id\":\"%s%s\",\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":",
                  prefix, w->info.id, object, w->info.created);
    ch_scribe_put_string(b, w->info.model ? w->info.model : "");
    if (w->info.fingerprint) {
        ch_buf_str(b, ",\"system_fingerprint\":");
        ch_scribe_put_string(b, w->info.fingerprint);
    }
    ch_buf_str(b, ",\"choices\":[");
}

void ch_openai_put_head(ch_scribe *w, ch_buf *b, const char *prefix, const char *object)
{
    if (w->head_object != object) {
        ch_buf_clear(&w->head);
        make_head(w, &w->head, prefix, object);
        w->head_object = object;
    }
    ch_scribe_kept(w, &w->head);
    ch_buf_put(b, w->head.data, w->head.size);
}

void ch_openai_put_usage(ch_buf *b, const ch_usage *u)
{
    ch_buf_printf(b, "{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%" PRId64
                     ",\"prompt_tokens_details\":{\"cached_tokens\":%d},"
                     "\"completion_tokens_details\":{\"reasoning_tokens\":%d}}",
                  u->prompt, u->drawn, (int64_t)u->prompt + u->drawn, u->cached, u->reasoning);
}

static void put_ms(ch_buf *b, const char *name, double ms)
{
    ch_buf_printf(b, "\"%s\":%.3f,", name, isfinite(ms) ? ms : 0);
}

/* u: NULL, where there is none yet. */
static void put_own(const ch_scribe *w, ch_buf *b, bool applied, const ch_usage *u)
{
    applied = applied && w->ask->applied;
    const bool spent = u && w->ask->cost;
    if (!applied && !spent)
        return;
    ch_buf_str(b, ",\"chalcis\":{");
    if (applied) {
        ch_buf_str(b, "\"applied\":");
        ch_scribe_put_json(b, w->ask->applied);
    }
    if (spent) {
        ch_buf_str(b, applied ? "," : "");
        put_ms(b, "wait_ms", u->wait_ms);
        put_ms(b, "prompt_ms", u->prompt_ms);
        put_ms(b, "drawn_ms", u->drawn_ms);
        ch_buf_printf(b, "\"drafted\":%d,\"accepted\":%d", u->drafted, u->accepted);
    }
    ch_buf_str(b, "}");
}

void ch_openai_put_tail(const ch_scribe *w, ch_buf *b, bool first)
{
    if (w->ask->stream_usage)
        ch_buf_str(b, ",\"usage\":null");
    put_own(w, b, first, NULL);
    ch_buf_str(b, "}\n\n");
}

void ch_openai_put_end(const ch_scribe *w, ch_buf *b, const ch_usage *u)
{
    ch_buf_str(b, "],\"usage\":");
    ch_openai_put_usage(b, u);
    put_own(w, b, !w->ask->stream, u);
    ch_buf_str(b, "}");
}

const char *ch_openai_finish(ch_why why)
{
    switch (why) {
    case CH_WHY_LENGTH:
    case CH_WHY_CONTEXT: return "length";
    case CH_WHY_CALLS: return "tool_calls";
    default: return "stop"; /* CH_WHY_STOP, CH_WHY_STOPPED */
    }
}

/* ---- Tokens ---- */

void ch_openai_put_bytes(ch_buf *b, const char *bytes, size_t n)
{
    ch_buf_str(b, "[");
    for (size_t i = 0; i < n; i++)
        ch_buf_printf(b, "%s%d", i ? "," : "", (unsigned char)bytes[i]);
    ch_buf_str(b, "]");
}

static void put_likely(ch_buf *b, const ch_told_token *t)
{
    ch_buf_str(b, "{\"token\":");
    ch_scribe_put_text(b, t->bytes, t->n);
    ch_buf_printf(b, ",\"id\":%d,\"probability\":", (int)t->id);
    ch_scribe_put_number(b, exp(t->log_p)); /* of NaN: null */
}

void ch_openai_put_cost(ch_buf *list, const ch_delta *d)
{
    ch_buf_str(list, list->size ? "," : "");
    put_likely(list, &d->token);
    ch_buf_printf(list, ",\"drafted\":%s,\"iterations\":", d->token.drafted ? "true" : "false");
    ch_scribe_put_number(list, d->token.iterations);
    ch_buf_printf(list, ",\"reasoning\":%s,\"top\":[", d->reasoning ? "true" : "false");
    for (int i = 0; i < d->n_top; i++) {
        ch_buf_str(list, i ? "," : "");
        put_likely(list, &d->top[i]);
        ch_buf_str(list, "}");
    }
    ch_buf_str(list, "]}");
}

void ch_openai_put_costs(ch_buf *b, const ch_buf *before, ch_buf *list)
{
    const size_t n = before ? before->size : 0;
    if (n + list->size == 0)
        return;
    ch_buf_str(b, ",\"chalcis\":{\"tokens\":[");
    if (n > 0)
        ch_buf_put(b, before->data, n);
    ch_buf_str(b, n > 0 && list->size > 0 ? "," : "");
    ch_buf_put(b, list->data ? list->data : "", list->size);
    ch_buf_str(b, "]}");
    ch_buf_clear(list);
}

/* ---- Streams ---- */

void ch_openai_end_stream(ch_scribe *w, ch_buf *b, const char *prefix, const char *object,
                          const ch_usage *u)
{
    if (w->ask->stream_usage) {
        ch_buf_str(b, "data: ");
        ch_openai_put_head(w, b, prefix, object);
        ch_openai_put_end(w, b, u);
        ch_buf_str(b, "\n\n");
    }
    ch_buf_str(b, "data: [DONE]\n\n");
}

void ch_openai_fail(ch_scribe *w, ch_buf *b, const ch_refusal *r)
{
    json_t *v = ch_refusal_json(r, false, NULL);
    w->starved |= !v;
    ch_buf_str(b, "data: ");
    ch_scribe_put_json(b, v);
    ch_buf_str(b, "\n\n");
    json_decref(v);
}

void ch_openai_ping(ch_scribe *w, ch_buf *b)
{
    (void)w;
    ch_buf_str(b, ":\n\n");
}
