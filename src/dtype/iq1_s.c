/* iq1_s.c - 256 elements: for each 8 an entry of a code book; a scale and an offset for each 32
 *
 *     d (2 bytes) | e[32] (low 8 bits) | h[8] (2 bytes each: upper 3 bits of four entries, a scale
 *     of 3 bits, the offset's sign)                     x = d (2 scale + 1) (grid +- 1/8)
 *
 * Source: GGUF's type 19.  SPDX-License-Identifier: MIT */
#include "blocks.h"
#include "iq_grids.h"

enum { BYTES = 50, HIGH = 34 };

void ch_decode_iq1_s(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES)
        for (int g = 0; g < 32; g++) {
            const int h = ch_block_u16(p + HIGH + g / 4 * 2);
            const float d = ch_block_f16(p) * (float)(2 * (h >> 12 & 7) + 1);
            const float offset = h & 0x8000 ? -0.125f : 0.125f;
            ch_grid_iq1_values(out + i + 8 * g, p[2 + g] | (h >> g % 4 * 3 & 7) << 8, d, offset);
        }
}
