/* swiglu_any.c - swiglu_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

void CH_FN(swiglu)(float *y, const float *a, const float *b, int n)
{
    int i = 0;
    for (; i + VF <= n; i += VF) {
        const vf t = vf_load(a + i);
        vf_store(y + i, vf_mul(vf_gate(t, t), vf_load(b + i)));
    }
    if (i < n) {
        const vf t = vf_load_part(a + i, n - i);
        vf_store_part(y + i, vf_mul(vf_gate(t, t), vf_load_part(b + i, n - i)), n - i);
    }
}
