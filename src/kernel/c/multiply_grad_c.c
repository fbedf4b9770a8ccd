/* multiply_grad_c.c - da = dy b, db = dy a, the same bits on every ISA.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_multiply_grad_c(real *da, real *db, const real *a, const real *b, const real *dy, int n,
                        int add)
{
    for (int i = 0; i < n; i++) {
        const real to_a = dy[i] * b[i], to_b = dy[i] * a[i];
        if (da)
            da[i] = add & 1 ? da[i] + to_a : to_a;
        if (db)
            db[i] = add & 2 ? db[i] + to_b : to_b;
    }
}
