/* row_bf16_c.c - an activation row as bfloat16, an odd one padded with a zero.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_row_bf16_c(void *out, const real *x, int K)
{
    uint16_t *h = out;
    const int whole = (int)(ch_row_bytes(CH_PANEL_BF16, K) / sizeof *h);
    for (int k = 0; k < K; k++)
        h[k] = ch_f32_to_bf16((float)x[k]);
    for (int k = K; k < whole; k++)
        h[k] = 0;
}
