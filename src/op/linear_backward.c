/* linear_backward.c - the gradient of a linear map
 *
 *     dx (T, K) += dy (T, N) w (N, K)          panels of w^T, sums over n
 *     dw (N, K) += dy^T (N, T) x (T, K)        panels of x^T, rows of dy^T, sums over t
 *     dbias (N) += sum_t dy_t
 *
 * Cost: T N K multiply-adds for each product, on the same kernel as forward, plus the copies that
 * bring the summed index innermost.  Every sum runs in an order fixed by the shape.
 * SPDX-License-Identifier: MIT */
#include "linear.h"

enum { COLUMNS = 16 }; /* that a task of a column-wise sum counts as one row */

typedef struct decoding {
    const ch_tensor *from;
    real *to;
} decoding;

static void decode(void *arg, int64_t row0, int64_t row1)
{
    const decoding *d = arg;
    const int64_t width = ch_tensor_width(d->from);
    ch_tensor_read(d->to + row0 * width, d->from, row0 * width, (row1 - row0) * width);
}

/* A frozen quantized weight as reals, in scratch. */
static const real *as_reals(ch_run *r, const ch_tensor *t)
{
    if (t->dtype == CH_REAL)
        return t->data;
    decoding d = {
        t, ch_arena_take(r->scratch, ch_size_mul((size_t)ch_tensor_count(t), sizeof(real)))};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(t), 4 * (double)ch_tensor_width(t), decode, &d);
    return d.to;
}

const void *ch_op_linear_transpose(ch_run *r, const ch_weight *w)
{
    const int N = (int)ch_weight_rows(w), K = (int)ch_weight_width(w);
    return ch_op_product_pack(r, as_reals(r, &w->stored), 1, K, K, N);
}

const void *ch_op_linear_rows_transpose(ch_run *r, const ch_tensor *x)
{
    return ch_op_product_pack(r, x->data, 1, x->stride[0], (int)ch_tensor_width(x),
                              (int)ch_tensor_rows(x));
}

typedef struct columns {
    const real *dy;
    real *out;
    int T, N;
} columns;

/* out (N, T) = dy^T, a block of columns of dy. */
static void transpose(void *arg, int64_t block0, int64_t block1)
{
    const columns *c = arg;
    for (int64_t n0 = block0 * COLUMNS; n0 < CH_MIN(block1 * COLUMNS, c->N); n0 += COLUMNS)
        for (int64_t t = 0; t < c->T; t++)
            for (int64_t n = n0; n < CH_MIN(n0 + COLUMNS, c->N); n++)
                c->out[n * c->T + t] = c->dy[t * c->N + n];
}

static void add_rows(void *arg, int64_t block0, int64_t block1)
{
    const columns *c = arg;
    for (int64_t t = 0; t < c->T; t++)
        for (int64_t n = block0 * COLUMNS; n < CH_MIN(block1 * COLUMNS, c->N); n++)
            c->out[n] += c->dy[t * c->N + n];
}

static void by_columns(const ch_run *r, columns c, ch_rows_task *fn)
{
    ch_op_for_rows(r, (c.N + COLUMNS - 1) / COLUMNS, (double)c.T * COLUMNS, fn, &c);
}

void ch_op_linear_gradient(ch_run *r, const ch_weight *w, const ch_tensor *x, const real *dy,
                           const void *wt, const void *xt)
{
    const int T = (int)ch_tensor_rows(x), N = (int)ch_weight_rows(w), K = (int)ch_weight_width(w);
    const ptrdiff_t size = (ptrdiff_t)sizeof(real);
    ch_product p[2];
    int n = 0;
    if (x->grad)
        p[n++] = (ch_product){.y = x->grad,
                              .ldy = K,
                              .x = dy,
                              .ldx = N * size,
                              .panels = wt,
                              .kind = CH_PANEL_F32,
                              .M = T,
                              .N = K,
                              .K = N,
                              .slice = CH_SLICE,
                              .flags = CH_GEMM_ADD};
    if (w->stored.grad) {
        real *dyt = ch_arena_take(r->scratch,
                                  ch_size_mul(ch_size_mul((size_t)T, (size_t)N), sizeof(real)));
        p[n++] = (ch_product){.y = w->stored.grad,
                              .ldy = K,
                              .x = dyt,
                              .ldx = T * size,
                              .panels = xt,
                              .kind = CH_PANEL_F32,
                              .M = N,
                              .N = K,
                              .K = T,
                              .slice = CH_SLICE,
                              .flags = CH_GEMM_ADD};
        if (ch_op_computes(r))
            by_columns(r, (columns){dy, dyt, T, N}, transpose);
    }
    if (!ch_op_computes(r))
        return;
    if (w->bias && w->bias->stored.grad)
        by_columns(r, (columns){dy, w->bias->stored.grad, T, N}, add_rows);
    ch_op_products(r, p, n);
    ch_op_count(r, CH_OP_linear, (double)n * T * N * K, 0);
}
