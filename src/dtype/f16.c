/* f16.c - IEEE 754 binary16
 *
 *     s eeeee ffffffffff         sign, 5 bits of exponent (bias 15), 10 of fraction
 *
 * Both ways give the bits that hardware (F16C, NEON) gives: nearest even, subnormals kept,
 * a signalling NaN becomes quiet with its payload.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "dtype_list.h"

static float from_bits(uint32_t x)
{
    float f;
    memcpy(&f, &x, sizeof f);
    return f;
}

static uint32_t to_bits(float f)
{
    uint32_t x;
    memcpy(&x, &f, sizeof x);
    return x;
}

float ch_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h & 0x7c00;
    uint32_t x = (uint32_t)(h & 0x7fff) << 13;
    if (exponent == 0x7c00) /* infinity or NaN */
        return from_bits(sign | 0x7f800000u | x | (h & 0x3ff ? 0x400000u : 0));
    if (exponent != 0)
        return from_bits(sign | (x + ((127 - 15) << 23)));
    /* 2^-14 (1 + f/1024) - 2^-14 is exact and normalises the fraction. */
    return from_bits(sign | to_bits(from_bits(x + ((127 - 14) << 23)) - 0x1p-14f));
}

uint16_t ch_f32_to_f16(float f)
{
    uint32_t x = to_bits(f), sign = x >> 16 & 0x8000;
    x &= 0x7fffffffu;
    if (x > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00 | (x >> 13 & 0x3ff));
    if (x >= (uint32_t)(127 + 16) << 23)
        return (uint16_t)(sign | 0x7c00);
    /* The last place of a subnormal is 2^-24, which is the last place of floats in [0.5, 1): the
     * addition rounds where binary16 does. */
    if (x < (uint32_t)(127 - 14) << 23)
        return (uint16_t)(sign | (to_bits(from_bits(x) + 0.5f) - to_bits(0.5f)));
    /* Up to 65535.99 a carry out of the fraction may reach infinity, which is right. */
    x -= (uint32_t)(127 - 15) << 23;
    return (uint16_t)(sign | (x + 0xfff + (x >> 13 & 1)) >> 13);
}

void ch_decode_f16(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof h);
        out[i] = ch_f16_to_f32(h);
    }
}

void ch_encode_f16(void *blocks, const float *in, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h = ch_f32_to_f16(in[i]);
        memcpy(p + 2 * i, &h, sizeof h);
    }
}
