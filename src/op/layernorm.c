/* layernorm.c - layer normalisation (Ba et al. 2016)
 *
 *     h_i = (x_i - mean) s,  s = 1/sqrt(var + eps);   y_i = h_i g_i + b_i
 *     dx_i = s (u_i - mean_j u_j - h_i mean_j(u_j h_j)),  u = g dy
 *     dg += sum_t dy_t h_t,  db += sum_t dy_t
 *
 * x, y (T, D); gain (D); bias (D) or none.  SPDX-License-Identifier: MIT */
#include "op.h"

enum { COLUMNS = 16 }; /* that a task of the column sums counts as one row */

typedef struct norm {
    const ch_kernels *kernels;
    const ch_tensor *x;
    ch_tensor *y;
    const ch_weight *gain, *bias;
    real (*stats)[2]; /* mean and s per row; NULL without a tape */
    int n;
    real eps;
} norm;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const norm *a = arg;
    const real *bias = a->bias ? a->bias->stored.data : NULL;
    real unused[2];
    for (int64_t t = row0; t < row1; t++)
        a->kernels->layernorm(ch_tensor_row(a->y, t), ch_tensor_row(a->x, t), a->gain->stored.data,
                              bias, a->n, a->eps, a->stats ? a->stats[t] : unused);
}

static void backward_row(real *dx, const real *x, const real *dy, const real *gain,
                         const real stats[2], int n)
{
    const real mean = stats[0], s = stats[1];
    real u_part[8] = {0}, uh_part[8] = {0}, u_sum = 0, uh_sum = 0;
    for (int i = 0; i < n; i++) {
        const real u = gain[i] * dy[i];
        u_part[i % 8] += u;
        uh_part[i % 8] += u * (x[i] - mean) * s;
    }
    for (int l = 0; l < 8; l++) {
        u_sum += u_part[l];
        uh_sum += uh_part[l];
    }
    const real u_mean = u_sum / (real)n, uh_mean = uh_sum / (real)n;
    for (int i = 0; i < n; i++)
        dx[i] += s * (gain[i] * dy[i] - u_mean - (x[i] - mean) * s * uh_mean);
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const norm *a = arg;
    for (int64_t t = row0; t < row1; t++)
        backward_row(a->x->grad + t * a->n, ch_tensor_row(a->x, t), a->y->grad + t * a->n,
                     a->gain->stored.data, a->stats[t], a->n);
}

static void backward_columns(void *arg, int64_t block0, int64_t block1)
{
    const norm *a = arg;
    real *dg = a->gain->stored.grad, *db = a->bias ? a->bias->stored.grad : NULL;
    const int64_t i0 = block0 * COLUMNS, i1 = CH_MIN(block1 * COLUMNS, a->n);
    for (int64_t t = 0; t < ch_tensor_rows(a->y); t++) {
        const real *x = ch_tensor_row(a->x, t), *dy = a->y->grad + t * a->n;
        for (int64_t i = i0; dg && i < i1; i++)
            dg[i] += dy[i] * (x[i] - a->stats[t][0]) * a->stats[t][1];
        for (int64_t i = i0; db && i < i1; i++)
            db[i] += dy[i];
    }
}

static void backward(ch_run *r, void *record)
{
    norm *a = record;
    if (!ch_op_reached(a->y))
        return;
    ch_op_gradient_zeroed(r, a->x);
    if (!ch_op_computes(r))
        return;
    const int64_t T = ch_tensor_rows(a->x);
    if (a->x->grad)
        ch_op_for_rows(r, T, 10.0 * a->n, backward_rows, a);
    if (a->gain->stored.grad || (a->bias && a->bias->stored.grad))
        ch_op_for_rows(r, (a->n + COLUMNS - 1) / COLUMNS, 4.0 * (double)T * COLUMNS,
                       backward_columns, a);
}

ch_tensor *ch_op_layernorm(ch_run *r, const ch_tensor *x, const ch_weight *gain,
                           const ch_weight *bias, real eps)
{
    const ch_op_timer t = ch_op_begin(r);
    const int64_t T = ch_tensor_rows(x), D = ch_tensor_width(x);
    norm a = {.kernels = r->kernels,
              .x = x,
              .y = ch_op_output(r, T, D),
              .gain = gain,
              .bias = bias,
              .n = (int)D,
              .eps = eps};
    norm *record = ch_op_record(r, CH_OP_layernorm, sizeof a, backward);
    if (record) {
        a.stats = ch_arena_take(r->scratch, ch_size_mul((size_t)T, sizeof *a.stats));
        *record = a;
    }
    if (ch_op_computes(r))
        ch_op_for_rows(r, T, 4 * (double)D, forward, &a);
    ch_op_end(r, t, CH_OP_layernorm, 0, 0);
    return a.y;
}
