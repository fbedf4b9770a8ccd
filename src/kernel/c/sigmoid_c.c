/* sigmoid_c.c - y = 1 / (1 + e^-x)
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_sigmoid_c(real *y, const real *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = 1 / (1 + real_exp(-x[i]));
}
