/* rate256.h - the ceiling of an instruction on 256 bits, for rate_*_avx2 and rate_i8_avxvnni
 *
 * As rate512.h; ten sums, for there are sixteen registers, and a step may want some.  What a step
 * adds is hidden from the compiler, which would compute it once.
 * SPDX-License-Identifier: MIT */
#ifndef CH_RATE256_H
#define CH_RATE256_H

#include <immintrin.h>
#include <math.h>

#include "gemm_walk.h"

enum { CH_RATE256_SUMS = 10 };

/* s + the products of w and x, of whatever type */
typedef __m256i ch_rate256_step(__m256i s, __m256i w, __m256i x);

/* What all lanes of all sums hold, its bits; *agree: they do. */
CH_INLINE int32_t ch_rate256(bool *agree, int64_t steps, __m256i w, __m256i x,
                             ch_rate256_step *step)
{
    __m256i s[CH_RATE256_SUMS];
    CH_UNROLL
    for (int j = 0; j < CH_RATE256_SUMS; j++) {
        s[j] = _mm256_setzero_si256();
        __asm__ volatile("" : "+x"(s[j]));
    }
    CH_ROLLED
    for (int64_t i = 0; i < steps; i++) {
        CH_UNROLL
        for (int j = 0; j < CH_RATE256_SUMS; j++) {
            __asm__ volatile("" : "+x"(x));
            s[j] = step(s[j], w, x);
        }
    }
    const int32_t first = _mm_cvtsi128_si32(_mm256_castsi256_si128(s[0]));
    *agree = true;
    CH_UNROLL
    for (int j = 0; j < CH_RATE256_SUMS; j++)
        *agree &= _mm256_movemask_epi8(_mm256_cmpeq_epi32(s[j], _mm256_set1_epi32(first))) == -1;
    return first;
}

CH_INLINE double ch_rate256_float(int64_t steps, __m256i w, __m256i x, ch_rate256_step *step)
{
    bool agree;
    float s;
    const int32_t bits = ch_rate256(&agree, steps, w, x, step);
    __builtin_memcpy(&s, &bits, sizeof s);
    return agree ? (double)s : (double)NAN;
}

CH_INLINE double ch_rate256_int(int64_t steps, __m256i w, __m256i x, ch_rate256_step *step)
{
    bool agree;
    const int32_t s = ch_rate256(&agree, steps, w, x, step);
    return agree ? (double)s : (double)NAN;
}

#endif
