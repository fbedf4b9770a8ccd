/* softcap_c.c - y = cap tanh(factor x): what keeps scores and logits small (Gemma Team 2024,
 * "Gemma 2")
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_softcap_c(real *y, const real *x, int n, real factor, real cap)
{
    for (int i = 0; i < n; i++)
        y[i] = cap * real_tanh(factor * x[i]);
}
