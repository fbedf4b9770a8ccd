/* rate_i8_avx512vnni.c - VPDPBUSD.  SPDX-License-Identifier: MIT */
#include "rate512.h"

CH_INLINE __m512i step(__m512i s, __m512i w, __m512i x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(w), "v"(x));
    return s;
}

double ch_rate_i8_avx512vnni(double *macs, int64_t steps, int w, int x)
{
    *macs += (double)steps * CH_RATE512_SUMS * 64;
    return ch_rate512_int(steps, _mm512_set1_epi8((char)w), _mm512_set1_epi8((char)x), step);
}
