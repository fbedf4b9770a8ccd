/* float256.h - tiles of float sums in 256 bits, for gemm_f32_* and gemm_bf16_* of AVX2 and NEON
 *
 * Up to 6 rows by 1 panel of two vectors: 12 sums, two weights and one activation.  The rest is
 * as in float512.h.  SPDX-License-Identifier: MIT */
#ifndef CH_FLOAT256_H
#define CH_FLOAT256_H

#include "store256.h"

enum { CH_FLOAT256_ROWS = 6, CH_FLOAT256_STRETCH = 64 };

typedef float ch_stretch256[CH_FLOAT256_STRETCH];

/* copy: elements k .. k+n-1 of a row as floats.  add: their products with the weights at w, to all
 * sums. */
typedef void ch_copy256_fn(float *to, const char *row, int k, int n);
typedef void ch_add256_fn(vf *sum, const char *w, size_t panel_bytes, ch_stretch256 *x, int n,
                          ch_ahead *ahead, const int R, const int P);

/* Asks for what comes later: a single row's own panels, or a share of the next ones. */
CH_INLINE void ch_ask256(const char *w, size_t panel_bytes, ch_ahead *ahead, const int R,
                         const int P)
{
    if (R > 1)
        ch_ahead_step(ahead);
    else
        CH_UNROLL
        for (int p = 0; p < P; p++)
            ch_ask(w + (size_t)p * panel_bytes + CH_AHEAD);
}

CH_INLINE int ch_float256_tile(const ch_tile *t, const int R, const int P, int count,
                               const size_t bytes, ch_copy256_fn *copy, ch_add256_fn *add)
{
    ch_ahead ahead = ch_ahead_of(t, P, count);
    ch_stretch256 x[CH_FLOAT256_ROWS];
    vf sum[2 * CH_FLOAT256_ROWS];
    CH_UNROLL
    for (int i = 0; i < 2 * R * P; i++)
        sum[i] = vf_zero();
    for (int k = 0; k < count; k += CH_FLOAT256_STRETCH) {
        const int n = CH_MIN(count - k, CH_FLOAT256_STRETCH);
        for (int r = 0; r < R; r++)
            copy(x[r], t->x + r * t->ldx, k, n);
        ch_copied(x);
        add(sum, t->w + (size_t)k * bytes, t->panel_bytes, x, n, &ahead, R, P);
    }
    ch_store256(t, sum, R, P);
    return P;
}

/* count elements of K, each with `bytes` of weights in a panel. */
CH_INLINE int ch_float256_tiles(const ch_tile *t, int count, const size_t bytes,
                                ch_copy256_fn *copy, ch_add256_fn *add)
{
    const int panels = (t->columns + CH_PANEL_ROWS - 1) / CH_PANEL_ROWS;
#define TILE(R, P) ch_float256_tile(t, R, P, count, bytes, copy, add)
    switch (t->rows) {
    case 1: return panels >= 4 ? TILE(1, 4) : TILE(1, 1);
    case 2: return panels >= 2 ? TILE(2, 2) : TILE(2, 1);
    case 3: return TILE(3, 1);
    case 4: return TILE(4, 1);
    case 5: return TILE(5, 1);
    default: return TILE(CH_FLOAT256_ROWS, 1);
    }
#undef TILE
}

#endif
