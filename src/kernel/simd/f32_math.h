/* f32_math.h - functions in terms of a vf, included by every f32_<isa>.h
 *
 * e^x = 2^n e^r, n = x / ln 2 rounded, r = x - n ln 2 with ln 2 in two floats, |r| <= ln 2 / 2;
 * e^r = 1 + r + r^2 P(r), P of degree 4, minimax for the relative error of e^r (3.8e-9 with these
 * float coefficients).  Within 1.01 ulp over all floats (tests/kernel/exp.c samples them), 0.75
 * where the result is subnormal; e^-inf = 0 and e^0 = 1 exactly; overflow gives inf, NaN stays
 * NaN. SPDX-License-Identifier: MIT */
#ifndef CH_F32_MATH_H
#define CH_F32_MATH_H

/* e^r - 1 of x = n ln 2 + r; sets *n. */
static inline vf vf_exp_rest(vf *n, vf x)
{
    *n = vf_round(vf_mul(x, vf_set1(0x1.715476p+0f)));
    vf r = vf_fnma(*n, vf_set1(0x1.62e43p-1f), x);
    r = vf_fma(*n, vf_set1(0x1.05c61p-29f), r);
    vf p = vf_set1(0x1.6a2434p-10f);
    p = vf_fma(p, r, vf_set1(0x1.1239e2p-7f));
    p = vf_fma(p, r, vf_set1(0x1.5558f2p-5f));
    p = vf_fma(p, r, vf_set1(0x1.555492p-3f));
    p = vf_fma(p, r, vf_set1(0x1.fffffcp-2f));
    return vf_fma(vf_mul(r, r), p, r);
}

static inline vf vf_exp(vf x)
{
    /* Beyond these the result is 0 or inf; in this operand order NaN passes. */
    x = vf_min(vf_set1(89.0f), vf_max(vf_set1(-105.0f), x));
    vf n;
    const vf p = vf_exp_rest(&n, x);
    return vf_scale2(vf_add(p, vf_set1(1)), n);
}

/* tanh x = t / (t + 2), t = e^2x - 1 = 2^n (e^r - 1) + (2^n - 1): nothing cancels near 0, where n
 * is 0.  From |x| = 9.02 on the float nearest is 1. */
static inline vf vf_tanh(vf x)
{
    x = vf_min(vf_set1(10), vf_max(vf_set1(-10), x)); /* in this operand order NaN passes */
    vf n;
    const vf p = vf_exp_rest(&n, vf_add(x, x)), power = vf_scale2(vf_set1(1), n);
    const vf t = vf_fma(power, p, vf_sub(power, vf_set1(1)));
    return vf_div(t, vf_add(t, vf_set1(2)));
}

/* x / (1 + e^-z): silu is z = x, gelu's tanh form z = 2u */
static inline vf vf_gate(vf x, vf z)
{
    return vf_div(x, vf_add(vf_set1(1), vf_exp(vf_sub(vf_zero(), z))));
}

#endif
