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
    memcpy(s->tokens + s->n_tokens, tokens, (size_t)n * sizeof *tokens);
    s->n_tokens += n;
    rc = ch_session_catch_up(s, e);
    s->stats.prompt_tokens += (uint64_t)(s->n_tokens - before);
    s->stats.prompt_s += (double)(ch_clock_ns() - t0) * 1e-9;
    return rc;
}

static int hand_out(ch_session *s, const ch_tensor *logits, int n, ch_logits_fn *each, void *arg)
{
    for (int i = 0; i < n; i++) {
        const real *row = ch_tensor_row(logits, i);
        for (int v = 0; v < s->family->model->config.vocab; v++)
            s->last[v] = (float)row[v];
        s->has_last = true;
        const int rc = each ? each(arg, s->computed - n + i, s->last) : CH_OK;
        if (rc != CH_OK)
            return rc;
    }
    return CH_OK;
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
        const ch_tensor *logits;
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
        const ch_tensor *logits;
        rc = ch_session_step(&logits, s, NULL,
                             vectors + (ptrdiff_t)done * s->family->model->config.width, rows,
                             &last_row, 1, e);
        if (rc < 0)
            break;
        for (int i = 0; i < rows; i++)
            s->tokens[s->n_tokens++] = -1;
        s->computed += rows;
        rc = hand_out(s, logits, 1, NULL, NULL);
    }
    return rc;
}
