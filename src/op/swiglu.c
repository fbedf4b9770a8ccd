/* swiglu.c - gated unit (Shazeer 2020)
 *
 *     y = silu(a) b,  silu(a) = a s(a),  s(a) = 1/(1 + e^-a)           a: gate, b: up; all (T, F)
 *     da = dy b (s + silu(a) (1 - s)),   db = dy silu(a)
 *
 * Backward gets silu(a) from the forward kernel with b = 1 and s as silu(a) / a: one exponential,
 * and the vector one.
 * SPDX-License-Identifier: MIT */
#include "op.h"

enum { CHUNK = 256, COST = 8 }; /* COST: of one element */

typedef struct swiglu {
    const ch_kernels *kernels;
    const ch_tensor *a, *b;
    ch_tensor *y;
} swiglu;

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const swiglu *g = arg;
    for (int64_t t = row0; t < row1; t++)
        g->kernels->swiglu(ch_tensor_row(g->y, t), ch_tensor_row(g->a, t), ch_tensor_row(g->b, t),
                           (int)ch_tensor_width(g->y));
}

static void backward_chunk(real *da, real *db, const real *a, const real *b, const real *dy,
                           const real *silu, int n)
{
    for (int i = 0; da && i < n; i++) {
        const real s = real_abs(a[i]) < REAL(1e-30) ? REAL(0.5) : silu[i] / a[i];
        da[i] += dy[i] * b[i] * (s + silu[i] * (1 - s));
    }
    for (int i = 0; db && i < n; i++)
        db[i] += dy[i] * silu[i];
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const swiglu *g = arg;
    const int64_t F = ch_tensor_width(g->y);
    real ones[CHUNK], silu[CHUNK];
    for (int i = 0; i < CHUNK; i++)
        ones[i] = 1;
    for (int64_t t = row0; t < row1; t++)
        for (int64_t i = 0; i < F; i += CHUNK) {
            const int n = (int)CH_MIN(F - i, (int64_t)CHUNK);
            const real *a = ch_tensor_row(g->a, t) + i;
            const int64_t at = t * F + i;
            g->kernels->swiglu(silu, a, ones, n);
            backward_chunk(g->a->grad ? g->a->grad + at : NULL,
                           g->b->grad ? g->b->grad + at : NULL, a, ch_tensor_row(g->b, t) + i,
                           g->y->grad + at, silu, n);
        }
}

static void backward(ch_run *r, void *record)
{
    const swiglu *g = record;
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(g->y), 2 * COST * (double)ch_tensor_width(g->y),
                       backward_rows, record);
}

ch_tensor *ch_op_swiglu(ch_run *r, const ch_tensor *gate, const ch_tensor *up)
{
    const ch_op_timer t = ch_op_begin(r);
    swiglu g = {r->kernels, gate, up,
                ch_op_output(r, ch_tensor_rows(gate), ch_tensor_width(gate))};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(gate), COST * (double)ch_tensor_width(gate), forward, &g);
    swiglu *record = ch_op_record(r, CH_OP_swiglu, sizeof g, backward);
    if (record)
        *record = g;
    ch_op_end(r, t, CH_OP_swiglu, 0, 0);
    return g.y;
}
