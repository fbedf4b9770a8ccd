/* q6_k.c - 256 integers of 6 bits; a signed scale of 8 bits for each 16
 *
 *     b[128] | h[64] | s[16] (signed) | d (2 bytes)
 *     x = (d scale) (q - 32)
 * Half of the block (128 elements, from bytes 64 half of b and 32 half of h): element 32 j + l of
 * it has its low nibble in byte 32 (j % 2) + l of b, low for j < 2, and its upper two bits in bits
 * 2j, 2j+1 of h[l].
 *
 * Encoding: scales by least squares (fit.h).
 * Source: GGUF specification, block_q6_K.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BYTES = 210, HIGH = 128, SCALES = 192, D = 208 };

void ch_codes_q6_k(ch_codes *out, const void *block)
{
    const unsigned char *p = block;
    out->d = ch_block_u16(p + D);
    memcpy(out->scale, p + SCALES, sizeof out->scale);
    for (int g = 0; g < 8; g++)
        for (int l = 0; l < 32; l++) {
            const int half = g / 4, j = g % 4;
            const int low = p[64 * half + j % 2 * 32 + l] >> j / 2 * 4 & 15;
            out->code[32 * g + l] = (uint8_t)(low | (p[HIGH + 32 * half + l] >> 2 * j & 3) << 4);
        }
}

void ch_decode_q6_k(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_codes_q6_k(&c, p);
        const float d = ch_f16_to_f32(c.d);
        for (int g = 0; g < 16; g++) {
            const float dg = d * (float)c.scale[g];
            for (int k = 16 * g; k < 16 * (g + 1); k++)
                out[i + k] = dg * (float)(c.code[k] - 32);
        }
    }
}

void ch_fit_q6_k(void *blocks, const float *in, const float *importance, int64_t n)
{
    static const ch_fit_form form = {
        .group = 16, .most = 63, .offset = 32, .low = 128, .high = 127};
    unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        ch_fit_super(&c, in + i, importance ? importance + i : NULL, &form);
        memset(p, 0, BYTES);
        memcpy(p + D, &c.d, sizeof c.d);
        memcpy(p + SCALES, c.scale, sizeof c.scale);
        for (int k = 0; k < CH_SUPER; k++) {
            const int j = k % 128 / 32, l = k % 32, half = k / 128;
            p[64 * half + j % 2 * 32 + l] |= (unsigned char)((c.code[k] & 15) << j / 2 * 4);
            p[HIGH + 32 * half + l] |= (unsigned char)(c.code[k] >> 4 << 2 * j);
        }
    }
}

void ch_encode_q6_k(void *blocks, const float *in, int64_t n)
{
    ch_fit_q6_k(blocks, in, NULL, n);
}
