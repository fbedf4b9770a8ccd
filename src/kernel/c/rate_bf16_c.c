/* rate_bf16_c.c - two products of bfloat16 a step.  SPDX-License-Identifier: MIT */
#include "kernel.h"

double ch_rate_bf16_c(double *macs, int64_t steps, int w, int x)
{
    float s = 0;
    for (int64_t i = 0; i < steps; i++)
        s += 2 * (float)(w * x);
    *macs += 2 * (double)steps;
    return (double)s;
}
