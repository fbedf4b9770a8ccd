/* layernorm_c.c - layer norm (Ba, Kiros, Hinton 2016): y = (x - mean) g / sqrt(var + eps) + b
 *
 * One row of n.  The variance is taken around the mean in a pass of its own: E[x^2] - mean^2 would
 * cancel when the mean is large.  SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_layernorm_c(real *y, const real *x, const real *g, const real *b, int n, real eps,
                    real stats[2])
{
    real sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    const real mean = sum / (real)n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    const real r = 1 / real_sqrt(squares / (real)n + eps);
    for (int i = 0; i < n; i++)
        y[i] = (x[i] - mean) * r * g[i] + (b ? b[i] : 0);
    stats[0] = mean;
    stats[1] = r;
}
