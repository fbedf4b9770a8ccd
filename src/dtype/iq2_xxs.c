/* iq2_xxs.c - 256 elements: for each 8 an entry of a code book and signs; a scale for each 32
 *
 *     d (2 bytes) | for each 32: entry[4] (1 byte each), then 4 signs of 7 bits and a scale of 4
 *     x = +- d (1/2 + scale) / 4 grid
 *
 * Source: GGUF's type 16.  SPDX-License-Identifier: MIT */
#include "blocks.h"
#include "iq_grids.h"

enum { BYTES = 66 };

void ch_decode_iq2_xxs(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES)
        for (int g = 0; g < 8; g++) {
            const unsigned char *b = p + 2 + 8 * g;
            const uint32_t s = ch_block_u32(b + 4);
            const float d = ch_block_f16(p) * (0.5f + (float)(s >> 28)) * 0.25f;
            for (int l = 0; l < 4; l++)
                ch_grid_iq2(out + i + 32 * g + 8 * l, ch_grid_iq2_xxs, b[l],
                            ch_grid_signs(s >> 7 * l), d);
        }
}
