/* block256.h - tiles of the products with few bits in 256 bits, for gemm_block_avx2 and _avxvnni
 *
 * As gemm_block_avx512vnni.c, for one half of a panel (8 lanes) after the other.  What differs is
 * the dot product: with VNNI of unsigned codes (a table's values + 128); without, VPMADDUBSW, whose
 * sums of two products must stay within 16 bits: a table's values are therefore split into size and
 * sign, and several sums of small codes fit before they must become 32 bits wide:
 *     15 127 2 = 3810 (8 sums)   31: 7874 (4)   63 and 56: 16002 (2)   a table's 127: 32258 (1)
 * SPDX-License-Identifier: MIT */
#ifndef CH_BLOCK256_H
#define CH_BLOCK256_H

#include "block_walk.h"
#include "quant256.h"

/* Left by n bits, right by -n, within the bytes that the caller's mask keeps. */
CH_INLINE __m256i ch_shift256(__m256i x, const int n)
{
    switch (n) {
    case -6: return _mm256_srli_epi16(x, 6);
    case -4: return _mm256_srli_epi16(x, 4);
    case -3: return _mm256_srli_epi16(x, 3);
    case -2: return _mm256_srli_epi16(x, 2);
    case -1: return _mm256_srli_epi16(x, 1);
    case 1: return _mm256_slli_epi16(x, 1);
    case 2: return _mm256_slli_epi16(x, 2);
    case 3: return _mm256_slli_epi16(x, 3);
    case 4: return _mm256_slli_epi16(x, 4);
    case 5: return _mm256_slli_epi16(x, 5);
    default: return x;
    }
}

CH_INLINE __m256i ch_plane256(const char *p, const int left, const int mask)
{
    const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm256_and_si256(ch_shift256(x, left), _mm256_set1_epi8((char)mask));
}

/* The codes of step j of half h. */
CH_INLINE __m256i ch_codes256(const char *w, const ch_form f, __m256i table, const int h,
                              const int j)
{
    if (f.bits == 2)
        return ch_plane256(w + 64 * h, -2 * j, 3);
    if (f.bits == 3)
        return _mm256_or_si256(ch_plane256(w + 64 * h, 3 - 2 * j, 0x18),
                               ch_plane256(w + 128, 5 - (4 * h + j), 0x20));
    const __m256i low = ch_plane256(w + 64 * j, -4 * h, 15);
    if (f.bits == 5)
        return _mm256_or_si256(low, ch_plane256(w + 256, 4 - (4 * h + j), 0x10));
    if (f.bits == 6)
        return _mm256_or_si256(low, ch_plane256(w + 256 + 64 * h, 4 - 2 * j, 0x30));
    return f.table ? _mm256_shuffle_epi8(table, low) : low;
}

CH_INLINE __m256 ch_halves256(const char *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

CH_INLINE __m256i ch_bytes256(const char *p)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

/* For lanes 8 l ... 8 l + 7. */
CH_INLINE __m256 ch_scale256(const char *unit, const ch_form f, int g, const int h, const int l)
{
    const char *at = unit + ch_scale_at(f, g, h);
    if (f.table == ch_mxfp4_values)
        return _mm256_castsi256_ps(_mm256_slli_epi32(
            _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(at + 16 * l))),
            16));
    if (!f.super)
        return ch_halves256(at + 16 * l);
    const __m256i byte = ch_bytes256(at + 8 * l);
    const __m256i scale =
        f.min == CH_MIN_NIBBLE ? _mm256_and_si256(byte, _mm256_set1_epi32(15)) : byte;
    const __m256 d = f.min ? ch_halves256(unit + 16 * l)
                           : _mm256_loadu_ps((const float *)(const void *)(unit + 32 * l));
    return _mm256_mul_ps(d, _mm256_cvtepi32_ps(scale));
}

CH_INLINE __m256 ch_min256(const char *unit, const ch_form f, int g, const int h, const int l)
{
    if (!f.super)
        return ch_halves256(unit + ch_min_at(f, g) + 16 * l);
    const __m256i min =
        f.min == CH_MIN_NIBBLE
            ? _mm256_and_si256(
                  _mm256_srli_epi32(ch_bytes256(unit + ch_scale_at(f, g, h) + 8 * l), 4),
                  _mm256_set1_epi32(15))
            : ch_bytes256(unit + ch_min_at(f, g) + 8 * l);
    return _mm256_mul_ps(ch_halves256(unit + CH_SCALE_BYTES + 16 * l), _mm256_cvtepi32_ps(min));
}

/* ---- Dot products -------------------------------------------------------------------------- */

#ifdef __AVXVNNI__
enum { CH_TABLE_OFFSET = 0x80 };

CH_INLINE int32_t ch_begin256(const ch_form f, const ch_group *x, const int h)
{
    return f.table ? x->bias_q8 : ch_block_begin(f, x, h);
}

/* s[r] += the dots of half h. */
CH_INLINE void ch_half256(__m256i *s, const char *w, const ch_form f, __m256i table,
                          const ch_rows *rows, const int R, const int h)
{
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        const __m256i u = ch_codes256(w, f, table, h, j);
        CH_UNROLL
        for (int r = 0; r < R; r++)
            s[r] = _mm256_dpbusd_avx_epi32(s[r], u, ch_four256(rows, r, 16 * h + 4 * j));
    }
}
#else
enum { CH_TABLE_OFFSET = 0 };

