/* relu2_grad_any.c - relu2_grad_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

CH_INLINE void step(float *dx, const float *x, const float *dy, int add, const int left)
{
    /* in this operand order NaN passes */
    const vf t = vf_max(vf_zero(), left ? vf_load_part(x, left) : vf_load(x));
    const vf d = vf_mul(vf_add(t, t), left ? vf_load_part(dy, left) : vf_load(dy));
    any_gradient(dx, d, add, left);
}

void CH_FN(relu2_grad)(float *dx, const float *x, const float *dy, int n, int add)
{
    int i = 0;
    for (; i + VF <= n; i += VF)
        step(dx + i, x + i, dy + i, add, 0);
    if (i < n)
        step(dx + i, x + i, dy + i, add, n - i);
}
