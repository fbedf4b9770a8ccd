/* softcap.c - y = cap tanh(x / cap);  dx = dy (1 - (y / cap)^2)
 *
 * Gemma Team 2024, "Gemma 2".  x, y (T, D).  Without a tape y is x.
 * SPDX-License-Identifier: MIT */
#include "op.h"

enum { COST = 8 }; /* of one element */

typedef struct softcap {
    const ch_kernels *kernels;
    const ch_tensor *x;
    ch_tensor *y;
    real cap;
    real *dx; /* of backward */
    bool add;
} softcap;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const softcap *a = arg;
    for (int64_t t = row0; t < row1; t++)
        a->kernels->softcap(ch_tensor_row(a->y, t), ch_tensor_row(a->x, t),
                            (int)ch_tensor_width(a->x), 1 / a->cap, a->cap);
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const softcap *a = arg;
    const int64_t D = ch_tensor_width(a->x);
    const real inverse = 1 / a->cap;
    for (int64_t t = row0; t < row1; t++) {
        real *dx = a->dx + t * D;
        const real *dy = a->y->grad + t * D, *y = ch_tensor_row(a->y, t);
        for (int64_t i = 0; i < D; i++) {
            const real u = y[i] * inverse, d = dy[i] * (1 - u * u);
            dx[i] = a->add ? dx[i] + d : d;
        }
    }
}

static void backward(ch_run *r, void *record)
{
    softcap *a = record;
    if (!ch_op_reached(a->y))
        return;
    a->dx = ch_op_gradient(a->x, &a->add);
    if (a->dx && ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a->x), 2 * (double)ch_tensor_width(a->x), backward_rows,
                       a);
}

ch_tensor *ch_op_softcap(ch_run *r, ch_tensor *x, real cap)
{
    const ch_op_timer t = ch_op_begin(r);
    softcap a = {.kernels = r->kernels,
                 .x = x,
                 .y = r->tape ? ch_op_output(r, ch_tensor_rows(x), ch_tensor_width(x)) : x,
                 .cap = cap};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(x), COST * (double)ch_tensor_width(x), forward, &a);
    softcap *record = ch_op_record(r, CH_OP_softcap, sizeof a, backward);
    if (record)
        *record = a;
    ch_op_end(r, t, CH_OP_softcap, 0, 0);
    return a.y;
}
