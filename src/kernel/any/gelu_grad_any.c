/* gelu_grad_any.c - gelu_grad_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

CH_INLINE void step(float *dx, const float *x, const float *dy, int add, const int left)
{
    const vf a = vf_set1(1.5957691216057308f), b = vf_set1(0.044715f), one = vf_set1(1);
    const vf t = left ? vf_load_part(x, left) : vf_load(x), t2 = vf_mul(t, t);
    const vf c = vf_gate(one, vf_mul(a, vf_fma(vf_mul(b, t2), t, t)));
    const vf z = vf_mul(a, vf_fma(vf_set1(3 * 0.044715f), t2, one));
    const vf slope = vf_fma(vf_mul(t, vf_mul(c, vf_sub(one, c))), z, c);
    any_gradient(dx, vf_mul(left ? vf_load_part(dy, left) : vf_load(dy), slope), add, left);
}

void CH_FN(gelu_grad)(float *dx, const float *x, const float *dy, int n, int add)
{
    int i = 0;
    for (; i + VF <= n; i += VF)
        step(dx + i, x + i, dy + i, add, 0);
    if (i < n)
        step(dx + i, x + i, dy + i, add, n - i);
}
