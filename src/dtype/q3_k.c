/* q3_k.c - 256 integers of 3 bits; a scale of 6 bits for each 16
 *
 *     h[32] | b[64] | s[12] | d (2 bytes)
 *     x = (d (scale - 32)) (q - 4)
 * Half of the block (128 elements, bytes 32 half of b): element 32 j + l of it has its low two bits
 * in bits 2j, 2j+1 of byte l, and its third in bit 4 half + j of h[l].  Scale g of 16: low 4 bits
 * in s[g % 8], low nibble first, upper 2 in bits 2 (g / 4) of s[8 + g % 4].
 *
 * Encoding: scales by least squares (fit.h).
 * Source: GGUF specification, block_q3_K.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BYTES = 110, QUANTS = 32, SCALES = 96, D = 108 };

void ch_codes_q3_k(ch_codes *out, const void *block)
{
    const unsigned char *p = block, *s = p + SCALES;
    out->d = ch_block_u16(p + D);
    for (int g = 0; g < 16; g++)
        out->scale[g] =
            (int8_t)(((s[g % 8] >> g / 8 * 4 & 15) | (s[8 + g % 4] >> g / 4 * 2 & 3) << 4) - 32);
    for (int g = 0; g < 8; g++)
        for (int l = 0; l < 32; l++) {
            const int low = p[QUANTS + g / 4 * 32 + l] >> 2 * (g % 4) & 3;
            out->code[32 * g + l] = (uint8_t)(low | (p[l] >> g & 1) << 2);
        }
}

void ch_decode_q3_k(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_codes_q3_k(&c, p);
        const float d = ch_f16_to_f32(c.d);
        for (int g = 0; g < 16; g++) {
            const float dg = d * (float)c.scale[g];
            for (int k = 16 * g; k < 16 * (g + 1); k++)
                out[i + k] = dg * (float)(c.code[k] - 4);
        }
    }
}

void ch_fit_q3_k(void *blocks, const float *in, const float *importance, int64_t n)
{
    static const ch_fit_form form = {.group = 16, .most = 7, .offset = 4, .low = 32, .high = 31};
    unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_fit_super(&c, in + i, importance ? importance + i : NULL, &form);
        memset(p, 0, BYTES);
        memcpy(p + D, &c.d, sizeof c.d);
        for (int g = 0; g < 16; g++) {
            const int s = c.scale[g] + 32;
            p[SCALES + g % 8] |= (unsigned char)((s & 15) << g / 8 * 4);
            p[SCALES + 8 + g % 4] |= (unsigned char)(s >> 4 << g / 4 * 2);
        }
        for (int k = 0; k < CH_SUPER; k++) {
            p[QUANTS + k / 128 * 32 + k % 32] |=
                (unsigned char)((c.code[k] & 3) << k % 128 / 32 * 2);
            p[k % 32] |= (unsigned char)(c.code[k] >> 2 << k / 32);
        }
    }
}

void ch_encode_q3_k(void *blocks, const float *in, int64_t n)
{
    ch_fit_q3_k(blocks, in, NULL, n);
}
