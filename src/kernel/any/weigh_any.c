/* weigh_any.c - weigh_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

/* z of the vector from element i, whose scores are s. */
CH_INLINE vf exponent(const ch_exponent *z, vf s, int i)
{
    const vf away = vf_sub(vf_set1((float)(z->distance - i)), vf_count());
    return vf_fnma(vf_set1(z->slope), away, vf_mul(s, vf_set1(z->scale)));
}

static float max_of(const float *s, int n, const ch_exponent *z)
{
    const vf least = vf_set1(-INFINITY);
    vf m = least;
    int i = 0;
    for (; i + VF <= n; i += VF)
        m = vf_max(exponent(z, vf_load(s + i), i), m); /* in this operand order NaN is ignored */
    if (i < n)
        m = vf_max(vf_select(exponent(z, vf_load_part(s + i, n - i), i), least, n - i), m);
    return vf_hmax(m);
}

float CH_FN(weigh)(float *p, const float *s, int n, const ch_exponent *z, float *max)
{
    const float m = max_of(s, n, z);
    const vf shift = vf_set1(m == -INFINITY ? 0 : m);
    vf sum = vf_zero();
    int i = 0;
    for (; i + VF <= n; i += VF) {
        const vf t = vf_exp(vf_sub(exponent(z, vf_load(s + i), i), shift));
        vf_store(p + i, t);
        sum = vf_add(sum, t);
    }
    if (i < n) {
        const int left = n - i;
        const vf t = vf_exp(vf_sub(exponent(z, vf_load_part(s + i, left), i), shift));
        vf_store_part(p + i, t, left);
        sum = vf_add(sum, vf_select(t, vf_zero(), left));
    }
    *max = m;
    return vf_hsum(sum);
}
