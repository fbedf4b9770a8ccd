/* store256.h - the sums of a tile, sixteen columns in two vectors, to their places
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_STORE256_H
#define CH_STORE256_H

#include "gemm_walk.h"
#include "v256.h"

/* sum[(r P + p) 2 + h]: half h of panel p. */
CH_INLINE void ch_store256(const ch_tile *t, const vf *sum, const int R, const int P)
{
    CH_UNROLL
    for (int i = 0; i < 2 * P; i++) {
        const int columns = t->columns - 8 * i;
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            float *y = t->y + r * t->ldy + 8 * i;
            vf v = sum[2 * r * P + i];
            if (t->add)
                v = vf_add(vf_load_part(y, columns), v);
            vf_store_part(y, v, columns);
        }
    }
}

#endif
