/* gemm_f32_avx2.c - float products, one fused multiply-add a term, k in sequence
 *
 * SPDX-License-Identifier: MIT */
#include "float256.h"

CH_INLINE void copy(float *to, const char *row, int k, int n)
{
    const float *from = (const float *)(const void *)row + k;
    CH_UNROLL
    for (int i = 0; i < CH_FLOAT256_STRETCH; i += 8)
        _mm256_storeu_ps(to + i, _mm256_maskload_ps(from + i, ch_mask256(n - i)));
}

CH_INLINE void add(__m256 *sum, const char *w, size_t panel_bytes, ch_stretch256 *x, int n,
                   ch_ahead *ahead, const int R, const int P)
{
    for (int k = 0; k < n; k++, w += 64) {
        ch_ask256(w, panel_bytes, ahead, R, P);
        CH_UNROLL
        for (int p = 0; p < P; p++) {
            const float *wk = (const float *)(const void *)(w + (size_t)p * panel_bytes);
            const __m256 w0 = _mm256_loadu_ps(wk), w1 = _mm256_loadu_ps(wk + 8);
            CH_UNROLL
            for (int r = 0; r < R; r++) {
                __m256 *s = sum + 2 * (r * P + p);
                const __m256 xk = _mm256_set1_ps(x[r][k]);
                s[0] = _mm256_fmadd_ps(xk, w0, s[0]);
                s[1] = _mm256_fmadd_ps(xk, w1, s[1]);
            }
        }
    }
}

static int tiles(const ch_tile *t)
{
    return ch_float256_tiles(t, t->K, 64, copy, add);
}

void ch_gemm_f32_avx2(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                      int n0, int n1, int K, int flags)
{
    const ch_tile t = {.y = y,
                       .ldy = ldy,
                       .x = x,
                       .ldx = ldx,
                       .w = w,
                       .K = K,
                       .add = flags & CH_GEMM_ADD,
                       .panel_bytes = ch_panel_bytes(CH_PANEL_F32, K)};
    ch_gemm_walk(tiles, CH_FLOAT256_ROWS, ch_row_bytes(CH_PANEL_F32, K), t, M, n0, n1);
}
