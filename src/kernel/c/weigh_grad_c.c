/* weigh_grad_c.c - weights again from their scores, and the gradient of the scores
 *
 *     p_i = e^(z_i - lse),   z_i = scale s_i - slope (distance - i)
 *     ds_i = scale p_i (dp_i - delta),   delta = sum_j p_j dp_j over the whole row
 *
 * Dao et al. 2022 ("FlashAttention"), algorithm 4.  SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_weigh_grad_c(real *p, real *ds, int n, const ch_exponent *z, real lse, real delta)
{
    for (int i = 0; i < n; i++) {
        p[i] = real_exp(p[i] * z->scale - z->slope * (real)(z->distance - i) - lse);
        ds[i] = p[i] * (ds[i] - delta) * z->scale;
    }
}
