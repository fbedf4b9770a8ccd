/* swiglu.c - gated unit (Shazeer 2020)
 *
 *     y = silu(a) b,  silu(a) = a s(a),  s(a) = 1/(1 + e^-a)           a: gate, b: up; all (T, F)
 *     da = dy b (s + silu(a) (1 - s)),   db = dy silu(a)
 *
 * SPDX-License-Identifier: MIT */
#include "op.h"

enum { COST = 8 }; /* of one element */

typedef struct swiglu {
    const ch_kernels *kernels;
    const ch_tensor *a, *b;
    ch_tensor *y;
    real *da, *db; /* of backward */
    int add;
} swiglu;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const swiglu *g = arg;
    for (int64_t t = row0; t < row1; t++)
        g->kernels->swiglu(ch_tensor_row(g->y, t), ch_tensor_row(g->a, t), ch_tensor_row(g->b, t),
                           (int)ch_tensor_width(g->y));
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const swiglu *g = arg;
    const int64_t F = ch_tensor_width(g->y);
    for (int64_t t = row0; t < row1; t++)
        g->kernels->swiglu_grad(g->da ? g->da + t * F : NULL, g->db ? g->db + t * F : NULL,
                                ch_tensor_row(g->a, t), ch_tensor_row(g->b, t),
                                g->y->grad + t * F, (int)F, g->add);
}

static void backward(ch_run *r, void *record)
{
    swiglu *g = record;
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

ch_tensor *ch_op_swiglu(ch_run *r, const ch_tensor *gate, const ch_tensor *up)
{
    const ch_op_timer t = ch_op_begin(r);
    swiglu g = {.kernels = r->kernels,
                .a = gate,
                .b = up,
                .y = ch_op_output(r, ch_tensor_rows(gate), ch_tensor_width(gate))};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(gate), COST * (double)ch_tensor_width(gate), forward, &g);
    swiglu *record = ch_op_record(r, CH_OP_swiglu, sizeof g, backward);
    if (record)
        *record = g;
    ch_op_end(r, t, CH_OP_swiglu, 0, 0);
    return g.y;
}
