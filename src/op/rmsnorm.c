/* rmsnorm.c - root mean square normalisation (Zhang & Sennrich 2019), of whole rows or of each
 * head
 *
 *     y_i = x_i s g_i,   s = 1/sqrt(mean_j x_j^2 + eps)                over groups of n columns
 *     dx_i = s (g_i dy_i - x_i s^2 mean_j(g_j dy_j x_j)),   dg_i += sum over groups of dy_i x_i s
 *
 * x, y (T, G n); gain (n) or none.  SPDX-License-Identifier: MIT */
#include "op.h"

#include <string.h>

enum { PARTS = 32 }; /* of the rows, each with a sum of its own for the gain's gradient */

typedef struct norm {
    const ch_kernels *kernels;
    const ch_tensor *x;
    ch_tensor *y;
    const ch_weight *gain;
    real *scale; /* s per row and group; NULL without a tape */
    int n;       /* width of a group */
    int groups;  /* in a row */
    real eps;
    real *dx, *parts; /* of backward; parts (PARTS, n), NULL where the gain takes no gradient */
    bool add;
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

static void backward_part(void *arg, int part, int thread)
{
    (void)thread;
    const norm *a = arg;
    const int64_t T = ch_tensor_rows(a->x), size = (T + PARTS - 1) / PARTS;
    real *sum = a->parts ? a->parts + (ptrdiff_t)part * a->n : NULL;
    if (sum)
        memset(sum, 0, (size_t)a->n * sizeof *sum);
    for (int64_t t = part * size; t < CH_MIN((part + 1) * size, T); t++)
        for (int g = 0; g < a->groups; g++) {
            const int64_t at = (t * a->groups + g) * a->n;
            a->kernels->rmsnorm_grad(a->dx ? a->dx + at : NULL, sum,
                                     ch_tensor_row(a->x, t) + g * a->n, gain_of(a),
                                     a->y->grad + at, a->scale[t * a->groups + g], a->n, a->add);
        }
}

static void backward(ch_run *r, void *record)
{
    norm *a = record;
    if (!ch_op_reached(a->y))
        return;
    real *dg = a->gain ? a->gain->stored.grad : NULL;
    a->dx = ch_op_gradient(a->x, &a->add);
    a->parts = NULL;
    if (dg)
        a->parts =
            ch_arena_take(r->scratch, ch_size_mul((size_t)a->n, PARTS * sizeof *a->parts));
    if (!ch_op_computes(r))
        return;
    ch_pool_run(r->pool, backward_part, a, PARTS);
    for (int p = 0; dg && p < PARTS; p++)
        a->kernels->add(dg, dg, a->parts + (ptrdiff_t)p * a->n, a->n);
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
