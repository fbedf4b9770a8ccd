/* relu2_grad_c.c - the gradient of y = max(x, 0)^2: dx = 2 max(x, 0) dy.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_relu2_grad_c(real *dx, const real *x, const real *dy, int n, int add)
{
    for (int i = 0; i < n; i++) {
        const real t = x[i] < 0 ? 0 : x[i], d = (t + t) * dy[i];
        dx[i] = add ? dx[i] + d : d;
    }
}
