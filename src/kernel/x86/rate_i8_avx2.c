/* rate_i8_avx2.c - VPMADDUBSW, VPMADDWD, VPADDD: what a dot product takes without its instruction
 *
 * SPDX-License-Identifier: MIT */
#include "rate256.h"

CH_INLINE __m256i step(__m256i s, __m256i w, __m256i x)
{
    return _mm256_add_epi32(
        s, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}

double ch_rate_i8_avx2(double *macs, int64_t steps, int w, int x)
{
    *macs += (double)steps * CH_RATE256_SUMS * 32;
    return ch_rate256_int(steps, _mm256_set1_epi8((char)w), _mm256_set1_epi8((char)x), step);
}
