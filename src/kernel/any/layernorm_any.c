/* layernorm_any.c - layernorm_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

static float sum_of(const float *x, int n)
{
    vf a[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int i = 0;
    for (; i + 4 * VF <= n; i += 4 * VF)
        for (int v = 0; v < 4; v++)
            a[v] = vf_add(vf_load(x + i + v * VF), a[v]);
    for (; i < n; i += VF)
        a[0] = vf_add(vf_load_part(x + i, CH_MIN(n - i, VF)), a[0]);
    return vf_sum_of(a);
}

static float sum_of_squares_around(float mean, const float *x, int n)
{
    const vf m = vf_set1(mean);
    vf a[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int i = 0;
    for (; i + 4 * VF <= n; i += 4 * VF)
        for (int v = 0; v < 4; v++) {
            const vf t = vf_sub(vf_load(x + i + v * VF), m);
            a[v] = vf_fma(t, t, a[v]);
        }
    for (; i < n; i += VF) {
        const int left = CH_MIN(n - i, VF);
        const vf t = vf_select(vf_sub(vf_load_part(x + i, left), m), vf_zero(), left);
        a[0] = vf_fma(t, t, a[0]);
    }
    return vf_sum_of(a);
}

void CH_FN(layernorm)(float *y, const float *x, const float *g, const float *b, int n, float eps,
                      float stats[2])
{
    const float mean = sum_of(x, n) / (float)n;
    const float r = 1 / sqrtf(sum_of_squares_around(mean, x, n) / (float)n + eps);
    const vf m = vf_set1(mean), rs = vf_set1(r);
    int i = 0;
    for (; i + VF <= n; i += VF) {
        const vf t = vf_mul(vf_sub(vf_load(x + i), m), rs);
        vf_store(y + i, vf_fma(t, vf_load(g + i), b ? vf_load(b + i) : vf_zero()));
    }
    if (i < n) {
        const int left = n - i;
        const vf t = vf_mul(vf_sub(vf_load_part(x + i, left), m), rs);
        const vf u =
            vf_fma(t, vf_load_part(g + i, left), b ? vf_load_part(b + i, left) : vf_zero());
        vf_store_part(y + i, u, left);
    }
    stats[0] = mean;
    stats[1] = r;
}
