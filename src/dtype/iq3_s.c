/* iq3_s.c - 256 elements: for each 4 an entry of a code book, for each a sign; a scale for each 32
 *
 *     d (2 bytes) | e[64] (low 8 bits) | h[8] (bit 8, eight entries a byte) | signs[32] |
 *     s[4] (two scales of 4 bits)                       x = +- d (1 + 2 scale) grid
 *
 * Source: GGUF's type 21.  SPDX-License-Identifier: MIT */
#include "blocks.h"
#include "iq_grids.h"

enum { BYTES = 110, HIGH = 66, SIGNS = 74, SCALES = 106 };

void ch_decode_iq3_s(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES)
        for (int g = 0; g < 64; g++) {
            const int at = p[2 + g] | (p[HIGH + g / 8] >> g % 8 & 1) << 8;
            const int scale = p[SCALES + g / 16] >> g % 16 / 8 * 4 & 15;
            const float d = ch_block_f16(p) * (float)(1 + 2 * scale);
            int digit[4];
            ch_grid_entry(digit, ch_grid_iq3_s, at, 8);
            for (int j = 0; j < 4; j++)
                out[i + 4 * g + j] = ch_signed(d * (float)(2 * digit[j] + 1), p[SIGNS + g / 2],
                                               g % 2 * 4 + j);
        }
}
