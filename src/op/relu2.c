/* relu2.c - squared rectifier (So et al. 2021, "Primer")
 *
 *     y = max(x, 0)^2,   y' = 2 max(x, 0)
 *
 * SPDX-License-Identifier: MIT */
#include "unary.h"

static void slope(real *dx, const real *x, const real *y, const real *dy, int n)
{
    (void)y;
    for (int i = 0; i < n; i++)
        dx[i] += x[i] > 0 ? 2 * x[i] * dy[i] : 0;
}

ch_tensor *ch_op_relu2(ch_run *r, const ch_tensor *x)
{
    return ch_op_unary(r, x, CH_OP_relu2, r->kernels->relu2, slope);
}
