/* rmsnorm_c.c - root-mean-square norm (Zhang & Sennrich 2019): y = x g / sqrt(mean x^2 + eps)
 *
 * One row of n; two passes.  Squares are added in sequence.  SPDX-License-Identifier: MIT */
#include "kernel.h"

real ch_rmsnorm_c(real *y, const real *x, const real *g, int n, real eps)
{
    real sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    const real r = 1 / real_sqrt(sum / (real)n + eps);
    for (int i = 0; i < n; i++)
        y[i] = g ? x[i] * r * g[i] : x[i] * r;
    return r;
}
