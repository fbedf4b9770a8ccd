/* iq2_xs.c - 256 elements: for each 8 an entry of a code book and signs; a scale for each 16
 *
 *     d (2 bytes) | e[32] (2 bytes each: entry of 9 bits, signs of 7) | s[8] (two scales of 4 bits)
 *     x = +- d (1/2 + scale) / 4 grid
 *
 * Source: GGUF's type 17.  SPDX-License-Identifier: MIT */
#include "blocks.h"
#include "iq_grids.h"

enum { BYTES = 74, SCALES = 66 };

void ch_decode_iq2_xs(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES)
        for (int g = 0; g < 32; g++) {
            const unsigned e = ch_block_u16(p + 2 + 2 * g);
            const int scale = p[SCALES + g / 4] >> g % 4 / 2 * 4 & 15;
            ch_grid_iq2(out + i + 8 * g, ch_grid_iq2_xs, (int)(e & 511), ch_grid_signs(e >> 9),
                        ch_block_f16(p) * (0.5f + (float)scale) * 0.25f);
        }
}
