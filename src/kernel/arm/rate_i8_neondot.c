/* rate_i8_neondot.c - SDOT
 *
 * SPDX-License-Identifier: MIT */
#include "rate_neon.h"

double ch_rate_i8_neondot(double *macs, int64_t steps, int w, int x)
{
    return ch_rate_neon_int(macs, steps, w, x, ch_rate_neon_dot);
}
