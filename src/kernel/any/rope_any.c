/* rope_any.c - rope_c.c over vectors: x_i c - x_j s and x_j c + x_i s, the first product fused
 *
 * The pairs past the last whole vector are turned one by one with the same operations: the same
 * bits.  SPDX-License-Identifier: MIT */
#include "any.h"

static inline void turn(float *xi, float *xj, float c, float s)
{
    const float a = *xi, b = *xj;
    *xi = fmaf(a, c, -(b * s));
    *xj = fmaf(b, c, a * s);
}

static void rope_interleaved(float *x, const float *c, const float *s, int pairs)
{
    int p = 0;
    for (; p + VF / 2 <= pairs; p += VF / 2) {
        const vf t = vf_load(x + 2 * p);
        const vf crossed = vf_mul(vf_swap_pairs(t), vf_load_twice(s + p));
        vf_store(x + 2 * p, vf_fmas(t, vf_load_twice(c + p), crossed));
    }
    for (; p < pairs; p++)
        turn(x + 2 * p, x + 2 * p + 1, c[p], s[p]);
}

static void rope_halves(float *x, const float *c, const float *s, int pairs)
{
    float *far = x + pairs;
    int p = 0;
    for (; p + VF <= pairs; p += VF) {
        const vf a = vf_load(x + p), b = vf_load(far + p), cs = vf_load(c + p),
                 sn = vf_load(s + p);
        vf_store(x + p, vf_fms(a, cs, vf_mul(b, sn)));
        vf_store(far + p, vf_fma(b, cs, vf_mul(a, sn)));
    }
    for (; p < pairs; p++)
        turn(x + p, far + p, c[p], s[p]);
}

void CH_FN(rope)(float *x, const float *c, const float *s, int pairs, int interleaved)
{
    if (interleaved)
        rope_interleaved(x, c, s, pairs);
    else
        rope_halves(x, c, s, pairs);
}
