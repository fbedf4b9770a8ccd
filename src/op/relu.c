/* relu.c - rectifier (Nair & Hinton 2010)
 *
 *     y = max(x, 0),   y' = 1 where x > 0, else 0;   a NaN stays one
 *
 * SPDX-License-Identifier: MIT */
#include "unary.h"

static void forward(real *y, const real *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
}

static void gradient(real *dx, const real *x, const real *dy, int n, int add)
{
    for (int i = 0; i < n; i++) {
        const real d = x[i] > 0 ? dy[i] : 0;
        dx[i] = add ? dx[i] + d : d;
    }
}

ch_tensor *ch_op_relu(ch_run *r, const ch_tensor *x)
{
    return ch_op_unary(r, x, CH_OP_relu, forward, gradient);
}
