/* gelu_erf_any.c - gelu_erf_c.c over vectors
 *
 * For a = |x|, P(-a) = e^(-a^2/2) t (c0 + ... + c8 t^8), t = 3 / (3 + a); the coefficients
 * interpolate at Chebyshev's nodes for 0 <= a <= 13.5, 1e-7 of P away, and beyond that P is less
 * than any normal float.  a^2/2 goes in as two floats.  P(a) = 1 - P(-a).
 * SPDX-License-Identifier: MIT */
#include "any.h"

static inline vf gelu(vf x)
{
    static const float c[] = {0.141375546f, -0.294468163f, 0.244049721f, -0.06963791f,
                              0.126358638f, 0.110900795f,  0.133768823f, 0.13294463f};
    const vf zero = vf_zero(), one = vf_set1(1), three = vf_set1(3);
    /* 20: far enough for P to be 0, and squares stay finite; NaN passes. */
    const vf a = vf_min(vf_set1(20), vf_if_negative(x, vf_sub(zero, x), x));
    const vf h = vf_mul(vf_set1(0.5f), a), high = vf_mul(a, h), low = vf_fms(a, h, high);
    const vf e = vf_exp(vf_sub(zero, high)), bell = vf_fnma(e, low, e);
    const vf t = vf_div(three, vf_add(three, a));
    vf sum = vf_set1(-0.0252920811f);
    for (int i = 0; i < 8; i++)
        sum = vf_fma(sum, t, vf_set1(c[i]));
    const vf below = vf_mul(bell, vf_mul(sum, t));
    return vf_mul(x, vf_if_negative(x, below, vf_sub(one, below)));
}

void CH_FN(gelu_erf)(float *y, const float *x, int n)
{
    int i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, gelu(vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, gelu(vf_load_part(x + i, n - i)), n - i);
}
