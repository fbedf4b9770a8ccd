/* geglu_grad_c.c - the gradient of y = gelu(a) b (gelu_grad_c.c)
 *
 *     da = dy b (s + a s (1 - s) z'),  db = dy a s,  s = 1 / (1 + e^-z)
 *     z = 2 sqrt(2/pi) (a + 0.044715 a^3)
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_geglu_grad_c(real *da, real *db, const real *a, const real *b, const real *dy, int n,
                     int add)
{
    const real k = REAL(1.5957691216057308), c = REAL(0.044715);
    for (int i = 0; i < n; i++) {
        const real a2 = a[i] * a[i], s = 1 / (1 + real_exp(-k * (a[i] + c * a2 * a[i])));
        const real slope = s + a[i] * (s * (1 - s)) * (k * (1 + 3 * c * a2));
        const real to_a = dy[i] * b[i] * slope, to_b = dy[i] * (a[i] * s);
        if (da)
            da[i] = add & 1 ? da[i] + to_a : to_a;
        if (db)
            db[i] = add & 2 ? db[i] + to_b : to_b;
    }
}
