/* block256.h - tiles of the products with few bits in 256 bits, for gemm_block_* of AVX2 and NEON
 *
 * As gemm_block_avx512vnni.c, for one half of a panel (8 lanes) after the other.  What differs is
 * the dot product, which the machine's own file brings.  SPDX-License-Identifier: MIT */
#ifndef CH_BLOCK256_H
#define CH_BLOCK256_H

#include "block_walk.h"
#include "quant256.h"

CH_INLINE vb ch_plane256(const char *p, const int left, const int mask)
{
    return vb_and(vb_shift(vb_load(p), left), vb_set1(mask));
}

/* The codes of step j of half h. */
CH_INLINE vb ch_codes256(const char *w, const ch_form f, vb table, const int h, const int j)
{
    if (f.bits == 2)
        return ch_plane256(w + 64 * h, -2 * j, 3);
    if (f.bits == 3)
        return vb_or(ch_plane256(w + 64 * h, 3 - 2 * j, 0x18),
                     ch_plane256(w + 128, 5 - (4 * h + j), 0x20));
    const vb low = ch_plane256(w + 64 * j, -4 * h, 15);
    if (f.bits == 5)
        return vb_or(low, ch_plane256(w + 256, 4 - (4 * h + j), 0x10));
    if (f.bits == 6)
        return vb_or(low, ch_plane256(w + 256 + 64 * h, 4 - 2 * j, 0x30));
    return f.table ? vb_look_up(table, low) : low;
}

/* For lanes 8 l ... 8 l + 7. */
CH_INLINE vf ch_scale256(const char *unit, const ch_form f, int g, const int h, const int l)
{
    const char *at = unit + ch_scale_at(f, g, h);
    if (f.table == ch_mxfp4_values)
        return vf_load_bf16(at + 16 * l);
    if (!f.super)
        return vf_load_f16(at + 16 * l);
    const vi byte = vi_load_i8(at + 8 * l);
    const vi scale = f.min == CH_MIN_NIBBLE ? vi_and(byte, 15) : byte;
    const vf d = f.min ? vf_load_f16(unit + 16 * l)
                       : vf_load((const float *)(const void *)(unit + 32 * l));
    return vf_mul(d, vf_of_vi(scale));
}

CH_INLINE vf ch_min256(const char *unit, const ch_form f, int g, const int h, const int l)
{
    if (!f.super)
        return vf_load_f16(unit + ch_min_at(f, g) + 16 * l);
    const vi min = f.min == CH_MIN_NIBBLE
                       ? vi_and(vi_right4(vi_load_i8(unit + ch_scale_at(f, g, h) + 8 * l)), 15)
                       : vi_load_i8(unit + ch_min_at(f, g) + 8 * l);
    return vf_mul(vf_load_f16(unit + CH_SCALE_BYTES + 16 * l), vf_of_vi(min));
}

/* ---- Dot products: the machine's --------------------------------------------------------- */

/* What half h's sum starts with, and s[r] += the dots of half h. */
typedef int32_t ch_begin256_fn(const ch_form f, const ch_group *x, const int h);
typedef void ch_half256_fn(vi *s, const char *w, const ch_form f, vb table, const ch_rows *rows,
                           const int R, const int h);

/* ---- Tiles --------------------------------------------------------------------------------- */

/* One group for eight lanes of one panel: sums 2 r P. */
CH_INLINE void ch_block_group256(vf *sum, const char *panel, const ch_form f, vb table, int g,
                                 const int l, ch_rows *rows, const int R, const int P,
                                 ch_begin256_fn *begin, ch_half256_fn *half)
{
    const char *unit = panel + ch_unit_at(f, g), *w = panel + ch_codes_at(f, g) + 32 * l;
    vi s[CH_QUANT256_ROWS];
    if (R > 1) /* one row's 32 bytes may stay in registers for the other lanes */
        ch_rows_forget(rows, R);
    CH_UNROLL
    for (int h = 0; h < 2; h++) {
        if (f.halves || h == 0) {
            CH_UNROLL
            for (int r = 0; r < R; r++)
                s[r] = vi_set1(begin(f, ch_group_at(rows, r), h));
        }
        half(s, w, f, table, rows, R, h);
        if (!f.halves && h == 0)
            continue;
        const vf scale = ch_scale256(unit, f, g, h, l);
        const vf min = f.min ? ch_min256(unit, f, g, h, l) : scale;
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            const ch_group *x = ch_group_at(rows, r);
            vf *to = sum + 2 * r * P;
            *to = vf_fma(vf_mul(scale, vf_set1(x->d)), vf_of_vi(s[r]), *to);
            if (f.min)
                *to = vf_fnma(min, vf_set1(f.halves ? x->sum_half[h] : x->sum), *to);
        }
    }
}

CH_INLINE int ch_block_tile256(const ch_tile *t, const int R, const int P,
                               const ch_panel_kind kind, const int table_offset,
                               ch_begin256_fn *begin, ch_half256_fn *half)
{
    const ch_form f = ch_form_of(kind);
    const int groups = t->K / CH_GROUP;
    ch_rows rows = ch_rows_of(t, R);
    ch_ahead ahead = ch_ahead_of(t, P, groups * (f.bits + 1));
    vf sum[2 * CH_QUANT256_ROWS];
    vb table = vb_set1(0);
    if (f.table)
        table = vb_xor(vb_set1(table_offset), vb_load16(f.table));
    CH_UNROLL
    for (int i = 0; i < 2 * R * P; i++)
        sum[i] = vf_zero();
    for (int g = 0; g < groups; g++) {
        CH_UNROLL
        for (int p = 0; p < P; p++) {
            const char *panel = t->w + (size_t)p * t->panel_bytes;
            CH_UNROLL
            for (int i = 0; i <= f.bits; i++) {
                if (R > 1)
                    ch_ahead_step(&ahead);
                else
                    ch_ask(panel + ch_codes_at(f, g) + CH_AHEAD + 64 * i);
            }
            CH_UNROLL
            for (int l = 0; l < 2; l++)
                ch_block_group256(sum + 2 * p + l, panel, f, table, g, l, &rows, R, P, begin,
                                  half);
        }
        ch_rows_advance(&rows, R, sizeof(ch_group));
    }
    ch_store256(t, sum, R, P);
    return P;
}

/* table_offset: what is added to a table's values, modulo 256 (0x80: they are unsigned then). */
CH_INLINE int ch_block_tiles256(const ch_tile *t, const ch_panel_kind kind, const int table_offset,
                                ch_begin256_fn *begin, ch_half256_fn *half)
{
#define TILE(R, P) ch_block_tile256(t, R, P, kind, table_offset, begin, half)
    switch (t->rows) {
    case 1: return t->columns > 3 * CH_PANEL_ROWS ? TILE(1, 4) : TILE(1, 1);
    case 2: return TILE(2, 1);
    case 3: return TILE(3, 1);
    default: return TILE(CH_QUANT256_ROWS, 1);
    }
#undef TILE
}

#endif
