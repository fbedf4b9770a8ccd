/* gemm_bf16_c.c - bfloat16 weights and activations, products added in sequence as reals
 *
 * Panels and rows come in pairs of k: [ceil(K/2)][16][2] and x[K even].
 * SPDX-License-Identifier: MIT */
#include "kernel.h"
#include "lanes_c.h"

void ch_gemm_bf16_c(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                    int n0, int n1, int K, int flags)
{
    const int even = K + K % 2;
    for (int n = n0; n < n1; n += CH_PANEL_ROWS) {
        const uint16_t *panel = (const uint16_t *)w + (size_t)n * (size_t)even;
        for (int m = 0; m < M; m++) {
            const uint16_t *row = (const uint16_t *)(const void *)((const char *)x + m * ldx);
            real acc[CH_PANEL_ROWS] = {0};
            for (int k = 0; k < even; k++) {
                const uint16_t *wk = panel + (size_t)(k / 2) * 2 * CH_PANEL_ROWS + k % 2;
                const real xk = ch_bf16_to_f32(row[k]);
                for (int r = 0; r < CH_PANEL_ROWS; r++)
                    acc[r] = real_fma(xk, (real)ch_bf16_to_f32(wk[2 * r]), acc[r]);
            }
            ch_lanes_store(y + m * ldy + n, acc, n1 - n, flags);
        }
    }
}
