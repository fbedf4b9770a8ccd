/* gemm_f32_neon.c - float products, one fused multiply-add a term, k in sequence
 *
 * SPDX-License-Identifier: MIT */
#include "gemm_float256.h"

void ch_gemm_f32_neon(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                      int n0, int n1, int K, int flags)
{
    ch_panel_walk(ch_tiles_f32_256, CH_FLOAT256_ROWS, CH_PANEL_F32, y, ldy, x, ldx, w, M,
                  n0, n1, K, flags);
}
