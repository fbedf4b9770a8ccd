/* rate_bf16_avx512bf16.c - VDPBF16PS.  SPDX-License-Identifier: MIT */
#include "rate512.h"

CH_INLINE __m512i step(__m512i s, __m512i w, __m512i x)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(s) : "v"(w), "v"(x));
    return s;
}

/* A small integer as bfloat16, the upper half of a float, in both halves of each lane. */
static __m512i pairs(int x)
{
    const float f = (float)x;
    uint32_t bits;
    __builtin_memcpy(&bits, &f, sizeof bits);
    return _mm512_set1_epi32((int32_t)(bits >> 16 | (bits & 0xffff0000)));
}

double ch_rate_bf16_avx512bf16(double *macs, int64_t steps, int w, int x)
{
    *macs += (double)steps * CH_RATE512_SUMS * 32;
    return ch_rate512_float(steps, pairs(w), pairs(x), step);
}
