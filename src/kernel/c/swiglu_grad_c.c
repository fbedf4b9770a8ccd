/* swiglu_grad_c.c - the gradient of y = silu(a) b
 *
 *     da = dy b (s + a s (1 - s)),  db = dy a s,  s = 1 / (1 + e^-a)
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_swiglu_grad_c(real *da, real *db, const real *a, const real *b, const real *dy, int n,
                      int add)
{
    for (int i = 0; i < n; i++) {
        const real s = 1 / (1 + real_exp(-a[i]));
        const real to_a = dy[i] * b[i] * (s + a[i] * s * (1 - s)), to_b = dy[i] * (a[i] * s);
        if (da)
            da[i] = add & 1 ? da[i] + to_a : to_a;
        if (db)
            db[i] = add & 2 ? db[i] + to_b : to_b;
    }
}
