/* gemm_bf16_avx512.c - bfloat16 products as floats: widening is a shift, and exact
 *
 * A register of weights holds pairs of k: the even ones are its lower halves, the odd ones its
 * upper halves. SPDX-License-Identifier: MIT */
#include "float512.h"

enum { ROWS = 12, UNIT_BYTES = 32 };

CH_INLINE void copy(float *to, const char *row, int k, int n)
{
    const uint16_t *from = (const uint16_t *)(const void *)row + k;
    CH_UNROLL
    for (int i = 0; i < CH_FLOAT512_STRETCH; i += 16) {
        const __m256i h = _mm256_maskz_loadu_epi16(ch_mask512(n - i), from + i);
        _mm512_storeu_si512(to + i, _mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
    }
}

CH_INLINE void add(__m512 *sum, const char *w, size_t panel_bytes, ch_stretch512 *x, int n,
                   ch_ahead *ahead, const int R, const int P)
{
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
    for (int k = 0; k < n; k += 2, w += 64) {
        __m512 both[8];
        ch_load512(both, w, panel_bytes, R, P);
        if (R > 1)
            ch_ahead_step(ahead);
        CH_UNROLL
        for (int odd = 0; odd < 2; odd++) {
            __m512 wk[8];
            CH_UNROLL
            for (int p = 0; p < P; p++) {
                const __m512i bits = _mm512_castps_si512(both[p]);
                wk[p] = _mm512_castsi512_ps(odd ? _mm512_and_si512(bits, upper)
                                                : _mm512_slli_epi32(bits, 16));
            }
            CH_UNROLL
            for (int r = 0; r < R; r++) {
                const __m512 xk = _mm512_set1_ps(x[r][k + odd]);
                CH_UNROLL
                for (int p = 0; p < P; p++)
                    sum[r * P + p] = _mm512_fmadd_ps(xk, wk[p], sum[r * P + p]);
            }
        }
    }
}

static int units(const ch_tile *t)
{
    return t->K + t->K % 2;
}

CH_FLOAT512_TILES

void ch_gemm_bf16_avx512(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w,
                         int M, int n0, int n1, int K, int flags)
{
    ch_panel_walk(tiles, ROWS, CH_PANEL_BF16, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
