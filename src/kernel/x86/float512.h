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

/* The stretch after the one that is copied: of many rows, a stretch each, the CPU foresees
 * nothing.  Few rows stay in the first-level cache, and asking for them costs. */
CH_INLINE void ch_ask_row512(const char *row, int k)
{
    CH_UNROLL
    for (int i = 0; i < CH_FLOAT512_STRETCH; i += 16)
        __builtin_prefetch(row + 4 * ((ptrdiff_t)k + CH_FLOAT512_STRETCH + i), 0, 3);
}

/* Weights of P panels, of a single row those that come later are asked for. */
CH_INLINE void ch_load512(__m512 *wk, const char *w, size_t panel_bytes, const int R, const int P)
{
    CH_UNROLL
    for (int p = 0; p < P; p++) {
        if (R == 1)
            ch_ask(w + (size_t)p * panel_bytes + CH_AHEAD);
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
        if (n == CH_FLOAT512_STRETCH) { /* masks that are known cost nothing */
            for (int r = 0; r < R; r++) {
                copy(x[r], t->x + r * t->ldx, k, CH_FLOAT512_STRETCH);
                if (R > CH_FLOAT512_ROWS - 4)
                    ch_ask_row512(t->x + r * t->ldx, k);
            }
        } else {
            CH_ROLLED
            for (int r = 0; r < R; r++)
                copy(x[r], t->x + r * t->ldx, k, n);
        }
        ch_copied(x);
        add(sum, t->w + (size_t)k * unit_bytes, t->panel_bytes, x, n, &ahead, R, P);
    }
    ch_store512(t, sum, R, P);
    return P;
}

/* Each size of tile is a function of its own (in one function they take gcc five times as long):
 * CH_FLOAT512_TILES defines them and tiles(), for a file that has units(t), UNIT_BYTES, copy and
 * add. */
#define CH_FLOAT512_TILE(R, P)                                                                    \
    static __attribute__((noinline)) int tile_##R##_##P(const ch_tile *t)                         \
    {                                                                                             \
        return ch_float512_tile(t, R, P, units(t), UNIT_BYTES, copy, add);                        \
    }
#define CH_FLOAT512_TALL_TILES(R) CH_FLOAT512_TILE(R, 1) CH_FLOAT512_TILE(R, 2)
#define CH_FLOAT512_TALL_CASE(R) \
    case R: return panels >= 2 ? tile_##R##_2(t) : tile_##R##_1(t);
#define CH_FLOAT512_TALL(DO) \
    DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14)

#define CH_FLOAT512_TILES                                                                         \
    CH_FLOAT512_TILE(1, 1) CH_FLOAT512_TILE(1, 4) CH_FLOAT512_TILE(1, 8)                          \
    CH_FLOAT512_TILE(2, 1) CH_FLOAT512_TILE(2, 4) CH_FLOAT512_TILE(3, 1) CH_FLOAT512_TILE(3, 4)   \
    CH_FLOAT512_TALL(CH_FLOAT512_TALL_TILES)                                                      \
    static int tiles(const ch_tile *t)                                                            \
    {                                                                                             \
        const int panels = (t->columns + CH_PANEL_ROWS - 1) / CH_PANEL_ROWS;                      \
        switch (t->rows) {                                                                        \
        case 1: return panels >= 8 ? tile_1_8(t) : panels >= 4 ? tile_1_4(t) : tile_1_1(t);       \
        case 2: return panels >= 4 ? tile_2_4(t) : tile_2_1(t);                                   \
        case 3: return panels >= 4 ? tile_3_4(t) : tile_3_1(t);                                   \
        CH_FLOAT512_TALL(CH_FLOAT512_TALL_CASE)                                                   \
        }                                                                                         \
        return 1; /* never: the walk's tiles have 1 to CH_FLOAT512_ROWS rows */                   \
    }

#endif
