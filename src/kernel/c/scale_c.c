/* scale_c.c - y = factor x, the same bits on every ISA.  SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_scale_c(real *y, const real *x, int n, real factor)
{
    for (int i = 0; i < n; i++)
        y[i] = factor * x[i];
}
