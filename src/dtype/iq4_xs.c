/* iq4_xs.c - 256 nibbles that choose among IQ4_NL's values; a scale of 6 bits for each 32
 *
 *     d (2 bytes) | h (2 bytes) | s[4] | b[128]
 *     x = (d (scale - 32)) value[nibble]
 * Scale g of 8: low 4 bits in s[g / 2], low nibble first, upper 2 in bits 2g, 2g+1 of h.  Group g is
 * bytes 16 g ... 16 g + 15, its first half in the low nibbles.
 *
 * Source: GGUF specification, block_iq4_xs.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BYTES = 136, SCALES = 4, QUANTS = 8 };

void ch_decode_iq4_xs(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        const float d = ch_block_f16(p);
        const uint16_t h = ch_block_u16(p + 2);
        for (int g = 0; g < 8; g++) {
            const int scale = (p[SCALES + g / 2] >> g % 2 * 4 & 15) | (h >> 2 * g & 3) << 4;
            const float dg = d * (float)(scale - 32);
            const unsigned char *b = p + QUANTS + 16 * g;
            for (int k = 0; k < 32; k++)
                out[i + 32 * g + k] = dg * (float)ch_iq4_values[b[k % 16] >> k / 16 * 4 & 15];
        }
    }
}
