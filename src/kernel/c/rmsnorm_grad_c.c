/* rmsnorm_grad_c.c - the gradient of y_i = x_i r g_i, r = 1 / sqrt(mean_j x_j^2 + eps)
 *
 *     dx_i = r (g_i dy_i - x_i r^2 mean_j g_j dy_j x_j),   dg_i += dy_i x_i r
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_rmsnorm_grad_c(real *dx, real *dg, const real *x, const real *g, const real *dy, real r,
                       int n, int add)
{
    real dot = 0;
    for (int i = 0; i < n; i++)
        dot += (g ? g[i] * dy[i] : dy[i]) * x[i];
    const real back = r * r * r * (dot / (real)n);
    for (int i = 0; i < n; i++) {
        const real d = r * (g ? g[i] * dy[i] : dy[i]) - x[i] * back;
        if (dx)
            dx[i] = add ? dx[i] + d : d;
        if (dg)
            dg[i] += dy[i] * (x[i] * r);
    }
}
