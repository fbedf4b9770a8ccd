/* gemm_q8_avx512vnni.c - 8-bit weights: eight VPDPBUSD a group and row.
 * SPDX-License-Identifier: MIT */
#include "quant512.h"

CH_INLINE void dot(__m512i *s, const char *w, ch_rows *rows, ch_ahead *ahead, const int R)
{
    CH_UNROLL
    for (int j = 0; j < 8; j++) {
        const __m512i u = _mm512_loadu_si512(w + 64 * j);
        ch_rows_forget(rows, R);
        if (R > 1)
            ch_ahead_step(ahead);
        CH_UNROLL
        for (int r = 0; r < R; r++)
            s[r] = ch_dot512(s[r], u, ch_rows_at(rows, r) + 4 * j);
    }
}

static int tiles(const ch_tile *t)
{
    return ch_quant512_tiles(t, CH_Q8_BYTES, dot);
}

void ch_gemm_q8_avx512vnni(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w,
                           int M, int n0, int n1, int K, int flags)
{
    ch_panel_walk(tiles, CH_QUANT512_ROWS, CH_PANEL_Q8, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
