/* q2_k.c - 256 integers of 2 bits; a scale and a minimum of 4 bits for each 16
 *
 *     s[16] | b[64] | d (2 bytes) | e (2 bytes)
 *     x = (d (s & 15)) q - e (s >> 4)
 * Group g (16 elements from 16 g) has byte s[g].  Half h of the block (128 elements, bytes 32 h of
 * b): element 32 j + l of it is in bits 2j, 2j+1 of byte l.
 *
 * Encoding: scales and minima by least squares (fit.h).
 * Source: GGUF specification, block_q2_K.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BYTES = 84, QUANTS = 16, D = 80 };

void ch_codes_q2_k(ch_codes *out, const void *block)
{
    const unsigned char *p = block;
    out->d = ch_block_u16(p + D);
    out->e = ch_block_u16(p + D + 2);
    for (int g = 0; g < 16; g++) {
        out->scale[g] = (int8_t)(p[g] & 15);
        out->min[g] = p[g] >> 4;
    }
    for (int g = 0; g < 8; g++)
        for (int l = 0; l < 32; l++)
            out->code[32 * g + l] = p[QUANTS + g / 4 * 32 + l] >> 2 * (g % 4) & 3;
}

void ch_decode_q2_k(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_codes_q2_k(&c, p);
        const float d = ch_f16_to_f32(c.d), e = ch_f16_to_f32(c.e);
        for (int g = 0; g < 16; g++) {
            const float dg = d * (float)c.scale[g], eg = e * (float)c.min[g];
            for (int k = 16 * g; k < 16 * (g + 1); k++)
                out[i + k] = dg * (float)c.code[k] - eg;
        }
    }
}

void ch_fit_q2_k(void *blocks, const float *in, const float *importance, int64_t n)
{
    static const ch_fit_form form = {.group = 16, .most = 3, .high = 15, .min = true};
    unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_fit_super(&c, in + i, importance ? importance + i : NULL, &form);
        memset(p, 0, BYTES);
        memcpy(p + D, &c.d, sizeof c.d);
        memcpy(p + D + 2, &c.e, sizeof c.e);
        for (int g = 0; g < 16; g++)
            p[g] = (unsigned char)(c.scale[g] | c.min[g] << 4);
        for (int k = 0; k < CH_SUPER; k++)
            p[QUANTS + k / 128 * 32 + k % 32] |= (unsigned char)(c.code[k] << k % 128 / 32 * 2);
    }
}

void ch_encode_q2_k(void *blocks, const float *in, int64_t n)
{
    ch_fit_q2_k(blocks, in, NULL, n);
}
