/* row_f16_c.c - reals as binary16, as the cache keeps them.  SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_row_f16_c(void *out, const real *x, int K)
{
    uint16_t *h = out;
    for (int k = 0; k < K; k++)
        h[k] = ch_f32_to_f16((float)x[k]);
}
