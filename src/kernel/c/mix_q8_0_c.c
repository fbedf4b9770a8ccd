/* mix_q8_0_c.c - attention output of values stored as q8_0, by weights rounded to integers
 *
 * For a row and a block of 32 columns, d_j being the block's scale in key j and q_j its integers:
 *     x_j = p_j d_j      m = max_j |x_j|      w_j = x_j (32767 / m) to nearest even
 *     acc = fma(m / 32767, sum_j w_j q_j, acc keep)
 * A weight is off by 2^-16 of the greatest one at most; q8_0 itself is off by 2^-8 of a block's
 * greatest value.  The sum is exact, below 2^30, so that every variant has these bits.  m below
 * 2^-100: nothing is added.  An x_j that is not finite: NaN.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "kernel.h"
#include "mix_q8_0.h"

static real weights(int32_t *w, const real *p, const unsigned char *const *v, int n)
{
    real x[CH_MIX_KEYS], most = 0;
    bool finite = true;
    for (int j = 0; j < n; j++) {
        uint16_t d;
        memcpy(&d, v[j], sizeof d);
        x[j] = p[j] * (real)ch_f16_to_f32(d);
        finite = finite && real_abs(x[j]) <= (real)FLT_MAX;
        most = real_abs(x[j]) > most ? real_abs(x[j]) : most;
    }
    const bool some = finite && most >= (real)CH_MIX_LEAST;
    const real scale = some ? CH_MIX_MOST / most : 0;
    for (int j = 0; j < n; j++)
        w[j] = some ? (int32_t)rint((double)(x[j] * scale)) : 0;
    return !finite ? (real)NAN : some ? most / CH_MIX_MOST : 0;
}

static void block(real *acc, real keep, const real *p, const unsigned char *const *v, int n)
{
    int32_t w[CH_MIX_KEYS];
    const real step = weights(w, p, v, n);
    for (int i = 0; i < CH_MIX_BLOCK; i++) {
        int32_t sum = 0;
        for (int j = 0; j < n; j++)
            sum += w[j] * (int8_t)v[j][2 + i];
        acc[i] = real_fma(step, (real)sum, acc[i] * keep);
    }
}

void ch_mix_q8_0_c(real *acc, const real *keep, const real *p, ptrdiff_t ldp, const void *const *v,
                   int groups, int n, int width)
{
    const unsigned char *at[CH_MIX_KEYS];
    for (int e = 0; e < width; e += CH_MIX_BLOCK) {
        for (int j = 0; j < n; j++)
            at[j] = (const unsigned char *)v[j] + ch_mix_block_at(e);
        for (int g = 0; g < groups; g++)
            block(acc + (ptrdiff_t)g * width + e, keep[g], p + g * ldp, at, n);
    }
}
