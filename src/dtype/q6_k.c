/* q6_k.c - 256 integers of 6 bits; a signed scale of 8 bits for each 16
 *
 *     b[128] | h[64] | s[16] (signed) | d (2 bytes)
 *     x = (d scale) (q - 32)
 * Half of the block (128 elements, from bytes 64 half of b and 32 half of h): element 32 j + l of it
 * has its low nibble in byte 32 (j % 2) + l of b, low for j < 2, and its upper two bits in bits 2j,
 * 2j+1 of h[l].
 *
 * Source: GGUF specification, block_q6_K.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BYTES = 210, HIGH = 128, SCALES = 192, D = 208 };

void ch_decode_q6_k(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        const float d = ch_block_f16(p + D);
        for (int k = 0; k < CH_SUPER; k++) {
            const int j = k % 128 / 32, l = k % 32, half = k / 128;
            const int low = p[64 * half + j % 2 * 32 + l] >> j / 2 * 4 & 15;
            const int q = low | (p[HIGH + 32 * half + l] >> 2 * j & 3) << 4;
            out[i + k] = d * (float)(int8_t)p[SCALES + k / 16] * (float)(q - 32);
        }
    }
}
