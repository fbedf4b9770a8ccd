/* perplexity.c - mean negative log-likelihood of a text, in windows
 *
 *   nll = 1/N sum_t -log p(token_t | the tokens of its window before it)      ppl = e^nll
 *   bpb = N nll / (ln 2 * bytes)
 *
 * Each window starts with BOS where the model has one.  Windows advance by `stride` tokens and
 * score only what no window before them has scored, so every token but BOS is scored once, with
 * at least window - stride tokens before it from the second window on (the sliding evaluation of
 * Baevski & Auli 2019).  SPDX-License-Identifier: MIT */
#include "eval.h"

#include <math.h>
#include <stdlib.h>

enum { DEFAULT_WINDOW = 512 }; /* as other engines have it, so that figures compare */

struct scoring {
    const ch_token *window; /* fed tokens of this window */
    int n, vocab;
    int first;              /* index in window of the first token to score */
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

/* ids[0..n): the text after `head` start tokens (0 or 1), which stand at ids[-head].  */
static int score_windows(struct scoring *s, ch_session *session, const ch_tokens *ids, int head,
                         int window, int stride, ch_err *e)
{
    const int64_t n = (int64_t)ids->n - head;
    ch_token *buffer = malloc((size_t)window * sizeof *buffer);
    if (!buffer)
        return ch_fail(e, CH_ENOMEM, "no memory for a window of %d tokens", window);
    int rc = CH_OK;
    for (int64_t start = 0, scored = 0; scored < n && rc == CH_OK; start += stride) {
        const int take = (int)CH_MIN(n - start, (int64_t)(window - head));
        if (head)
            buffer[0] = ids->id[0];
        for (int i = 0; i < take; i++)
            buffer[head + i] = ids->id[head + start + i];
        s->window = buffer;
        s->n = head + take;
        s->first = head + (int)(scored - start);
        ch_session *w;
        rc = ch_session_fork(&w, session, e); /* an empty one that shares memory and threads */
        if (rc == CH_OK) {
            rc = ch_session_feed_each(w, buffer, s->n, score, s, e);
            ch_session_close(&w);
        }
        scored = start + take;
    }
    free(buffer);
    return rc;
}

static int check_windows(int *window, int *stride, int head, ch_err *e)
{
    if (*stride == 0)
        *stride = CH_MAX(1, (*window - head) / 2);
    if (*window < 2 || *window > CH_MAX_CONTEXT)
        return ch_fail(e, CH_EARG, "a window of %d tokens was asked for; allowed are 2 to %d",
                       *window, CH_MAX_CONTEXT);
    /* Without BOS the first token of a window cannot be scored: windows overlap by one then. */
    if (*stride < 1 || *stride > *window - 1)
        return ch_fail(e, CH_EARG, "a stride of %d tokens was asked for; allowed are 1 to %d",
                       *stride, *window - 1);
    return CH_OK;
}

int ch_model_perplexity(ch_perplexity *out, ch_model *m, const ch_tokenizer *tk, const char *text,
                        size_t n, int window, int stride, const ch_session_options *o, ch_err *e)
{
    *out = (ch_perplexity){0};
    ch_tokens ids = {0};
    ch_session *s = NULL;
    ch_session_options so = o ? *o : (ch_session_options){0};
    int rc = ch_tokenizer_encode(&ids, tk, text, n, CH_ENCODE_BOS, e);
    const int head =
        ids.n > 0 && ids.id[0] == ch_tokenizer_bos(tk) && ch_tokenizer_adds_bos(tk);
    if (rc == CH_OK && ids.n < 2)
        rc = ch_fail(e, CH_EARG, "the text has %zu tokens; at least 2 are needed to score one",
                     ids.n);
    if (window == 0)
        window = CH_MIN((int)DEFAULT_WINDOW, ch_config_most_tokens(&m->config));
    if (rc == CH_OK)
        rc = check_windows(&window, &stride, head, e);
    so.context = (int)CH_MIN((size_t)window, CH_MAX(ids.n, (size_t)1));
    if (rc == CH_OK)
        rc = ch_session_open(&s, m, &so, e);
    if (rc == CH_OK) {
        struct scoring scoring = {.vocab = m->config.vocab};
        rc = score_windows(&scoring, s, &ids, head, window, stride, e);
        out->tokens = scoring.tokens;
        out->bytes = n;
        out->nll = scoring.nll / (double)CH_MAX(scoring.tokens, (uint64_t)1);
        out->ppl = exp(out->nll);
        out->bpb = scoring.nll / (log(2) * (double)n);
        out->window = window;
        out->stride = stride;
    }
    ch_session_close(&s);
    ch_tokens_free(&ids);
    return rc;
}
