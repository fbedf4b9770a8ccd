/* store512.h - the sums of a tile, sixteen columns a register, to their places
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_STORE512_H
#define CH_STORE512_H

#include <immintrin.h>

#include "gemm_walk.h"

CH_INLINE void ch_store512(const ch_tile *t, const __m512 *sum, const int R, const int P)
{
    CH_UNROLL
    for (int p = 0; p < P; p++) {
        const int columns = t->columns - p * CH_PANEL_ROWS;
        const __mmask16 mask =
            columns < CH_PANEL_ROWS ? (__mmask16)((1u << columns) - 1) : (__mmask16)0xffff;
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            float *y = t->y + r * t->ldy + p * CH_PANEL_ROWS;
            __m512 v = sum[r * P + p];
            if (t->add)
                v = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), v);
            _mm512_mask_storeu_ps(y, mask, v);
        }
    }
}

#endif
