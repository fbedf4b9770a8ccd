/* linear.h - the parts of a linear map: its gradient, and low-rank adapters
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_LINEAR_H
#define CH_LINEAR_H

#include "product.h"

/* Panels in scratch of w^T (K, N), for dx = dy w; w of any stored format. */
const void *ch_op_linear_transpose(ch_run *r, const ch_weight *w);
/* Panels in scratch of x^T (K, T), for dw = dy^T x. */
const void *ch_op_linear_rows_transpose(ch_run *r, const ch_tensor *x);

/* x->grad (+)= dy w, w's grad += dy^T x, its bias' grad += sum_t dy_t, each where it is wanted.
 * dy: contiguous (T, N).  wt: ch_op_linear_transpose, or NULL if x has no grad; xt likewise, or
 * NULL if w has none. */
void ch_op_linear_gradient(ch_run *r, const ch_weight *w, const ch_tensor *x, const real *dy,
                           const void *wt, const void *xt);

/* What adapter j of the run does to w, or NULL. */
static inline const ch_low_rank *ch_op_low_rank(const ch_run *r, int j, const ch_weight *w)
{
    const ch_adapter *a = r->adapters->at[j];
    return w->number < a->n && a->at[w->number].a ? &a->at[w->number] : NULL;
}
/* Whether an adapter may apply; by shape alone, so that a measuring run answers the same. */
bool ch_op_adapter_applies(const ch_run *r, const ch_weight *w, const ch_rows *rows);
/* y += scale B (A x) for the rows that choose an adapter of w.  h: from ch_op_adapter_hidden, room
 * for scale A x, which backward is given as forward leaves it. */
real *ch_op_adapter_hidden(ch_run *r, const ch_tensor *x, const ch_weight *w);
void ch_op_adapter_forward(ch_run *r, ch_tensor *y, const ch_tensor *x, const ch_weight *w,
                           const int32_t *chosen, ch_encoded *e, real *h);
void ch_op_adapter_backward(ch_run *r, const ch_tensor *y, const ch_tensor *x, const ch_weight *w,
                            const int32_t *chosen, real *h);

#endif
