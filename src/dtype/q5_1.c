/* q5_1.c - 32 integers of 5 bits, a binary16 scale and a binary16 minimum
 *
 *     d (2 bytes) | m (2 bytes) | h (4 bytes: bit i is the fifth bit of x[i]) | b[0] ... b[15]
 *     x[i] = d (b[i] & 15 | h_i 16) + m,  x[16 + i] = d (b[i] >> 4 | h_(16+i) 16) + m
 *
 * Source: GGUF specification, block_q5_1.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BLOCK = 32, HALF = 16, BYTES = 24 };

void ch_decode_q5_1(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        const float d = ch_block_f16(p), m = ch_block_f16(p + 2);
        const uint32_t h = ch_block_u32(p + 4);
        for (int k = 0; k < HALF; k++) {
            const int low = (p[8 + k] & 15) | (int)(h >> k & 1) << 4;
            const int high = p[8 + k] >> 4 | (int)(h >> (HALF + k) & 1) << 4;
            out[i + k] = (float)low * d + m;
            out[i + HALF + k] = (float)high * d + m;
        }
    }
}
