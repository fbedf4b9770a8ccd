/* transpose_c.c - y = x^T.  SPDX-License-Identifier: MIT */
#include "kernel.h"

void ch_transpose_c(real *y, ptrdiff_t ldy, const real *x, ptrdiff_t ldx, int rows, int cols)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++)
            y[c * ldy + r] = x[r * ldx + c];
}
