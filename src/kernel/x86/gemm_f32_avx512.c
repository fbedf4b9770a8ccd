/* gemm_f32_avx512.c - float products: tiles of 14 rows by 2 panels, 28 sums in registers
 *
 * One row alone is bound by memory: 8 panels at once hide the latency of the one chain of fused
 * multiply-adds that a lane has (kernel.h, "Order").  Activations are copied a stretch of k at a time: rows
 * that are a power of two apart would fight for the same cache sets.  SPDX-License-Identifier: MIT */
#include "store512.h"

#include <string.h>

enum { ROWS = 14, STRETCH = 64 };

CH_INLINE void copy(float *to, const float *from, int n)
{
    CH_UNROLL
    for (int i = 0; i < STRETCH; i += 16) {
        const __mmask16 mask = n >= i + 16 ? (__mmask16)0xffff : n <= i ? 0 : (__mmask16)((1u << (n - i)) - 1);
        _mm512_storeu_ps(to + i, _mm512_maskz_loadu_ps(mask, from + i));
    }
}

CH_INLINE void add_stretch(__m512 *sum, const char *w, size_t panel_bytes, float (*x)[STRETCH], int n,
                           ch_ahead *ahead, const int R, const int P)
{
    for (int k = 0; k < n; k++, w += 64) {
        __m512 wk[8];
        CH_UNROLL
        for (int p = 0; p < P; p++) {
            if (R == 1)
                _mm_prefetch(w + (size_t)p * panel_bytes + CH_AHEAD, _MM_HINT_T0);
            wk[p] = _mm512_loadu_ps(w + (size_t)p * panel_bytes);
        }
        if (R > 1)
            ch_ahead_step(ahead);
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            const __m512 xk = _mm512_set1_ps(x[r][k]);
            CH_UNROLL
            for (int p = 0; p < P; p++)
                sum[r * P + p] = _mm512_fmadd_ps(xk, wk[p], sum[r * P + p]);
        }
    }
}

CH_INLINE int tile(const ch_tile *t, const int R, const int P)
{
    ch_ahead ahead = ch_ahead_of(t, P, t->K);
    float x[ROWS][STRETCH];
    __m512 sum[2 * ROWS];
    CH_UNROLL
    for (int i = 0; i < R * P; i++)
        sum[i] = _mm512_setzero_ps();
    for (int k = 0; k < t->K; k += STRETCH) {
        const int n = CH_MIN(t->K - k, STRETCH);
        for (int r = 0; r < R; r++)
            copy(x[r], (const float *)(const void *)(t->x + r * t->ldx) + k, n);
        add_stretch(sum, t->w + (size_t)k * 64, t->panel_bytes, x, n, &ahead, R, P);
    }
    ch_store512(t, sum, R, P);
    return P;
}

static int tiles(const ch_tile *t)
{
    const int panels = (t->columns + CH_PANEL_ROWS - 1) / CH_PANEL_ROWS;
    switch (t->rows) {
    case 1: return panels >= 8 ? tile(t, 1, 8) : panels >= 4 ? tile(t, 1, 4) : tile(t, 1, 1);
    case 2: return panels >= 4 ? tile(t, 2, 4) : tile(t, 2, 1);
    case 3: return panels >= 4 ? tile(t, 3, 4) : tile(t, 3, 1);
#define ROWS_CASE(R) \
    case R: return panels >= 2 ? tile(t, R, 2) : tile(t, R, 1);
    ROWS_CASE(4) ROWS_CASE(5) ROWS_CASE(6) ROWS_CASE(7) ROWS_CASE(8) ROWS_CASE(9)
    ROWS_CASE(10) ROWS_CASE(11) ROWS_CASE(12) ROWS_CASE(13)
#undef ROWS_CASE
    default: return panels >= 2 ? tile(t, ROWS, 2) : tile(t, ROWS, 1);
    }
}

void ch_gemm_f32_avx512(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M, int n0, int n1,
                        int K, int flags)
{
    const ch_tile t = {.y = y, .ldy = ldy, .x = x, .ldx = ldx, .w = w, .K = K, .add = flags & CH_GEMM_ADD,
                       .panel_bytes = ch_panel_bytes(CH_PANEL_F32, K)};
    ch_gemm_walk(tiles, ROWS, ch_row_bytes(CH_PANEL_F32, K), t, M, n0, n1);
}
