/* relu2_c.c - y = max(x, 0)^2 (So et al. 2021); a NaN stays one.  SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_relu2_c(real *y, const real *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 0 : x[i] * x[i];
}
