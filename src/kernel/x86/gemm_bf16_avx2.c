/* gemm_bf16_avx2.c - bfloat16 products as floats: widening is a shift, and exact
 *
 * A register of weights holds pairs of k: the even ones are its lower halves, the odd ones its
 * upper halves. SPDX-License-Identifier: MIT */
#include "float256.h"

enum { ROWS = 5 }; /* the mask takes a register too */

CH_INLINE void copy(float *to, const char *row, int k, int n)
{
    const uint16_t *from = (const uint16_t *)(const void *)row + k;
    CH_UNROLL
    for (int i = 0; i < CH_FLOAT256_STRETCH; i += 8) { /* n is even: K was rounded up */
        const __m128i pairs =
            _mm_cmpgt_epi32(_mm_set1_epi32((n - i) / 2), _mm_setr_epi32(0, 1, 2, 3));
        const __m128i h = _mm_maskload_epi32((const int *)(const void *)(from + i), pairs);
        _mm256_storeu_si256((__m256i *)(void *)(to + i),
                            _mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
    }
}

CH_INLINE void add(__m256 *sum, const char *w, size_t panel_bytes, ch_stretch256 *x, int n,
                   ch_ahead *ahead, const int R, const int P)
{
    const __m256 upper = _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000u));
    for (int k = 0; k < n; k += 2, w += 64) {
        ch_ask256(w, panel_bytes, ahead, R, P);
        CH_UNROLL
        for (int p = 0; p < P; p++)
            CH_UNROLL
            for (int odd = 0; odd < 2; odd++) {
                const __m256i *pairs =
                    (const __m256i *)(const void *)(w + (size_t)p * panel_bytes);
                __m256 wk[2];
                CH_UNROLL
                for (int h = 0; h < 2; h++) {
                    const __m256i both = _mm256_loadu_si256(pairs + h);
                    wk[h] = odd ? _mm256_and_ps(_mm256_castsi256_ps(both), upper)
                                : _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
                }
                CH_UNROLL
                for (int r = 0; r < R; r++) {
                    __m256 *s = sum + 2 * (r * P + p);
                    const __m256 xk = _mm256_set1_ps(x[r][k + odd]);
                    s[0] = _mm256_fmadd_ps(xk, wk[0], s[0]);
                    s[1] = _mm256_fmadd_ps(xk, wk[1], s[1]);
                }
            }
    }
}

static int tiles(const ch_tile *t)
{
    return ch_float256_tiles(t, t->K + t->K % 2, 32, copy, add);
}

void ch_gemm_bf16_avx2(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                       int n0, int n1, int K, int flags)
{
    const ch_tile t = {.y = y,
                       .ldy = ldy,
                       .x = x,
                       .ldx = ldx,
                       .w = w,
                       .K = K,
                       .add = flags & CH_GEMM_ADD,
                       .panel_bytes = ch_panel_bytes(CH_PANEL_BF16, K)};
    ch_gemm_walk(tiles, ROWS, ch_row_bytes(CH_PANEL_BF16, K), t, M, n0, n1);
}
