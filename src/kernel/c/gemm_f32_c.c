/* gemm_f32_c.c - y[m][n] = sum_k x[m][k] w[n][k], one fused multiply-add a term, k in sequence
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"
#include "lanes_c.h"

void ch_gemm_f32_c(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                   int n0, int n1, int K, int flags)
{
    for (int n = n0; n < n1; n += CH_PANEL_ROWS) {
        const real *panel = (const real *)w + (size_t)n * (size_t)K;
        for (int m = 0; m < M; m++) {
            const real *row = (const real *)(const void *)((const char *)x + m * ldx);
            real acc[CH_PANEL_ROWS] = {0};
            for (int k = 0; k < K; k++)
                for (int r = 0; r < CH_PANEL_ROWS; r++)
                    acc[r] =
                        real_fma(row[k], panel[(size_t)k * CH_PANEL_ROWS + (size_t)r], acc[r]);
            ch_lanes_store(y + m * ldy + n, acc, n1 - n, flags);
        }
    }
}
