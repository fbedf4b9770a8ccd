/* divergence.c - how far a model's predictions are from another's, over a text in windows
 *
 *   KL(p || q) = sum_i p_i (log p_i - log q_i)     p: the base's next token, q: the model's; nats
 *
 * Both read the same windows (windows.c), CHUNK tokens in turns: of the base as many rows of logits
 * are kept, whatever the text's length.  Sums are doubles in the order of the vocabulary and of the
 * text, so nothing depends on threads; a model has exactly 0 against itself.  Neighbouring tokens
 * share what they were told, so the bootstrap draws blocks of BLOCK tokens.
 * SPDX-License-Identifier: MIT */
#include "windows.h"

#include <math.h>
#include <stdlib.h>

enum { CHUNK = 64, BLOCK = 64 };
enum { TOKENS, KL, SAME, NLL_BASE, NLL_MODEL, SUMS }; /* of a block */

struct comparing {
    const ch_token *window;
    int n, first, vocab; /* of the window: tokens, the first that is scored */
    int at;              /* position of the chunk's first token */
    float *rows;         /* (CHUNK, V): the base's logits */
    double *kl;          /* of each token scored */
    double *block;       /* (blocks, SUMS) */
    double nll[2];       /* the base's, the model's */
    size_t tokens;
};

static double kl(const float *p, double p_sum, const float *q, double q_sum, int vocab)
{
    double kl = 0;
    for (int i = 0; i < vocab; i++) {
        const double log_p = (double)p[i] - p_sum, share = exp(log_p);
        if (share > 0)
            kl += share * (log_p - ((double)q[i] - q_sum));
    }
    return kl;
}

double ch_eval_kl(const float *p, const float *q, int vocab)
{
    return kl(p, ch_sample_log_sum(p, vocab), q, ch_sample_log_sum(q, vocab), vocab);
}

