/* read_neon.c - all of some memory, 16 bytes a load, asked for in advance as single rows do
 *
 * SPDX-License-Identifier: MIT */
#include <arm_neon.h>

#include "gemm_walk.h"

enum { LOADS = 8, STRETCH = LOADS * 16 };

uint64_t ch_read_neon(const void *from, size_t bytes)
{
    const uint8_t *at = from;
    uint8x16_t s[LOADS];
    size_t i = 0;
    CH_UNROLL
    for (int j = 0; j < LOADS; j++)
        s[j] = vdupq_n_u8(0);
    for (; i + STRETCH <= bytes; i += STRETCH) {
        CH_UNROLL
        for (int j = 0; j < STRETCH; j += 64)
            ch_ask((const char *)at + i + CH_AHEAD + j);
        CH_UNROLL
        for (int j = 0; j < LOADS; j++)
            s[j] = veorq_u8(s[j], vld1q_u8(at + i + 16 * j));
    }
    CH_UNROLL
    for (int j = 1; j < LOADS; j++)
        s[0] = veorq_u8(s[0], s[j]);
    const uint64x2_t word = vreinterpretq_u64_u8(s[0]);
    return vgetq_lane_u64(word, 0) ^ vgetq_lane_u64(word, 1) ^ ch_read_c(at + i, bytes - i);
}
