/* multiply_any.c - multiply_c.c over vectors, the same bits.  SPDX-License-Identifier: MIT */
#include "any.h"

void CH_FN(multiply)(float *y, const float *a, const float *b, int n)
{
    int i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_mul(vf_load(a + i), vf_load(b + i)));
    if (i < n)
        vf_store_part(y + i, vf_mul(vf_load_part(a + i, n - i), vf_load_part(b + i, n - i)),
                      n - i);
}
