/* gelu_erf.c - Gaussian error linear units as they are defined (Hendrycks & Gimpel 2016)
 *
 *     y = x P(x),  P(x) = (1 + erf(x / sqrt 2)) / 2;   y' = P(x) + x exp(-x^2 / 2) / sqrt(2 pi)
 *
 * The tanh form (gelu.c) is up to 5e-4 away.
 * SPDX-License-Identifier: MIT */
#include "op.h"

typedef struct gelu_erf {
    const ch_kernels *kernels;
    const ch_tensor *x;
    ch_tensor *y;
    real *dx; /* of backward */
    bool add;
} gelu_erf;

/* erfc keeps its digits where P is small. */
static real share(real x)
{
#ifdef CH_REAL_IS_DOUBLE
    return 0.5 * erfc(x * -0.70710678118654752);
#else
    return 0.5f * erfcf(x * -0.70710678f);
#endif
}

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const gelu_erf *a = arg;
    for (int64_t t = row0; t < row1; t++)
        a->kernels->gelu_erf(ch_tensor_row(a->y, t), ch_tensor_row(a->x, t),
                             (int)ch_tensor_width(a->x));
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const gelu_erf *a = arg;
    const int64_t n = ch_tensor_width(a->x);
    for (int64_t t = row0; t < row1; t++) {
        const real *x = ch_tensor_row(a->x, t), *dy = a->y->grad + t * n;
        real *dx = a->dx + t * n;
        for (int64_t i = 0; i < n; i++) {
            const real bell = REAL(0.39894228040143268) * real_exp(REAL(-0.5) * x[i] * x[i]);
            const real d = dy[i] * (share(x[i]) + x[i] * bell);
            dx[i] = a->add ? dx[i] + d : d;
        }
    }
}

static void backward(ch_run *r, void *record)
{
    gelu_erf *a = record;
    if (!ch_op_reached(a->y))
        return;
    a->dx = ch_op_gradient(a->x, &a->add);
    if (a->dx && ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a->x), 24 * (double)ch_tensor_width(a->x), backward_rows,
                       a);
}

ch_tensor *ch_op_gelu_erf(ch_run *r, const ch_tensor *x)
{
    const ch_op_timer t = ch_op_begin(r);
    gelu_erf a = {.kernels = r->kernels,
                  .x = x,
                  .y = ch_op_output(r, ch_tensor_rows(x), ch_tensor_width(x))};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(x), 12 * (double)ch_tensor_width(x), forward, &a);
    gelu_erf *record = ch_op_record(r, CH_OP_gelu_erf, sizeof a, backward);
    if (record)
        *record = a;
    ch_op_end(r, t, CH_OP_gelu_erf, 0, 0);
    return a.y;
}
