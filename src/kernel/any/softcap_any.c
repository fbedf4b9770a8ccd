/* softcap_any.c - softcap_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

void CH_FN(softcap)(float *y, const float *x, int n, float factor, float cap)
{
    const vf f = vf_set1(factor), most = vf_set1(cap);
    int i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_mul(most, vf_tanh(vf_mul(f, vf_load(x + i)))));
    if (i < n)
        vf_store_part(y + i, vf_mul(most, vf_tanh(vf_mul(f, vf_load_part(x + i, n - i)))), n - i);
}
