/* softmax_c.c - p_i = e^(x_i - max) and their sum, in sequence; the caller divides
 *
 * The maximum ignores NaN, so a NaN in x becomes one in p and in the sum and stays visible.
 * A row without a finite value is shifted by 0: -inf - -inf would be NaN.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

real ch_softmax_c(real *p, const real *x, int n, real *max)
{
    real m = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        m = x[i] > m ? x[i] : m;
    const real shift = m == -INFINITY ? 0 : m;
    for (int i = 0; i < n; i++) {
        p[i] = real_exp(x[i] - shift);
        sum += p[i];
    }
    *max = m;
    return sum;
}
