/* pick_rows.c - some rows of a tensor as a tensor of their own, and back in their places
 *
 *     pick:  y_i = x_at(i)                    dx_at(i) += dy_i
 *     put:   z_at(i) = y_i, else z_t = x_t    dy_i += dz_at(i),  dx_t += dz_t where no y stands
 *
 * x, z (T, D), y (n, D); at rises.  Rows that are settled drop out of a step, the others go on
 * side by side.  SPDX-License-Identifier: MIT */
#include "op.h"

#include <string.h>

typedef struct picking {
    const ch_tensor *x, *y;
    ch_tensor *out;
    const int32_t *at; /* n of them */
    real *d;           /* of backward */
    bool add;
} picking;

static void copy(real *to, const real *from, int64_t n, bool add)
{
    if (!add)
        memcpy(to, from, (size_t)n * sizeof *to);
    for (int64_t i = 0; add && i < n; i++)
        to[i] += from[i];
}

/* ---- Pick ----------------------------------------------------------------------------------- */

static void pick_forward(void *arg, int64_t row0, int64_t row1)
{
    const picking *g = arg;
    for (int64_t i = row0; i < row1; i++)
        copy(ch_tensor_row(g->out, i), ch_tensor_row(g->x, g->at[i]), ch_tensor_width(g->x),
             false);
}

static void pick_backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const picking *g = arg;
    const int64_t D = ch_tensor_width(g->x);
    for (int64_t i = row0; i < row1; i++)
        copy(g->d + g->at[i] * D, g->out->grad + i * D, D, true);
}

static void pick_backward(ch_run *r, void *record)
{
    picking *g = record;
    if (!ch_op_reached(g->out))
        return;
    g->d = ch_op_gradient_zeroed(r, g->x);
    if (g->d && ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(g->out), (double)ch_tensor_width(g->x),
                       pick_backward_rows, g);
}

ch_tensor *ch_op_pick_rows(ch_run *r, const ch_tensor *x, const int32_t *at, int n)
{
    const ch_op_timer t = ch_op_begin(r);
    picking g = {.x = x, .out = ch_op_output(r, n, ch_tensor_width(x)), .at = at};
    if (ch_op_computes(r))
        ch_op_for_rows(r, n, (double)ch_tensor_width(x), pick_forward, &g);
    picking *record = ch_op_record(r, CH_OP_pick_rows, sizeof g, pick_backward);
    if (record)
        *record = g;
    ch_op_end(r, t, CH_OP_pick_rows, 0, 0);
    return g.out;
}

/* ---- Put ------------------------------------------------------------------------------------ */

static void put_forward(void *arg, int64_t row0, int64_t row1)
{
    const picking *g = arg;
    for (int64_t i = row0; i < row1; i++)
        copy(ch_tensor_row(g->out, g->at[i]), ch_tensor_row(g->y, i), ch_tensor_width(g->y),
             false);
}

static void put_backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const picking *g = arg;
    const int64_t D = ch_tensor_width(g->y);
    for (int64_t i = row0; i < row1; i++)
        copy(g->d + i * D, g->out->grad + g->at[i] * D, D, g->add);
}

/* Of x: rows between those that were replaced, in the caller: they are a copy. */
static void rows_left(picking *g)
{
    const int64_t T = ch_tensor_rows(g->x), n = ch_tensor_rows(g->y), D = ch_tensor_width(g->x);
    for (int64_t t = 0, i = 0; t < T; t++)
        if (i < n && g->at[i] == t) {
            i++;
            if (!g->add)
                memset(g->d + t * D, 0, (size_t)D * sizeof *g->d);
        } else {
            copy(g->d + t * D, g->out->grad + t * D, D, g->add);
        }
}

static void put_backward(ch_run *r, void *record)
{
    picking *g = record;
    if (!ch_op_reached(g->out))
        return;
    g->d = ch_op_gradient(g->y, &g->add);
    if (g->d && ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(g->y), (double)ch_tensor_width(g->y), put_backward_rows,
                       g);
    g->d = ch_op_gradient(g->x, &g->add);
    if (g->d && ch_op_computes(r))
        rows_left(g);
}

ch_tensor *ch_op_put_rows(ch_run *r, ch_tensor *x, const ch_tensor *y, const int32_t *at)
{
    const ch_op_timer t = ch_op_begin(r);
    const int64_t T = ch_tensor_rows(x), D = ch_tensor_width(x), n = ch_tensor_rows(y);
    picking g = {.x = x, .y = y, .out = r->tape ? ch_op_output(r, T, D) : x, .at = at};
    if (ch_op_computes(r) && r->tape)
        memcpy(g.out->data, x->data, (size_t)(T * D) * sizeof(real));
    if (ch_op_computes(r))
        ch_op_for_rows(r, n, (double)D, put_forward, &g);
    picking *record = ch_op_record(r, CH_OP_put_rows, sizeof g, put_backward);
    if (record)
        *record = g;
    ch_op_end(r, t, CH_OP_put_rows, 0, 0);
    return g.out;
}
