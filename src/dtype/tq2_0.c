/* tq2_0.c - 256 ternary digits of 2 bits and a binary16 scale
 *
 *     b[64] | d (2 bytes)                               x = d (q - 1)
 * Half of the block (128 elements, bytes 32 half): element 32 j + l of it is in bits 2j, 2j+1 of
 * byte l.
 *
 * Encoding: d = max|x|, q = round(x / d) + 1.  A value that is not finite makes d NaN.
 * Source: GGUF's type 35.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BYTES = 66, D = 64 };

void ch_decode_tq2_0(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        const float d = ch_block_f16(p + D);
        for (int k = 0; k < CH_SUPER; k++)
            out[i + k] = (float)((p[k / 128 * 32 + k % 32] >> k % 128 / 32 * 2 & 3) - 1) * d;
    }
}

void ch_encode_tq2_0(void *blocks, const float *in, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        const float d = ch_block_most(in + i, CH_SUPER), inverse = ch_block_inverse(d);
        memset(p, 0, D);
        for (int k = 0; k < CH_SUPER; k++) {
            const int q = (int)ch_block_round(in[i + k] * inverse) + 1;
            p[k / 128 * 32 + k % 32] |= (unsigned char)(q << k % 128 / 32 * 2);
        }
        ch_block_put_f16(p + D, d);
    }
}
