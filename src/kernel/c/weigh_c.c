/* weigh_c.c - p_i = e^(z_i - max) and their sum, z_i = scale s_i - slope (distance - i)
 *
 * The softmax of softmax_c.c, with what stands between a product q . k and its exponent in the
 * same pass.  SPDX-License-Identifier: MIT */
#include "kernel.h"

real ch_weigh_c(real *p, const real *s, int n, const ch_exponent *z, real *max)
{
    real m = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) {
        p[i] = s[i] * z->scale - z->slope * (real)(z->distance - i);
        m = p[i] > m ? p[i] : m;
    }
    const real shift = m == -INFINITY ? 0 : m;
    for (int i = 0; i < n; i++) {
        p[i] = real_exp(p[i] - shift);
        sum += p[i];
    }
    *max = m;
    return sum;
}
