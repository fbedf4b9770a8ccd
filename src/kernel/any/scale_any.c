/* scale_any.c - scale_c.c over vectors, the same bits.  SPDX-License-Identifier: MIT */
#include "any.h"

void CH_FN(scale)(float *y, const float *x, int n, float factor)
{
    const vf f = vf_set1(factor);
    int i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_mul(f, vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, vf_mul(f, vf_load_part(x + i, n - i)), n - i);
}
