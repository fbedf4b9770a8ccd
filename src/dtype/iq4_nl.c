/* iq4_nl.c - 32 nibbles that choose among sixteen values, and a binary16 scale
 *
 *     d (2 bytes) | b[0] ... b[15]
 *     x[i] = d value[b[i] & 15],  x[16 + i] = d value[b[i] >> 4],  0 <= i < 16
 *
 * Encoding: scale by least squares (fit.h).
 * Source: GGUF specification, block_iq4_nl.  SPDX-License-Identifier: MIT */
#include "fit.h"

enum { BLOCK = 32, HALF = 16, BYTES = 18 };

const int8_t ch_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

void ch_codes_iq4_nl(ch_codes *out, const void *block)
{
    const unsigned char *p = block;
    out->d = ch_block_u16(p);
    for (int k = 0; k < HALF; k++) {
        out->code[k] = p[2 + k] & 15;
        out->code[HALF + k] = p[2 + k] >> 4;
    }
}

void ch_decode_iq4_nl(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        ch_codes_iq4_nl(&c, p);
        const float d = ch_f16_to_f32(c.d);
        for (int k = 0; k < BLOCK; k++)
            out[i + k] = (float)ch_iq4_values[c.code[k]] * d;
    }
}

void ch_fit_iq4_nl(void *blocks, const float *in, const float *importance, int64_t n)
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
        ch_block_put_f16(p, ch_fit_table(x, w, BLOCK, ch_iq4_values));
        const float inverse = ch_block_inverse(ch_block_f16(p));
        for (int k = 0; k < BLOCK; k++) {
            const int q = ch_fit_nearest(x[k] * inverse, ch_iq4_values);
            p[2 + k % HALF] |= (unsigned char)((q & 15) << k / HALF * 4);
        }
    }
}

void ch_encode_iq4_nl(void *blocks, const float *in, int64_t n)
{
    ch_fit_iq4_nl(blocks, in, NULL, n);
}
