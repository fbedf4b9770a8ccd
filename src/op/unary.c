/* unary.c - y_i = f(x_i) by rows, and its gradient (unary.h)
 *
 * SPDX-License-Identifier: MIT */
#include "unary.h"

enum { ROW_COST = 8 }; /* of one element */

typedef struct unary {
    const ch_tensor *x;
    ch_tensor *y;
    ch_unary_fn *f;
    ch_unary_grad_fn *gradient;
    real *dx; /* of backward */
    bool add;
} unary;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const unary *a = arg;
    for (int64_t t = row0; t < row1; t++)
        a->f(ch_tensor_row(a->y, t), ch_tensor_row(a->x, t), (int)ch_tensor_width(a->x));
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const unary *a = arg;
    const int64_t n = ch_tensor_width(a->x);
    for (int64_t t = row0; t < row1; t++)
        a->gradient(a->dx + t * n, ch_tensor_row(a->x, t), a->y->grad + t * n, (int)n, a->add);
}

static void backward(ch_run *r, void *record)
{
    unary *a = record;
    if (!ch_op_reached(a->y))
        return;
    a->dx = ch_op_gradient(a->x, &a->add);
    if (a->dx && ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a->x), 2 * ROW_COST * (double)ch_tensor_width(a->x),
                       backward_rows, record);
}

ch_tensor *ch_op_unary(ch_run *r, const ch_tensor *x, ch_op_id op, ch_unary_fn *f,
                       ch_unary_grad_fn *gradient)
{
    const ch_op_timer t = ch_op_begin(r);
    unary a = {.x = x,
               .y = ch_op_output(r, ch_tensor_rows(x), ch_tensor_width(x)),
               .f = f,
               .gradient = gradient};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(x), ROW_COST * (double)ch_tensor_width(x), forward, &a);
    unary *record = ch_op_record(r, op, sizeof a, backward);
    if (record)
        *record = a;
    ch_op_end(r, t, op, 0, 0);
    return a.y;
}
