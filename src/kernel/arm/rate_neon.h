/* rate_neon.h - the ceiling of an instruction on 128 bits, for rate_*_neon and rate_i8_neondot
 *
 * As rate512.h; sixteen sums.  What a step adds is hidden from the compiler, which would compute
 * it once.  SPDX-License-Identifier: MIT */
#ifndef CH_RATE_NEON_H
#define CH_RATE_NEON_H

#include <math.h>

#include "gemm_walk.h"
#include "v256_neon.h"

enum { CH_RATE_NEON_SUMS = 16 };

/* s + the products of w and x, of whatever type */
typedef int32x4_t ch_rate_neon_step(int32x4_t s, int32x4_t w, int32x4_t x);

/* What all lanes of all sums hold, its bits; *agree: they do. */
CH_INLINE int32_t ch_rate_neon(bool *agree, int64_t steps, int32x4_t w, int32x4_t x,
                               ch_rate_neon_step *step)
{
    int32x4_t s[CH_RATE_NEON_SUMS];
    CH_UNROLL
    for (int j = 0; j < CH_RATE_NEON_SUMS; j++) {
        s[j] = vdupq_n_s32(0);
        __asm__ volatile("" : "+w"(s[j]));
    }
    CH_ROLLED
    for (int64_t i = 0; i < steps; i++) {
        CH_UNROLL
        for (int j = 0; j < CH_RATE_NEON_SUMS; j++) {
            __asm__ volatile("" : "+w"(x));
            s[j] = step(s[j], w, x);
        }
    }
    const int32_t first = vgetq_lane_s32(s[0], 0);
    *agree = true;
    CH_UNROLL
    for (int j = 0; j < CH_RATE_NEON_SUMS; j++)
        *agree &= vminvq_u32(vceqq_s32(s[j], vdupq_n_s32(first))) != 0;
    return first;
}

CH_INLINE double ch_rate_neon_int(double *macs, int64_t steps, int w, int x,
                                  ch_rate_neon_step *step)
{
    bool agree;
    *macs += (double)steps * CH_RATE_NEON_SUMS * 16;
    const int32_t s = ch_rate_neon(&agree, steps, vreinterpretq_s32_s8(vdupq_n_s8((int8_t)w)),
                                   vreinterpretq_s32_s8(vdupq_n_s8((int8_t)x)), step);
    return agree ? (double)s : (double)NAN;
}

/* A step of vi_dot4, whatever it is made of here. */
CH_INLINE int32x4_t ch_rate_neon_dot(int32x4_t s, int32x4_t w, int32x4_t x)
{
    return vi_dot4(s, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
}

#endif
