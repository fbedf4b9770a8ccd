/* gemm_block_avx2.c - weights of 2 to 6 bits: VPMADDUBSW, in 16 bits as long as they fit
 *
 * SPDX-License-Identifier: MIT */
#include "block_dot256.h"

CH_BLOCK_FORMS(ch_block_tiles_x86)

void ch_gemm_block_avx2(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                        int n0, int n1, int K, int flags)
{
    ch_block_walk(block_tiles, CH_QUANT256_ROWS, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
