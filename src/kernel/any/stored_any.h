/* stored_any.h - vectors of a stored key or value row, widened exactly
 *
 * Functions here and in score_any.c, mix_any.c take the dtype as a constant and are inlined into
 * one function a dtype, where the switches vanish.  SPDX-License-Identifier: MIT */
#ifndef CH_STORED_ANY_H
#define CH_STORED_ANY_H

#include "any.h"

#include <string.h>

/* Query rows in a tile: as many as leave registers for the rest of it. */
enum { TILE_ROWS = VF_REGS == 32 ? 4 : 3 };

/* How many of the rows left go into the next tile: no last one alone where two and two do. */
static inline int stored_tile_rows(int left)
{
    return left == TILE_ROWS + 1 ? 2 : CH_MIN(left, TILE_ROWS);
}

CH_INLINE int stored_block(ch_dtype t)
{
    return t == CH_Q4_0 ? 32 : 1;
}

/* Bytes up to element e of a row; q4_0: e a multiple of 32 (blocks of an f16 scale and 32
 * nibbles). */
CH_INLINE size_t stored_bytes(ch_dtype t, int e)
{
    const size_t n = (size_t)e;
    return t == CH_F32    ? 4 * n
           : t == CH_Q4_0 ? n / 32 * 18
                          : 2 * n;
}

/* d q is exact: 11 bits times 4.  The low nibbles are the first half of a block. */
CH_INLINE vf stored_load_q4_0(const unsigned char *at, int i)
{
    const unsigned char *block = at + i * VF / 32 * 18;
    const int e = i * VF % 32;
    uint16_t d;
    memcpy(&d, block, sizeof(d));
    return vf_mul(vf_set1_f16(d),
                  e < 16 ? vf_load_low4(block + 2 + e) : vf_load_high4(block + 2 + e - 16));
}

/* The i-th vector from `at`; q4_0: `at` is a block's begin.  i is constant, so the vectors of a
 * block share its scale. */
CH_INLINE vf stored_load(ch_dtype t, const unsigned char *at, int i)
{
    if (t == CH_F32)
        return vf_load((const float *)(const void *)at + i * VF);
    if (t == CH_F16)
        return vf_load_f16(at + i * VF * 2);
    if (t == CH_BF16)
        return vf_load_bf16(at + i * VF * 2);
    return stored_load_q4_0(at, i);
}

/* The n < VF elements from `at`, then zeros.  Not for q4_0, whose rows are whole blocks. */
CH_INLINE vf stored_load_part(ch_dtype t, const unsigned char *at, int n)
{
    if (t == CH_F32)
        return vf_load_part((const float *)(const void *)at, n);
    return t == CH_F16 ? vf_load_f16_part(at, n) : vf_load_bf16_part(at, n);
}

#endif
