/* multiply_c.c - y = a b, the same bits on every ISA.  SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_multiply_c(real *y, const real *a, const real *b, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}
