/* rate_i8_neon.c - SMULL, SMULL2, ADDP, SADALP: what a dot product takes without its instruction
 *
 * SPDX-License-Identifier: MIT */
#include "rate_neon.h"

double ch_rate_i8_neon(double *macs, int64_t steps, int w, int x)
{
    return ch_rate_neon_int(macs, steps, w, x, ch_rate_neon_dot);
}
