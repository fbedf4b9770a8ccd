/* q5_0.c - 32 integers of 5 bits and a binary16 scale
 *
 *     d (2 bytes) | h (4 bytes: bit i is the fifth bit of x[i]) | b[0] ... b[15]
 *     x[i] = d ((b[i] & 15 | h_i 16) - 16),  x[16 + i] = d ((b[i] >> 4 | h_(16+i) 16) - 16)
 *
 * Source: GGUF specification, block_q5_0.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BLOCK = 32, HALF = 16, BYTES = 22 };

void ch_decode_q5_0(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        const float d = ch_block_f16(p);
        const uint32_t h = ch_block_u32(p + 2);
        for (int k = 0; k < HALF; k++) {
            const int low = (p[6 + k] & 15) | (int)(h >> k & 1) << 4;
            const int high = p[6 + k] >> 4 | (int)(h >> (HALF + k) & 1) << 4;
            out[i + k] = (float)(low - 16) * d;
            out[i + HALF + k] = (float)(high - 16) * d;
        }
    }
}
