/* columns.c - y_ti = x_t,at+i for 0 <= i < n;  dx_t,at+i += dy_ti
 *
 * x (T, D), y (T, n), a copy: some files keep the rows of several maps in one matrix, and one
 * product gives all their outputs side by side.  SPDX-License-Identifier: MIT */
#include "op.h"

#include <string.h>

typedef struct columns {
    const ch_tensor *x;
    ch_tensor *y;
    int64_t at;
    real *dx; /* of backward */
} columns;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const columns *a = arg;
    for (int64_t t = row0; t < row1; t++)
        memcpy(ch_tensor_row(a->y, t), ch_tensor_row(a->x, t) + a->at,
               (size_t)ch_tensor_width(a->y) * sizeof(real));
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const columns *a = arg;
    const int64_t n = ch_tensor_width(a->y);
    for (int64_t t = row0; t < row1; t++) {
        real *dx = a->dx + t * ch_tensor_width(a->x) + a->at;
        const real *dy = a->y->grad + t * n;
        for (int64_t i = 0; i < n; i++)
            dx[i] += dy[i];
    }
}

static void backward(ch_run *r, void *record)
{
    columns *a = record;
    if (!ch_op_reached(a->y))
        return;
    a->dx = ch_op_gradient_zeroed(r, a->x);
    if (a->dx && ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a->y), (double)ch_tensor_width(a->y), backward_rows, a);
}

ch_tensor *ch_op_columns(ch_run *r, const ch_tensor *x, int64_t at, int64_t n)
{
    const ch_op_timer t = ch_op_begin(r);
    columns a = {.x = x, .y = ch_op_output(r, ch_tensor_rows(x), n), .at = at};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(x), (double)n, forward, &a);
    columns *record = ch_op_record(r, CH_OP_columns, sizeof a, backward);
    if (record)
        *record = a;
    ch_op_end(r, t, CH_OP_columns, 0, 0);
    return a.y;
}
