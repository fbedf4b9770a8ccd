/* gemm_q8_avx2.c - 8-bit weights: VPMADDUBSW of |w| and q with w's sign
 *
 * Its sums of two products saturate at 16 bits, and |w| |q| + |w| |q| <= 2 128 127 = 32512 does
 * not reach that; u q, with u up to 255, would.  w = u - 128 makes the bias superfluous.
 * SPDX-License-Identifier: MIT */
#include "quant256.h"

CH_INLINE void dot(__m256i *s, const char *w, const ch_rows *rows, const int R)
{
    const __m256i offset = _mm256_set1_epi8(-128), ones = _mm256_set1_epi16(1);
    CH_UNROLL
    for (int r = 0; r < R; r++)
        s[r] = _mm256_setzero_si256();
    CH_UNROLL
    for (int j = 0; j < 8; j++) {
        const __m256i u = _mm256_loadu_si256((const __m256i *)(const void *)(w + 64 * j));
        const __m256i signs = _mm256_xor_si256(u, offset), sizes = _mm256_abs_epi8(signs);
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            const __m256i q = _mm256_sign_epi8(ch_four256(rows, r, 4 * j), signs);
            s[r] = _mm256_add_epi32(s[r], _mm256_madd_epi16(_mm256_maddubs_epi16(sizes, q), ones));
        }
    }
}

static int tiles(const ch_tile *t)
{
    return ch_quant256_tiles(t, CH_Q8_BYTES, dot);
}

void ch_gemm_q8_avx2(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                     int n0, int n1, int K, int flags)
{
    ch_panel_walk(tiles, CH_QUANT256_ROWS, CH_PANEL_Q8, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
