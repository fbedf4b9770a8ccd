/* iq1_m.c - 256 elements: for each 8 an entry of a code book and an offset; a scale for each 16
 *
 *     e[32] (low 8 bits) | h[16] (nibbles: upper 3 bits of an entry, its offset's sign) |
 *     s[4] (2 bytes each: four scales of 3 bits; the top nibbles are d, lowest first)
 *     x = d (2 scale + 1) (grid +- 1/8)
 *
 * Source: GGUF's type 29.  SPDX-License-Identifier: MIT */
#include "blocks.h"
#include "iq_grids.h"

enum { BYTES = 56, HIGH = 32, SCALES = 48 };

void ch_decode_iq1_m(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        unsigned bits = 0, s[4];
        for (int j = 0; j < 4; j++) {
            s[j] = ch_block_u16(p + SCALES + 2 * j);
            bits |= s[j] >> 12 << 4 * j;
        }
        const float d = ch_f16_to_f32((uint16_t)bits);
        for (int g = 0; g < 32; g++) {
            const int h = p[HIGH + g / 2] >> g % 2 * 4 & 15;
            const float dg = d * (float)(2 * (s[g / 8] >> g % 8 / 2 * 3 & 7) + 1);
            const float offset = h & 8 ? -0.125f : 0.125f;
            ch_grid_iq1_values(out + i + 8 * g, p[g] | (h & 7) << 8, dg, offset);
        }
    }
}
