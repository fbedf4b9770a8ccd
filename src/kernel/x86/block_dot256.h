/* block_dot256.h - the dot products of gemm_block_avx2 and gemm_block_avxvnni
 *
 * With VNNI of unsigned codes (a table's values + 128).  Without, VPMADDUBSW, whose sums of two
 * products must stay within 16 bits: a table's values are therefore split into size and sign, and
 * several sums of small codes fit before they must become 32 bits wide:
 *     15 127 2 = 3810 (8 sums)   31: 7874 (4)   63 and 56: 16002 (2)   a table's 127: 32258 (1)
 * SPDX-License-Identifier: MIT */
#ifndef CH_BLOCK_DOT256_H
#define CH_BLOCK_DOT256_H

#include "block256.h"

#ifdef __AVXVNNI__
enum { CH_TABLE_OFFSET = 0x80 };

CH_INLINE int32_t ch_block_begin256(const ch_form f, const ch_group *x, const int h)
{
    return f.table ? x->bias_q8 : ch_block_begin(f, x, h);
}

/* s[r] += the dots of half h. */
CH_INLINE void ch_block_half256(vi *s, const char *w, const ch_form f, vb table,
                                const ch_rows *rows, const int R, const int h)
{
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        const vb u = ch_codes256(w, f, table, h, j);
        CH_UNROLL
        for (int r = 0; r < R; r++)
            s[r] = _mm256_dpbusd_avx_epi32(s[r], u, ch_four256(rows, r, 16 * h + 4 * j));
    }
}
#else
enum { CH_TABLE_OFFSET = 0 };

CH_INLINE int32_t ch_block_begin256(const ch_form f, const ch_group *x, const int h)
{
    return f.table ? 0 : ch_block_begin(f, x, h);
}

CH_INLINE void ch_block_half256(vi *s, const char *w, const ch_form f, vb table,
                                const ch_rows *rows, const int R, const int h)
{
    const int fit = f.table ? 1 : f.bits == 6 || f.bits == 3 ? 2 : 4;
    __m256i few[CH_QUANT256_ROWS];
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        const vb w4 = ch_codes256(w, f, table, h, j);
        const vb u = f.table ? _mm256_abs_epi8(w4) : w4;
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            const vb four = ch_four256(rows, r, 16 * h + 4 * j);
            const vb q = f.table ? _mm256_sign_epi8(four, w4) : four;
            const __m256i two = _mm256_maddubs_epi16(u, q);
            few[r] = j % fit == 0 ? two : _mm256_add_epi16(few[r], two);
            if (j % fit == fit - 1)
                s[r] = _mm256_add_epi32(s[r], _mm256_madd_epi16(few[r], _mm256_set1_epi16(1)));
        }
    }
}
#endif

CH_INLINE int ch_block_tiles_x86(const ch_tile *t, const ch_panel_kind kind)
{
    return ch_block_tiles256(t, kind, CH_TABLE_OFFSET, ch_block_begin256, ch_block_half256);
}

#endif
