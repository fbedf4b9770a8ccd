/* swiglu_c.c - y = silu(a) b, silu(a) = a / (1 + e^-a) (Shazeer 2020)
 *
 * Where e^-a overflows (a < -88.7 in float) silu is -0; its true value there is below 1e-36 in
 * magnitude.  silu(-inf) is NaN: the fault stays visible.  SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_swiglu_c(real *y, const real *a, const real *b, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = a[i] / (1 + real_exp(-a[i])) * b[i];
}
