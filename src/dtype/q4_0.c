/* q4_0.c - 32 nibbles and a binary16 scale
 *
 *     d (2 bytes) | b[0] ... b[15]
 *     x[i] = d * ((b[i] & 15) - 8),  x[16 + i] = d * ((b[i] >> 4) - 8),  0 <= i < 16
 *
 * Encoding: d = m / -8 where m is the value of greatest magnitude (the first of equals) with its
 * sign, q = min(15, floor(x * (1/d) + 8.5)), with d before it is rounded to binary16: the bytes of
 * ggml's reference quantizer.  A block with a value that is not finite gets d = NaN and q = 8.
 * By importance: the scale by least squares (fit.h), as no reference says what bytes it makes.
 * Source: GGUF specification, block_q4_0.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BLOCK = 32, HALF = 16, BYTES = 18 };

void ch_decode_q4_0(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        uint16_t h;
        memcpy(&h, p, sizeof h);
        float d = ch_f16_to_f32(h);
        for (int k = 0; k < HALF; k++) {
            out[i + k] = (float)((p[2 + k] & 15) - 8) * d;
            out[i + HALF + k] = (float)((p[2 + k] >> 4) - 8) * d;
        }
    }
}

static int quant(float x, float inverse)
{
    int q = (int)(x * inverse + 8.5f);
    return q < 15 ? q : 15;
}

static void fit_block(unsigned char *p, const float *x, const float *importance)
{
    float w[BLOCK];
    memset(p, 0, BYTES);
    if (isnan(ch_block_most(x, BLOCK))) {
        ch_block_put_f16(p, NAN);
        return;
    }
    ch_fit_weights(w, x, importance, BLOCK);
    ch_block_put_f16(p, ch_fit_scale(x, w, BLOCK, 8, 15));
    const float inverse = ch_block_inverse(ch_block_f16(p));
    for (int k = 0; k < BLOCK; k++)
        p[2 + k % HALF] |=
            (unsigned char)(ch_fit_code(x[k] * inverse + 8, 15) << k / HALF * 4);
}

void ch_fit_q4_0(void *blocks, const float *in, const float *importance, int64_t n)
{
    if (!importance)
        ch_encode_q4_0(blocks, in, n);
    for (int64_t i = 0; i < n && importance; i += BLOCK)
        fit_block((unsigned char *)blocks + i / BLOCK * BYTES, in + i, importance + i);
}

void ch_encode_q4_0(void *blocks, const float *in, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        float m = 0;
        bool finite = true;
        for (int k = 0; k < BLOCK; k++) {
            float x = in[i + k];
            finite = finite && fabsf(x) <= FLT_MAX;
            m = fabsf(x) > fabsf(m) ? x : m;
        }
        float d = m / -8, inverse = d != 0 ? 1 / d : 0;
        if (fabsf(inverse) > FLT_MAX) /* d is so small that it is 0 in binary16 */
            inverse = 0;
        uint16_t h = finite ? ch_f32_to_f16(d) : 0x7e00;
        memcpy(p, &h, sizeof h);
        for (int k = 0; k < HALF; k++) {
            int low = finite ? quant(in[i + k], inverse) : 8;
            int high = finite ? quant(in[i + HALF + k], inverse) : 8;
            p[2 + k] = (unsigned char)(low | high << 4);
        }
    }
}
