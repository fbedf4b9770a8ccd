/* gelu_grad_c.c - the gradient of gelu, tanh form (gelu_c.c)
 *
 *     y = x c,  c = 1 / (1 + e^-z),  z = 2 sqrt(2/pi) (x + 0.044715 x^3)
 *     dx = dy (c + x c (1 - c) z'),  z' = 2 sqrt(2/pi) (1 + 3 0.044715 x^2)
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_gelu_grad_c(real *dx, const real *x, const real *dy, int n, int add)
{
    const real a = REAL(1.5957691216057307), b = REAL(0.044715);
    for (int i = 0; i < n; i++) {
        const real x2 = x[i] * x[i];
        const real c = 1 / (1 + real_exp(-a * (x[i] + b * x2 * x[i])));
        const real d = dy[i] * (c + x[i] * (c * (1 - c)) * (a * (1 + 3 * b * x2)));
        dx[i] = add ? dx[i] + d : d;
    }
}
