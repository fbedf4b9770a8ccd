/* feed.c - tokens and vectors into a timeline
 *
 * SPDX-License-Identifier: MIT */
#include "session.h"

#include <string.h>

int ch_session_feed(ch_session *s, const ch_token *tokens, int n, ch_err *e)
{
    int rc = ch_session_accepts(s, tokens, n, e);
    if (rc == CH_OK)
        rc = ch_session_drop_guesses(s, e);
    if (rc < 0)
        return rc;
    const uint64_t t0 = ch_clock_ns();
    const int before = s->n_tokens;
    if (n > 0)
        memcpy(s->tokens + s->n_tokens, tokens, (size_t)n * sizeof *tokens);
    s->n_tokens += n;
    rc = ch_session_catch_up(s, e);
    if (rc < 0) /* what was there before stays, and with it what was computed of this */
        s->n_tokens = CH_MAX(before, s->computed);
    s->stats.prompt_tokens += (uint64_t)(s->n_tokens - before);
    s->stats.prompt_s += (double)(ch_clock_ns() - t0) * 1e-9;
    return rc;
}

/* All n rows are part of the timeline: the logits of the last one stay, also when `each` ends it
 * before. */
static int hand_out(ch_session *s, const ch_tensor *logits, int n, ch_logits_fn *each, void *arg)
{
    int rc = CH_OK;
    for (int i = 0; i < n; i++) {
        if (rc == CH_OK || i == n - 1)
            ch_session_keep_logits(s, ch_tensor_row(logits, i));
        if (rc == CH_OK && each)
            rc = each(arg, s->computed - n + i, s->last);
    }
    return rc;
}

int ch_session_feed_each(ch_session *s, const ch_token *tokens, int n, ch_logits_fn *each,
                         void *arg, ch_err *e)
{
    int rc = ch_session_accepts(s, tokens, n, e);
    if (rc == CH_OK)
        rc = ch_session_drop_guesses(s, e);
    if (rc == CH_OK && s->computed < s->n_tokens)
        rc = ch_session_catch_up(s, e);
    for (int done = 0, rows; done < n && rc == CH_OK; done += rows) {
        rows = CH_MIN(n - done, s->family->logit_rows);
        const ch_tensor *logits = NULL;
        rc = ch_session_interrupted(s, e);
        if (rc == CH_OK)
            rc = ch_session_step(&logits, s, tokens + done, NULL, rows, NULL, rows, e);
        if (rc < 0)
            break;
        memcpy(s->tokens + s->n_tokens, tokens + done, (size_t)rows * sizeof *tokens);
        s->n_tokens += rows;
        s->computed += rows;
        rc = hand_out(s, logits, rows, each, arg);
        ch_session_seal(s);
    }
    return rc;
}

int ch_session_feed_vectors(ch_session *s, const real *vectors, int n, ch_err *e)
{
    int rc = ch_session_accepts(s, NULL, n, e);
    if (rc == CH_OK)
        rc = ch_session_drop_guesses(s, e);
    if (rc == CH_OK && s->computed < s->n_tokens)
        rc = ch_session_catch_up(s, e);
    s->private_pages = s->private_pages || n > 0;
    for (int done = 0, rows; done < n && rc == CH_OK; done += rows) {
        rows = CH_MIN(n - done, s->family->step_rows);
        const int32_t last_row = rows - 1;
        const real *from = vectors + (ptrdiff_t)done * s->family->model->config.width;
        const ch_tensor *logits = NULL;
        rc = ch_session_interrupted(s, e);
        if (rc == CH_OK)
            rc = ch_session_step(&logits, s, NULL, from, rows, &last_row, 1, e);
        if (rc < 0)
            break;
        for (int i = 0; i < rows; i++)
            s->tokens[s->n_tokens++] = -1;
        s->computed += rows;
        rc = hand_out(s, logits, 1, NULL, NULL);
    }
    return rc;
}
