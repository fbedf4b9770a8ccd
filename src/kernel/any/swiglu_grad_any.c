/* swiglu_grad_any.c - swiglu_grad_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

/* The gradients of VF elements, or of the first `left` of them where that is not 0. */
CH_INLINE void step(float *da, float *db, const float *a, const float *b, const float *dy,
                    int add, const int left)
{
    const vf x = left ? vf_load_part(a, left) : vf_load(a);
    const vf d = left ? vf_load_part(dy, left) : vf_load(dy);
    const vf s = vf_gate(vf_set1(1), x), silu = vf_mul(x, s);
    if (da) {
        const vf slope = vf_fma(silu, vf_sub(vf_set1(1), s), s);
        const vf t = vf_mul(vf_mul(d, left ? vf_load_part(b, left) : vf_load(b)), slope);
        any_gradient(da, t, add & 1, left);
    }
    if (db)
        any_gradient(db, vf_mul(d, silu), add & 2, left);
}

void CH_FN(swiglu_grad)(float *da, float *db, const float *a, const float *b, const float *dy,
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
