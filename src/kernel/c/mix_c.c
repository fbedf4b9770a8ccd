/* mix_c.c - attention output of one page: acc = acc keep + sum_j p_j v_j, j in sequence
 *
 * keep rescales what earlier pages gave when this page raised the running maximum (Milakov &
 * Gimelshein 2018).  SPDX-License-Identifier: MIT */
#include "kernel.h"
#include "stored_c.h"

static void mix(ch_dtype t, real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                const void *v, int groups, int n, int width)
{
    const size_t row_bytes = ch_dtype_bytes(t, width);
    real room[CH_STRETCH];
    for (int g = 0; g < groups; g++)
        for (int e = 0; e < width; e++)
            acc[(ptrdiff_t)g * width + e] *= keep[g];
    for (int j = 0; j < n; j++) {
        const unsigned char *row = (const unsigned char *)v + (size_t)j * row_bytes;
        for (int e = 0; e < width; e += CH_STRETCH) {
            const int m = CH_MIN(width - e, CH_STRETCH);
            const real *value = ch_stretch(room, t, row, e, m);
            for (int g = 0; g < groups; g++) {
                real *out = acc + (ptrdiff_t)g * width + e;
                const real weight = p[g * ldp + j];
                for (int i = 0; i < m; i++)
                    out[i] += weight * value[i];
            }
        }
    }
}

void ch_mix_f32_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp, const void *v,
                  int groups, int n, int width)
{
    mix(CH_REAL, acc, keep, p, ldp, v, groups, n, width);
}

void ch_mix_f16_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp, const void *v,
                  int groups, int n, int width)
{
    mix(CH_F16, acc, keep, p, ldp, v, groups, n, width);
}

void ch_mix_bf16_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp, const void *v,
                   int groups, int n, int width)
{
    mix(CH_BF16, acc, keep, p, ldp, v, groups, n, width);
}

void ch_mix_q8_0_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp, const void *v,
                   int groups, int n, int width)
{
    mix(CH_Q8_0, acc, keep, p, ldp, v, groups, n, width);
}

void ch_mix_q4_0_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp, const void *v,
                   int groups, int n, int width)
{
    mix(CH_Q4_0, acc, keep, p, ldp, v, groups, n, width);
}
