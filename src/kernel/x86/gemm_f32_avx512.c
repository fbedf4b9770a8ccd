/* gemm_f32_avx512.c - float products, one fused multiply-add a term, k in sequence
 *
 * SPDX-License-Identifier: MIT */
#include "float512.h"

enum { UNIT_BYTES = 64 };

CH_INLINE void copy(float *to, const char *row, int k, int n)
{
    const float *from = (const float *)(const void *)row + k;
    CH_UNROLL
    for (int i = 0; i < CH_FLOAT512_STRETCH; i += 16)
        _mm512_storeu_ps(to + i, _mm512_maskz_loadu_ps(ch_mask512(n - i), from + i));
}

CH_INLINE void add(__m512 *sum, const char *w, size_t panel_bytes, ch_stretch512 *x, int n,
                   ch_ahead *ahead, const int R, const int P)
{
    for (int k = 0; k < n; k++, w += 64) {
        __m512 wk[8];
        ch_load512(wk, w, panel_bytes, R, P);
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

static int units(const ch_tile *t)
{
    return t->K;
}

CH_FLOAT512_TILES

void ch_gemm_f32_avx512(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                        int n0, int n1, int K, int flags)
{
    ch_panel_walk(tiles, CH_FLOAT512_ROWS, CH_PANEL_F32, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
