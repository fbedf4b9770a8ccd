/* q5_1.c - 32 integers of 5 bits, a binary16 scale and a binary16 minimum
 *
 *     d (2 bytes) | m (2 bytes) | h (4 bytes: bit i is the fifth bit of x[i]) | b[0] ... b[15]
 *     x[i] = d (b[i] & 15 | h_i 16) + m,  x[16 + i] = d (b[i] >> 4 | h_(16+i) 16) + m
 *
 * Encoding: scale and minimum by least squares (fit.h).
 * Source: GGUF specification, block_q5_1.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BLOCK = 32, HALF = 16, BYTES = 24 };

void ch_codes_q5_1(ch_codes *out, const void *block)
{
    const unsigned char *p = block;
    const uint32_t h = ch_block_u32(p + 4);
    out->d = ch_block_u16(p);
    out->e = ch_block_u16(p + 2);
    for (int k = 0; k < HALF; k++) {
        out->code[k] = (uint8_t)((p[8 + k] & 15) | (h >> k & 1) << 4);
        out->code[HALF + k] = (uint8_t)(p[8 + k] >> 4 | (h >> (HALF + k) & 1) << 4);
    }
}

void ch_decode_q5_1(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        ch_codes_q5_1(&c, p);
        const float d = ch_f16_to_f32(c.d), m = ch_f16_to_f32(c.e);
        for (int k = 0; k < BLOCK; k++)
            out[i + k] = (float)c.code[k] * d + m;
    }
}

void ch_fit_q5_1(void *blocks, const float *in, const float *importance, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        const float *x = in + i;
        float w[BLOCK], scale, min;
        memset(p, 0, BYTES);
        if (isnan(ch_block_most(x, BLOCK))) {
            ch_block_put_f16(p, NAN);
            continue;
        }
        ch_fit_weights(w, x, importance ? importance + i : NULL, BLOCK);
        ch_fit_affine(&scale, &min, x, w, BLOCK, 31, false);
        ch_block_put_f16(p, scale);
        ch_block_put_f16(p + 2, -min);
        const float inverse = ch_block_inverse(ch_block_f16(p)), m = ch_block_f16(p + 2);
        for (int k = 0; k < BLOCK; k++) {
            const int q = ch_fit_code((x[k] - m) * inverse, 31);
            p[8 + k % HALF] |= (unsigned char)((q & 15) << k / HALF * 4);
            p[4 + k / 8] |= (unsigned char)(q >> 4 << k % 8);
        }
    }
}

void ch_encode_q5_1(void *blocks, const float *in, int64_t n)
{
    ch_fit_q5_1(blocks, in, NULL, n);
}
