/* join.c - y_t = [a_t | b_t | 0];  da_t, db_t (+)= their columns of dy_t
 *
 * a (T, N), b (T, M), y (T, width): the way back of columns.c, for maps that read several vectors.
 * SPDX-License-Identifier: MIT */
#include "op.h"

#include <string.h>

typedef struct join {
    const ch_tensor *part[2];
    ch_tensor *y;
    real *d[2]; /* of backward */
    bool add[2];
} join;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const join *a = arg;
    for (int64_t t = row0; t < row1; t++) {
        real *y = ch_tensor_row(a->y, t), *end = y + ch_tensor_width(a->y);
        for (int i = 0; i < 2; i++) {
            const int64_t n = ch_tensor_width(a->part[i]);
            memcpy(y, ch_tensor_row(a->part[i], t), (size_t)n * sizeof *y);
            y += n;
        }
        memset(y, 0, (size_t)(end - y) * sizeof *y);
    }
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const join *a = arg;
    const int64_t width = ch_tensor_width(a->y);
    for (int64_t t = row0; t < row1; t++) {
        const real *dy = a->y->grad + t * width;
        for (int i = 0; i < 2; i++) {
            const int64_t n = ch_tensor_width(a->part[i]);
            real *d = a->d[i] ? a->d[i] + t * n : NULL;
            for (int64_t j = 0; d && j < n; j++)
                d[j] = a->add[i] ? d[j] + dy[j] : dy[j];
            dy += n;
        }
    }
}

static void backward(ch_run *r, void *record)
{
    join *a = record;
    if (!ch_op_reached(a->y))
        return;
    for (int i = 0; i < 2; i++)
        a->d[i] = ch_op_gradient(a->part[i], &a->add[i]);
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a->y), (double)ch_tensor_width(a->y), backward_rows, a);
}

ch_tensor *ch_op_join(ch_run *r, const ch_tensor *a, const ch_tensor *b, int64_t width)
{
    const ch_op_timer t = ch_op_begin(r);
    join j = {.part = {a, b}, .y = ch_op_output(r, ch_tensor_rows(a), width)};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a), (double)width, forward, &j);
    join *record = ch_op_record(r, CH_OP_join, sizeof j, backward);
    if (record)
        *record = j;
    ch_op_end(r, t, CH_OP_join, 0, 0);
    return j.y;
}
