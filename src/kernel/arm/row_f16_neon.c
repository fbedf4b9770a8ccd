/* row_f16_neon.c - reals as binary16, with the bits of row_f16_c.c.
 * SPDX-License-Identifier: MIT */
#include <arm_neon.h>

#include "kernel.h"

void ch_row_f16_neon(void *out, const real *x, int K)
{
    uint16_t *h = out;
    int k = 0;
    for (; k + 4 <= K; k += 4)
        vst1_u16(h + k, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + k))));
    for (; k < K; k++)
        h[k] = ch_f32_to_f16(x[k]);
}