CH_INLINE int32_t ch_begin256(const ch_form f, const ch_group *x, const int h)
{
    return f.table ? 0 : ch_block_begin(f, x, h);
}

CH_INLINE void ch_half256(__m256i *s, const char *w, const ch_form f, __m256i table,
                          const ch_rows *rows, const int R, const int h)
{
    const int fit = f.table ? 1 : f.bits == 6 || f.bits == 3 ? 2 : 4;
    __m256i few[CH_QUANT256_ROWS];
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        const __m256i w4 = ch_codes256(w, f, table, h, j);
        const __m256i u = f.table ? _mm256_abs_epi8(w4) : w4;
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            const __m256i four = ch_four256(rows, r, 16 * h + 4 * j);
            const __m256i q = f.table ? _mm256_sign_epi8(four, w4) : four;
            const __m256i two = _mm256_maddubs_epi16(u, q);
            few[r] = j % fit == 0 ? two : _mm256_add_epi16(few[r], two);
            if (j % fit == fit - 1)
                s[r] = _mm256_add_epi32(s[r], _mm256_madd_epi16(few[r], _mm256_set1_epi16(1)));
        }
    }
}
#endif

/* ---- Tiles --------------------------------------------------------------------------------- */

/* One group for eight lanes of one panel: sums 2 r P. */
CH_INLINE void ch_block_group256(__m256 *sum, const char *panel, const ch_form f, __m256i table,
                                 int g, const int l, ch_rows *rows, const int R, const int P)
{
    const char *unit = panel + ch_unit_at(f, g), *w = panel + ch_codes_at(f, g) + 32 * l;
    __m256i s[CH_QUANT256_ROWS];
    if (R > 1) /* one row's 32 bytes may stay in registers for the other lanes */
        ch_rows_forget(rows, R);
    CH_UNROLL
    for (int h = 0; h < 2; h++) {
        if (f.halves || h == 0) {
            CH_UNROLL
            for (int r = 0; r < R; r++)
                s[r] = _mm256_set1_epi32(ch_begin256(f, ch_group_at(rows, r), h));
        }
        ch_half256(s, w, f, table, rows, R, h);
        if (!f.halves && h == 0)
            continue;
        const __m256 scale = ch_scale256(unit, f, g, h, l);
        const __m256 min = f.min ? ch_min256(unit, f, g, h, l) : scale;
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            const ch_group *x = ch_group_at(rows, r);
            __m256 *to = sum + 2 * r * P;
            *to = _mm256_fmadd_ps(_mm256_mul_ps(scale, _mm256_set1_ps(x->d)),
                                  _mm256_cvtepi32_ps(s[r]), *to);
            if (f.min)
                *to = _mm256_fnmadd_ps(min, _mm256_set1_ps(f.halves ? x->sum_half[h] : x->sum),
                                       *to);
        }
    }
}

CH_INLINE int ch_block_tile256(const ch_tile *t, const int R, const int P,
                               const ch_panel_kind kind)
{
    const ch_form f = ch_form_of(kind);
    const int groups = t->K / CH_GROUP;
    ch_rows rows = ch_rows_of(t, R);
    ch_ahead ahead = ch_ahead_of(t, P, groups * (f.bits + 1));
    __m256 sum[2 * CH_QUANT256_ROWS];
    __m256i table = _mm256_setzero_si256();
    if (f.table)
        table = _mm256_xor_si256(
            _mm256_set1_epi8((char)CH_TABLE_OFFSET),
            _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)f.table)));
    CH_UNROLL
    for (int i = 0; i < 2 * R * P; i++)
        sum[i] = _mm256_setzero_ps();
    for (int g = 0; g < groups; g++) {
        CH_UNROLL
        for (int p = 0; p < P; p++) {
            const char *panel = t->w + (size_t)p * t->panel_bytes;
            CH_UNROLL
            for (int i = 0; i <= f.bits; i++) {
                if (R > 1)
                    ch_ahead_step(&ahead);
                else
                    _mm_prefetch(panel + ch_codes_at(f, g) + CH_AHEAD + 64 * i, _MM_HINT_T0);
            }
            CH_UNROLL
            for (int l = 0; l < 2; l++)
                ch_block_group256(sum + 2 * p + l, panel, f, table, g, l, &rows, R, P);
        }
        ch_rows_advance(&rows, R, sizeof(ch_group));
    }
    ch_store256(t, sum, R, P);
    return P;
}

CH_INLINE int ch_block_tiles256(const ch_tile *t, const ch_panel_kind kind)
{
    switch (t->rows) {
    case 1: return t->columns > 3 * CH_PANEL_ROWS ? ch_block_tile256(t, 1, 4, kind)
                                                  : ch_block_tile256(t, 1, 1, kind);
    case 2: return ch_block_tile256(t, 2, 1, kind);
    case 3: return ch_block_tile256(t, 3, 1, kind);
    default: return ch_block_tile256(t, CH_QUANT256_ROWS, 1, kind);
    }
}

#endif
