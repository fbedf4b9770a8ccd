/* gelu_erf.c - Gaussian error linear units as they are defined (Hendrycks & Gimpel 2016)
 *
 *     y = x P(x),  P(x) = (1 + erf(x / sqrt 2)) / 2;   y' = P(x) + x exp(-x^2 / 2) / sqrt(2 pi)
 *
 * The tanh form (gelu.c) is up to 5e-4 away.  SPDX-License-Identifier: MIT */
#include "unary.h"

#ifdef CH_REAL_IS_DOUBLE
#define real_erfc erfc
#else
#define real_erfc erfcf
#endif

/* erfc keeps its digits where P is small. */
static real below(real x)
{
    return REAL(0.5) * real_erfc(x * REAL(-0.70710678118654752));
}

static void forward(real *y, const real *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] * below(x[i]);
}

static void gradient(real *dx, const real *x, const real *dy, int n, int add)
{
    for (int i = 0; i < n; i++) {
        const real bell = REAL(0.39894228040143268) * real_exp(REAL(-0.5) * x[i] * x[i]);
        const real d = dy[i] * (below(x[i]) + x[i] * bell);
        dx[i] = add ? dx[i] + d : d;
    }
}

ch_tensor *ch_op_gelu_erf(ch_run *r, const ch_tensor *x)
{
    return ch_op_unary(r, x, CH_OP_gelu_erf, forward, gradient);
}
