/* rate_f32_avx2.c - VFMADD231PS.  SPDX-License-Identifier: MIT */
#include "rate256.h"

CH_INLINE __m256i step(__m256i s, __m256i w, __m256i x)
{
    return _mm256_castps_si256(_mm256_fmadd_ps(_mm256_castsi256_ps(w), _mm256_castsi256_ps(x),
                                               _mm256_castsi256_ps(s)));
}

double ch_rate_f32_avx2(double *macs, int64_t steps, int w, int x)
{
    *macs += (double)steps * CH_RATE256_SUMS * 8;
    return ch_rate256_float(steps, _mm256_castps_si256(_mm256_set1_ps((float)w)),
                            _mm256_castps_si256(_mm256_set1_ps((float)x)), step);
}
