/* gemm_q4_avx512vnni.c - 4-bit weights: unpacked once a tile, then eight VPDPBUSD a group and row
 *
 * SPDX-License-Identifier: MIT */
#include "quant512.h"

enum { FEW = 4 };

/* Few rows: their sums of low and high nibbles apart, for more independent chains; 16 times a high
 * nibble is as exact, and shifting sums is then cheaper than shifting weights. */
CH_INLINE void dot_few(__m512i *s, const char *w, const ch_rows *rows, const int R)
{
    const __m512i low = _mm512_set1_epi8(15), high = _mm512_set1_epi8((char)0xf0);
    __m512i t[FEW];
    CH_UNROLL
    for (int r = 0; r < R; r++)
        t[r] = _mm512_setzero_si512();
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        const __m512i both = _mm512_loadu_si512(w + 64 * j);
        const __m512i u = _mm512_and_si512(both, low), v = _mm512_and_si512(both, high);
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            s[r] = ch_dot512(s[r], u, ch_rows_at(rows, r) + 4 * j);
            t[r] = ch_dot512(t[r], v, ch_rows_at(rows, r) + 16 + 4 * j);
        }
    }
    CH_UNROLL
    for (int r = 0; r < R; r++)
        s[r] = _mm512_add_epi32(s[r], _mm512_srai_epi32(t[r], 4));
}

CH_INLINE void dot(__m512i *s, const char *w, ch_rows *rows, ch_ahead *ahead, const int R)
{
    const __m512i low = _mm512_set1_epi8(15);
    if (R > 1)
        for (int j = 0; j < 4; j++)
            ch_ahead_step(ahead);
    if (R <= FEW) {
        dot_few(s, w, rows, R);
        return;
    }
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        const __m512i both = _mm512_loadu_si512(w + 64 * j);
        ch_rows_forget(rows, R);
        const __m512i u = _mm512_and_si512(both, low),
                      v = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
        CH_UNROLL
        for (int r = 0; r < R; r++)
            s[r] = ch_dot512(s[r], u, ch_rows_at(rows, r) + 4 * j);
        CH_UNROLL
        for (int r = 0; r < R; r++)
            s[r] = ch_dot512(s[r], v, ch_rows_at(rows, r) + 16 + 4 * j);
    }
}

static int tiles(const ch_tile *t)
{
    return ch_quant512_tiles(t, CH_Q4_BYTES, dot);
}

void ch_gemm_q4_avx512vnni(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w,
                           int M, int n0, int n1, int K, int flags)
{
    ch_panel_walk(tiles, CH_QUANT512_ROWS, CH_PANEL_Q4, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
