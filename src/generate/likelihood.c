/* likelihood.c - how likely tokens of a timeline are by the model alone
 *
 * SPDX-License-Identifier: MIT */
#include "session.h"

static void tell(ch_log_prob *own, ch_log_prob *top, int n_top, ch_session *s, const float *logits,
                 ch_token id)
{
    ch_family *f = s->family;
    ch_sample_log_probs(own, top, n_top, f->work, logits, f->model->config.vocab, id);
}

int ch_session_log_probs(ch_log_prob *drawn, ch_log_prob *top, int n_top, ch_session *s,
                         ch_err *e)
{
    if (!s->has_last || s->computed != s->n_tokens - 1)
        return ch_fail(e, CH_EARG, "no token was drawn last: its logits are gone, or never were");
    tell(drawn, top, n_top, s, s->last, s->tokens[s->n_tokens - 1]);
    return CH_OK;
}

/* The logits after token i of the feed are those of token i + 1. */
struct feeding {
    ch_session *s;
    const ch_token *tokens;
    int n, n_top, next;
    ch_log_prob *own, *top;
};

static void tell_next(struct feeding *f, const float *logits)
{
    if (f->next < f->n)
        tell(f->own + f->next, f->top + (ptrdiff_t)f->next * f->n_top, f->n_top, f->s, logits,
             f->tokens[f->next]);
    f->next++;
}

static int each_row(void *arg, int position, const float *logits)
{
    (void)position;
    tell_next(arg, logits);
    return CH_OK;
}

static void nothing_known(struct feeding *f)
{
    f->own[0] = (ch_log_prob){f->tokens[0], (double)NAN};
    for (int i = 0; i < f->n_top; i++)
        f->top[i] = (ch_log_prob){-1, (double)NAN};
    f->next++;
}

int ch_session_feed_log_probs(ch_log_prob *own, ch_log_prob *top, int n_top, ch_session *s,
                              const ch_token *tokens, int n, ch_err *e)
{
    struct feeding f = {
        .s = s, .tokens = tokens, .n = n, .n_top = CH_MAX(n_top, 0), .own = own, .top = top};
    int rc = ch_session_accepts(s, tokens, n, e);
    if (rc == CH_OK && n > 0 && s->n_tokens > 0)
        rc = ch_session_current(s, e);
    if (rc < 0 || n == 0)
        return rc;
    const uint64_t t0 = ch_clock_ns();
    const int before = s->n_tokens;
    if (before > 0)
        tell_next(&f, s->last);
    else
        nothing_known(&f);
    rc = ch_session_feed_each(s, tokens, n, each_row, &f, e);
    s->stats.prompt_tokens += (uint64_t)(s->n_tokens - before);
    s->stats.prompt_s += (double)(ch_clock_ns() - t0) * 1e-9;
    return rc;
}
