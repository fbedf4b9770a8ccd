/* softplus_c.c - y = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) (Dugas et al. 2001)
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_softplus_c(real *y, const real *x, int n)
{
    for (int i = 0; i < n; i++) {
        const double a = (double)x[i];
        y[i] = (real)((a < 0 ? 0 : a) + log1p(exp(a < 0 ? a : -a)));
    }
}
