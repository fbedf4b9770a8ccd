/* q4_k.c - 256 nibbles; a scale and a minimum of 6 bits for each 32
 *
 *     d (2 bytes) | e (2 bytes) | s[12] (ch_k_scales_get) | b[128]
 *     x = (d scale) q - e min
 * Groups 2j and 2j+1 are the low and the high nibbles of bytes 32 j ... 32 j + 31.
 *
 * Encoding: scales and minima by least squares (fit.h).
 * Source: GGUF specification, block_q4_K.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BYTES = 144, SCALES = 4, QUANTS = 16 };

void ch_codes_q4_k(ch_codes *out, const void *block)
{
    const unsigned char *p = block;
    out->d = ch_block_u16(p);
    out->e = ch_block_u16(p + 2);
    ch_k_scales_get(out->scale, out->min, p + SCALES);
    for (int g = 0; g < 8; g++)
        for (int l = 0; l < 32; l++)
            out->code[32 * g + l] = p[QUANTS + g / 2 * 32 + l] >> 4 * (g % 2) & 15;
}

void ch_decode_q4_k(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_codes_q4_k(&c, p);
        const float d = ch_f16_to_f32(c.d), e = ch_f16_to_f32(c.e);
        for (int g = 0; g < 8; g++) {
            const float dg = d * (float)c.scale[g], eg = e * (float)c.min[g];
            for (int k = 32 * g; k < 32 * (g + 1); k++)
                out[i + k] = dg * (float)c.code[k] - eg;
        }
    }
}

void ch_fit_q4_k(void *blocks, const float *in, const float *importance, int64_t n)
{
    static const ch_fit_form form = {.group = 32, .most = 15, .high = 63, .min = true};
    unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_fit_super(&c, in + i, importance ? importance + i : NULL, &form);
        memset(p, 0, BYTES);
        memcpy(p, &c.d, sizeof c.d);
        memcpy(p + 2, &c.e, sizeof c.e);
        ch_k_scales_put(p + SCALES, c.scale, c.min);
        for (int k = 0; k < CH_SUPER; k++)
            p[QUANTS + k / 64 * 32 + k % 32] |= (unsigned char)(c.code[k] << k % 64 / 32 * 4);
    }
}

void ch_encode_q4_k(void *blocks, const float *in, int64_t n)
{
    ch_fit_q4_k(blocks, in, NULL, n);
}
