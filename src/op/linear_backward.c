/* linear_backward.c - the gradient of a linear map
 *
 *     dx (T, K) (+)= dy (T, N) w (N, K)        panels of w^T (I16: and of dy), sums over n
 *     dw (N, K) += dy^T (N, T) x (T, K)        panels of x^T, rows (I16: panels) of dy^T, sums
 *                                              over t
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
    const real *values = as_reals(r, &w->stored);
    return r->precision == CH_PRECISION_I16 ? ch_op_product_pack_i16(r, values, K, K, N, true)
                                            : ch_op_product_pack(r, values, 1, K, K, N);
}

const void *ch_op_linear_rows_transpose(ch_run *r, const ch_tensor *x)
{
    const int T = (int)ch_tensor_rows(x), K = (int)ch_tensor_width(x);
    return r->precision == CH_PRECISION_I16
               ? ch_op_product_pack_i16(r, x->data, x->stride[0], K, T, true)
               : ch_op_product_pack(r, x->data, 1, x->stride[0], K, T);
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

/* The left operand of a product with panels of the run's precision: dy as it is, or its
 * transpose. */
static void take_left(ch_run *r, ch_product *p, const real *dy, int T, int N, bool transposed)
{
    p->slice = CH_SLICE;
    p->kind = CH_PANEL_F32;
    p->ldx = (transposed ? T : N) * (ptrdiff_t)sizeof *dy;
    if (r->precision == CH_PRECISION_I16) {
        p->slice = 0;
        p->kind = CH_PANEL_I16;
        p->ldx = (ptrdiff_t)ch_panel_bytes(CH_PANEL_I16, p->K);
        p->x = ch_op_product_pack_i16(r, dy, N, p->M, p->K, transposed);
    } else if (!transposed) {
        p->x = dy;
    } else {
        real *dyt = ch_arena_take(r->scratch,
                                  ch_size_mul(ch_size_mul((size_t)T, (size_t)N), sizeof(real)));
        p->x = dyt;
        if (ch_op_computes(r))
            by_columns(r, (columns){dy, dyt, T, N}, transpose);
    }
}

void ch_op_linear_gradient(ch_run *r, const ch_weight *w, const ch_tensor *x, const real *dy,
                           const void *wt, const void *xt)
{
    const int T = (int)ch_tensor_rows(x), N = (int)ch_weight_rows(w), K = (int)ch_weight_width(w);
    ch_product p[2];
    int n = 0;
    bool add = false;
    real *dx = ch_op_gradient(x, &add);
    if (dx) {
        p[n] = (ch_product){.y = dx, .panels = wt, .M = T, .K = N};
        p[n].flags = add ? CH_GEMM_ADD : 0;
        take_left(r, &p[n++], dy, T, N, false);
    }
    if (w->stored.grad) {
        p[n] = (ch_product){.y = w->stored.grad, .panels = xt, .M = N, .K = T};
        p[n].flags = CH_GEMM_ADD;
        take_left(r, &p[n++], dy, T, N, true);
    }
    for (int i = 0; i < n; i++)
        p[i].ldy = p[i].N = K;
    if (!ch_op_computes(r))
        return;
    if (w->bias && w->bias->stored.grad)
        by_columns(r, (columns){dy, w->bias->stored.grad, T, N}, add_rows);
    ch_op_products(r, p, n);
    ch_op_count(r, CH_OP_linear, (double)n * T * N * K, 0);
}
