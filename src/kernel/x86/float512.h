/* float512.h - tiles of float sums in 512 bits, for gemm_f32_* and gemm_bf16_*
 *
 * Up to 14 rows by 2 panels: 28 sums, two weights and one activation fill the registers.  Few rows
 * take more panels, so that there are enough independent sums to hide the latency of their chains
 * (kernel.h, "Order": one chain a sum), and one row alone is bound by memory.  Activations are
 * copied a stretch at a time: rows that are a power of two apart would fight for the same cache
 * sets.  SPDX-License-Identifier: MIT */
#ifndef CH_FLOAT512_H
#define CH_FLOAT512_H

#include "store512.h"

enum { CH_FLOAT512_ROWS = 14, CH_FLOAT512_STRETCH = 64 };

typedef float ch_stretch512[CH_FLOAT512_STRETCH];

/* What a format is made of.  A unit is what one element of a stretch holds: a float of x, or a
 * pair of bfloat16.  copy: units k .. k+n-1 of a row.  add: their products with the weights at w,
 * to all sums. */
typedef void ch_copy512_fn(float *to, const char *row, int k, int n);
typedef void ch_add512_fn(__m512 *sum, const char *w, size_t panel_bytes, ch_stretch512 *x, int n,
                          ch_ahead *ahead, const int R, const int P);

/* The first n - i of sixteen lanes. */
CH_INLINE __mmask16 ch_mask512(int n)
{
    return n >= 16 ? (__mmask16)0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

/* Weights of P panels, of a single row those that come later are asked for. */
CH_INLINE void ch_load512(__m512 *wk, const char *w, size_t panel_bytes, const int R, const int P)
{
    CH_UNROLL
    for (int p = 0; p < P; p++) {
        if (R == 1)
            _mm_prefetch(w + (size_t)p * panel_bytes + CH_AHEAD, _MM_HINT_T0);
        wk[p] = _mm512_loadu_ps(w + (size_t)p * panel_bytes);
    }
}

CH_INLINE int ch_float512_tile(const ch_tile *t, const int R, const int P, int units,
                               const size_t unit_bytes, ch_copy512_fn *copy, ch_add512_fn *add)
{
    ch_ahead ahead = ch_ahead_of(t, P, units);
    ch_stretch512 x[CH_FLOAT512_ROWS];
    __m512 sum[2 * CH_FLOAT512_ROWS];
    CH_UNROLL
    for (int i = 0; i < R * P; i++)
        sum[i] = _mm512_setzero_ps();
    for (int k = 0; k < units; k += CH_FLOAT512_STRETCH) {
        const int n = CH_MIN(units - k, CH_FLOAT512_STRETCH);
        for (int r = 0; r < R; r++)
            copy(x[r], t->x + r * t->ldx, k, n);
        ch_copied(x);
        add(sum, t->w + (size_t)k * unit_bytes, t->panel_bytes, x, n, &ahead, R, P);
    }
    ch_store512(t, sum, R, P);
    return P;
}

CH_INLINE int ch_float512_tiles(const ch_tile *t, int units, const size_t unit_bytes,
                                ch_copy512_fn *copy, ch_add512_fn *add)
{
    const int panels = (t->columns + CH_PANEL_ROWS - 1) / CH_PANEL_ROWS;
#define TILE(R, P) ch_float512_tile(t, R, P, units, unit_bytes, copy, add)
#define TALL(R) \
    case R: return panels >= 2 ? TILE(R, 2) : TILE(R, 1);
    switch (t->rows) {
    case 1: return panels >= 8 ? TILE(1, 8) : panels >= 4 ? TILE(1, 4) : TILE(1, 1);
    case 2: return panels >= 4 ? TILE(2, 4) : TILE(2, 1);
    case 3: return panels >= 4 ? TILE(3, 4) : TILE(3, 1);
    TALL(4) TALL(5) TALL(6) TALL(7) TALL(8) TALL(9) TALL(10) TALL(11) TALL(12) TALL(13)
    default: return panels >= 2 ? TILE(CH_FLOAT512_ROWS, 2) : TILE(CH_FLOAT512_ROWS, 1);
    }
#undef TALL
#undef TILE
}

#endif
