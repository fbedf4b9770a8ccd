/* sample.h - from logits to the next token
 *
 * A list of candidates is biased, then narrowed and reshaped by a chain of samplers (samplers.def)
 * in the user's order; then one draw picks from it.  All of it is a function of logits, the tokens
 * before, the sampling and (seed, sample, position), so a drafted token is right if and only if it
 * equals the draw.  Samplers know no models: they see logits, the tokens so far, and parameters.
 * SPDX-License-Identifier: MIT */
#ifndef CH_SAMPLE_H
#define CH_SAMPLE_H

#include "base.h"

/* The public ch_sampling (chalcis.h) has one field per PARAM of samplers.def. */

typedef struct ch_candidate {
    ch_token id;
    float logit;
    float p; /* valid after ch_candidates_softmax; between samplers anyone's to write */
} ch_candidate;

typedef struct ch_candidates {
    ch_candidate *at; /* n of them; memory for the whole vocabulary */
    int n;
    bool sorted; /* by descending logit, ties by ascending id */
    double less; /* what samplers took from all logits alike: for those that mind the sign */
} ch_candidates;

/* What a sampler may look at.  Several sequences may be seen at once (contrastive decoding,
 * guidance, voting paths): logits[i] are the V logits of sequence i at this position; the one being
 * continued is `self`. */
typedef struct ch_sample_view {
    const float *const *logits;
    int n_sequences, self;
    int vocab;
    const ch_token *tokens; /* of the sequence being continued; below 0: a vector */
    int n_tokens;
    uint32_t sample; /* this and the position are filled by ch_sample_draw */
    uint64_t position;
} ch_sample_view;

typedef void ch_sampler_fn(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v);

typedef struct ch_sampler_info {
    const char *name, *also; /* "typical_p", "typ_p"; also may be "" */
    bool keeps_best; /* with temperature 0 it makes no difference, where all do so */
    ch_sampler_fn *fn;
} ch_sampler_info;

typedef struct ch_sampling_param {
    const char *name; /* "top_k" */
    double or, least, most;
    const char *help;
    size_t field; /* offset of its double in ch_sampling */
} ch_sampling_param;

extern const ch_sampler_info ch_samplers[];          /* both end with name == NULL */
extern const ch_sampling_param ch_sampling_params[];

#define PARAM(name, or, least, most, help)
#define SAMPLER(name, also, on, keeps_best) ch_sampler_fn ch_sample_##name;
#include "samplers.def"
#undef SAMPLER
#define SAMPLER(name, also, on, keeps_best) CH_SAMPLER_##name,
enum {
#include "samplers.def"
    CH_SAMPLERS
};
#undef SAMPLER
#undef PARAM

double ch_sampling_value(const ch_sampling *s, const ch_sampling_param *p);
/* The samplers to apply, as indices of ch_samplers; returns how many. */
int ch_sampling_steps(unsigned char out[CH_SAMPLERS], const ch_sampling *s);
/* Does sampler i do anything with these parameters? */
bool ch_sampling_is_on(const ch_sampling *s, int i);
/* Numbers within the limits of samplers.def, ids within the vocabulary, an order without
 * repetition: else CH_EARG with name, value and limits. */
int ch_sampling_check(const ch_sampling *s, int vocab, ch_err *e);

/* All ids whose logit is no NaN, ascending.  first > 0: at least those above -inf that can be among
 * the best `first`. */
void ch_candidates_fill(ch_candidates *c, const float *logits, int vocab, int first);
/* At least the best `first` in order at the front; all: n. */
void ch_candidates_sort(ch_candidates *c, int first);
/* The best `front` are in order at the front: puts at least as many more behind them, where there
 * are; returns how many are in order now. */
int ch_candidates_more(ch_candidates *c, int front);
/* Sets p; order of sums: as the candidates stand.  -inf gets 0, and so do all where nothing is more
 * than -inf; where +inf occurs, it shares everything. */
void ch_candidates_softmax(ch_candidates *c);
/* NaN and -inf aside; ties to the lowest id; -1: none. */
ch_token ch_candidates_best(const ch_candidates *c);
/* The best logit; -inf: none. */
float ch_candidates_most(const ch_candidates *c);
/* -sum p ln p of what ch_candidates_softmax left. */
double ch_candidates_entropy(const ch_candidates *c);
/* Puts the candidates in order of ids, which ch_candidates_find wants, with p 0. */
void ch_candidates_by_id(ch_candidates *c);
ch_candidate *ch_candidates_find(const ch_candidates *c, ch_token id); /* NULL: it is not there */

/* The biases of s, and the tokens that it never draws: those get -inf.  c is in order of ids. */
void ch_sample_bias(ch_candidates *c, const ch_sampling *s, uint64_t position);

/* log sum exp(logits), in double, in order of ids; NaN if one is NaN, or the best is infinite. */
double ch_sample_log_sum(const float *logits, int vocab);
/* Of `id`, and of the likeliest n_top (likeliest first, id -1 behind the last).  work: memory for
 * vocab candidates. */
void ch_sample_log_probs(ch_log_prob *own, ch_log_prob *top, int n_top, ch_candidate *work,
                         const float *logits, int vocab, ch_token id);

/* A custom step, after the chain of samplers.def and before the draw.  It may change logits, drop
 * and reorder candidates; with temperature 0 the best of what it leaves is taken. */
typedef struct ch_own_sampler {
    void (*apply)(void *arg, ch_candidates *c, const ch_sample_view *v);
    void *arg;
} ch_own_sampler;

/* The token drawn at `position` for `sample` (parallel answers to one prompt differ by it).  work:
 * memory for vocab candidates.  Ties and NaN: a NaN logit is never drawn; if nothing is left the
 * best finite logit that may be drawn is (without one the lowest such id that is not NaN, or the
 * lowest).  -1: no token may be drawn. */
ch_token ch_sample_draw(ch_candidate *work, const ch_sample_view *v, const ch_sampling *s,
                        const ch_own_sampler *own, uint32_t sample, uint64_t position);

#endif
