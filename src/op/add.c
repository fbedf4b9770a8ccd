/* add.c - y = a + b;  da += dy, db += dy
 *
 * All (T, D).  Without a tape y is a.  SPDX-License-Identifier: MIT */
#include "op.h"

typedef struct add {
    const ch_kernels *kernels;
    const ch_tensor *a, *b;
    ch_tensor *y;
} add;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const add *s = arg;
    for (int64_t t = row0; t < row1; t++)
        s->kernels->add(ch_tensor_row(s->y, t), ch_tensor_row(s->a, t), ch_tensor_row(s->b, t),
                        (int)ch_tensor_width(s->y));
}

static void backward(ch_run *r, void *record)
{
    const add *s = record;
    if (!ch_op_reached(s->y))
        return;
    ch_op_gradient_add(r, s->a, s->y->grad);
    ch_op_gradient_add(r, s->b, s->y->grad);
}

ch_tensor *ch_op_add(ch_run *r, ch_tensor *a, const ch_tensor *b)
{
    const ch_op_timer t = ch_op_begin(r);
    add s = {r->kernels, a, b,
             r->tape ? ch_op_output(r, ch_tensor_rows(a), ch_tensor_width(a)) : a};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a), (double)ch_tensor_width(a), forward, &s);
    add *record = ch_op_record(r, CH_OP_add, sizeof s, backward);
    if (record)
        *record = s;
    ch_op_end(r, t, CH_OP_add, 0, 0);
    return s.y;
}
