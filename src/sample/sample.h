/* sample.h - from logits to the next token
 *
 * A chain of samplers (samplers.def, in that order) narrows and reshapes a list of candidates; then
 * one draw picks from it.  The draw is a function of (seed, sample, position), so a drafted token
 * is right if and only if it equals the draw.  Samplers know no models: they see logits, the tokens
 * so far, and their own parameters.
 * SPDX-License-Identifier: MIT */
#ifndef CH_SAMPLE_H
#define CH_SAMPLE_H

#include "base.h"

/* The public ch_sampling (chalcis.h) has one field per line of samplers.def, and the seed. */

typedef struct ch_candidate {
    ch_token id;
    float logit;
    float p; /* valid after ch_candidates_softmax */
} ch_candidate;

typedef struct ch_candidates {
    ch_candidate *at; /* n of them; memory for the whole vocabulary */
    int n;
    bool sorted; /* by descending logit, ties by ascending id */
} ch_candidates;

/* What a sampler may look at.  Several sequences may be seen at once (contrastive decoding,
 * guidance, voting paths): logits[i] are the V logits of sequence i at this position; the one being
 * continued is `self`. */
typedef struct ch_sample_view {
    const float *const *logits;
    int n_sequences, self;
    int vocab;
    const ch_token *tokens; /* of the sequence being continued */
    int n_tokens;
} ch_sample_view;

typedef void ch_sampler_fn(ch_candidates *c, double value, const ch_sample_view *v);

typedef struct ch_sampler_info {
    const char *name; /* "top_k" */
    double or, least, most;
    const char *help;
    size_t field; /* offset of its double in ch_sampling */
    ch_sampler_fn *fn;
} ch_sampler_info;
extern const ch_sampler_info ch_samplers[]; /* ends with name == NULL */

#define SAMPLER(name, or, least, most, help) ch_sampler_fn ch_sample_##name;
#include "samplers.def"
#undef SAMPLER

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

/* Within the limits of samplers.def, else CH_EARG with name, value and limits. */
int ch_sampling_check(const ch_sampling *s, ch_err *e);

/* A custom step, after the chain of samplers.def and before the draw.  It may change logits, drop
 * and reorder candidates; with temperature 0 the best of what it leaves is taken. */
typedef struct ch_own_sampler {
    void (*apply)(void *arg, ch_candidates *c, const ch_sample_view *v);
    void *arg;
} ch_own_sampler;

/* The token drawn at `position` for `sample` (parallel answers to one prompt differ by it).  work:
 * memory for vocab candidates.  Ties and NaN: a NaN logit is never drawn; if nothing is left the
 * best finite logit is (without one the lowest id that is not NaN, or 0). */
ch_token ch_sample_draw(ch_candidate *work, const ch_sample_view *v, const ch_sampling *s,
                        const ch_own_sampler *own, uint32_t sample, uint64_t position);

#endif
