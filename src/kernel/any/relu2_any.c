/* relu2_any.c - relu2_c.c over vectors, the same bits.  SPDX-License-Identifier: MIT */
#include "any.h"

static inline vf relu2(vf x)
{
    const vf t = vf_max(vf_zero(), x); /* in this operand order NaN passes */
    return vf_mul(t, t);
}

void CH_FN(relu2)(float *y, const float *x, int n)
{
    int i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, relu2(vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, relu2(vf_load_part(x + i, n - i)), n - i);
}
