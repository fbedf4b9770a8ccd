/* gemm_bf16_avx512bf16.c - bfloat16 products, a pair of k an instruction (VDPBF16PS)
 *
 * The instruction rounds both products' sums to nearest even, takes subnormals as zeros and gives
 * zeros for them, whatever MXCSR says (Intel SDM, volume 2).  SPDX-License-Identifier: MIT */
#include "float512.h"

enum { UNIT_BYTES = 64 };

/* A unit is a pair of k, in the 32 bits of a float. */
CH_INLINE void copy(float *to, const char *row, int k, int n)
{
    CH_UNROLL
    for (int i = 0; i < CH_FLOAT512_STRETCH; i += 16)
        _mm512_storeu_si512(
            to + i, _mm512_maskz_loadu_epi32(ch_mask512(n - i), row + 4 * ((ptrdiff_t)k + i)));
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
            const __m512bh xk = (__m512bh)_mm512_set1_ps(x[r][k]);
            CH_UNROLL
            for (int p = 0; p < P; p++)
                sum[r * P + p] = _mm512_dpbf16_ps(sum[r * P + p], (__m512bh)wk[p], xk);
        }
    }
}

static int units(const ch_tile *t)
{
    return (t->K + 1) / 2;
}

CH_FLOAT512_TILES

void ch_gemm_bf16_avx512bf16(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w,
                             int M, int n0, int n1, int K, int flags)
{
    ch_panel_walk(tiles, CH_FLOAT512_ROWS, CH_PANEL_BF16, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
