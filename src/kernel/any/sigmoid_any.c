/* sigmoid_any.c - sigmoid_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

void CH_FN(sigmoid)(float *y, const float *x, int n)
{
    const vf one = vf_set1(1);
    int i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_gate(one, vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, vf_gate(one, vf_load_part(x + i, n - i)), n - i);
}
