/* observe.h - what the steps of a model's own layers are, for the tokens of a text
 *
 * A published INL model has an alpha, beta and gate of its own for each (layer, token, step,
 * channel); blocks that integrate with inertia have an alpha and a p, which is their beta (but of
 * anchor here p draws x to no place, and they are refused).  They are what the forward pass used,
 * not computed again (model.h: ch_step.watch).
 * SPDX-License-Identifier: MIT */
#ifndef CH_OBSERVE_H
#define CH_OBSERVE_H

#include "analyze.h"
#include "model.h"

typedef enum ch_observable {
    CH_SEEN_ALPHA,
    CH_SEEN_BETA,
    CH_SEEN_GATE,
    CH_SEEN_GAIN, /* of the force, in blocks that have one */
    CH_SEEN_P,
    CH_SEEN_RHO,
    CH_SEEN
} ch_observable;

/* A pair is a (token, channel).  All of them are counted; of so many that they would not fit, a
 * sample is kept. */
typedef struct ch_observed_layer {
    int steps;              /* that it takes at most */
    ch_tally tally;         /* every step of every pair */
    uint64_t pairs, inside; /* and those whose steps are all stable */
    uint64_t bounded;       /* of which theorem D says that they stay within a bound, */
    double growth;          /* the largest one: |e_n| / |e_0| for an x* that rests */
    size_t n, n_pairs;      /* that are kept: steps, pairs */
    float *seen[CH_SEEN];   /* (n) */
    float *predicted;       /* (n_pairs) ln tolerance / mean of ln rho */
    float *needed;          /* steps after which |x - x*| is within tolerance; INFINITY: more */
    double *distance; /* (tokens, steps + 1): |x_k - x*| over the channels; NaN: no such step */
} ch_observed_layer;

typedef struct ch_observed {
    int layers, tokens;
    double tolerance;    /* of needed and predicted: a share of the first distance */
    bool gates;          /* a published model: beta and gate beside p; x* rests */
    bool closed;         /* all steps at once: one alpha and p for them */
    ch_observed_layer *layer;
    float *memory;       /* what is kept lies here, and */
    float *room;         /* where quantiles are sorted out */
} ch_observed;

/* One pass over the tokens, as one document. */
int ch_analyze_observe(ch_observed *o, const ch_model *m, const ch_token *id, int n,
                       double tolerance, ch_pool *pool, ch_err *e);
void ch_analyze_observed_close(ch_observed *o);

/* The q-th shares, n_q of them, of those of x (n: of what is kept, or o->tokens) that are numbers;
 * NaN: there are none. */
void ch_analyze_quantiles(double *out, const double *q, int n_q, const ch_observed *o,
                          const float *x, size_t n);
/* Of layer l, by token: |x_k - x*| / |x_0 - x*|, into out (tokens); returns how many have both. */
size_t ch_analyze_shares_left(float *out, const ch_observed *o, int l, int k);

/* Drawings (plot_observed.c): the steps over the map of regions, quantiles by layer, and how far
 * each token comes. */
int ch_analyze_plot_observed(bool *drawn, const ch_observed *o, const char *path, ch_err *e);
int ch_analyze_plot_layers(bool *drawn, const ch_observed *o, const char *path, ch_err *e);
int ch_analyze_plot_tokens(bool *drawn, const ch_observed *o, const char *path, ch_err *e);

#endif
