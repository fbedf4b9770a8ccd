/* q4_1.c - 32 nibbles, a binary16 scale and a binary16 minimum
 *
 *     d (2 bytes) | m (2 bytes) | b[0] ... b[15]
 *     x[i] = d (b[i] & 15) + m,  x[16 + i] = d (b[i] >> 4) + m,  0 <= i < 16
 *
 * Encoding: scale and minimum by least squares (fit.h).
 * Source: GGUF specification, block_q4_1.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BLOCK = 32, HALF = 16, BYTES = 20 };

void ch_codes_q4_1(ch_codes *out, const void *block)
{
    const unsigned char *p = block;
    out->d = ch_block_u16(p);
    out->e = ch_block_u16(p + 2);
    for (int k = 0; k < HALF; k++) {
        out->code[k] = p[4 + k] & 15;
        out->code[HALF + k] = p[4 + k] >> 4;
    }
}

void ch_decode_q4_1(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        ch_codes_q4_1(&c, p);
        const float d = ch_f16_to_f32(c.d), m = ch_f16_to_f32(c.e);
        for (int k = 0; k < BLOCK; k++)
            out[i + k] = (float)c.code[k] * d + m;
    }
}

void ch_fit_q4_1(void *blocks, const float *in, const float *importance, int64_t n)
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
        ch_fit_affine(&scale, &min, x, w, BLOCK, 15, false);
        ch_block_put_f16(p, scale);
        ch_block_put_f16(p + 2, -min);
        const float inverse = ch_block_inverse(ch_block_f16(p)), m = ch_block_f16(p + 2);
        for (int k = 0; k < BLOCK; k++) {
            const int q = ch_fit_code((x[k] - m) * inverse, 15);
            p[4 + k % HALF] |= (unsigned char)((q & 15) << k / HALF * 4);
        }
    }
}

void ch_encode_q4_1(void *blocks, const float *in, int64_t n)
{
    ch_fit_q4_1(blocks, in, NULL, n);
}
