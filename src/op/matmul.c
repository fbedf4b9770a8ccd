/* matmul.c - a product of two matrices that are no weights, for optimizers and the like
 *
 *     y (M, N) = a (M, K) b^T        b: (N, K)
 *     y (M, N) = a (M, K) b          b: (K, N), read by columns
 *
 * b is packed into panels in scratch, which is given back.  2 M N K operations.
 * SPDX-License-Identifier: MIT */
#include "product.h"

void ch_op_matmul(ch_run *r, real *y, const real *a, const real *b, int M, int N, int K,
                  bool columns)
{
    const size_t mark = ch_arena_mark(r->scratch);
    const ch_product p = {.y = y,
                          .ldy = N,
                          .x = a,
                          .ldx = K * (ptrdiff_t)sizeof(real),
                          .panels = ch_op_product_pack(r, b, columns ? 1 : K, columns ? N : 1, N, K),
                          .kind = CH_PANEL_F32,
                          .M = M,
                          .N = N,
                          .K = K,
                          .slice = CH_SLICE};
    if (ch_op_computes(r))
        ch_op_products(r, &p, 1);
    ch_arena_reset(r->scratch, mark);
}
