/* mix_c.c - attention output of some keys: acc = acc keep + sum_j p_j v_j, j in sequence
 *
 * keep rescales what earlier keys gave when these raised the running maximum (Milakov & Gimelshein
 * 2018).  Values of q8_0: mix_q8_0_c.c.  SPDX-License-Identifier: MIT */
#include "kernel.h"
#include "stored_c.h"

static void mix(ch_dtype t, real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                const void *const *v, int groups, int n, int width)
{
    real room[CH_STRETCH];
    for (int g = 0; g < groups; g++)
        for (int e = 0; e < width; e++)
            acc[(ptrdiff_t)g * width + e] *= keep[g];
    for (int j = 0; j < n; j++) {
        for (int e = 0; e < width; e += CH_STRETCH) {
            const int m = CH_MIN(width - e, CH_STRETCH);
            const real *value = ch_stretch(room, t, v[j], e, m);
            for (int g = 0; g < groups; g++) {
                real *out = acc + (ptrdiff_t)g * width + e;
                const real weight = p[g * ldp + j];
                for (int i = 0; i < m; i++)
                    out[i] += weight * value[i];
            }
        }
    }
}

void ch_mix_f32_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                  const void *const *v, int groups, int n, int width)
{
    mix(CH_REAL, acc, keep, p, ldp, v, groups, n, width);
}

void ch_mix_f16_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                  const void *const *v, int groups, int n, int width)
{
    mix(CH_F16, acc, keep, p, ldp, v, groups, n, width);
}

void ch_mix_bf16_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                   const void *const *v, int groups, int n, int width)
{
    mix(CH_BF16, acc, keep, p, ldp, v, groups, n, width);
}

void ch_mix_q4_0_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                   const void *const *v, int groups, int n, int width)
{
    mix(CH_Q4_0, acc, keep, p, ldp, v, groups, n, width);
}
