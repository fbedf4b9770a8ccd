/* q5_0.c - 32 integers of 5 bits and a binary16 scale
 *
 *     d (2 bytes) | h (4 bytes: bit i is the fifth bit of x[i]) | b[0] ... b[15]
 *     x[i] = d ((b[i] & 15 | h_i 16) - 16),  x[16 + i] = d ((b[i] >> 4 | h_(16+i) 16) - 16)
 *
 * Encoding: scale by least squares (fit.h).
 * Source: GGUF specification, block_q5_0.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BLOCK = 32, HALF = 16, BYTES = 22 };

void ch_codes_q5_0(ch_codes *out, const void *block)
{
    const unsigned char *p = block;
    const uint32_t h = ch_block_u32(p + 2);
    out->d = ch_block_u16(p);
    for (int k = 0; k < HALF; k++) {
        out->code[k] = (uint8_t)((p[6 + k] & 15) | (h >> k & 1) << 4);
        out->code[HALF + k] = (uint8_t)(p[6 + k] >> 4 | (h >> (HALF + k) & 1) << 4);
    }
}

void ch_decode_q5_0(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        ch_codes_q5_0(&c, p);
        const float d = ch_f16_to_f32(c.d);
        for (int k = 0; k < BLOCK; k++)
            out[i + k] = (float)(c.code[k] - 16) * d;
    }
}

void ch_fit_q5_0(void *blocks, const float *in, const float *importance, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        const float *x = in + i;
        float w[BLOCK];
        memset(p, 0, BYTES);
        if (isnan(ch_block_most(x, BLOCK))) {
            ch_block_put_f16(p, NAN);
            continue;
        }
        ch_fit_weights(w, x, importance ? importance + i : NULL, BLOCK);
        ch_block_put_f16(p, ch_fit_scale(x, w, BLOCK, 16, 31));
        const float inverse = ch_block_inverse(ch_block_f16(p));
        for (int k = 0; k < BLOCK; k++) {
            const int q = ch_fit_code(x[k] * inverse + 16, 31);
            p[6 + k % HALF] |= (unsigned char)((q & 15) << k / HALF * 4);
            p[2 + k / 8] |= (unsigned char)(q >> 4 << k % 8);
        }
    }
}

void ch_encode_q5_0(void *blocks, const float *in, int64_t n)
{
    ch_fit_q5_0(blocks, in, NULL, n);
}
