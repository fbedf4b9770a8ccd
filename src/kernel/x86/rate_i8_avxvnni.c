/* rate_i8_avxvnni.c - VEX-coded VPDPBUSD.  SPDX-License-Identifier: MIT */
#include "rate256.h"

CH_INLINE __m256i step(__m256i s, __m256i w, __m256i x)
{
    return _mm256_dpbusd_avx_epi32(s, w, x);
}

double ch_rate_i8_avxvnni(double *macs, int64_t steps, int w, int x)
{
    *macs += (double)steps * CH_RATE256_SUMS * 32;
    return ch_rate256_int(steps, _mm256_set1_epi8((char)w), _mm256_set1_epi8((char)x), step);
}
