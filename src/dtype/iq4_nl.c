/* iq4_nl.c - 32 nibbles that choose among sixteen values, and a binary16 scale
 *
 *     d (2 bytes) | b[0] ... b[15]
 *     x[i] = d value[b[i] & 15],  x[16 + i] = d value[b[i] >> 4],  0 <= i < 16
 *
 * Source: GGUF specification, block_iq4_nl.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BLOCK = 32, HALF = 16, BYTES = 18 };

const int8_t ch_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

void ch_decode_iq4_nl(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        const float d = ch_block_f16(p);
        for (int k = 0; k < HALF; k++) {
            out[i + k] = (float)ch_iq4_values[p[2 + k] & 15] * d;
            out[i + HALF + k] = (float)ch_iq4_values[p[2 + k] >> 4] * d;
        }
    }
}
