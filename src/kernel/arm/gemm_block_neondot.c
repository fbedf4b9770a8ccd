/* gemm_block_neondot.c - weights of 2 to 6 bits: SDOT
 *
 * SPDX-License-Identifier: MIT */
#include "quant_neon.h"

CH_BLOCK_FORMS(ch_block_tiles_neon)

void ch_gemm_block_neondot(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int
                           M, int n0, int n1, int K, int flags)
{
    ch_block_walk(block_tiles, CH_QUANT256_ROWS, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
