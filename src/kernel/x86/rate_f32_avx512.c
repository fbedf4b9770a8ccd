/* rate_f32_avx512.c - VFMADD231PS.  SPDX-License-Identifier: MIT */
#include "rate512.h"

CH_INLINE __m512i step(__m512i s, __m512i w, __m512i x)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(s) : "v"(w), "v"(x));
    return s;
}

double ch_rate_f32_avx512(double *macs, int64_t steps, int w, int x)
{
    *macs += (double)steps * CH_RATE512_SUMS * 16;
    return ch_rate512_float(steps, _mm512_castps_si512(_mm512_set1_ps((float)w)),
                            _mm512_castps_si512(_mm512_set1_ps((float)x)), step);
}
