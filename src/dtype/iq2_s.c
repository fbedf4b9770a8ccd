/* iq2_s.c - 256 elements: for each 8 an entry of a code book and eight signs; a scale for each 16
 *
 *     d (2 bytes) | e[32] (low 8 bits) | signs[32] | h[8] (upper 2 bits, four entries a byte) |
 *     s[8] (two scales of 4 bits)                       x = +- d (1/2 + scale) / 4 grid
 *
 * Source: GGUF's type 22.  SPDX-License-Identifier: MIT */
#include "blocks.h"
#include "iq_grids.h"

enum { BYTES = 82, SIGNS = 34, HIGH = 66, SCALES = 74 };

void ch_decode_iq2_s(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES)
        for (int g = 0; g < 32; g++) {
            const int at = p[2 + g] | (p[HIGH + g / 4] >> g % 4 * 2 & 3) << 8;
            const int scale = p[SCALES + g / 4] >> g % 4 / 2 * 4 & 15;
            ch_grid_iq2(out + i + 8 * g, ch_grid_iq2_s, at, p[SIGNS + g],
                        ch_block_f16(p) * (0.5f + (float)scale) * 0.25f);
        }
}
