/* perplexity.c - mean negative log-likelihood of a text, in windows (windows.c)
 *
 *   nll = 1/N sum_t -log p(token_t | the tokens of its window before it)      ppl = e^nll
 *   bpb = N nll / (ln 2 * bytes of what is scored)
 *
 * SPDX-License-Identifier: MIT */
#include "windows.h"

#include <math.h>
#include <stdlib.h>

struct scoring {
    ch_token *window; /* fed tokens of this window */
    int n, vocab;
    int first;        /* index in window of the first token to score */
    double nll;
    uint64_t tokens;
};

static int score(void *arg, int position, const float *logits)
{
    struct scoring *s = arg;
    const int next = position + 1;
    if (next >= s->first && next < s->n) {
        s->nll += ch_eval_nll(logits, s->vocab, s->window[next]);
        s->tokens++;
    }
    return CH_OK;
}

static int score_windows(struct scoring *s, ch_session *session, ch_windows *w, ch_err *e)
{
    int rc = CH_OK;
    s->window = malloc((size_t)w->window * sizeof *s->window);
    if (!s->window)
        return ch_fail(e, CH_ENOMEM, "no memory for a window of %d tokens", w->window);
    while (rc == CH_OK && ch_windows_next(w, s->window, &s->n, &s->first)) {
        ch_session *one;
        rc = ch_session_fork(&one, session, e); /* an empty one that shares memory and threads */
        if (rc == CH_OK) {
            rc = ch_session_feed_each(one, s->window, s->n, score, s, e);
            ch_session_close(&one);
        }
    }
    free(s->window);
    return rc;
}

int ch_model_perplexity(ch_perplexity *out, ch_model *m, const ch_tokenizer *tk, const char *text,
                        size_t n, int window, int stride, const ch_session_options *o, ch_err *e)
{
    *out = (ch_perplexity){0};
    ch_windows w;
    ch_session *s = NULL;
    ch_session_options so = o ? *o : (ch_session_options){0};
    int rc = ch_windows_open(&w, tk, text, n, "the text", window, stride,
                             CH_MIN((int)CH_WINDOW_USUAL, ch_config_most_tokens(&m->config)),
                             CH_MAX_CONTEXT, e);
    if (rc < 0)
        return rc;
    so.context = (int)CH_MIN((size_t)w.window, w.ids.n);
    rc = ch_session_open(&s, m, &so, e);
    if (rc == CH_OK) {
        struct scoring scoring = {.vocab = m->config.vocab};
        rc = score_windows(&scoring, s, &w, e);
        out->tokens = scoring.tokens;
        out->bytes = w.bytes;
        out->nll = scoring.nll / (double)CH_MAX(scoring.tokens, (uint64_t)1);
        out->ppl = exp(out->nll);
        out->bpb = scoring.nll / (log(2) * (double)CH_MAX(w.bytes, (size_t)1));
        out->window = w.window;
        out->stride = w.stride;
    }
    ch_session_close(&s);
    ch_windows_close(&w);
    return rc;
}
