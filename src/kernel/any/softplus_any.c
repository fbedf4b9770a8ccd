/* softplus_any.c - softplus_c.c over vectors
 *
 * log(1 + e) of 0 <= e <= 1 as 2 atanh z, z = e / (2 + e) <= 1/3, by its series up to z^15: 5e-10
 * of the result is left.  SPDX-License-Identifier: MIT */
#include "any.h"

static inline vf softplus(vf x)
{
    const vf zero = vf_zero(), e = vf_exp(vf_min(vf_sub(zero, x), x)), two = vf_set1(2);
    const vf z = vf_div(e, vf_add(two, e)), q = vf_mul(z, z);
    vf sum = vf_set1(1.0f / 15);
    sum = vf_fma(sum, q, vf_set1(1.0f / 13));
    sum = vf_fma(sum, q, vf_set1(1.0f / 11));
    sum = vf_fma(sum, q, vf_set1(1.0f / 9));
    sum = vf_fma(sum, q, vf_set1(1.0f / 7));
    sum = vf_fma(sum, q, vf_set1(1.0f / 5));
    sum = vf_fma(sum, q, vf_set1(1.0f / 3));
    const vf half = vf_fma(vf_mul(z, q), sum, z);
    return vf_fma(two, half, vf_max(zero, x)); /* in this operand order NaN passes */
}

void CH_FN(softplus)(float *y, const float *x, int n)
{
    int i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, softplus(vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, softplus(vf_load_part(x + i, n - i)), n - i);
}
