/* convolve.c - short causal convolutions, a filter of J taps for each column
 *
 *     y_td = sum_j w_dj x_(t-J+1+j)d              over the j whose row is there, rising
 *     dx_td = sum_j w_dj dy_(t+J-1-j)d,  dw_dj = sum_t dy_td x_(t-J+1+j)d
 *
 * x, y (T, D), w (D, J): the depthwise convolution of LFM2 (Liquid AI 2025), as its configuration
 * and weights define it.  A row that is not there is left out, not multiplied as zeros: a sequence
 * gives the same bits however it is cut into steps.  Filters are turned over COLUMNS columns at a
 * time, so that loops run along rows.  Cost: T D J multiply-adds.
 * SPDX-License-Identifier: MIT */
#include "op.h"

enum { COLUMNS = 64, TAPS = CH_CONVOLVE_TAPS };

typedef struct convolve {
    const ch_tensor *x;
    ch_tensor *y;
    const ch_weight *w;
    const real *const *before;  /* NULL: training */
    const int32_t *first, *seq; /* of rows */
    real *dx;                   /* of backward */
    bool add;
} convolve;

typedef struct filters {
    real tap[TAPS][COLUMNS];
} filters;

static int taps(const convolve *a)
{
    return (int)ch_weight_width(a->w);
}

/* Of columns [d0, d0 + n). */
static void turn(filters *f, const ch_weight *w, int64_t d0, int n)
{
    const int64_t J = ch_weight_width(w);
    const real *from = (const real *)w->stored.data + d0 * J;
    for (int d = 0; d < n; d++)
        for (int64_t j = 0; j < J; j++)
            f->tap[j][d] = from[d * J + j];
}

static void multiply_add(real *y, const real *w, const real *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] += w[i] * x[i];
}

/* Rows of the same sequence or document that stand in the step before row t, J - 1 at most. */
static int rows_back(const convolve *a, int64_t t)
{
    int n = 0;
    if (!a->before)
        return (int)CH_MIN(t - a->first[t], (int64_t)taps(a) - 1);
    while (n < taps(a) - 1 && n < t && a->seq[t - n - 1] == a->seq[t])
        n++;
    return n;
}

/* Row t - back, or NULL. */
static const real *row_at(const convolve *a, int64_t t, int back, int have)
{
    const int most = taps(a) - 1;
    if (back <= have)
        return ch_tensor_row(a->x, t - back);
    return a->before ? a->before[(ptrdiff_t)a->seq[t] * most + most - (back - have)] : NULL;
}

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const convolve *a = arg;
    const int64_t D = ch_tensor_width(a->x);
    filters f;
    for (int64_t d0 = 0; d0 < D; d0 += COLUMNS) {
        const int n = (int)CH_MIN(D - d0, (int64_t)COLUMNS);
        turn(&f, a->w, d0, n);
        for (int64_t t = row0; t < row1; t++) {
            real *y = ch_tensor_row(a->y, t) + d0;
            const int have = rows_back(a, t);
            for (int i = 0; i < n; i++)
                y[i] = 0;
            for (int j = 0; j < taps(a); j++) {
                const real *x = row_at(a, t, taps(a) - 1 - j, have);
                if (x)
                    multiply_add(y, f.tap[j], x + d0, n);
            }
        }
    }
}

/* ---- Backward ----------------------------------------------------------------------------- */

static void to_rows(void *arg, int64_t row0, int64_t row1)
{
    const convolve *a = arg;
    const int64_t D = ch_tensor_width(a->x), T = ch_tensor_rows(a->x);
    filters f;
    for (int64_t d0 = 0; d0 < D; d0 += COLUMNS) {
        const int n = (int)CH_MIN(D - d0, (int64_t)COLUMNS);
        turn(&f, a->w, d0, n);
        for (int64_t t = row0; t < row1; t++) {
            real *dx = a->dx + t * D + d0;
            for (int i = 0; i < n && !a->add; i++)
                dx[i] = 0;
            for (int later = 0; later < taps(a) && t + later < T; later++)
                if (a->first[t + later] <= t)
                    multiply_add(dx, f.tap[taps(a) - 1 - later],
                                 a->y->grad + (t + later) * D + d0, n);
        }
    }
}

/* Blocks of COLUMNS columns. */
static void to_filters(void *arg, int64_t block0, int64_t block1)
{
    const convolve *a = arg;
    const int64_t D = ch_tensor_width(a->x), T = ch_tensor_rows(a->x);
    const int J = taps(a);
    for (int64_t b = block0; b < block1; b++) {
        const int64_t d0 = b * COLUMNS;
        const int n = (int)CH_MIN(D - d0, (int64_t)COLUMNS);
        filters sum = {0};
        for (int64_t t = 0; t < T; t++)
            for (int back = rows_back(a, t); back >= 0; back--)
                multiply_add(sum.tap[J - 1 - back], a->y->grad + t * D + d0,
                             ch_tensor_row(a->x, t - back) + d0, n);
        real *dw = a->w->stored.grad + d0 * J;
        for (int d = 0; d < n; d++)
            for (int j = 0; j < J; j++)
                dw[d * J + j] += sum.tap[j][d];
    }
}

static void backward(ch_run *r, void *record)
{
    convolve *a = record;
    const int64_t D = ch_tensor_width(a->x), T = ch_tensor_rows(a->x);
    if (!ch_op_reached(a->y))
        return;
    a->dx = ch_op_gradient(a->x, &a->add);
    if (!ch_op_computes(r))
        return;
    if (a->dx)
        ch_op_for_rows(r, T, (double)(D * taps(a)), to_rows, a);
    if (a->w->stored.grad)
        ch_op_for_rows(r, (D + COLUMNS - 1) / COLUMNS, (double)(T * COLUMNS * taps(a)), to_filters,
                       a);
}

ch_tensor *ch_op_convolve(ch_run *r, const ch_tensor *x, const ch_weight *w,
                          const real *const *before, const ch_rows *rows)
{
    const ch_op_timer t = ch_op_begin(r);
    const int64_t T = ch_tensor_rows(x), D = ch_tensor_width(x);
    convolve a = {.x = x,
                  .y = ch_op_output(r, T, D),
                  .w = w,
                  .before = before,
                  .first = rows->first,
                  .seq = rows->seq};
    if (ch_op_computes(r))
        ch_op_for_rows(r, T, (double)(D * taps(&a)), forward, &a);
    convolve *record = ch_op_record(r, CH_OP_convolve, sizeof a, backward);
    if (record)
        *record = a;
    ch_op_end(r, t, CH_OP_convolve, (double)(T * D * taps(&a)), 0);
    return a.y;
}
