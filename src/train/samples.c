/* samples.c - samples.jsonl: what the model writes on the way
 *
 *   {"step": 100, "prompt": "Once upon a time", "text": ", there was ..."}
 *
 * Each sample has a session of its own: the keys of cache pages do not know that the weights have
 * changed since the last one.  SPDX-License-Identifier: MIT */
#include "generate.h"
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS = 64, TEXT_MOST = 1 << 20 };

/* A text starts as documents do. */
static int encode(ch_samples *s, const ch_tokenizer *tk, ch_err *e)
{
    const ch_token first = ch_corpus_first(tk);
    s->start.id = malloc(sizeof *s->start.id);
    if (!s->start.id)
        return ch_fail(e, CH_ENOMEM, "no memory for the sample's prompt");
    s->start.cap = 1;
    if (first >= 0)
        s->start.id[s->start.n++] = first;
    const int rc = ch_tokenizer_encode(&s->start, tk, s->prompt, strlen(s->prompt), 0, e);
    if (rc == CH_OK && s->start.n == 0)
        return ch_fail(e, CH_EARG, "sample_prompt is empty, and this vocabulary has no token to "
                                   "begin a text with");
    return rc;
}

int ch_samples_open(ch_samples *s, const char *dir, int64_t step, const char *prompt,
                    const ch_tokenizer *tk, const ch_model *m, ch_err *e)
{
    *s = (ch_samples){.prompt = strdup(prompt ? prompt : "")};
    ch_buf_init(&s->text, TEXT_MOST);
    int rc = CH_OK;
    if (!s->prompt)
        rc = ch_fail(e, CH_ENOMEM, "no memory for the sample's prompt");
    else if (!ch_utf8_valid(s->prompt, strlen(s->prompt)))
        rc = ch_fail(e, CH_EARG, "sample_prompt is not UTF-8");
    if (rc == CH_OK)
        rc = encode(s, tk, e);
    if (rc == CH_OK && s->start.n >= (size_t)m->config.context)
        rc = ch_fail(e, CH_EARG, "sample_prompt has %zu tokens with the start of a text; the "
                                 "model's context is %d", s->start.n, m->config.context);
    if (rc == CH_OK)
        rc = ch_metrics_open(&s->log, dir, "samples.jsonl", step, e);
    if (rc < 0)
        ch_samples_close(s);
    return rc;
}

static int draw(ch_buf *out, ch_samples *s, ch_session *session, const ch_tokenizer *tk,
                uint64_t seed, ch_err *e)
{
    ch_sampling how = CH_SAMPLING;
    how.seed = seed;
    ch_token before = s->start.id[s->start.n - 1];
    int rc = ch_session_feed(session, s->start.id, (int)s->start.n, e);
    while (rc == CH_OK && ch_session_length(session) < ch_session_context(session)) {
        ch_token t;
        rc = ch_session_next(&t, session, &how, e);
        if (rc < 0 || ch_tokenizer_ends_text(tk, t))
            break;
        if (!ch_tokenizer_append(out, tk, before, t))
            return ch_buf_check(out, "a sample", e);
        before = t;
    }
    return rc;
}

int ch_samples_take(ch_samples *s, ch_model *m, const ch_lora *lora, const ch_tokenizer *tk,
                    int64_t step, uint64_t seed, int threads, ch_err *e)
{
    const int context = (int)CH_MIN((int64_t)m->config.context, (int64_t)s->start.n + TOKENS);
    const ch_session_options o = {.threads = threads, .context = context, .lora = lora};
    ch_session *session;
    int rc = ch_session_open(&session, m, &o, e);
    if (rc < 0)
        return rc;
    ch_buf raw;
    ch_buf_init(&raw, TEXT_MOST / 3);
    rc = draw(&raw, s, session, tk, seed, e);
    ch_session_close(&session);
    ch_buf_clear(&s->text);
    ch_buf_utf8(&s->text, raw.data, raw.size);
    ch_buf_close(&raw);
    if (rc == CH_OK)
        rc = ch_buf_check(&s->text, "a sample", e);
    if (rc == CH_OK)
        rc = ch_metrics_put(&s->log,
                            json_pack("{s:I, s:s, s:s}", "step", (json_int_t)step, "prompt",
                                      s->prompt, "text", s->text.data ? s->text.data : ""),
                            e);
    return rc;
}

void ch_samples_close(ch_samples *s)
{
    ch_metrics_close(&s->log);
    ch_tokens_free(&s->start);
    ch_buf_close(&s->text);
    free(s->prompt);
    *s = (ch_samples){0};
}
