/* gemm_q8_neon.c - 8-bit weights: SMULL and SADALP.  SPDX-License-Identifier: MIT */
#include "quant_neon.h"

void ch_gemm_q8_neon(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                     int n0, int n1, int K, int flags)
{
    ch_panel_walk(ch_tiles_q8_neon, CH_QUANT256_ROWS, CH_PANEL_Q8, y, ldy, x, ldx, w, M,
                  n0, n1, K, flags);
}