static int likeliest(const float *logits, int vocab)
{
    int best = 0;
    for (int i = 1; i < vocab; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

/* ---- Two models in turns -------------------------------------------------------------------- */

static int keep(void *arg, int position, const float *logits)
{
    struct comparing *c = arg;
    float *to = c->rows + (ptrdiff_t)(position - c->at) * c->vocab;
    if (position + 1 >= c->first)
        for (int i = 0; i < c->vocab; i++)
            to[i] = logits[i];
    return CH_OK;
}

static int compare(void *arg, int position, const float *q)
{
    struct comparing *c = arg;
    const int next = position + 1;
    if (next < c->first || next >= c->n)
        return CH_OK;
    const float *p = c->rows + (ptrdiff_t)(position - c->at) * c->vocab;
    const double p_sum = ch_sample_log_sum(p, c->vocab), q_sum = ch_sample_log_sum(q, c->vocab);
    const ch_token token = c->window[next];
    const double nll_p = p_sum - (double)p[token], nll_q = q_sum - (double)q[token];
    double *sum = c->block + c->tokens / BLOCK * SUMS;
    c->kl[c->tokens] = kl(p, p_sum, q, q_sum, c->vocab);
    sum[TOKENS]++;
    sum[KL] += c->kl[c->tokens++];
    sum[SAME] += likeliest(p, c->vocab) == likeliest(q, c->vocab);
    sum[NLL_BASE] += nll_p;
    sum[NLL_MODEL] += nll_q;
    c->nll[0] += nll_p;
    c->nll[1] += nll_q;
    return CH_OK;
}

static int compare_window(struct comparing *c, ch_session *base, ch_session *model, ch_err *e)
{
    ch_session *s[2] = {NULL};
    int rc = ch_session_fork(&s[0], base, e); /* empty ones that share memory and threads */
    if (rc == CH_OK)
        rc = ch_session_fork(&s[1], model, e);
    for (c->at = 0; c->at < c->n && rc == CH_OK; c->at += CHUNK) {
        const int n = CH_MIN((int)CHUNK, c->n - c->at);
        rc = ch_session_feed_each(s[0], c->window + c->at, n, keep, c, e);
        if (rc == CH_OK)
            rc = ch_session_feed_each(s[1], c->window + c->at, n, compare, c, e);
    }
    ch_session_close(&s[0]);
    ch_session_close(&s[1]);
    return rc;
}

/* ---- Numbers -------------------------------------------------------------------------------- */

static double total(const ch_stats *s, const uint32_t *pick, size_t n, int k)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += s->at[(pick ? pick[i] : i) * SUMS + (size_t)k];
    return sum;
}

static double mean_kl(const ch_stats *s, const uint32_t *pick, size_t n)
{
    return total(s, pick, n, KL) / total(s, pick, n, TOKENS);
}

static double same(const ch_stats *s, const uint32_t *pick, size_t n)
{
    return total(s, pick, n, SAME) / total(s, pick, n, TOKENS);
}

static double ratio(const ch_stats *s, const uint32_t *pick, size_t n)
{
    return exp((total(s, pick, n, NLL_MODEL) - total(s, pick, n, NLL_BASE)) /
               total(s, pick, n, TOKENS));
}

static int estimate(ch_interval *out, const ch_stats *s, ch_score_of_fn *score, ch_err *e)
{
    double draws[CH_DRAWS];
    const int rc = ch_bootstrap(draws, s, score, 1, e);
    if (rc < 0)
        return rc;
    out->value = score(s, NULL, s->n);
    ch_draws_interval(&out->low, &out->high, draws);
    if (isnan(out->low) && s->n > 1) /* every block has the same: a model and itself */
        out->low = out->high = draws[0];
    return CH_OK;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int summarize(ch_divergence *out, struct comparing *c, const ch_windows *w, ch_err *e)
{
    const ch_stats s = {c->block, (c->tokens + BLOCK - 1) / BLOCK, SUMS, 0};
    const double n = (double)c->tokens, bits = log(2) * (double)CH_MAX(w->bytes, (size_t)1);
    for (int i = 0; i < 2; i++)
        *(i ? &out->model : &out->base) = (ch_perplexity){
            .nll = c->nll[i] / n, .ppl = exp(c->nll[i] / n), .bpb = c->nll[i] / bits,
            .tokens = c->tokens, .bytes = w->bytes, .window = w->window, .stride = w->stride};
    qsort(c->kl, c->tokens, sizeof *c->kl, ascending);
    out->median = c->kl[c->tokens / 2];
    out->p90 = c->kl[c->tokens * 9 / 10];
    out->p99 = c->kl[c->tokens * 99 / 100];
    out->most = c->kl[c->tokens - 1];
    int rc = estimate(&out->kl, &s, mean_kl, e);
    if (rc == CH_OK)
        rc = estimate(&out->same, &s, same, e);
    return rc == CH_OK ? estimate(&out->ratio, &s, ratio, e) : rc;
}

/* ---- The text ------------------------------------------------------------------------------- */

int ch_eval_same_tokens(const ch_tokenizer *a, const ch_tokenizer *b, const char *text, size_t n,
                        ch_err *e)
{
    ch_tokens x = {0}, y = {0};
    int rc = ch_tokenizer_encode(&x, a, text, n, CH_ENCODE_BOS, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_encode(&y, b, text, n, CH_ENCODE_BOS, e);
    for (size_t i = 0; rc == CH_OK && i < CH_MAX(x.n, y.n); i++)
        if (i >= x.n || i >= y.n || x.id[i] != y.id[i])
            rc = ch_fail(e, CH_EARG,
                         "the two models read the text differently: %zu and %zu tokens, of which "
                         "number %zu is the first that is not the same; only models of one "
                         "vocabulary can be compared", x.n, y.n, i);
    ch_tokens_free(&x);
    ch_tokens_free(&y);
    return rc;
}

static int open_sessions(ch_session *s[2], ch_model *base, ch_model *m, const ch_windows *w,
                         const ch_session_options *o, ch_err *e)
{
    ch_session_options so = o ? *o : (ch_session_options){0};
    so.context = (int)CH_MIN((size_t)w->window, w->ids.n);
    const int rc = ch_session_open(&s[1], m, &so, e);
    so.lora = NULL; /* the model's */
    return rc == CH_OK ? ch_session_open(&s[0], base, &so, e) : rc;
}

static int read_text(ch_divergence *out, ch_session *s[2], ch_windows *w, int vocab, ch_err *e)
{
    const size_t all = w->ids.n, window = (size_t)w->window;
    struct comparing c = {.vocab = vocab};
    ch_token *ids = calloc(window, sizeof *ids);
    c.rows = malloc(ch_size_mul(CHUNK, ch_size_mul((size_t)vocab, sizeof *c.rows)));
    c.kl = malloc(all * sizeof *c.kl);
    c.block = calloc(all / BLOCK + 1, SUMS * sizeof *c.block);
    c.window = ids;
    int rc = CH_OK;
    if (!ids || !c.rows || !c.kl || !c.block)
        rc = ch_fail(e, CH_ENOMEM, "no memory to compare %zu tokens", all);
    while (rc == CH_OK && ch_windows_next(w, ids, &c.n, &c.first))
        rc = compare_window(&c, s[0], s[1], e);
    if (rc == CH_OK)
        rc = summarize(out, &c, w, e);
    free(ids);
    free(c.rows);
    free(c.kl);
    free(c.block);
    return rc;
}

int ch_eval_divergence(ch_divergence *out, ch_model *base, ch_model *m, const ch_tokenizer *tk,
                       const char *text, size_t n, int window, int stride,
                       const ch_session_options *o, ch_err *e)
{
    ch_windows w;
    ch_session *s[2] = {NULL};
    *out = (ch_divergence){0};
    if (base->config.vocab != m->config.vocab)
        return ch_fail(e, CH_EARG,
                       "the base has %d tokens in its vocabulary and the model %d; only models of "
                       "one vocabulary can be compared", base->config.vocab, m->config.vocab);
    const int most = CH_MIN(ch_config_most_tokens(&base->config),
                            ch_config_most_tokens(&m->config));
    int rc = ch_windows_open(&w, tk, text, n, "the text", window, stride,
                             CH_MIN((int)CH_WINDOW_USUAL, most), CH_MIN(most, CH_MAX_CONTEXT), e);
    if (rc < 0)
        return rc;
    rc = open_sessions(s, base, m, &w, o, e);
    if (rc == CH_OK)
        rc = read_text(out, s, &w, m->config.vocab, e);
    ch_session_close(&s[0]);
    ch_session_close(&s[1]);
    ch_windows_close(&w);
    return rc;
}
