/* sigmoid.c - see sigmoid.h: s = silu(x) / x where x = -|o|; at 0 of a number next to it
 *
 * SPDX-License-Identifier: MIT */
#include "sigmoid.h"

void ch_op_sigmoid_below(const ch_kernels *kernels, real *s, const real *o, int n)
{
    real x[CH_SIGMOID_MOST] = {0}, over[CH_SIGMOID_MOST] = {0};
    for (int i = 0; i < n; i++) {
        const real below = o[i] < 0 ? o[i] : -o[i];
        x[i] = below > REAL(-1e-30) ? REAL(-1e-30) : below;
        over[i] = 1 / x[i];
    }
    kernels->swiglu(s, x, over, n);
}
