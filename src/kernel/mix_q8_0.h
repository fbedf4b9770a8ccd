/* mix_q8_0.h - what the variants of mix_q8_0 share: mix_q8_0_c.c says what they compute
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_MIX_Q8_0_H
#define CH_MIX_Q8_0_H

#include <float.h>
#include <math.h>

#include "kernel.h"

#define CH_MIX_MOST 32767
#define CH_MIX_LEAST 0x1p-100F

enum { CH_MIX_BLOCK = 32 };

/* Bytes before the block that begins with column e. */
static inline size_t ch_mix_block_at(int e)
{
    return (size_t)e / CH_MIX_BLOCK * (2 + CH_MIX_BLOCK);
}

/* Of the bits of max |x|, which are ordered as numbers are: what products are multiplied by to
 * become weights, and sums to become values again. */
typedef struct ch_mix_scale {
    float up, down;
} ch_mix_scale;

static inline ch_mix_scale ch_mix_scale_of(uint32_t bits)
{
    float most;
    __builtin_memcpy(&most, &bits, sizeof most);
    if (bits >= 0x7f800000)
        return (ch_mix_scale){0, NAN};
    if (most < CH_MIX_LEAST)
        return (ch_mix_scale){0, 0};
    return (ch_mix_scale){CH_MIX_MOST / most, most / CH_MIX_MOST};
}

#endif
