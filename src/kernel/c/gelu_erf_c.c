/* gelu_erf_c.c - y = x P(x), P(x) = (1 + erf(x / sqrt 2)) / 2 (Hendrycks & Gimpel 2016)
 *
 * Through erfc, which keeps its digits where P is small, and in double, because the argument's
 * rounding weighs x^2.  gelu(-inf) is NaN: the fault stays visible.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_gelu_erf_c(real *y, const real *x, int n)
{
    for (int i = 0; i < n; i++) {
        const double a = (double)x[i];
        y[i] = (real)(a * (0.5 * erfc(a * -0.70710678118654752)));
    }
}
