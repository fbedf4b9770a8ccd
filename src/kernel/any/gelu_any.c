/* gelu_any.c - gelu_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

static inline vf gelu(vf x)
{
    const vf a = vf_set1(1.5957691216057308f), b = vf_set1(0.044715f); /* 2 sqrt(2/pi) */
    const vf cube = vf_mul(vf_mul(vf_mul(b, x), x), x);
    return vf_gate(x, vf_mul(a, vf_add(x, cube)));
}

void CH_FN(gelu)(float *y, const float *x, int n)
{
    int i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, gelu(vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, gelu(vf_load_part(x + i, n - i)), n - i);
}
