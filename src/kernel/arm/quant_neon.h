/* quant_neon.h - the dot products of gemm_q8_*, gemm_q4_* and gemm_block_*, with SDOT and without
 *
 * vi_dot (v256_neon.h) multiplies signed bytes: weights of 8 bits are u - 128, which makes their
 * bias superfluous, as a table's values do; other codes are small.
 * SPDX-License-Identifier: MIT */
#ifndef CH_QUANT_NEON_H
#define CH_QUANT_NEON_H

#include "block256.h"

CH_INLINE void ch_dot_q8_neon(vi *s, const char *w, const ch_rows *rows, const int R)
{
    const vb offset = vb_set1(0x80);
    CH_UNROLL
    for (int r = 0; r < R; r++)
        s[r] = vi_set1(0);
    CH_UNROLL
    for (int j = 0; j < 8; j++) {
        const vb v = vb_xor(vb_load(w + 64 * j), offset);
        CH_UNROLL
        for (int r = 0; r < R; r++)
            s[r] = vi_dot(s[r], v, ch_four256(rows, r, 4 * j));
    }
}

CH_INLINE void ch_dot_q4_neon(vi *s, const char *w, const ch_rows *rows, const int R)
{
    const vb low = vb_set1(15);
    CH_UNROLL
    for (int r = 0; r < R; r++)
        s[r] = vi_set1(ch_group_at(rows, r)->bias_q4);
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        const vb both = vb_load(w + 64 * j), u = vb_and(both, low), v = vb_shift(both, -4);
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            s[r] = vi_dot(s[r], u, ch_four256(rows, r, 4 * j));
            s[r] = vi_dot(s[r], v, ch_four256(rows, r, 16 + 4 * j));
        }
    }
}

static inline int ch_tiles_q8_neon(const ch_tile *t)
{
    return ch_quant256_tiles(t, CH_Q8_BYTES, ch_dot_q8_neon);
}

static inline int ch_tiles_q4_neon(const ch_tile *t)
{
    return ch_quant256_tiles(t, CH_Q4_BYTES, ch_dot_q4_neon);
}

CH_INLINE int32_t ch_block_begin_neon(const ch_form f, const ch_group *x, const int h)
{
    return f.table ? 0 : ch_block_begin(f, x, h);
}

CH_INLINE void ch_block_half_neon(vi *s, const char *w, const ch_form f, vb table,
                                  const ch_rows *rows, const int R, const int h)
{
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        const vb codes = ch_codes256(w, f, table, h, j);
        CH_UNROLL
        for (int r = 0; r < R; r++)
            s[r] = vi_dot(s[r], codes, ch_four256(rows, r, 16 * h + 4 * j));
    }
}

CH_INLINE int ch_block_tiles_neon(const ch_tile *t, const ch_panel_kind kind)
{
    return ch_block_tiles256(t, kind, 0, ch_block_begin_neon, ch_block_half_neon);
}

#endif
