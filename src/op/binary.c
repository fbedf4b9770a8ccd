/* binary.c - y_i = f(a_i) b_i by rows, and its gradients (binary.h)
 *
 * a and b may be one tensor.  SPDX-License-Identifier: MIT */
#include "binary.h"

enum { COST = 8 }; /* of one element */

typedef struct binary {
    const ch_tensor *a, *b;
    ch_tensor *y;
    real *da, *db; /* of backward */
    int add;
    ch_binary_fn *f;
    ch_binary_grad_fn *gradient;
} binary;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const binary *g = arg;
    for (int64_t t = row0; t < row1; t++)
        g->f(ch_tensor_row(g->y, t), ch_tensor_row(g->a, t), ch_tensor_row(g->b, t),
             (int)ch_tensor_width(g->y));
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const binary *g = arg;
    const int64_t F = ch_tensor_width(g->y);
    for (int64_t t = row0; t < row1; t++)
        g->gradient(g->da ? g->da + t * F : NULL, g->db ? g->db + t * F : NULL,
                    ch_tensor_row(g->a, t), ch_tensor_row(g->b, t), g->y->grad + t * F, (int)F,
                    g->add);
}

static void backward(ch_run *r, void *record)
{
    binary *g = record;
    bool add_a, add_b;
    if (!ch_op_reached(g->y))
        return;
    g->da = ch_op_gradient(g->a, &add_a);
    g->db = ch_op_gradient(g->b, &add_b);
    g->add = (add_a ? 1 : 0) | (add_b ? 2 : 0);
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(g->y), 2 * COST * (double)ch_tensor_width(g->y),
                       backward_rows, record);
}

ch_tensor *ch_op_binary(ch_run *r, ch_tensor *y, const ch_tensor *a, const ch_tensor *b,
                        ch_op_id op, ch_binary_fn *f, ch_binary_grad_fn *gradient)
{
    const ch_op_timer t = ch_op_begin(r);
    binary g = {.a = a,
                .b = b,
                .y = y ? y : ch_op_output(r, ch_tensor_rows(a), ch_tensor_width(a)),
                .f = f,
                .gradient = gradient};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a), COST * (double)ch_tensor_width(a), forward, &g);
    binary *record = ch_op_record(r, op, sizeof g, backward);
    if (record)
        *record = g;
    ch_op_end(r, t, op, 0, 0);
    return g.y;
}
