/* transpose_any.c - transpose_c.c over squares of VF x VF.  SPDX-License-Identifier: MIT */
#include "any.h"

/* Up to VF rows and columns of x, the whole square a constant case. */
CH_INLINE void square(float *y, ptrdiff_t ldy, const float *x, ptrdiff_t ldx, const int rows,
                      const int cols)
{
    vf a[VF];
    for (int r = 0; r < VF; r++)
        a[r] = r >= rows ? vf_zero()
                         : cols == VF ? vf_load(x + r * ldx) : vf_load_part(x + r * ldx, cols);
    vf_transpose(a);
    for (int c = 0; c < cols; c++)
        if (rows == VF)
            vf_store(y + c * ldy, a[c]);
        else
            vf_store_part(y + c * ldy, a[c], rows);
}

void CH_FN(transpose)(float *y, ptrdiff_t ldy, const float *x, ptrdiff_t ldx, int rows, int cols)
{
    for (int r = 0; r < rows; r += VF)
        for (int c = 0; c < cols; c += VF) {
            float *to = y + c * ldy + r;
            const float *from = x + r * ldx + c;
            if (rows - r >= VF && cols - c >= VF)
                square(to, ldy, from, ldx, VF, VF);
            else
                square(to, ldy, from, ldx, CH_MIN(rows - r, VF), CH_MIN(cols - c, VF));
        }
}
