/* rate_i16_c.c - two products of 16-bit integers a step.  SPDX-License-Identifier: MIT */
#include "kernel.h"

double ch_rate_i16_c(double *macs, int64_t steps, int w, int x)
{
    uint32_t s = 0; /* the instruction's sums begin anew beyond 31 bits */
    for (int64_t i = 0; i < steps; i++)
        s += (uint32_t)(2 * w * x);
    *macs += 2 * (double)steps;
    return (double)(int32_t)s;
}
