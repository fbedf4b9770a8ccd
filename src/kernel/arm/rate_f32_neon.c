/* rate_f32_neon.c - FMLA.  SPDX-License-Identifier: MIT */
#include "rate_neon.h"

CH_INLINE int32x4_t step(int32x4_t s, int32x4_t w, int32x4_t x)
{
    return vreinterpretq_s32_f32(vfmaq_f32(vreinterpretq_f32_s32(s), vreinterpretq_f32_s32(w),
                                           vreinterpretq_f32_s32(x)));
}

double ch_rate_f32_neon(double *macs, int64_t steps, int w, int x)
{
    bool agree;
    float s;
    *macs += (double)steps * CH_RATE_NEON_SUMS * 4;
    const int32_t bits =
        ch_rate_neon(&agree, steps, vreinterpretq_s32_f32(vdupq_n_f32((float)w)),
                     vreinterpretq_s32_f32(vdupq_n_f32((float)x)), step);
    __builtin_memcpy(&s, &bits, sizeof s);
    return agree ? (double)s : (double)NAN;
}
