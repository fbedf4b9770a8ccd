/* iq3_xxs.c - 256 elements: for each 4 an entry of a code book; signs, and a scale for each 32
 *
 *     d (2 bytes) | e[64] | for each 32: 4 signs of 7 bits and a scale of 4 (4 bytes)
 *     x = +- d (1/2 + scale) / 2 grid
 *
 * Source: GGUF's type 18.  SPDX-License-Identifier: MIT */
#include "blocks.h"
#include "iq_grids.h"

enum { BYTES = 98, SIGNS = 66 };

void ch_decode_iq3_xxs(float *out, const void *blocks, int64_t n)
{
    static const float values[] = {4, 12, 20, 28, 36, 44, 52, 62};
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES)
        for (int g = 0; g < 64; g++) {
            const uint32_t s = ch_block_u32(p + SIGNS + g / 8 * 4);
            const int signs = ch_grid_signs(s >> g % 8 / 2 * 7);
            const float d = ch_block_f16(p) * (0.5f + (float)(s >> 28)) * 0.5f;
            int digit[4];
            ch_grid_entry(digit, ch_grid_iq3_xxs, p[2 + g], 8);
            for (int j = 0; j < 4; j++)
                out[i + 4 * g + j] = ch_signed(d * values[digit[j]], signs, g % 2 * 4 + j);
        }
}
