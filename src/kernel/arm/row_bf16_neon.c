/* row_bf16_neon.c - an activation row as bfloat16, with the bits of row_bf16_c.c
 *
 * SPDX-License-Identifier: MIT */
#include <arm_neon.h>

#include "kernel.h"

static uint16x4_t narrow(float32x4_t x)
{
    const uint32x4_t bits = vreinterpretq_u32_f32(x), upper = vshrq_n_u32(bits, 16);
    const uint32x4_t odd = vandq_u32(upper, vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    const uint32x4_t nan = vorrq_u32(upper, vdupq_n_u32(0x40));
    return vmovn_u32(vbslq_u32(vceqq_f32(x, x), vshrq_n_u32(rounded, 16), nan));
}

void ch_row_bf16_neon(void *out, const real *x, int K)
{
    uint16_t *h = out;
    const int whole = (int)(ch_row_bytes(CH_PANEL_BF16, K) / sizeof *h);
    int k = 0;
    for (; k + 8 <= K; k += 8)
        vst1q_u16(h + k, vcombine_u16(narrow(vld1q_f32(x + k)), narrow(vld1q_f32(x + k + 4))));
    for (; k < K; k++)
        h[k] = ch_f32_to_bf16(x[k]);
    for (; k < whole; k++)
        h[k] = 0;
}
