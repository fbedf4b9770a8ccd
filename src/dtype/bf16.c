/* bf16.c - bfloat16: the upper half of a binary32
 *
 *     s eeeeeeee fffffff         sign, 8 bits of exponent (bias 127), 7 of fraction
 *
 * Encoding rounds to nearest even; a NaN stays one (its quiet bit is set, so that cutting the
 * payload cannot make it infinite).  SPDX-License-Identifier: MIT */
#include <string.h>

#include "dtype_list.h"

float ch_bf16_to_f32(uint16_t h)
{
    uint32_t x = (uint32_t)h << 16;
    float f;
    memcpy(&f, &x, sizeof f);
    return f;
}

uint16_t ch_f32_to_bf16(float f)
{
    uint32_t x;
    memcpy(&x, &f, sizeof x);
    if ((x & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(x >> 16 | 0x40);
    return (uint16_t)((x + 0x7fff + (x >> 16 & 1)) >> 16);
}

void ch_decode_bf16(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof h);
        out[i] = ch_bf16_to_f32(h);
    }
}

void ch_encode_bf16(void *blocks, const float *in, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h = ch_f32_to_bf16(in[i]);
        memcpy(p + 2 * i, &h, sizeof h);
    }
}
