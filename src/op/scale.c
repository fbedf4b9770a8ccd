/* scale.c - y = factor x;  dx = factor dy
 *
 * x, y (T, D).  Without a tape y is x.  SPDX-License-Identifier: MIT */
#include "op.h"

typedef struct scale {
    const ch_kernels *kernels;
    const ch_tensor *x;
    ch_tensor *y;
    real factor;
    real *dx; /* of backward */
    bool add;
} scale;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const scale *a = arg;
    for (int64_t t = row0; t < row1; t++)
        a->kernels->scale(ch_tensor_row(a->y, t), ch_tensor_row(a->x, t),
                          (int)ch_tensor_width(a->x), a->factor);
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const scale *a = arg;
    const int64_t D = ch_tensor_width(a->x);
    for (int64_t t = row0; t < row1; t++) {
        real *dx = a->dx + t * D;
        const real *dy = a->y->grad + t * D;
        if (!a->add)
            a->kernels->scale(dx, dy, (int)D, a->factor);
        for (int64_t i = 0; a->add && i < D; i++)
            dx[i] += a->factor * dy[i];
    }
}

static void backward(ch_run *r, void *record)
{
    scale *a = record;
    if (!ch_op_reached(a->y))
        return;
    a->dx = ch_op_gradient(a->x, &a->add);
    if (a->dx && ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a->x), (double)ch_tensor_width(a->x), backward_rows, a);
}

ch_tensor *ch_op_scale(ch_run *r, ch_tensor *x, real factor)
{
    const ch_op_timer t = ch_op_begin(r);
    scale a = {.kernels = r->kernels,
               .x = x,
               .y = r->tape ? ch_op_output(r, ch_tensor_rows(x), ch_tensor_width(x)) : x,
               .factor = factor};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(x), (double)ch_tensor_width(x), forward, &a);
    scale *record = ch_op_record(r, CH_OP_scale, sizeof a, backward);
    if (record)
        *record = a;
    ch_op_end(r, t, CH_OP_scale, 0, 0);
    return a.y;
}
