/* multiply_grad_any.c - multiply_grad_c.c over vectors, the same bits.
 * SPDX-License-Identifier: MIT */
#include "any.h"

CH_INLINE void step(float *da, float *db, const float *a, const float *b, const float *dy,
                    int add, const int left)
{
    const vf d = left ? vf_load_part(dy, left) : vf_load(dy);
    const vf x = left ? vf_load_part(a, left) : vf_load(a);
    const vf z = left ? vf_load_part(b, left) : vf_load(b);
    if (da)
        any_gradient(da, vf_mul(d, z), add & 1, left);
    if (db)
        any_gradient(db, vf_mul(d, x), add & 2, left);
}

void CH_FN(multiply_grad)(float *da, float *db, const float *a, const float *b, const float *dy,
                          int n, int add)
{
    for (int i = 0; i < n; i += VF) {
        float *to_a = da ? da + i : NULL, *to_b = db ? db + i : NULL;
        if (n - i >= VF)
            step(to_a, to_b, a + i, b + i, dy + i, add, 0);
        else
            step(to_a, to_b, a + i, b + i, dy + i, add, n - i);
    }
}
