/* q4_k.c - 256 nibbles; a scale and a minimum of 6 bits for each 32
 *
 *     d (2 bytes) | e (2 bytes) | s[12] (ch_k_scales_get) | b[128]
 *     x = (d scale) q - e min
 * Groups 2j and 2j+1 are the low and the high nibbles of bytes 32 j ... 32 j + 31.
 *
 * Source: GGUF specification, block_q4_K.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BYTES = 144, SCALES = 4, QUANTS = 16 };

void ch_decode_q4_k(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        const float d = ch_block_f16(p), e = ch_block_f16(p + 2);
        uint8_t scale[8], min[8];
        ch_k_scales_get(scale, min, p + SCALES);
        for (int g = 0; g < 8; g++) {
            const float dg = d * (float)scale[g], eg = e * (float)min[g];
            const unsigned char *b = p + QUANTS + g / 2 * 32;
            for (int k = 0; k < 32; k++)
                out[i + 32 * g + k] = dg * (float)(b[k] >> g % 2 * 4 & 15) - eg;
        }
    }
}
