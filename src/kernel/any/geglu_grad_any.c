/* geglu_grad_any.c - geglu_grad_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

/* The gradients of VF elements, or of the first `left` of them where that is not 0. */
CH_INLINE void step(float *da, float *db, const float *a, const float *b, const float *dy,
                    int add, const int left)
{
    const vf k = vf_set1(1.5957691216057308f), c = vf_set1(0.044715f), one = vf_set1(1);
    const vf x = left ? vf_load_part(a, left) : vf_load(a), x2 = vf_mul(x, x);
    const vf d = left ? vf_load_part(dy, left) : vf_load(dy);
    const vf s = vf_gate(one, vf_mul(k, vf_fma(vf_mul(c, x2), x, x)));
    if (da) {
        const vf z = vf_mul(k, vf_fma(vf_set1(3 * 0.044715f), x2, one));
        const vf slope = vf_fma(vf_mul(x, vf_mul(s, vf_sub(one, s))), z, s);
        const vf t = vf_mul(vf_mul(d, left ? vf_load_part(b, left) : vf_load(b)), slope);
        any_gradient(da, t, add & 1, left);
    }
    if (db)
        any_gradient(db, vf_mul(d, vf_mul(x, s)), add & 2, left);
}

void CH_FN(geglu_grad)(float *da, float *db, const float *a, const float *b, const float *dy,
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
