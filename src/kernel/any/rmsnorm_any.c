/* rmsnorm_any.c - rmsnorm_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

static float sum_of_squares(const float *x, int n)
{
    vf a[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int i = 0;
    for (; i + 4 * VF <= n; i += 4 * VF)
        for (int v = 0; v < 4; v++) {
            const vf t = vf_load(x + i + v * VF);
            a[v] = vf_fma(t, t, a[v]);
        }
    for (; i < n; i += VF) {
        const vf t = vf_load_part(x + i, CH_MIN(n - i, VF));
        a[0] = vf_fma(t, t, a[0]);
    }
    return vf_sum_of(a);
}

float CH_FN(rmsnorm)(float *y, const float *x, const float *g, int n, float eps)
{
    const float r = 1 / sqrtf(sum_of_squares(x, n) / (float)n + eps);
    const vf rs = vf_set1(r);
    int i = 0;
    for (; i + VF <= n; i += VF) {
        const vf t = vf_mul(vf_load(x + i), rs);
        vf_store(y + i, g ? vf_mul(t, vf_load(g + i)) : t);
    }
    if (i < n) {
        const vf t = vf_mul(vf_load_part(x + i, n - i), rs);
        vf_store_part(y + i, g ? vf_mul(t, vf_load_part(g + i, n - i)) : t, n - i);
    }
    return r;
}
