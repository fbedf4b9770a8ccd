/* q4_1.c - 32 nibbles, a binary16 scale and a binary16 minimum
 *
 *     d (2 bytes) | m (2 bytes) | b[0] ... b[15]
 *     x[i] = d (b[i] & 15) + m,  x[16 + i] = d (b[i] >> 4) + m,  0 <= i < 16
 *
 * Source: GGUF specification, block_q4_1.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BLOCK = 32, HALF = 16, BYTES = 20 };

void ch_decode_q4_1(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        const float d = ch_block_f16(p), m = ch_block_f16(p + 2);
        for (int k = 0; k < HALF; k++) {
            out[i + k] = (float)(p[4 + k] & 15) * d + m;
            out[i + HALF + k] = (float)(p[4 + k] >> 4) * d + m;
        }
    }
}
