/* gelu.c - Gaussian error linear units, tanh form (Hendrycks & Gimpel 2016)
 *
 *     y = x c(x),  c(x) = (1 + tanh u(x)) / 2,  u(x) = sqrt(2/pi) (x + 0.044715 x^3)
 *     y' = c + x c',  c' = 2 c (1 - c) u'        since 1 - tanh^2 = 4 c (1 - c)
 *
 * Backward gets c as y / x from the forward kernel's y, without another exponential.
 * SPDX-License-Identifier: MIT */
#include "unary.h"

static void slope(real *dx, const real *x, const real *y, const real *dy, int n)
{
    const real root = REAL(0.79788456080286535588), cube = 3 * REAL(0.044715);
    for (int i = 0; i < n; i++) {
        /* Towards 0, y = x/2 loses its last digits to denormals before x does. */
        const real c = real_abs(x[i]) < REAL(1e-30) ? REAL(0.5) : y[i] / x[i];
        dx[i] += dy[i] * (c + x[i] * 2 * c * (1 - c) * root * (1 + cube * x[i] * x[i]));
    }
}

ch_tensor *ch_op_gelu(ch_run *r, const ch_tensor *x)
{
    return ch_op_unary(r, x, CH_OP_gelu, r->kernels->gelu, slope);
}
