/* lanes_c.h - sixteen finished sums to their columns, for gemm_*_c.c.
 * SPDX-License-Identifier: MIT */
#ifndef CH_LANES_C_H
#define CH_LANES_C_H

#include "kernel.h"

static inline void ch_lanes_store(real *y, const real acc[CH_PANEL_ROWS], int columns, int flags)
{
    for (int r = 0; r < CH_MIN(columns, CH_PANEL_ROWS); r++)
        y[r] = flags & CH_GEMM_ADD ? y[r] + acc[r] : acc[r];
}

#endif
