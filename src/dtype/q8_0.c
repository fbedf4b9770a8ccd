/* q8_0.c - 32 signed bytes and a binary16 scale
 *
 *     d (2 bytes) | q[0] ... q[31] (1 byte each)         x[i] = d * q[i]
 *
 * Encoding: d = max|x| / 127, q = round(x * (1/d)), halves away from zero, with d before it is
 * rounded to binary16: the bytes of ggml's reference quantizer.  A block with a value that is not
 * finite gets d = NaN and q = 0, so that the damage shows instead of hiding in a number.
 * Source: GGUF specification, block_q8_0.  SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "dtype_list.h"

enum { BLOCK = 32, BYTES = 34 };

void ch_decode_q8_0(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        uint16_t h;
        int8_t q[BLOCK];
        memcpy(&h, p, sizeof h);
        memcpy(q, p + 2, sizeof q);
        float d = ch_f16_to_f32(h);
        for (int k = 0; k < BLOCK; k++)
            out[i + k] = (float)q[k] * d;
    }
}

void ch_encode_q8_0(void *blocks, const float *in, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        float most = 0;
        bool finite = true;
        for (int k = 0; k < BLOCK; k++) {
            float size = fabsf(in[i + k]);
            finite = finite && size <= FLT_MAX;
            most = size > most ? size : most;
        }
        float d = most / 127, inverse = d != 0 ? 1 / d : 0;
        if (!finite || inverse > FLT_MAX) /* d is so small that it is 0 in binary16 */
            inverse = 0;
        uint16_t h = finite ? ch_f32_to_f16(d) : 0x7e00;
        int8_t q[BLOCK];
        for (int k = 0; k < BLOCK; k++)
            q[k] = finite ? (int8_t)roundf(in[i + k] * inverse) : 0;
        memcpy(p, &h, sizeof h);
        memcpy(p + 2, q, sizeof q);
    }
}
