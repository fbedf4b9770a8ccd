/* gemm_i16_avx512vnni.c - 13-bit integers: one VPDPWSSD a sixteen columns, row and pair of k
 *
 * Group by group over the whole slice, so that each group of both matrices is read once: for three
 * panels, tiles of half a panel of rows: 24 integer sums, three weights and one pair of x, which is
 * broadcast from memory.  Rows of padding are computed (their scale is 0) and not stored.
 * SPDX-License-Identifier: MIT */
#include <immintrin.h>

#include "gemm_walk.h"

enum { ROWS = 8, WIDE = 3 };

typedef struct tile {
    float *y; /* first element */
    ptrdiff_t ldy, ldx;
    const char *x, *w; /* the group of the first row, of the first panel */
    size_t panel_bytes;
    int rows, columns, pairs;
    bool add;
} tile;

/* s += two products a lane.  In assembly because gcc 12 copies the accumulator around the
 * intrinsic. */
CH_INLINE __m512i dot(__m512i s, __m512i w, __m512i x)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(s) : "v"(w), "v"(x));
    return s;
}

CH_INLINE void store(const tile *t, const __m512i *s, const int P)
{
    CH_UNROLL
    for (int p = 0; p < P; p++) {
        const int columns = t->columns - p * CH_PANEL_ROWS;
        const __mmask16 mask =
            columns < CH_PANEL_ROWS ? (__mmask16)((1u << columns) - 1) : (__mmask16)0xffff;
        const __m512 scale = _mm512_loadu_ps(t->w + (size_t)p * t->panel_bytes);
        CH_UNROLL
        for (int r = 0; r < ROWS; r++) {
            float *y = t->y + r * t->ldy + p * CH_PANEL_ROWS, own;
            if (r >= t->rows)
                break;
            __builtin_memcpy(&own, t->x + 4 * r, sizeof own);
            const __m512 before =
                t->add ? _mm512_maskz_loadu_ps(mask, y) : _mm512_setzero_ps();
            _mm512_mask_storeu_ps(y, mask,
                                  _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[r * P + p]),
                                                  _mm512_mul_ps(_mm512_set1_ps(own), scale),
                                                  before));
        }
    }
}

CH_INLINE void compute(const tile *t, const int P)
{
    __m512i s[ROWS * WIDE];
    const char *x = t->x + CH_I16_SCALE_BYTES, *w = t->w + CH_I16_SCALE_BYTES;
    const float *y = t->y;
    CH_UNROLL
    for (int i = 0; i < ROWS * P; i++)
        s[i] = _mm512_setzero_si512();
    for (int j = 0; j < t->pairs; j++, x += CH_I16_PAIR_BYTES, w += CH_I16_PAIR_BYTES) {
        __m512i wj[WIDE];
        __builtin_prefetch(x + t->ldx, 0, 2);
        if (j < t->rows) {
            CH_UNROLL
            for (int p = 0; p < P; p++)
                __builtin_prefetch(y + p * CH_PANEL_ROWS, 1, 3);
            y += t->ldy;
        }
        CH_UNROLL
        for (int p = 0; p < P; p++)
            wj[p] = _mm512_loadu_si512(w + (size_t)p * t->panel_bytes);
        CH_UNROLL
        for (int r = 0; r < ROWS; r++) {
            int32_t pair;
            __builtin_memcpy(&pair, x + 4 * r, sizeof pair);
            const __m512i xj = _mm512_set1_epi32(pair);
            CH_UNROLL
            for (int p = 0; p < P; p++)
                s[r * P + p] = dot(s[r * P + p], wj[p], xj);
        }
    }
    store(t, s, P);
}

/* All rows of a few panels, one group. */
static void columns_of(tile t, ptrdiff_t ldx, int M, int panels)
{
    const char *x = t.x;
    float *y = t.y;
    for (int m = 0; m < M; m += ROWS) {
        t.x = x + m / CH_PANEL_ROWS * ldx + m % CH_PANEL_ROWS * 4;
        t.y = y + m * t.ldy;
        t.rows = CH_MIN(M - m, ROWS);
        switch (panels) {
        case 1: compute(&t, 1); break;
        case 2: compute(&t, 2); break;
        default: compute(&t, WIDE); break;
        }
    }
}

void ch_gemm_i16_avx512vnni(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w,
                            int M, int n0, int n1, int K, int flags)
{
    tile t = {.ldy = ldy, .ldx = ldx, .panel_bytes = ch_panel_bytes(CH_PANEL_I16, K)};
    for (int k = 0; k < K; k += CH_I16_GROUP) {
        t.pairs = ch_i16_pairs(K, k);
        t.add = k > 0 || flags & CH_GEMM_ADD;
        t.x = (const char *)x + ch_i16_at(k);
        for (int n = n0, wide; n < n1; n += wide * CH_PANEL_ROWS) {
            const int panels = (n1 - n + CH_PANEL_ROWS - 1) / CH_PANEL_ROWS;
            wide = panels == 4 ? 2 : CH_MIN(panels, WIDE); /* 2 and 2, not 3 and 1 */
            t.w = (const char *)w + (size_t)(n / CH_PANEL_ROWS) * t.panel_bytes + ch_i16_at(k);
            t.y = y + n;
            t.columns = n1 - n;
            columns_of(t, ldx, M, wide);
        }
    }
}
