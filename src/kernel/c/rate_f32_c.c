/* rate_f32_c.c - one fused multiply-add a step.  SPDX-License-Identifier: MIT */
#include "kernel.h"

double ch_rate_f32_c(double *macs, int64_t steps, int w, int x)
{
    real s = 0;
    for (int64_t i = 0; i < steps; i++)
        s = real_fma((real)w, (real)x, s);
    *macs += (double)steps;
    return (double)s;
}
