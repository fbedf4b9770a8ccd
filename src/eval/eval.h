/* eval.h - how good a model is
 *
 *   likelihood   log p of a continuation, for many at once (score.c); perplexity is in chalcis.h
 *   divergence   two models over one text: KL, perplexities, agreement (divergence.c)
 *   texts        ROUGE and chrF of what was written against what was wanted (rouge.c, chrf.c)
 *   tasks        files of records become items, items numbers, numbers scores (tasks.def, task.h)
 *   intervals    Wilson for shares, the bootstrap for all else; two models over the same items
 *
 * docs/evaluation.md says which files there are and what the scores mean.
 * SPDX-License-Identifier: MIT */
#ifndef CH_EVAL_H
#define CH_EVAL_H

#include "generate.h"
#include "token.h"

/* ---- Likelihood ---------------------------------------------------------------------------- */

/* -log softmax(logits)[target], in nats, in double. */
double ch_eval_nll(const float *logits, int vocab, ch_token target);

/* log p of tokens [from, n), given all before each.  Queries of one item stand together; what they
 * begin with in common is computed once. */
typedef struct ch_query {
    const ch_token *id;
    int from, n; /* 1 <= from <= n */
    int item;
    double log_p; /* out */
} ch_query;

typedef struct ch_scorer ch_scorer;
typedef void ch_count_fn(void *arg, int64_t done, int64_t of);
int ch_scorer_open(ch_scorer **out, ch_model *m, const ch_session_options *o, ch_err *e);
void ch_scorer_close(ch_scorer **s);
int ch_scorer_context(const ch_scorer *s);
ch_session *ch_scorer_empty(ch_scorer *s); /* borrowed, to fork: all share one cache */
/* Fills every log_p; told: NULL, or called now and then.  A query that the context does not hold
 * is CH_ELIMIT before anything is computed. */
int ch_scorer_run(ch_scorer *s, ch_query *q, size_t n, ch_count_fn *told, void *arg, ch_err *e);

/* ---- Divergence ----------------------------------------------------------------------------- */

/* KL(p || q) of what two rows of logits say of the next token, nats, in double. */
double ch_eval_kl(const float *p, const float *q, int vocab);

typedef struct ch_interval {
    double value, low, high; /* low and high: 95 %; NAN where nothing can be said */
} ch_interval;

typedef struct ch_divergence {
    ch_perplexity base, model; /* over the same windows; the model's as ch_model_perplexity's */
    ch_interval kl;            /* mean KL(base || model), nats a token */
    double median, p90, p99, most; /* of the KL of a token */
    ch_interval same;  /* share of tokens where both hold the same next one for the likeliest */
    ch_interval ratio; /* perplexity of the model : the base's */
} ch_divergence;

/* Scores `text` with both, as ch_model_perplexity does; o->lora is the model's alone.  CH_EARG when
 * the vocabularies differ in size. */
int ch_eval_divergence(ch_divergence *out, ch_model *base, ch_model *m, const ch_tokenizer *tk,
                       const char *text, size_t n, int window, int stride,
                       const ch_session_options *o, ch_err *e);
/* CH_EARG: they make different tokens of it. */
int ch_eval_same_tokens(const ch_tokenizer *a, const ch_tokenizer *b, const char *text, size_t n,
                        ch_err *e);

/* ---- Texts --------------------------------------------------------------------------------- */

typedef struct ch_text {
    const char *p;
    size_t n;
} ch_text;

/* F1 of ROUGE-1, -2 and -L (Lin 2004) of a candidate against the best of n references. */
int ch_rouge(double f1[3], ch_text candidate, const ch_text *references, int n, ch_err *e);

/* What chrF adds up over segments: for orders 1 to 6 of characters and 1 to 2 of words the numbers
 * of n-grams in the candidate, in the reference, and in both. */
enum { CH_CHRF_CHARS = 6, CH_CHRF_WORDS = 2, CH_CHRF_STATS = 3 * (CH_CHRF_CHARS + CH_CHRF_WORDS) };
/* Of the reference against which this segment alone scores best (chrF++). */
int ch_chrf_count(double stats[CH_CHRF_STATS], ch_text candidate, const ch_text *references, int n,
                  ch_err *e);
/* chrF (words 0) or chrF++ (words 2), beta 2, 0 to 1 (Popovic 2015, 2017). */
double ch_chrf(const double stats[CH_CHRF_STATS], int words);

/* Answers in a form in which they may be compared: lower case, without punctuation and articles,
 * one space between words (Rajpurkar et al. 2016); a number alone as its digits. */
int ch_answer_normal(ch_buf *out, ch_text answer, ch_err *e);
void ch_answer_trim(ch_text *answer);
/* What stands after the last "####" (Cobbe et al. 2021); false: there is none. */
bool ch_answer_marked(ch_text *out, ch_text answer);
bool ch_answer_last_number(ch_text *out, ch_text answer);

/* ---- Intervals ----------------------------------------------------------------------------- */

/* Wilson's 95 % interval for a share of `right` among n. */
void ch_wilson(double *low, double *high, uint64_t right, uint64_t n);

/* Of the mean of k shares, which have intervals of their own. */
void ch_mean_interval(ch_interval *out, const ch_interval *share, int k);

/* What items gave: n rows of k numbers. */
typedef struct ch_stats {
    double *at; /* malloc'ed */
    size_t n;
    int k;
    int window; /* of a text: tokens that were seen at once; else 0 */
} ch_stats;
/* A score of the items pick[0..n), or of all as they stand (pick NULL: n is s->n). */
typedef double ch_score_of_fn(const ch_stats *s, const uint32_t *pick, size_t n);

enum { CH_DRAWS = 1000 };
/* draws[i]: the score of the i-th sample of items with replacement (Efron 1979), a function of
 * `seed`, the number of items and i alone; so two models' draws over the same items are paired. */
int ch_bootstrap(double draws[CH_DRAWS], const ch_stats *s, ch_score_of_fn *score, uint64_t seed,
                 ch_err *e);
/* The middle 95 % of the draws (which are left as they stand); NAN where they are all the same, as
 * those of one item are: nothing is known of other items then. */
void ch_draws_interval(double *low, double *high, const double draws[CH_DRAWS]);

#endif
