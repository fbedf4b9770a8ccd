/* rate512.h - the ceiling of an instruction on 512 bits, for rate_*_avx512*
 *
 * Sixteen sums hide the instruction's latency: 4 or 5 cycles, two a cycle at most.  They begin
 * where the compiler cannot see that they are alike, and steps are in assembly, so none of them
 * is left out.  SPDX-License-Identifier: MIT */
#ifndef CH_RATE512_H
#define CH_RATE512_H

#include <immintrin.h>
#include <math.h>

#include "gemm_walk.h"

enum { CH_RATE512_SUMS = 16 };

/* s + the products of w and x, of whatever type */
typedef __m512i ch_rate512_step(__m512i s, __m512i w, __m512i x);

/* What all lanes of all sums hold, its bits; *agree: they do. */
CH_INLINE int32_t ch_rate512(bool *agree, int64_t steps, __m512i w, __m512i x,
                             ch_rate512_step *step)
{
    __m512i s[CH_RATE512_SUMS];
    CH_UNROLL
    for (int j = 0; j < CH_RATE512_SUMS; j++) {
        s[j] = _mm512_setzero_si512();
        __asm__ volatile("" : "+v"(s[j]));
    }
    CH_ROLLED
    for (int64_t i = 0; i < steps; i++) {
        CH_UNROLL
        for (int j = 0; j < CH_RATE512_SUMS; j++)
            s[j] = step(s[j], w, x);
    }
    const int32_t first = _mm_cvtsi128_si32(_mm512_castsi512_si128(s[0]));
    *agree = true;
    CH_UNROLL
    for (int j = 0; j < CH_RATE512_SUMS; j++)
        *agree &= _mm512_cmpneq_epi32_mask(s[j], _mm512_set1_epi32(first)) == 0;
    return first;
}

CH_INLINE double ch_rate512_float(int64_t steps, __m512i w, __m512i x, ch_rate512_step *step)
{
    bool agree;
    float s;
    const int32_t bits = ch_rate512(&agree, steps, w, x, step);
    __builtin_memcpy(&s, &bits, sizeof s);
    return agree ? (double)s : (double)NAN;
}

CH_INLINE double ch_rate512_int(int64_t steps, __m512i w, __m512i x, ch_rate512_step *step)
{
    bool agree;
    const int32_t s = ch_rate512(&agree, steps, w, x, step);
    return agree ? (double)s : (double)NAN;
}

#endif
