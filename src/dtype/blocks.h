/* blocks.h - what the files of block formats share: reading scales, and the parts that several
 * formats have in common
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_BLOCKS_H
#define CH_BLOCKS_H

#include <math.h>
#include <string.h>

#include "dtype_list.h"

enum { CH_SUPER = 256 }; /* elements in a block of the K and IQ formats */

static inline float ch_block_f16(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return ch_f16_to_f32(h);
}

static inline uint32_t ch_block_u32(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint16_t ch_block_u16(const unsigned char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Eight scales and eight minima of 6 bits in 12 bytes (Q4_K, Q5_K): the first four of each in the
 * low 6 bits of bytes 0..3 and 4..7; of the others the low 4 bits in bytes 8..11, scale low and
 * minimum high, and the upper 2 on top of bytes 0..3 and 4..7. */
static inline void ch_k_scales_get(int8_t scale[8], uint8_t min[8], const unsigned char *p)
{
    for (int i = 0; i < 4; i++) {
        scale[i] = p[i] & 63;
        min[i] = p[4 + i] & 63;
        scale[4 + i] = (int8_t)((p[8 + i] & 15) | p[i] >> 6 << 4);
        min[4 + i] = (uint8_t)(p[8 + i] >> 4 | p[4 + i] >> 6 << 4);
    }
}

static inline void ch_k_scales_put(unsigned char *p, const int8_t scale[8], const uint8_t min[8])
{
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(scale[i] | scale[4 + i] >> 4 << 6);
        p[4 + i] = (unsigned char)(min[i] | min[4 + i] >> 4 << 6);
        p[8 + i] = (unsigned char)((scale[4 + i] & 15) | (min[4 + i] & 15) << 4);
    }
}

static inline void ch_block_put_f16(unsigned char *p, float d)
{
    const uint16_t h = ch_f32_to_f16(d);
    memcpy(p, &h, sizeof h);
}

/* The largest magnitude, or NaN when a value is not finite. */
static inline float ch_block_most(const float *x, int n)
{
    float most = 0;
    for (int k = 0; k < n; k++) {
        const float size = fabsf(x[k]);
        if (!(size <= FLT_MAX))
            return NAN;
        most = size > most ? size : most;
    }
    return most;
}

/* 1/d; 0 when d is 0, NaN, or so small that 1/d overflows. */
static inline float ch_block_inverse(float d)
{
    return fabsf(1 / d) <= FLT_MAX ? 1 / d : 0;
}

/* To the nearest integer, halves away from zero; NaN, which a factor of 0 makes of what is not
 * finite, to 0. */
static inline int ch_block_round(float x)
{
    return isnan(x) ? 0 : (int)roundf(x);
}

#endif
