/* mix_q8_0_avxvnni.c - attention output of q8_0 values by integers: VPDPWSSD.
 * SPDX-License-Identifier: MIT */
#include "mix256.h"

CH_INLINE __m256i step(__m256i s, __m256i x, __m256i w)
{
    return _mm256_dpwssd_avx_epi32(s, x, w);
}

void ch_mix_q8_0_avxvnni(real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                         const void *const *v, int groups, int n, int width)
{
    ch_mix256(acc, keep, p, ldp, v, groups, n, width, step);
}
