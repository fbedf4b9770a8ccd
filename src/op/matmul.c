/* matmul.c - a product of two matrices that are no weights, for optimizers and the like
 *
 *     y (M, N) = a (M, K) b^T        b: (N, K)
 *     y (M, N) = a (M, K) b          b: (K, N), read by columns
 *     y (M, M) = a (M, K) a^T        the upper half in rows of blocks, mirrored: half the work
 *
 * b is packed into panels in scratch, which is given back.  2 M N K operations.
 * SPDX-License-Identifier: MIT */
#include "product.h"

enum { BLOCK = 64 };

static ch_product product(ch_run *r, real *y, const real *a, const real *b, int M, int N, int K,
                          bool columns)
{
    return (ch_product){
        .y = y,
        .ldy = N,
        .x = a,
        .ldx = K * (ptrdiff_t)sizeof(real),
        .panels = ch_op_product_pack(r, b, columns ? 1 : K, columns ? N : 1, N, K),
        .kind = CH_PANEL_F32,
        .M = M,
        .N = N,
        .K = K,
        .slice = CH_SLICE};
}

void ch_op_matmul(ch_run *r, real *y, const real *a, const real *b, int M, int N, int K,
                  bool columns)
{
    const size_t mark = ch_arena_mark(r->scratch);
    const ch_product p = product(r, y, a, b, M, N, K, columns);
    if (ch_op_computes(r))
        ch_op_products(r, &p, 1);
    ch_arena_reset(r->scratch, mark);
}

void ch_op_matmul_square(ch_run *r, real *y, const real *a, int M, int K)
{
    const size_t mark = ch_arena_mark(r->scratch);
    const ch_product p = product(r, y, a, a, M, M, K, false);
    for (int m = 0; ch_op_computes(r) && m < M; m += BLOCK) {
        const int end = CH_MIN(m + BLOCK, M);
        ch_op_product_block(r, &p, m, end, m, M);
        for (int j = m + 1; j < M; j++)
            for (int i = m; i < CH_MIN(j, end); i++)
                y[(ptrdiff_t)j * M + i] = y[(ptrdiff_t)i * M + j];
    }
    ch_arena_reset(r->scratch, mark);
}
