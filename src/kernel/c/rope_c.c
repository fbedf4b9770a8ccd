/* rope_c.c - rotary position embedding (Su et al. 2021) of one head, in place
 *
 * pair p of x is (2p, 2p+1) when interleaved (the paper, GPT-J), else (p, p + pairs) (GPT-NeoX):
 *   (x_i, x_j) <- (x_i c_p - x_j s_p, x_i s_p + x_j c_p)          SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_rope_c(real *x, const real *c, const real *s, int pairs, int interleaved)
{
    const int step = interleaved ? 2 : 1, apart = interleaved ? 1 : pairs;
    for (int p = 0; p < pairs; p++) {
        real *xi = x + step * p, *xj = xi + apart;
        const real a = *xi, b = *xj;
        *xi = a * c[p] - b * s[p];
        *xj = a * s[p] + b * c[p];
    }
}
