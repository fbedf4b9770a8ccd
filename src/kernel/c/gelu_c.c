/* gelu_c.c - y = x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016)
 *
 * Computed as x / (1 + e^-2u), which is the same function: 1 + tanh u would cancel for negative u.
 * gelu(-inf) is NaN: the fault stays visible.  SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_gelu_c(real *y, const real *x, int n)
{
    const real a = REAL(1.5957691216057308); /* 2 sqrt(2/pi) */
    const real b = REAL(0.044715);
    for (int i = 0; i < n; i++)
        y[i] = x[i] / (1 + real_exp(-(a * (x[i] + b * x[i] * x[i] * x[i]))));
}
