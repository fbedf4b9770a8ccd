/* softmax_any.c - softmax_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

static float max_of(const float *x, int n)
{
    const vf least = vf_set1(-INFINITY);
    vf m = least;
    int i = 0;
    for (; i + VF <= n; i += VF)
        m = vf_max(vf_load(x + i), m); /* in this operand order NaN is ignored */
    if (i < n)
        m = vf_max(vf_select(vf_load_part(x + i, n - i), least, n - i), m);
    return vf_hmax(m);
}

float CH_FN(softmax)(float *p, const float *x, int n, float *max)
{
    const float m = max_of(x, n);
    const vf shift = vf_set1(m == -INFINITY ? 0 : m);
    vf sum = vf_zero();
    int i = 0;
    for (; i + VF <= n; i += VF) {
        const vf t = vf_exp(vf_sub(vf_load(x + i), shift));
        vf_store(p + i, t);
        sum = vf_add(sum, t);
    }
    if (i < n) {
        const int left = n - i;
        const vf t = vf_exp(vf_sub(vf_load_part(x + i, left), shift));
        vf_store_part(p + i, t, left);
        sum = vf_add(sum, vf_select(t, vf_zero(), left));
    }
    *max = m;
    return vf_hsum(sum);
}
