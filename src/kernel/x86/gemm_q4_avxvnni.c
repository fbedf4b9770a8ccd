/* gemm_q4_avxvnni.c - 4-bit weights: unpacked once a tile, then sixteen VEX-coded VPDPBUSD a group
 * and row
 *
 * SPDX-License-Identifier: MIT */
#include "quant256.h"

CH_INLINE void dot(__m256i *s, const char *w, const ch_rows *rows, const int R)
{
    const __m256i low = _mm256_set1_epi8(15);
    CH_UNROLL
    for (int r = 0; r < R; r++)
        s[r] = _mm256_set1_epi32(ch_group_at(rows, r)->bias_q4);
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        const __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)(w + 64 * j));
        const __m256i u = _mm256_and_si256(both, low),
                      v = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            s[r] = _mm256_dpbusd_avx_epi32(s[r], u, ch_four256(rows, r, 4 * j));
            s[r] = _mm256_dpbusd_avx_epi32(s[r], v, ch_four256(rows, r, 16 + 4 * j));
        }
    }
}

static int tiles(const ch_tile *t)
{
    return ch_quant256_tiles(t, CH_Q4_BYTES, dot);
}

void ch_gemm_q4_avxvnni(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                        int n0, int n1, int K, int flags)
{
    ch_panel_walk(tiles, CH_QUANT256_ROWS, CH_PANEL_Q4, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
