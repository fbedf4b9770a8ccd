/* geglu_any.c - geglu_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

static inline vf gelu(vf x)
{
    const vf a = vf_set1(1.5957691216057308f), b = vf_set1(0.044715f); /* 2 sqrt(2/pi) */
    const vf cube = vf_mul(vf_mul(vf_mul(b, x), x), x);
    return vf_gate(x, vf_mul(a, vf_add(x, cube)));
}

void CH_FN(geglu)(float *y, const float *a, const float *b, int n)
{
    int i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_mul(gelu(vf_load(a + i)), vf_load(b + i)));
    if (i < n)
        vf_store_part(y + i,
                      vf_mul(gelu(vf_load_part(a + i, n - i)), vf_load_part(b + i, n - i)),
                      n - i);
}
