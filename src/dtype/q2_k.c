/* q2_k.c - 256 integers of 2 bits; a scale and a minimum of 4 bits for each 16
 *
 *     s[16] | b[64] | d (2 bytes) | e (2 bytes)
 *     x = (d (s & 15)) q - e (s >> 4)
 * Group g (16 elements from 16 g) has byte s[g].  Half h of the block (128 elements, bytes 32 h of
 * b): element 32 j + l of it is in bits 2j, 2j+1 of byte l.
 *
 * Source: GGUF specification, block_q2_K.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BYTES = 84, QUANTS = 16, D = 80 };

void ch_decode_q2_k(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        const float d = ch_block_f16(p + D), e = ch_block_f16(p + D + 2);
        for (int k = 0; k < CH_SUPER; k++) {
            const int s = p[k / 16], q = p[QUANTS + k / 128 * 32 + k % 32] >> k % 128 / 32 * 2 & 3;
            out[i + k] = d * (float)(s & 15) * (float)q - e * (float)(s >> 4);
        }
    }
}
