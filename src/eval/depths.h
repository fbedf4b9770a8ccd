/* depths.h - what a model answers when each token takes a number of steps of its own
 *
 * A text is cut into windows, each a document; its rows are numbered through.  Nothing is cached:
 * a window goes through the layers at once.  SPDX-License-Identifier: MIT */
#ifndef CH_DEPTHS_H
#define CH_DEPTHS_H

#include "windows.h"

typedef struct ch_depths {
    const ch_model *model;
    ch_pool *pool;
    ch_kernels kernels;
    ch_arena scratch;
    ch_token *id, *target; /* -1: nothing is scored there, as in a window's last row */
    int32_t *pos, *first;
    int32_t *depth; /* of a window, twice */
    float *floats;  /* two rows of logits a thread */
    int64_t rows;
    int window;
} ch_depths;

/* The rows of all windows that are still to come, which must advance by what is new in each: a
 * stride of window - 1.  The pool is borrowed. */
int ch_depths_open(ch_depths *d, const ch_model *m, ch_pool *pool, ch_windows *w, ch_err *e);
void ch_depths_close(ch_depths *d);
/* -log p of what follows each row, 0 where nothing does, in nats; depth: steps of each row, NULL:
 * what the model itself decides.  Returns the seconds it took. */
double ch_depths_nll(ch_depths *d, const int32_t *depth, double *nll);
/* KL(p_N || p_k) of each row, in nats: all rows take N steps, and all take k. */
void ch_depths_divergence(ch_depths *d, int k, double *kl);
/* What a depth gate would be given: (rows, D). */
void ch_depths_inputs(ch_depths *d, real *h);

/* A gate's choice: the least k with exp(w_k h + b_k) < tolerance, or N; w (N - 1, D), b (N - 1). */
void ch_depths_by_gate(int32_t *depth, const real *h, int64_t rows, int D, const real *w,
                       const real *b, int N, double tolerance);
/* The same numbers of steps to other rows: the most to those of the largest key. */
int ch_depths_by_key(int32_t *depth, const int32_t *like, const double *key, int64_t rows,
                     ch_err *e);

#endif
