/* iq4_xs.c - 256 nibbles that choose among IQ4_NL's values; a scale of 6 bits for each 32
 *
 *     d (2 bytes) | h (2 bytes) | s[4] | b[128]
 *     x = (d (scale - 32)) value[nibble]
 * Scale g of 8: low 4 bits in s[g / 2], low nibble first, upper 2 in bits 2g, 2g+1 of h.  Group g
 * is bytes 16 g ... 16 g + 15, its first half in the low nibbles.
 *
 * Encoding: scales by least squares (fit.h).
 * Source: GGUF specification, block_iq4_xs.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BYTES = 136, SCALES = 4, QUANTS = 8 };

void ch_codes_iq4_xs(ch_codes *out, const void *block)
{
    const unsigned char *p = block;
    const uint16_t h = ch_block_u16(p + 2);
    out->d = ch_block_u16(p);
    for (int g = 0; g < 8; g++)
        out->scale[g] =
            (int8_t)(((p[SCALES + g / 2] >> g % 2 * 4 & 15) | (h >> 2 * g & 3) << 4) - 32);
    for (int g = 0; g < 8; g++)
        for (int l = 0; l < 16; l++) {
            out->code[32 * g + l] = p[QUANTS + 16 * g + l] & 15;
            out->code[32 * g + 16 + l] = p[QUANTS + 16 * g + l] >> 4;
        }
}

void ch_decode_iq4_xs(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_codes_iq4_xs(&c, p);
        const float d = ch_f16_to_f32(c.d);
        for (int g = 0; g < 8; g++) {
            const float dg = d * (float)c.scale[g];
            for (int k = 32 * g; k < 32 * (g + 1); k++)
                out[i + k] = dg * (float)ch_iq4_values[c.code[k]];
        }
    }
}

void ch_fit_iq4_xs(void *blocks, const float *in, const float *importance, int64_t n)
{
    static const ch_fit_form form = {.group = 32, .low = 32, .high = 31, .table = ch_iq4_values};
    unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_fit_super(&c, in + i, importance ? importance + i : NULL, &form);
        memset(p, 0, BYTES);
        unsigned high = 0;
        for (int g = 0; g < 8; g++) {
            const int s = c.scale[g] + 32;
            p[SCALES + g / 2] |= (unsigned char)((s & 15) << g % 2 * 4);
            high |= (unsigned)s >> 4 << 2 * g;
        }
        memcpy(p, &c.d, sizeof c.d);
        p[2] = (unsigned char)high;
        p[3] = (unsigned char)(high >> 8);
        for (int k = 0; k < CH_SUPER; k++)
            p[QUANTS + k / 32 * 16 + k % 16] |= (unsigned char)(c.code[k] << k % 32 / 16 * 4);
    }
}

void ch_encode_iq4_xs(void *blocks, const float *in, int64_t n)
{
    ch_fit_iq4_xs(blocks, in, NULL, n);
}
