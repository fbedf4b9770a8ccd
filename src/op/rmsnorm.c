/* rmsnorm.c - root mean square normalisation (Zhang & Sennrich 2019), of whole rows or of each
 * head
 *
 *     y_i = x_i s g_i,   s = 1/sqrt(mean_j x_j^2 + eps)                over groups of n columns
 *     dx_i = s (g_i dy_i - x_i s^2 mean_j(g_j dy_j x_j)),   dg_i += sum over groups of dy_i x_i s
 *
 * x, y (T, G n); gain (n) or none.  SPDX-License-Identifier: MIT */
#include "product.h"

enum { COLUMNS = 16 }; /* that a task of the gain's gradient counts as one row */

typedef struct norm {
    const ch_kernels *kernels;
    const ch_tensor *x;
    ch_tensor *y;
    const ch_weight *gain;
    real *scale; /* s per row and group; NULL without a tape */
    int n;       /* width of a group */
    int groups;  /* in a row */
    real eps;
} norm;

static const real *gain_of(const norm *a)
{
    return a->gain ? a->gain->stored.data : NULL;
}

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const norm *a = arg;
    const real *gain = gain_of(a);
    for (int64_t t = row0; t < row1; t++)
        for (int g = 0; g < a->groups; g++) {
            const real s =
                a->kernels->rmsnorm(ch_tensor_row(a->y, t) + g * a->n,
                                    ch_tensor_row(a->x, t) + g * a->n, gain, a->n, a->eps);
            if (a->scale)
                a->scale[t * a->groups + g] = s;
        }
}

/* sum_i g_i dy_i x_i, in the order of ch_op_dot. */
static real gained_dot(const real *gain, const real *dy, const real *x, int n)
{
    real part[16] = {0}, sum = 0;
    int i = 0;
    for (; i + 16 <= n; i += 16)
        for (int l = 0; l < 16; l++)
            part[l] += gain[i + l] * dy[i + l] * x[i + l];
    for (; i < n; i++)
        part[i % 16] += gain[i] * dy[i] * x[i];
    for (int l = 0; l < 16; l++)
        sum += part[l];
    return sum;
}

static void backward_group(real *dx, const real *x, const real *dy, const real *gain, real s,
                           int n)
{
    const real dot = gain ? gained_dot(gain, dy, x, n) : ch_op_dot(dy, x, n);
    const real back = s * s * s * dot / (real)n;
    for (int i = 0; i < n; i++)
        dx[i] += s * (gain ? gain[i] : 1) * dy[i] - x[i] * back;
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const norm *a = arg;
    for (int64_t t = row0; t < row1; t++)
        for (int g = 0; g < a->groups; g++) {
            const int64_t at = (t * a->groups + g) * a->n;
            backward_group(a->x->grad + at, ch_tensor_row(a->x, t) + g * a->n, a->y->grad + at,
                           gain_of(a), a->scale[t * a->groups + g], a->n);
        }
}

static void backward_gain(void *arg, int64_t block0, int64_t block1)
{
    const norm *a = arg;
    real *d = a->gain->stored.grad;
    for (int64_t t = 0; t < ch_tensor_rows(a->y); t++)
        for (int g = 0; g < a->groups; g++) {
            const real *x = ch_tensor_row(a->x, t) + g * a->n, s = a->scale[t * a->groups + g];
            const real *dy = a->y->grad + (t * a->groups + g) * a->n;
            for (int64_t i = block0 * COLUMNS; i < CH_MIN(block1 * COLUMNS, a->n); i++)
                d[i] += dy[i] * x[i] * s;
        }
}

static void backward(ch_run *r, void *record)
{
    norm *a = record;
    if (!ch_op_computes(r))
        return;
    const double row_cost = 6 * (double)ch_tensor_width(a->x);
    const int64_t T = ch_tensor_rows(a->x);
    if (a->x->grad)
        ch_op_for_rows(r, T, row_cost, backward_rows, a);
    if (a->gain && a->gain->stored.grad)
        ch_op_for_rows(r, (a->n + COLUMNS - 1) / COLUMNS, 3.0 * (double)T * a->groups * COLUMNS,
                       backward_gain, a);
}

ch_tensor *ch_op_rmsnorm(ch_run *r, const ch_tensor *x, const ch_weight *gain, int width, real eps)
{
    const ch_op_timer t = ch_op_begin(r);
    const int64_t T = ch_tensor_rows(x), W = ch_tensor_width(x);
    const int n = width ? width : (int)W;
    norm a = {.kernels = r->kernels,
              .x = x,
              .y = ch_op_output(r, T, W),
              .gain = gain,
              .n = n,
              .groups = (int)(W / n),
              .eps = eps};
    norm *record = ch_op_record(r, CH_OP_rmsnorm, sizeof a, backward);
    if (record) {
        a.scale =
            ch_arena_take(r->scratch, ch_size_mul((size_t)T, (size_t)a.groups * sizeof(real)));
        *record = a;
    }
    if (ch_op_computes(r))
        ch_op_for_rows(r, T, 2 * (double)W, forward, &a);
    ch_op_end(r, t, CH_OP_rmsnorm, 0, 0);
    return a.y;
}
