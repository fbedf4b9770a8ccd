/* geglu_c.c - y = gelu(a) b, gelu in its tanh form (gelu_c.c; Shazeer 2020)
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_geglu_c(real *y, const real *a, const real *b, int n)
{
    const real k = REAL(1.5957691216057308), c = REAL(0.044715); /* k = 2 sqrt(2/pi) */
    for (int i = 0; i < n; i++)
        y[i] = a[i] / (1 + real_exp(-(k * (a[i] + c * a[i] * a[i] * a[i])))) * b[i];
}
