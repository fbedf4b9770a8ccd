/* q3_k.c - 256 integers of 3 bits; a scale of 6 bits for each 16
 *
 *     h[32] | b[64] | s[12] | d (2 bytes)
 *     x = (d (scale - 32)) (q - 4)
 * Half of the block (128 elements, bytes 32 half of b): element 32 j + l of it has its low two bits
 * in bits 2j, 2j+1 of byte l, and its third in bit 4 half + j of h[l].  Scale g of 16: low 4 bits in
 * s[g % 8], low nibble first, upper 2 in bits 2 (g / 4) of s[8 + g % 4].
 *
 * Source: GGUF specification, block_q3_K.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BYTES = 110, QUANTS = 32, SCALES = 96, D = 108 };

static int scale(const unsigned char *s, int g)
{
    return (s[g % 8] >> g / 8 * 4 & 15) | (s[8 + g % 4] >> g / 4 * 2 & 3) << 4;
}

void ch_decode_q3_k(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        const float d = ch_block_f16(p + D);
        for (int k = 0; k < CH_SUPER; k++) {
            const int low = p[QUANTS + k / 128 * 32 + k % 32] >> k % 128 / 32 * 2 & 3;
            const int q = low | (p[k % 32] >> k / 32 & 1) << 2;
            out[i + k] = d * (float)(scale(p + SCALES, k / 16) - 32) * (float)(q - 4);
        }
    }
}
