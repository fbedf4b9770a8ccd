/* row_q8_neon.c - an activation row as 8-bit integers, with the bits of row_q8_c.c: a group is
 * eight registers
 *
 * The greatest magnitude is found among the bits of |x|, which are ordered as integers; a NaN or
 * an infinity is then at least 0x7f800000.  SPDX-License-Identifier: MIT */
#include <arm_neon.h>

#include "panel.h"

static int16x4_t quantize(const real *x, float32x4_t d)
{
    const float32x4_t most = vdupq_n_f32(127), least = vdupq_n_f32(-127);
    const float32x4_t q = vdivq_f32(vld1q_f32(x), d);
    return vmovn_s32(vcvtnq_s32_f32(vmaxq_f32(vminq_f32(q, most), least)));
}

static int16x8_t quantize8(const real *x, float32x4_t d)
{
    return vcombine_s16(quantize(x, d), quantize(x + 4, d));
}

static uint32_t greatest_bits(const real *x)
{
    uint32x4_t most = vdupq_n_u32(0);
    for (int i = 0; i < CH_GROUP; i += 4)
        most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    return vmaxvq_u32(most);
}

/* Sixteen numbers and their sum */
static int8x16_t half(int32_t *sum, const real *x, float32x4_t d)
{
    const int16x8_t a = quantize8(x, d), b = quantize8(x + 8, d);
    *sum = vaddvq_s16(vaddq_s16(a, b));
    return vcombine_s8(vmovn_s16(a), vmovn_s16(b));
}

void ch_row_q8_neon(void *out, const real *x, int K)
{
    ch_group *group = out;
    for (int k = 0; k < K; k += CH_GROUP, x += CH_GROUP, group++) {
        const uint32_t bits = greatest_bits(x);
        float most;
        __builtin_memcpy(&most, &bits, sizeof most);
        const float d = bits < 0x7f800000 ? most / 127 : NAN;
        int8x16_t q0 = vdupq_n_s8(0), q1 = q0;
        int32_t sum0 = 0, sum1 = 0;
        if (d > 0) {
            q0 = half(&sum0, x, vdupq_n_f32(d));
            q1 = half(&sum1, x + 16, vdupq_n_f32(d));
        }
        vst1q_s8(group->q, q0);
        vst1q_s8(group->q + 16, q1);
        ch_group_sums(group, d, sum0, sum1);
    }
}
