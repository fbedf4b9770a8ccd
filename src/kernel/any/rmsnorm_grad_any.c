/* rmsnorm_grad_any.c - rmsnorm_grad_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

CH_INLINE vf load(const float *x, const int left)
{
    return left ? vf_load_part(x, left) : vf_load(x);
}

CH_INLINE vf gained(const float *g, const float *dy, int i, const int left)
{
    return g ? vf_mul(load(g + i, left), load(dy + i, left)) : load(dy + i, left);
}

static float dot_of(const float *x, const float *g, const float *dy, int n)
{
    vf a[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int i = 0;
    for (; i + 4 * VF <= n; i += 4 * VF)
        for (int v = 0; v < 4; v++)
            a[v] = vf_fma(gained(g, dy, i + v * VF, 0), load(x + i + v * VF, 0), a[v]);
    for (; i + VF <= n; i += VF)
        a[0] = vf_fma(gained(g, dy, i, 0), load(x + i, 0), a[0]);
    if (i < n)
        a[0] = vf_fma(gained(g, dy, i, n - i), load(x + i, n - i), a[0]);
    return vf_sum_of(a);
}

CH_INLINE void step(float *dx, float *dg, const float *x, const float *g, const float *dy, int i,
                    float r, float back, int add, const int left)
{
    const vf t = load(x + i, left);
    if (dx) {
        const vf d = vf_mul(vf_set1(r), gained(g, dy, i, left));
        any_gradient(dx + i, vf_fnma(t, vf_set1(back), d), add, left);
    }
    if (dg)
        any_gradient(dg + i, vf_mul(load(dy + i, left), vf_mul(t, vf_set1(r))), 1, left);
}

void CH_FN(rmsnorm_grad)(float *dx, float *dg, const float *x, const float *g, const float *dy,
                         float r, int n, int add)
{
    const float back = dx ? r * r * r * (dot_of(x, g, dy, n) / (float)n) : 0;
    int i = 0;
    for (; i + VF <= n; i += VF)
        step(dx, dg, x, g, dy, i, r, back, add, 0);
    if (i < n)
        step(dx, dg, x, g, dy, i, r, back, add, n - i);
}
