/* gemm_bf16_neon.c - bfloat16 products as floats, of k and then of k + 1
 *
 * SPDX-License-Identifier: MIT */
#include "gemm_float256.h"

void ch_gemm_bf16_neon(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                       int n0, int n1, int K, int flags)
{
    ch_panel_walk(ch_tiles_bf16_256, CH_BF16_256_ROWS, CH_PANEL_BF16, y, ldy, x, ldx, w, M,
                  n0, n1, K, flags);
}
